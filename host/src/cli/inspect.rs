//! `wasm-cni inspect`: describes a component by its imports and exports, without running it.

use super::effective::Effective;
use super::{Format, Printed};
use crate::cni::CniError;
use crate::cni::command::invalid;
use crate::node::Node;
use crate::policy::Capability;
use crate::reference::Identity;
use crate::sandbox;
use crate::value::Kind;
use crate::value::{NetworkName, PluginName};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The file and the output format.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The component: a `.wasm` file.
    file: PathBuf,
    /// Show the policy for a plugin of this type; the default is the name of the file.
    #[arg(long)]
    plugin: Option<String>,
    /// Show the policy on this network; the default is what applies on every network.
    #[arg(long)]
    network: Option<String>,
    /// The output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

/// The output.
#[derive(Debug, Serialize)]
struct Inspection {
    file: PathBuf,
    sha256: String,
    interface: String,
    kind: Kind,
    cni_versions: Vec<String>,
    verbs: Vec<String>,
    /// The imported functions of each interface.
    capabilities: BTreeMap<String, Vec<String>>,
    wasi: Vec<String>,
    effective: Effective,
}

/// Compiles the component if the cache does not have it, and prints its manifest.
pub(super) fn run(node: &Node, arguments: &Arguments) -> Result<Printed, CniError> {
    let found = sandbox::inspect(&node.cache, &arguments.file).map_err(|e| e.to_cni(&arguments.file))?;
    let manifest = found.manifest;
    let mut capabilities: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for import in &manifest.imports {
        let (interface, function) = import.split_once('.').unwrap_or((import, ""));
        capabilities.entry(interface.to_owned()).or_default().push(function.to_owned());
    }
    let stem = arguments.file.file_stem().unwrap_or_default().to_string_lossy();
    let plugin = PluginName::parse(arguments.plugin.as_deref().unwrap_or(&stem)).map_err(invalid)?;
    let network = arguments.network.as_deref().map(NetworkName::parse).transpose().map_err(invalid)?;
    let mut imported: Vec<Capability> =
        manifest.imports.iter().filter_map(|import| Capability::of_import(import)).collect();
    imported.dedup();
    let policy = node.policy()?;
    let claims = (manifest.kind, manifest.claimed_type.as_deref());
    let identity = Identity::of(&plugin, claims, &found.digest, (Some(policy), network.as_ref()))?;
    let digest = Some(found.digest.as_str());
    let effective = Effective::of(policy, (&plugin, &identity), network.as_ref(), &imported, digest);
    let inspection = Inspection {
        effective,
        file: arguments.file.clone(),
        sha256: found.digest,
        interface: manifest.interface,
        kind: manifest.kind,
        cni_versions: manifest.cni_versions,
        verbs: manifest.exports,
        capabilities,
        wasi: manifest.wasi,
    };
    let text = match arguments.output {
        Format::Json => super::json(&inspection),
        Format::Text => inspection.text(),
    };
    Ok(Printed { text, success: true })
}

impl Inspection {
    fn text(&self) -> String {
        let kind = self.kind.to_string();
        let mut text = format!("{}\n", self.file.display());
        for (what, value) in [
            ("sha256", self.sha256.as_str()),
            ("interface", &self.interface),
            ("kind", kind.as_str()),
            ("CNI versions", &self.cni_versions.join(" ")),
            ("verbs", &self.verbs.join(" ")),
        ] {
            text += &format!("  {what:<12}  {value}\n");
        }
        text += "capabilities\n";
        for (interface, functions) in &self.capabilities {
            // The import `[method]store.free` is the function `store.free` of the contract.
            let plain =
                functions.iter().map(|name| name.split_once(']').map_or(name.as_str(), |(_, name)| name));
            text += &format!("  {interface:<12}  {}\n", plain.collect::<Vec<_>>().join(" "));
        }
        text + &self.effective.text()
    }
}

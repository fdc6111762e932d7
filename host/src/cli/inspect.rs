//! `wasm-cni inspect`: what a component is, read from its imports and exports; it is not run.

use super::{Format, Printed};
use crate::cni::{CniError, code};
use crate::run::Host;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;

/// Which file, and how to print.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The component: a `.wasm` file.
    file: PathBuf,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

/// What is printed.
#[derive(Debug, Serialize)]
struct Inspection {
    file: PathBuf,
    sha256: String,
    interface: String,
    kind: String,
    cni_versions: Vec<String>,
    verbs: Vec<String>,
    capabilities: BTreeMap<String, Vec<String>>,
    wasi: Vec<String>,
}

/// Compiles the component if that has not been done, and prints its manifest.
pub(super) fn run(host: &Host, arguments: &Arguments) -> Result<Printed, CniError> {
    let file = File::open(&arguments.file)
        .map_err(|e| CniError::new(code::INTERNAL, format!("failed to open {}: {e}", arguments.file.display())))?;
    let found = host.cache.code(&file)?;
    let mut capabilities: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for import in &found.manifest.imports {
        let (interface, function) = import.split_once('.').unwrap_or((import, ""));
        capabilities.entry(interface.to_owned()).or_default().push(function.to_owned());
    }
    let inspection = Inspection {
        file: arguments.file.clone(),
        sha256: found.digest,
        interface: found.manifest.interface,
        kind: found.manifest.kind.to_string(),
        cni_versions: found.manifest.cni_versions,
        verbs: found.manifest.exports,
        capabilities,
        wasi: found.manifest.wasi,
    };
    let text = match arguments.output {
        Format::Json => super::json(&inspection),
        Format::Text => inspection.text(),
    };
    Ok(Printed { text, success: true })
}

impl Inspection {
    fn text(&self) -> String {
        let mut text = format!(
            "{}\n  sha256        {}\n  interface     {}\n  kind          {}\n  CNI versions  {}\n  verbs         {}\n",
            self.file.display(),
            self.sha256,
            self.interface,
            self.kind,
            self.cni_versions.join(" "),
            self.verbs.join(" "),
        );
        text += "capabilities\n";
        for (interface, functions) in &self.capabilities {
            text += &format!("  {interface:<12}  {}\n", functions.join(" "));
        }
        text
    }
}

//! `wasm-cni plan`: what ADD of a configuration, or of each plugin of a list, would do.

use super::{Format, Printed};
use crate::cni::result::Interface;
use crate::cni::{CniError, CniResult, Command, Config, Request, code, config, result};
use crate::plan::{Attachment, ContainerId, IfName, LinkRef, Netns, PluginName};
use crate::run::Host;
use crate::verb::dry::{self, DryPlan};
use serde_json::{Map, Value};
use std::path::PathBuf;

/// For which container, with which plugins, and how to print.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The configuration (`.conf`, one plugin) or list (`.conflist`).
    config: PathBuf,
    /// The container's namespace, as in `CNI_NETNS`.
    #[arg(long)]
    netns: String,
    /// As in `CNI_CONTAINERID`.
    #[arg(long)]
    container_id: String,
    /// As in `CNI_IFNAME`.
    #[arg(long, default_value = "eth0")]
    ifname: String,
    /// Where the components are, directories joined by `:`.
    #[arg(long, env = "CNI_PATH", default_value = "/opt/cni/bin")]
    cni_path: String,
    /// As in `CNI_ARGS`.
    #[arg(long, env = "CNI_ARGS", default_value = "")]
    args: String,
    /// The host's own namespace may be the container's, as with `CNI_NETNS_OVERRIDE`.
    #[arg(long)]
    pub(super) netns_override: bool,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

/// Plans each plugin against what the ones before it would leave.
pub(super) fn run(host: &Host, arguments: &Arguments) -> Result<Printed, CniError> {
    let bytes = std::fs::read(&arguments.config).map_err(|e| {
        CniError::new(code::IO_FAILURE, format!("failed to read {}: {e}", arguments.config.display()))
    })?;
    let whole = config::decode(&bytes)?;
    let mut plans: Vec<DryPlan> = Vec::new();
    let (mut texts, mut pictures) = (Vec::new(), Vec::new());
    let mut previous: Option<Value> = None;
    for object in plugins(&whole)? {
        let (request, config) = request(arguments, &whole, object, previous.take())?;
        let plan = dry::plan(host, &request, &config, &plans)?;
        let picture = plan.picture(&request);
        match arguments.output {
            Format::Text => texts.push(picture.text()),
            Format::Json => pictures.push(serde_json::to_value(&picture).unwrap_or(Value::Null)),
        }
        let allowed = plan.is_allowed();
        if allowed {
            previous = Some(planned_result(&plan, &request)?);
        }
        let whole = plan.is_whole();
        plans.push(plan);
        if !allowed || !whole {
            // Nothing after it would be executed.
            break;
        }
    }
    let text = match arguments.output {
        Format::Text => texts.join("\n"),
        Format::Json => super::json(&pictures),
    };
    Ok(Printed { text, success: plans.iter().all(DryPlan::is_allowed) })
}

/// The plugin objects: those of `plugins`, or the configuration itself.
fn plugins(whole: &Config) -> Result<Vec<Map<String, Value>>, CniError> {
    let invalid = |what: &str| CniError::new(code::INVALID_NETWORK_CONFIG, what);
    let list = match whole.get("plugins") {
        None => vec![serde_json::from_str(&whole.text).unwrap_or(Value::Null)],
        Some(Value::Array(list)) if !list.is_empty() => list.clone(),
        Some(_) => return Err(invalid("error parsing configuration list: no plugins in list")),
    };
    let object = |value| match value {
        Value::Object(object) => Ok(object),
        _ => Err(invalid("error parsing configuration list: a plugin is no object")),
    };
    list.into_iter().map(object).collect()
}

/// What the runtime would send to one plugin: its object with the list's name and version and the result so far.
fn request(
    arguments: &Arguments,
    whole: &Config,
    mut object: Map<String, Value>,
    previous: Option<Value>,
) -> Result<(Request, Config), CniError> {
    object.insert("name".into(), whole.name.as_str().into());
    object.insert("cniVersion".into(), whole.cni_version.clone().into());
    if let Some(previous) = previous {
        object.insert("prevResult".into(), previous);
    }
    let config = config::decode(Value::Object(object).to_string().as_bytes())?;
    let kind = config.get("type").and_then(Value::as_str).unwrap_or_default();
    if kind.is_empty() {
        let msg = "error parsing configuration: missing 'type'";
        return Err(CniError::new(code::INVALID_NETWORK_CONFIG, msg));
    }
    let invalid = |e: crate::plan::NameError| CniError::new(code::INVALID_ENVIRONMENT, e.to_string());
    let request = Request {
        command: Command::Add,
        plugin: PluginName::parse(kind).map_err(invalid)?,
        attachment: Attachment {
            network: whole.name.clone(),
            container: ContainerId::parse(&arguments.container_id).map_err(invalid)?,
            interface: IfName::parse(&arguments.ifname).map_err(invalid)?,
        },
        netns: arguments.netns.clone(),
        path: arguments.cni_path.split(':').filter(|dir| !dir.is_empty()).map(PathBuf::from).collect(),
        args: arguments.args.clone(),
        config: config.text.clone(),
        cni_version: config.cni_version.clone(),
    };
    Ok((request, config))
}

/// The result as the next plugin of the chain would get it.
fn planned_result(plan: &DryPlan, request: &Request) -> Result<Value, CniError> {
    let interface = |link: &LinkRef| Interface {
        name: link.name.to_string(),
        mac: plan.mac(link).map(|mac| mac.to_string()).unwrap_or_default(),
        sandbox: if link.netns == Netns::Container { request.netns.clone() } else { String::new() },
    };
    let report = plan.report();
    let planned = CniResult {
        interfaces: report.links.iter().map(interface).collect(),
        ips: report.ips.clone(),
        routes: report.routes.clone(),
        dns: report.dns.clone(),
    };
    let text = result::encode(&planned, &request.cni_version)?;
    serde_json::from_str(&text)
        .map_err(|e| CniError::new(code::INTERNAL, format!("failed to encode the result: {e}")))
}

//! `wasm-cni policy`: checks a policy file, and shows what it allows.

use super::effective::Effective;
use super::{Format, Printed, plan};
use crate::cni::CniError;
use crate::cni::command::invalid;
use crate::node::Node;
use crate::planning::CEILINGS;
use crate::policy::{Capability, Mode, Policy, PolicyError};
use crate::reference::Identity;
use crate::value::{NetworkName, PluginName};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;

/// The command.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Check that a policy is valid, and show what it allows a plugin or the plan of a configuration.
    Check(Check),
}

/// The policy, the plugin, and the output format.
#[derive(Debug, clap::Args)]
struct Check {
    /// The policy file; the default is the policy of this machine.
    file: Option<PathBuf>,
    /// Show what a plugin of this type may do.
    #[arg(long)]
    plugin: Option<String>,
    /// Show what it may do on this network; the default is what applies on every network.
    #[arg(long, requires = "plugin")]
    network: Option<String>,
    /// Show which actions this configuration (`.conf`) or list (`.conflist`) may plan. Nothing is changed.
    #[arg(long, conflicts_with = "plugin")]
    config: Option<PathBuf>,
    /// The container's network namespace for the plan; the default is the present namespace.
    #[arg(long, requires = "config")]
    netns: Option<String>,
    /// The directories with plugins, separated by `:`.
    #[arg(long, env = "CNI_PATH", default_value = "/opt/cni/bin")]
    cni_path: String,
    /// Arguments for plugins, as in `CNI_ARGS`.
    #[arg(long, env = "CNI_ARGS", default_value = "")]
    args: String,
    /// The output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

/// Checks the named policy instead of the host's.
pub(super) fn run(mut node: Node, arguments: &Arguments) -> Result<Printed, CniError> {
    let Command::Check(check) = &arguments.command;
    if let Some(file) = &check.file {
        node.policy = Policy::load(file, true, &CEILINGS).map(Arc::new);
    }
    let policy = match &node.policy {
        Ok(policy) => Arc::clone(policy),
        Err(error) => return Ok(wrong(error, check.output)),
    };
    let mut text = summary(&policy);
    let mut value =
        json!({ "policy": policy.path, "exists": policy.exists, "rules": policy.content.rules.len() });
    let mut success = true;
    if let Some(plugin) = &check.plugin {
        let plugin = PluginName::parse(plugin).map_err(invalid)?;
        let network = check.network.as_deref().map(NetworkName::parse).transpose().map_err(invalid)?;
        let named = (&plugin, &Identity::named(&plugin));
        let effective = Effective::of(&policy, named, network.as_ref(), &Capability::ALL, None);
        text += &effective.text();
        value["effective"] = serde_json::to_value(&effective).unwrap_or(Value::Null);
    }
    if let Some(config) = &check.config {
        node.netns_override = check.netns.is_none();
        let container = plan::Container {
            netns: check.netns.clone().unwrap_or_else(|| "/proc/self/ns/net".to_owned()),
            container_id: "policy-check".to_owned(),
            ifname: "eth0".to_owned(),
            cni_path: check.cni_path.clone(),
            args: check.args.clone(),
            cap_args: String::new(),
        };
        let mut plans = Vec::new();
        let dry = plan::chain(&node, config, &container)?;
        for (request, plan) in &dry.plans {
            let document = plan.document(request);
            success &= plan.is_allowed();
            text += &document.verdict(&request.plugin);
            let demands = plan.demands();
            if !demands.is_empty() {
                text += &format!("  the configuration demands: {}\n", demands.join(", "));
            }
            plans.push(json!({
                "plugin": request.plugin, "actions": document.actions.len(), "violations": document.violations,
                "tolerated": document.tolerated, "warnings": document.warnings, "remedy": document.remedy, "demands": demands,
            }));
        }
        if let Some(rest) = dry.rest {
            text += &format!("{rest}\n");
            plans.push(json!({ "rest": rest }));
        }
        value["plans"] = plans.into();
    }
    let text = if check.output == Format::Json { super::json(&value) } else { text };
    Ok(Printed { text, success })
}

/// The output for an invalid policy. The command has done its work, so this is an answer and not an error.
fn wrong(error: &PolicyError, output: Format) -> Printed {
    let text = match output {
        Format::Text => format!("{error}\n"),
        Format::Json => super::json(&json!({ "error": error.to_string() })),
    };
    Printed { text, success: false }
}

fn summary(policy: &Policy) -> String {
    let path = policy.path.display();
    if !policy.exists {
        return format!("{path}: there is none, so the default counts\n");
    }
    let mode = match policy.content.mode {
        Mode::Enforce => "",
        Mode::Audit => ", audit mode",
    };
    let log = policy.content.audit.as_ref().map(|audit| format!(", audit log {}", audit.file.display()));
    let number = policy.content.rules.len();
    let rules = if number == 1 { "1 rule".to_owned() } else { format!("{number} rules") };
    format!("{path}: understood, {rules}{mode}{}\n", log.unwrap_or_default())
}

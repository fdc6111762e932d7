//! `wasm-cni policy`: whether a policy file is right, and what it gives.

use super::effective::Effective;
use super::{Format, Printed, plan};
use crate::cni::CniError;
use crate::cni::command::invalid;
use crate::node::Node;
use crate::planning::CEILINGS;
use crate::policy::{Capability, Mode, Policy, PolicyError};
use crate::value::{NetworkName, PluginName};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;

/// What to do with policies.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Tell whether a policy is understood, and what it gives a plugin or the plan of a configuration.
    Check(Check),
}

/// Which policy, for whom, and how to print.
#[derive(Debug, clap::Args)]
struct Check {
    /// The policy; without it, the one that counts on this machine.
    file: Option<PathBuf>,
    /// What a plugin of this type gets.
    #[arg(long)]
    plugin: Option<String>,
    /// On this network; without it, on every one.
    #[arg(long, requires = "plugin")]
    network: Option<String>,
    /// What the plan of this configuration (`.conf`) or list (`.conflist`) gets. Nothing is changed.
    #[arg(long, conflicts_with = "plugin")]
    config: Option<PathBuf>,
    /// For a container in this namespace; without it, the plan is made as if our own were the container's.
    #[arg(long, requires = "config")]
    netns: Option<String>,
    /// Where the components are, directories joined by `:`.
    #[arg(long, env = "CNI_PATH", default_value = "/opt/cni/bin")]
    cni_path: String,
    /// As in `CNI_ARGS`.
    #[arg(long, env = "CNI_ARGS", default_value = "")]
    args: String,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

/// Checks the policy that was named in place of the host's.
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
        let effective = Effective::of(&policy, &plugin, network.as_ref(), &Capability::ALL, None);
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
            plans.push(json!({
                "plugin": request.plugin, "actions": document.actions.len(), "violations": document.violations,
                "tolerated": document.tolerated, "remedy": document.remedy,
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

/// A policy that cannot be used: an answer, not a failure of ours.
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

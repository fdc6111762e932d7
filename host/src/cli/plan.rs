//! `wasm-cni plan`: prints what ADD of a configuration, or of each plugin of a list, would do.

use super::{Format, Printed, runtime};
use crate::chain::{self, Chain, Dry, Target};
use crate::cni::CniError;
use crate::cni::command::{attachment, path};
use crate::node::Node;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The configuration, the container and the output format.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The configuration (`.conf`, one plugin) or list (`.conflist`).
    config: PathBuf,
    #[command(flatten)]
    container: Container,
    /// Allow the host's own network namespace as the container's, as with `CNI_NETNS_OVERRIDE`.
    #[arg(long)]
    pub(super) netns_override: bool,
    /// The output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

/// The container of the plan.
#[derive(Debug, clap::Args)]
pub(super) struct Container {
    /// The container's network namespace, as in `CNI_NETNS`.
    #[arg(long)]
    pub(super) netns: String,
    /// The container ID, as in `CNI_CONTAINERID`.
    #[arg(long)]
    pub(super) container_id: String,
    /// The name of the interface, as in `CNI_IFNAME`.
    #[arg(long, default_value = "eth0")]
    pub(super) ifname: String,
    /// The directories with plugins, separated by `:`.
    #[arg(long, env = "CNI_PATH", default_value = "/opt/cni/bin")]
    pub(super) cni_path: String,
    /// Arguments for plugins, as in `CNI_ARGS`.
    #[arg(long, env = "CNI_ARGS", default_value = "")]
    pub(super) args: String,
    /// Capability arguments for the plugins that support them, as JSON:
    /// `{"portMappings": [{"hostPort": 80, "containerPort": 80}]}`.
    #[arg(long, env = "CAP_ARGS", default_value = "")]
    pub(super) cap_args: String,
}

/// Prints the plan of each plugin.
pub(super) fn run(node: &Node, arguments: &Arguments) -> Result<Printed, CniError> {
    let dry = chain(node, &arguments.config, &arguments.container)?;
    let text = match arguments.output {
        Format::Text => dry.text(),
        Format::Json => {
            let documents =
                dry.plans.iter().map(|(request, plan)| serde_json::to_value(plan.document(request)));
            let rest = dry.rest.iter().map(|rest| json!({ "rest": rest }));
            super::json(&documents.flatten().chain(rest).collect::<Vec<Value>>())
        }
    };
    Ok(Printed { text, success: dry.is_allowed() })
}

/// Plans each plugin of a file on the state that the earlier plugins would leave.
pub(super) fn chain(node: &Node, config: &Path, container: &Container) -> Result<Dry, CniError> {
    let chain = Chain::new(node, chain::from_file(config)?, path(&container.cni_path))?;
    chain.plan_add(&Target {
        attachment: attachment(chain.network(), &container.container_id, &container.ifname)?,
        netns: container.netns.clone(),
        args: runtime::pairs(&container.args)?,
        capabilities: runtime::capabilities(&container.cap_args)?,
    })
}

//! `wasm-cni add`, `del`, `check`, `status`: the functions of cnitool, for components and native plugins.

use super::Printed;
use super::runtime::{Attached, Places};
use crate::cni::CniError;
use crate::node::Node;

/// Network and container.
#[derive(Debug, clap::Args)]
pub struct Add {
    #[command(flatten)]
    attached: Attached,
    /// Allow the host's own network namespace as the container's.
    #[arg(long, env = "CNI_NETNS_OVERRIDE", value_parser = clap::builder::FalseyValueParser::new())]
    pub(super) netns_override: bool,
    /// Print the plan of each plugin on the state that the earlier plugins would leave, and change nothing. The
    /// printed plan ends at a native plugin, and says so.
    #[arg(long)]
    pub(super) dry_run: bool,
}

/// Network and container.
#[derive(Debug, clap::Args)]
pub struct Del {
    #[command(flatten)]
    attached: Attached,
    /// Print what would be undone, and undo nothing.
    #[arg(long)]
    pub(super) dry_run: bool,
}

/// Network and container.
#[derive(Debug, clap::Args)]
pub struct Check {
    #[command(flatten)]
    attached: Attached,
    /// Allow the host's own network namespace as the container's.
    #[arg(long, env = "CNI_NETNS_OVERRIDE", value_parser = clap::builder::FalseyValueParser::new())]
    pub(super) netns_override: bool,
}

/// The network.
#[derive(Debug, clap::Args)]
pub struct Status {
    /// The name of the network, as in its file.
    network: String,
    /// Ignored; accepted because cnitool requires it.
    #[arg(hide = true)]
    netns: Option<String>,
    #[command(flatten)]
    places: Places,
}

/// Attaches a container and prints the result.
pub(super) fn add(node: &Node, arguments: &Add) -> Result<Printed, CniError> {
    let (chain, target) = arguments.attached.read(node)?;
    if arguments.dry_run {
        let dry = chain.plan_add(&target)?;
        return Ok(Printed { text: dry.text(), success: dry.is_allowed() });
    }
    let result = chain.add(&target)?;
    Ok(Printed { text: format!("{}\n", result.trim_end()), success: true })
}

/// Detaches a container. Prints nothing.
pub(super) fn del(node: &Node, arguments: &Del) -> Result<Printed, CniError> {
    let (chain, target) = arguments.attached.read(node)?;
    let text = if arguments.dry_run {
        chain.plan_del(&target)?
    } else {
        chain.del(&target).map(|()| String::new())?
    };
    Ok(Printed { text, success: true })
}

/// Runs CHECK. Prints nothing if there are no differences.
pub(super) fn check(node: &Node, arguments: &Check) -> Result<Printed, CniError> {
    let (chain, target) = arguments.attached.read(node)?;
    chain.check(&target).map(|()| Printed { text: String::new(), success: true })
}

/// Runs STATUS. Prints nothing if ADD would work.
pub(super) fn status(node: &Node, arguments: &Status) -> Result<Printed, CniError> {
    let chain = arguments.places.chain(node, &arguments.network)?;
    chain.status().map(|()| Printed { text: String::new(), success: true })
}

//! `wasm-cni add`, `del`, `check`, `status`: what cnitool does, with components and native plugins alike.

use super::Printed;
use super::runtime::{Attached, Places};
use crate::cni::CniError;
use crate::node::Node;

/// Which network, for which container.
#[derive(Debug, clap::Args)]
pub struct Add {
    #[command(flatten)]
    attached: Attached,
    /// The host's own namespace may be the container's.
    #[arg(long, env = "CNI_NETNS_OVERRIDE", value_parser = clap::builder::FalseyValueParser::new())]
    pub(super) netns_override: bool,
    /// Print the plan of each plugin on what the ones before it would leave, and change nothing; it stops, and says so, at a native
    /// plugin.
    #[arg(long)]
    pub(super) dry_run: bool,
}

/// Which network, for which container.
#[derive(Debug, clap::Args)]
pub struct Del {
    #[command(flatten)]
    attached: Attached,
    /// Print what would be undone, and undo nothing.
    #[arg(long)]
    pub(super) dry_run: bool,
}

/// Which network, for which container.
#[derive(Debug, clap::Args)]
pub struct Check {
    #[command(flatten)]
    attached: Attached,
    /// The host's own namespace may be the container's.
    #[arg(long, env = "CNI_NETNS_OVERRIDE", value_parser = clap::builder::FalseyValueParser::new())]
    pub(super) netns_override: bool,
}

/// Which network.
#[derive(Debug, clap::Args)]
pub struct Status {
    /// The network's name, as its file has it.
    network: String,
    /// Taken as cnitool takes it, and without a meaning.
    #[arg(hide = true)]
    netns: Option<String>,
    #[command(flatten)]
    places: Places,
}

/// Attaches, and prints the result.
pub(super) fn add(node: &Node, arguments: &Add) -> Result<Printed, CniError> {
    let (chain, target) = arguments.attached.read(node)?;
    if arguments.dry_run {
        let dry = chain.plan_add(&target)?;
        return Ok(Printed { text: dry.text(), success: dry.is_allowed() });
    }
    let result = chain.add(&target)?;
    Ok(Printed { text: format!("{}\n", result.trim_end()), success: true })
}

/// Detaches; prints nothing.
pub(super) fn del(node: &Node, arguments: &Del) -> Result<Printed, CniError> {
    let (chain, target) = arguments.attached.read(node)?;
    let text = if arguments.dry_run {
        chain.plan_del(&target)?
    } else {
        chain.del(&target).map(|()| String::new())?
    };
    Ok(Printed { text, success: true })
}

/// Prints nothing when all is as it was made.
pub(super) fn check(node: &Node, arguments: &Check) -> Result<Printed, CniError> {
    let (chain, target) = arguments.attached.read(node)?;
    chain.check(&target).map(|()| Printed { text: String::new(), success: true })
}

/// Prints nothing when ADD would work.
pub(super) fn status(node: &Node, arguments: &Status) -> Result<Printed, CniError> {
    let chain = arguments.places.chain(node, &arguments.network)?;
    chain.status().map(|()| Printed { text: String::new(), success: true })
}

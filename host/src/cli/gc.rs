//! `wasm-cni gc`: removes the remains of attachments.
//!
//! A list says which attachments are valid, or the existence of the container's namespace does. With a namespace as
//! argument, it runs GC of each plugin of the network, as a runtime does.

use super::Printed;
use super::runtime::Places;
use crate::action::ReserveLease;
use crate::apply::Section;
use crate::audit::{Audited, Subject};
use crate::cni::{CniError, ErrorKind, config};
use crate::node::Node;
use crate::reference::host_local::default_store;
use crate::value::{NetworkName, StoreRef};
use crate::verb::attached;
use crate::verb::collect::{Collection, is_listed};
use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The network, and which attachments are valid. Valid attachments are never guessed.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("stays").required(true).multiple(true)))]
pub struct Arguments {
    /// The name of the network. With `--dead-namespaces` it may be omitted; then all networks are meant.
    #[arg(required_unless_present = "dead_namespaces")]
    network: Option<String>,
    /// Work as cnitool does, which requires a namespace here and ignores it: DEL of every attachment of the network
    /// in libcni's cache, then GC of each plugin. Attachments that `--valid` lists are kept; without `--valid`, none
    /// is.
    #[arg(group = "stays")]
    netns: Option<String>,
    /// A file that lists the attachments to keep, in the format of `cni.dev/valid-attachments`:
    /// `[{"containerID": "…", "ifname": "…"}]`; `-` is standard input. Everything else of the network is removed, no
    /// matter which program made it.
    #[arg(long, group = "stays", value_name = "FILE")]
    valid: Option<PathBuf>,
    /// Keep the attachments whose container namespace still exists.
    #[arg(long, group = "stays", conflicts_with_all = ["valid", "netns"])]
    dead_namespaces: bool,
    /// Print what would be removed, and remove nothing.
    #[arg(long)]
    pub(super) dry_run: bool,
    #[command(flatten)]
    places: Places,
}

/// Runs GC of a network as a runtime does. Prints only in a dry run.
fn by_plugins(node: &Node, arguments: &Arguments, network: &str) -> Result<Printed, CniError> {
    let chain = arguments.places.chain(node, network)?;
    let valid = arguments.valid.as_deref().map(read).transpose()?;
    let text = match arguments.dry_run {
        true => chain.plan_gc(valid.as_deref())?,
        false => chain.gc(valid.as_deref()).map(|()| String::new())?,
    };
    Ok(Printed { text, success: true })
}

/// Removes, and prints what was removed as commands.
pub(super) fn run(node: &Node, arguments: &Arguments) -> Result<Printed, CniError> {
    if let (Some(network), Some(_)) = (&arguments.network, &arguments.netns) {
        return by_plugins(node, arguments, network);
    }
    node.state.check_readable()?;
    let network = super::network(arguments.network.as_deref())?;
    let mut collection = Collection::new(node, arguments.dry_run);
    match (&arguments.valid, &network) {
        (Some(file), Some(network)) => {
            let valid = read(file)?;
            // Collect the stores first: the journals name them, and the next step removes journals.
            let stores = stores(&node.state.sections(None), network);
            collection.sections(|section| {
                section.header.attachment.network == *network
                    && !is_listed(&section.header.attachment, &valid)
            });
            collection.rules(network, &valid);
            stores.iter().for_each(|store| collection.leases(store, &valid));
        }
        _ => {
            let dead =
                attached::all(&node.state, network.as_ref()).into_iter().filter(attached::Attached::is_dead);
            let dead: BTreeSet<_> =
                dead.map(|attached| crate::value::derive::key(&attached.attachment)).collect();
            collection
                .sections(|section| dead.contains(&crate::value::derive::key(&section.header.attachment)));
        }
    }
    let skipped: Vec<String> = collection
        .skipped
        .iter()
        .map(|skipped| format!("left alone, since an ADD or DEL of it runs: {skipped}\n"))
        .collect();
    let nothing = if arguments.dry_run { "nothing to remove\n" } else { "nothing was removed\n" };
    let ended = collection.ended();
    // Write an audit line only if something was found.
    if !arguments.dry_run && ended.as_ref().map_or(true, |text| !text.is_empty()) {
        let subject = Subject { network: network.as_ref(), ..Subject::default() };
        node.record(Audited::Gc, subject).end(&ended);
    }
    let text = ended?;
    Ok(Printed {
        text: if text.is_empty() { nothing.to_owned() } else { text } + &skipped.concat(),
        success: true,
    })
}

fn read(file: &Path) -> Result<Vec<(String, String)>, CniError> {
    let mut bytes = Vec::new();
    let read = if file == Path::new("-") {
        std::io::stdin().read_to_end(&mut bytes).map(drop)
    } else {
        std::fs::File::open(file).and_then(|mut opened| opened.read_to_end(&mut bytes)).map(drop)
    };
    read.map_err(|e| {
        CniError::new(ErrorKind::FileInaccessible, format!("failed to read {}: {e}", file.display()))
    })?;
    let list = serde_json::from_slice(&bytes)
        .map_err(|e| CniError::new(ErrorKind::InvalidJson, format!("{} is not JSON: {e}", file.display())))?;
    config::attachments(&list)
        .map_err(|error| CniError { msg: format!("{} {}", file.display(), error.msg), ..error })
}

/// The default store of a network, and those that its journals name.
fn stores(sections: &[Section], network: &NetworkName) -> BTreeSet<StoreRef> {
    let own = sections.iter().filter(|section| section.header.attachment.network == *network);
    let leased = own.flat_map(|section| {
        section.entries().filter_map(|entry| ReserveLease::of(&entry.action)).map(|lease| lease.store.clone())
    });
    leased.chain([default_store(network)]).collect()
}

//! GC: removes the remains of the network's attachments that the runtime does not list any more (SPEC 1.1.0, section
//! 2).

use super::collect::Collection;
use crate::cni::{CniError, Config, ErrorKind, Request};
use crate::delegate;
use crate::node::Node;
use crate::reference::Identity;
use crate::reference::host_local::stores;
use crate::value::Kind;
use serde_json::Value;

/// Undoes every section of this plugin whose attachment is not in `cni.dev/valid-attachments`. Then removes every
/// rule and lease of the network whose owner is not in that list, no matter which program made it. It continues after
/// a failure.
///
/// With `dry`, it only returns the commands that it would run.
pub fn gc(node: &Node, request: &Request, config: &Config, dry: bool) -> Result<String, CniError> {
    let plugin = &request.plugin;
    let Some(valid) = config.valid_attachments()? else {
        // Every plugin of the chain gets the same call. The main plugin's error is enough.
        if Identity::named(plugin).kind == Kind::Chained {
            tracing::warn!("GC of {} needs cni.dev/valid-attachments: nothing was removed", plugin.as_str());
            return Ok(String::new());
        }
        let msg = "GC needs cni.dev/valid-attachments: nothing was removed";
        return Err(CniError::new(ErrorKind::NoValidAttachments, msg));
    };
    let mut collection = Collection::new(node, dry);
    let network = &config.name;
    collection.sections(|section| {
        let attachment = &section.header.attachment;
        attachment.network == *network
            && section.header.plugin == *plugin
            && !super::collect::is_listed(attachment, &valid)
    });
    if !config.is_ipam(plugin) {
        collection.rules(network, &valid);
    }
    // The SPEC asks to forward GC to delegates. An IPAM component leaves nothing but leases, so they are removed
    // here.
    if config.ipam_type().is_some() {
        stores(config).iter().for_each(|store| collection.leases(store, &valid));
    }
    // A chain without its port is known to be of nobody, and the leases show whose ports go.
    if !config.is_ipam(plugin) && config.get("macspoofchk") == Some(&Value::Bool(true)) {
        collection.source_macs(&valid);
    }
    if let Some(ipam) = delegate::of_ipam(request, config).filter(|_| !config.is_ipam(plugin)) {
        if dry {
            collection.removed.push(format!("CNI_COMMAND=GC {}", ipam.program.display()));
        } else if let Err(error) = delegate::offer("GC", &ipam) {
            collection.failures.push(format!("{}: {}", ipam.program.display(), error.msg));
        }
    }
    if !dry {
        node.state.sweep();
    }
    for skipped in &collection.skipped {
        tracing::warn!("left alone: {skipped}");
    }
    collection.ended()
}

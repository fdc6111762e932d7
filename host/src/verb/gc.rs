//! GC: removes what belongs to attachments of this network that the runtime does not list any more (SPEC 1.1.0).

use super::collect::Collection;
use crate::cni::{CniError, Config, ErrorKind, Request};
use crate::delegate;
use crate::node::Node;
use crate::reference::host_local::stores;
use serde_json::Value;

/// Takes back every section of this plugin whose attachment is not in `cni.dev/valid-attachments`, then every rule and lease of
/// the network whose owner is not in it, whoever made it; goes on after a failure.
///
/// Dry, it only tells: gives what it would do as commands.
pub fn gc(node: &Node, request: &Request, config: &Config, dry: bool) -> Result<String, CniError> {
    let plugin = &request.plugin;
    let Some(valid) = config.valid_attachments()? else {
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
        if config.get("macspoofchk") == Some(&Value::Bool(true)) {
            collection.source_macs(&valid);
        }
    }
    // GC is forwarded to delegates (SPEC), and of an IPAM plugin there is nothing but its leases: so here too.
    if config.ipam_type().is_some() {
        stores(config).iter().for_each(|store| collection.leases(store, &valid));
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

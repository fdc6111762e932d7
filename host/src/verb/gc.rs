//! GC: removes what belongs to attachments of this network that the runtime does not list any more (SPEC 1.1.0).

use crate::apply;
use crate::cni::{CniError, Config, code};
use crate::kernel::host::{HostKernel, stale};
use crate::kernel::netns::NetnsFile;
use crate::plan::PluginName;
use crate::run::{self, Host};

/// Takes back every section of this plugin whose attachment is not in `cni.dev/valid-attachments`; goes on after a failure.
pub fn gc(host: &Host, plugin: &PluginName, config: &Config) -> Result<(), CniError> {
    let Some(valid) = config.valid_attachments()? else {
        let msg = "GC without cni.dev/valid-attachments: nothing was removed";
        return Err(CniError::new(code::INVALID_NETWORK_CONFIG, msg));
    };
    let mut failures = Vec::new();
    for stale in host.state.sections(None) {
        let attachment = &stale.header.attachment;
        let listed = valid.iter().any(|(container, interface)| {
            container == attachment.container.as_str() && interface == attachment.interface.as_str()
        });
        if listed || attachment.network != config.name || stale.header.plugin != *plugin {
            continue;
        }
        let journal = host.state.lock(attachment)?;
        // Looked at again under the lock: its DEL may have come meanwhile.
        let sections = journal.sections();
        let Some(section) = sections.iter().find(|section| section.header == stale.header) else { continue };
        let netns = NetnsFile::open(&section.header.netns).ok();
        let netns_id = netns.as_ref().map(NetnsFile::id);
        let mut kernel = HostKernel::open(netns, false);
        if let Err(error) = run::undo_section(host, &journal, section, netns_id, &mut kernel) {
            failures.push(format!(
                "{} {}: {}\n{}",
                attachment.container, attachment.interface, error.msg, error.details
            ));
        }
    }
    if !config.is_ipam(plugin) {
        let undos = stale::rules(&config.name, &valid);
        let stuck = apply::undo_all(&undos, &mut HostKernel::open(None, false));
        if !stuck.is_empty() {
            failures.push(crate::error::left("attachments without a journal", &stuck));
        }
    }
    if failures.is_empty() {
        return Ok(());
    }
    Err(CniError::new(code::STUCK, "not everything could be removed").with_details(failures.join("\n")))
}

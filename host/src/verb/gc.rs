//! GC: removes what belongs to attachments of this network that the runtime does not list any more (SPEC 1.1.0).

use crate::apply::{self, Section};
use crate::cni::{CniError, Config, Request, code};
use crate::delegate;
use crate::error::chain;
use crate::kernel::host::stale;
use crate::kernel::netns::NetnsFile;
use crate::policy::grant::stores;
use crate::run::{self, Host};

/// Takes back every section of this plugin whose attachment is not in `cni.dev/valid-attachments`, then every lease of the
/// network whose owner is not in it, whoever made it; goes on after a failure.
pub fn gc(host: &Host, request: &Request, config: &Config) -> Result<(), CniError> {
    let plugin = &request.plugin;
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
        if let Err(error) = take_back(host, &stale) {
            failures.push(format!(
                "{} {}: {}\n{}",
                attachment.container, attachment.interface, error.msg, error.details
            ));
        }
    }
    if !config.is_ipam(plugin) {
        let undos = stale::rules(&config.name, &valid);
        let stuck = apply::undo_all(&undos, &mut host.kernel(None, false));
        if !stuck.is_empty() {
            failures.push(crate::error::left("attachments without a journal", &stuck));
        }
    }
    // GC is forwarded to delegates (SPEC), and of an IPAM plugin there is nothing but its leases: so here too.
    if config.ipam_type().is_some() {
        for store in stores(config) {
            let stuck = host.kernel(None, false).release_unlisted(&store, &valid);
            failures.extend(stuck.iter().map(|error| chain(error)));
        }
    }
    if let Some(ipam) = delegate::of_ipam(request, config).filter(|_| !config.is_ipam(plugin))
        && let Err(error) = delegate::offer("GC", &ipam)
    {
        failures.push(format!("{}: {}", ipam.program.display(), error.msg));
    }
    if failures.is_empty() {
        return Ok(());
    }
    Err(CniError::new(code::STUCK, "not everything could be removed").with_details(failures.join("\n")))
}

/// Takes back a section, unless its DEL came meanwhile.
fn take_back(host: &Host, stale: &Section) -> Result<(), CniError> {
    let journal = host.state.lock(&stale.header.attachment)?;
    // Looked at again under the lock.
    let sections = journal.sections();
    let Some(section) = sections.iter().find(|section| section.header == stale.header) else { return Ok(()) };
    let netns = NetnsFile::open(&section.header.netns).ok();
    let netns_id = netns.as_ref().map(NetnsFile::id);
    let mut kernel = host.kernel(netns, false);
    run::undo_section(host, &journal, section, netns_id, &mut kernel)
}

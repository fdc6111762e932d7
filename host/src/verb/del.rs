//! DEL: from the journal, else from what can be derived. The component is never run (design rule 8).

use crate::apply::{self, Section};
use crate::cni::command::gate_version;
use crate::cni::{CniError, Config, Request, code};
use crate::delegate;
use crate::kernel::Undo;
use crate::kernel::host::HostKernel;
use crate::kernel::netns::NetnsFile;
use crate::policy::grant::stores;
use crate::run::{self, Host};

/// Detaches; succeeds when there is nothing left to detach.
pub fn del(host: &Host, request: &Request, config: &Config) -> Result<(), CniError> {
    gate_version(&config.cni_version, &super::all_versions())?;
    let netns = usable_netns(host, &request.netns);
    let netns_id = netns.as_ref().map(NetnsFile::id);
    let mut kernel = host.kernel(netns, false);
    let journal = host.state.lock(&request.attachment)?;
    // The latest of several plugins of one type: a chain is taken down in reverse.
    let own = |section: &Section| section.header.plugin == request.plugin;
    match journal.sections().into_iter().find(own) {
        Some(section) => run::undo_section(host, &journal, &section, netns_id, &mut kernel),
        None => without_journal(request, config, &mut kernel),
    }
}

/// The container's namespace if it is there and not the host's own: a path that was reused counts as gone.
fn usable_netns(host: &Host, path: &str) -> Option<NetnsFile> {
    let netns = NetnsFile::open(path).ok()?;
    let own = NetnsFile::current().ok()?;
    (host.netns_override || !netns.same_as(&own)).then_some(netns)
}

/// Removes what follows from the attachment's name: whoever made it, the reference included.
///
/// An IPAM plugin has leases alone; a configuration without IPAM has none.
fn without_journal(request: &Request, config: &Config, kernel: &mut HostKernel) -> Result<(), CniError> {
    let is_ipam = config.is_ipam(&request.plugin);
    let has_ipam = config.ipam_type().is_some();
    let stores = if has_ipam { stores(config) } else { Vec::new() };
    let mut undos = kernel.remains(&request.attachment, &stores);
    undos.retain(|undo| !is_ipam || matches!(undo, Undo::ReleaseLease(_)));
    undos.extend(delegate::of_ipam(request, config).filter(|_| !is_ipam).map(Undo::EndDelegate));
    let stuck = apply::undo_all(&undos, kernel);
    if stuck.is_empty() {
        return Ok(());
    }
    let what = format!("container {} without a journal", request.attachment.container);
    Err(CniError::new(code::STUCK, "not everything could be undone")
        .with_details(crate::error::left(&what, &stuck)))
}

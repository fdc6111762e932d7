//! DEL: from the journal, else from what can be derived. The component is never run (design rule 8).

use crate::action::{EndDelegate, Undo};
use crate::apply::{Inside, Remains, Section, Stuck};
use crate::cni::command::gate_version;
use crate::cni::{CniError, Config, Request, version};
use crate::delegate;
use crate::machine::MachineError;
use crate::machine::netns::NetnsFile;
use crate::machine::port::{Look, Machine};
use crate::node::Node;
use crate::plugin::Plugin;
use crate::reference::{self, host_local::stores};
use crate::sandbox::Kind;
use crate::section;

/// Detaches; succeeds when there is nothing left to detach.
pub fn del(node: &Node, request: &Request, config: &Config) -> Result<(), CniError> {
    gate_version(&config.cni_version, &version::all())?;
    let netns = usable_netns(node, &request.netns);
    let journal = match node.state.lock(&request.attachment) {
        Ok(journal) => journal,
        // A file system without room has room for no journal, and a DEL makes none.
        Err(error) if error.is_storage() => {
            tracing::warn!(%error, "DEL goes on without journal and lock");
            return without_journal(node, request, config, &mut node.machine(netns, false));
        }
        Err(error) => return Err(error.into()),
    };
    // The latest of several plugins of one type: a chain is taken down in reverse.
    let own = |section: &Section| section.header.plugin == request.plugin;
    let section = journal.sections()?.into_iter().find(own);
    let netns = section.as_ref().and_then(|section| noted_netns(node, section)).or(netns);
    let netns_id = netns.as_ref().map(NetnsFile::id);
    let mut machine = node.locked_machine(netns, &journal);
    match section {
        Some(section) => {
            // What somebody else has made again under the attachment's names is to be deleted too; and a journal without its end
            // may have lost more than that. Looked for before the lease goes that tells whose the link is.
            let same_netns = netns_id.is_some() && netns_id == section.header.netns_id;
            let is_doubtful =
                section.report.is_none() || same_netns && section::is_replaced(&section, &mut machine);
            let others = if is_doubtful && remains_of_type(node, request, config, &mut machine).is_none() {
                derived(request, config, true, &mut machine)
            } else {
                Remains::known(Vec::new())
            };
            section::undo(node, &journal, &section, netns_id, &mut machine)?;
            undo(request, others, &mut machine)
        }
        None => without_journal(node, request, config, &mut machine),
    }
}

/// The container's namespace if it is there and not the host's own: a path that was reused counts as gone.
fn usable_netns(node: &Node, path: &str) -> Option<NetnsFile> {
    let netns = NetnsFile::open(path).ok()?;
    let own = NetnsFile::current().ok()?;
    (node.netns_override || !netns.same_as(&own)).then_some(netns)
}

/// The namespace that the ADD was given, if it is still there: also where a runtime tells none or another one, what was changed in it
/// is taken back.
fn noted_netns(node: &Node, section: &Section) -> Option<NetnsFile> {
    let id = section.header.netns_id?;
    usable_netns(node, &section.header.netns).filter(|netns| netns.id() == id)
}

/// Removes what follows from the attachment's name, whoever made it, the reference included.
fn without_journal(
    node: &Node,
    request: &Request,
    config: &Config,
    machine: &mut dyn Machine,
) -> Result<(), CniError> {
    if let Some(undos) = remains_of_type(node, request, config, machine.as_look()) {
        return undo(request, Remains::known(undos), machine);
    }
    let mut found = derived(request, config, false, machine.as_look());
    let ipam = delegate::of_ipam(request, config).filter(|_| !config.is_ipam(&request.plugin));
    found.undos.extend(ipam.map(|delegate| EndDelegate { delegate }.into()));
    undo(request, found, machine)
}

/// What plugins of that type left, as undos; none for a plugin that makes links, whose remains are the attachment's.
///
/// Of a type that nobody knows its component tells which it is, if it is there.
fn remains_of_type(
    node: &Node,
    request: &Request,
    config: &Config,
    look: &mut dyn Look,
) -> Option<Vec<Undo>> {
    if let Some(remains) = reference::of(&request.plugin).remains {
        return Some(remains(request, config, &node.state, look));
    }
    let plugin = Plugin::find(node, request, &request.plugin).ok()?;
    (plugin.code.manifest.kind == Kind::Chained).then(Vec::new)
}

/// What follows from the attachment's name, its link perhaps only if its address is `leased`: an IPAM plugin has leases alone; a configuration without IPAM has none.
fn derived(request: &Request, config: &Config, leased: bool, look: &mut dyn Look) -> Remains {
    let stores = if config.ipam_type().is_some() { stores(config) } else { Vec::new() };
    match config.is_ipam(&request.plugin) {
        true => Remains::leases(&request.attachment, &stores, look),
        false => {
            let inside = Inside { kind: reference::of(&request.plugin).inside, leased };
            Remains::of(&request.attachment, &stores, inside, look)
        }
    }
}

/// Succeeds when it could be looked for everywhere, and nothing of it is found afterwards.
fn undo(request: &Request, found: Remains, machine: &mut dyn Machine) -> Result<(), CniError> {
    let mut stuck = found.undo(&request.netns, machine);
    let Remains { undos, mut unread } = found;
    if stuck.is_empty() {
        let is_left = |undo| Stuck {
            undo,
            netns: request.netns.clone(),
            error: MachineError::Conflict("it is still there".to_owned()),
        };
        let left = Remains::known(undos).still_there(machine.as_look());
        stuck.extend(left.undos.into_iter().map(is_left));
        unread.extend(left.unread);
    }
    if stuck.is_empty() {
        let Some(error) = unread.into_iter().next() else { return Ok(()) };
        return Err(CniError::from(error).with_details(
            "all that was found of the attachment is removed; this could not be looked at, and there may be more: DEL tries again",
        ));
    }
    let what = format!("container {} without a journal", request.attachment.container);
    Err(crate::error::stuck("not everything could be undone", &what, &stuck))
}

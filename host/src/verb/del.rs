//! DEL: undoes the journal. Without a journal, it derives what to remove from the attachment's name. It never runs
//! the component (`docs/adr/0002-journal.md`).

use crate::action::{EndDelegate, ReserveLease, Undo};
use crate::apply::{Inside, Remains, Section, Stuck};
use crate::cni::command::gate_version;
use crate::cni::{CniError, Config, Request, version};
use crate::delegate;
use crate::machine::MachineError;
use crate::machine::netns::NetnsFile;
use crate::machine::port::{Look, Machine};
use crate::node::Node;
use crate::plugin::Description;
use crate::reference::{self, Type, host_local::stores};
use crate::section;
use crate::value::Kind;

/// Deletes an attachment. Succeeds if nothing is left to delete.
pub fn del(node: &Node, request: &Request, config: &Config) -> Result<(), CniError> {
    gate_version(&config.cni_version, &version::all())?;
    let netns = usable_netns(node, &request.netns);
    let journal = match node.state.lock(&request.attachment) {
        Ok(journal) => journal,
        // On a full file system there is no journal and no lock. But DEL needs neither of them to remove the
        // attachment.
        Err(error) if error.is_storage() => {
            tracing::warn!(%error, "DEL goes on without journal and lock");
            return without_journal(node, request, config, &mut node.machine(netns, false));
        }
        Err(error) => return Err(error.into()),
    };
    // If the chain has several plugins of one type, this is the last one, because a chain is deleted in reverse
    // order.
    let mut sections = sections(journal.sections()?, request, config).into_iter();
    let section = sections.next();
    let netns = section.as_ref().and_then(|section| noted_netns(node, section)).or(netns);
    let netns_id = netns.as_ref().map(NetnsFile::id);
    let mut machine = node.locked_machine(netns, &journal);
    match section {
        Some(section) => {
            // Two cases need the derived undo too: another program made the attachment again under the same names, or
            // the journal is incomplete. It is computed before the lease is removed, because the lease shows whose
            // link it is.
            let same_netns = netns_id.is_some() && netns_id == section.header.netns_id;
            let is_doubtful =
                section.report.is_none() || same_netns && section::is_replaced(&section, &mut machine);
            let others = if is_doubtful && remains_of_type(node, request, config, &mut machine).is_none() {
                derived(request, config, true, &mut machine)
            } else {
                Remains::known(Vec::new())
            };
            section::undo(node, &journal, &section, netns_id, &mut machine)?;
            undo(request, others, &mut machine)?;
            sections
                .try_for_each(|section| section::undo(node, &journal, &section, None, &mut machine).map(drop))
        }
        None => without_journal(node, request, config, &mut machine),
    }
}

/// The sections that DEL of a plugin undoes, the latest first.
///
/// If the chain has several plugins of one type, this is the last one, because a chain is deleted in reverse order. Of an
/// IPAM plugin, these are all sections with leases in the stores that the configuration names: an attachment has several
/// if it asked several times, for example with other ranges.
pub(super) fn sections(sections: Vec<Section>, request: &Request, config: &Config) -> Vec<Section> {
    let own = sections.into_iter().filter(|section| section.header.plugin == request.plugin);
    if !config.is_ipam(&request.plugin) {
        return own.min_by_key(|section| section.header.level).into_iter().collect();
    }
    let stores = stores(config);
    let in_stores = |section: &Section| {
        let mut leases = section.entries().filter_map(|entry| ReserveLease::of(&entry.action));
        leases.all(|lease| stores.contains(&lease.store))
    };
    own.filter(in_stores).collect()
}

/// The container's namespace, if it exists and is not the host's own. A reused path counts as missing.
pub(super) fn usable_netns(node: &Node, path: &str) -> Option<NetnsFile> {
    let netns = NetnsFile::open(path).ok()?;
    let own = NetnsFile::current().ok()?;
    (node.netns_override || !netns.same_as(&own)).then_some(netns)
}

/// The namespace of the ADD, if it still exists. So DEL undoes changes in it even if the runtime passes no namespace
/// or another one.
fn noted_netns(node: &Node, section: &Section) -> Option<NetnsFile> {
    let id = section.header.netns_id?;
    usable_netns(node, &section.header.netns).filter(|netns| netns.id() == id)
}

/// Removes what can be derived from the attachment's name, no matter which program made it, including the reference.
fn without_journal(
    node: &Node,
    request: &Request,
    config: &Config,
    machine: &mut dyn Machine,
) -> Result<(), CniError> {
    undo(request, found(node, request, config, machine.as_look()), machine)
}

/// The undos of a DEL without a journal.
///
/// # Errors
///
/// Something could not be read.
pub(super) fn remains(
    node: &Node,
    request: &Request,
    config: &Config,
    look: &mut dyn Look,
) -> Result<Vec<Undo>, CniError> {
    let Remains { undos, unread } = found(node, request, config, look);
    unread.into_iter().next().map_or(Ok(undos), |error| Err(error.into()))
}

fn found(node: &Node, request: &Request, config: &Config, look: &mut dyn Look) -> Remains {
    if let Some(undos) = remains_of_type(node, request, config, &mut *look) {
        return Remains::known(undos);
    }
    let mut found = derived(request, config, false, look);
    let ipam = delegate::of_ipam(request, config).filter(|_| !config.is_ipam(&request.plugin));
    found.undos.extend(ipam.map(|delegate| EndDelegate { delegate }.into()));
    found
}

/// The undos for what plugins of that type leave. `None` for a plugin that makes links: then everything of the
/// attachment is removed.
///
/// The component of an unknown type shows the kind of the plugin, if it exists.
fn remains_of_type(
    node: &Node,
    request: &Request,
    config: &Config,
    look: &mut dyn Look,
) -> Option<Vec<Undo>> {
    let remains =
        |known: &Type, look: &mut dyn Look| Some(known.remains?(request, config, &node.state, look));
    if let Some(remains) = remains(reference::of(request.plugin.as_str()), &mut *look) {
        return Some(remains);
    }
    let plugin = Description::find(node, request, &request.plugin).ok()?;
    // A shipped component under another name.
    if let Some(remains) = remains(plugin.identity.known(), look) {
        return Some(remains);
    }
    (plugin.manifest.kind == Kind::Chained).then(Vec::new)
}

/// What can be derived from the attachment's name. For an IPAM plugin these are its leases. Without IPAM in the
/// configuration, there are no leases. In some cases the container's link counts only if its address is `leased` to
/// this attachment.
fn derived(request: &Request, config: &Config, leased: bool, look: &mut dyn Look) -> Remains {
    let stores = if config.ipam_type().is_some() { stores(config) } else { Vec::new() };
    match config.is_ipam(&request.plugin) {
        true => Remains::leases(&request.attachment, &stores, look),
        false => {
            let inside = Inside { kind: reference::of(request.plugin.as_str()).inside, leased };
            Remains::of(&request.attachment, &stores, inside, look)
        }
    }
}

/// Undoes the remains. Succeeds if everything could be read and nothing is found afterwards.
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

//! The section that one request writes in the journal of its attachment: begin, apply, forget, undo.

use crate::action::context::{Notes, ReadContext};
use crate::action::record::{Before, Effect};
use crate::action::{Delegate, Lifetime, ReserveLease};
use crate::apply::journal::Writer;
use crate::apply::processes::Process;
use crate::apply::{self, Header, Journal, Kept, Reverted, Section};
use crate::cni::{CniError, ErrorKind, Request};
use crate::delegate;
use crate::error::undone_but;
use crate::machine::MachineError;
use crate::machine::netns::{NetnsFile, NetnsId};
use crate::machine::port::{Look, Machine};
use crate::node::Node;
use crate::panic;
use crate::plan::{CheckedPlan, Entry};
use crate::value::{Kind, LinkIdentity, PluginName, Report};
use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

/// Begins the section of a request for a plugin of that kind.
pub fn begin(
    request: &Request,
    journal: &Journal,
    netns_id: Option<NetnsId>,
    plugins: Vec<(String, String)>,
    kind: Kind,
) -> Result<Writer, CniError> {
    let level = journal.level();
    let same = |section: &&Section| section.header.plugin == request.plugin && section.header.level == level;
    let ordinal = journal.sections()?.iter().filter(same).map(|s| s.header.ordinal + 1).max().unwrap_or(0);
    let asker = if kind == Kind::Ipam { Process::parent() } else { None };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let header = Header {
        version: apply::journal::VERSION,
        attachment: request.attachment.clone(),
        plugin: request.plugin.clone(),
        ordinal,
        level,
        netns: request.netns.clone(),
        netns_id,
        plugins,
        asker,
        created: u64::try_from(now.as_nanos()).unwrap_or(u64::MAX),
    };
    Ok(journal.begin(&header)?)
}

/// Applies a plan. After an error, either nothing is left of the section, or the journal keeps what is left.
pub fn apply(
    node: &Node,
    journal: &Journal,
    writer: &mut Writer,
    plan: &CheckedPlan,
    machine: &mut dyn Machine,
) -> Result<(), CniError> {
    apply::execute(plan, writer, &node.state, machine).map_err(|error| {
        forget_if_done(journal, writer, error.stuck.is_empty());
        error.into()
    })
}

/// Executes a native plugin for ADD between two stages of a plan. The journal is written before and after.
///
/// Returns the plan entry and the plugin's result, or the CNI error that the plugin reported.
pub fn delegate(
    writer: &mut Writer,
    plugin: &PluginName,
    delegate: &Delegate,
    cni_version: &str,
    machine: &mut dyn Machine,
) -> Result<Result<(Entry, Report), CniError>, MachineError> {
    let (plugin, action) = (plugin.clone(), delegate.clone().into());
    let entry = Entry { plugin, lifetime: Lifetime::Attachment, action };
    writer.intent(&[(entry.clone(), Before::Absent)])?;
    let added = delegate::add(delegate, cni_version, machine);
    // After a failed ADD the plugin was executed for DEL too, so it left nothing behind.
    let effect = if added.is_ok() { Effect::Created } else { Effect::AlreadyThere };
    writer.effect(&[Some(effect)])?;
    Ok(added.map(|report| (entry, report)))
}

/// Removes the journal if nothing is left that it describes. Otherwise the next verb needs it.
fn forget_if_done(journal: &Journal, writer: &Writer, done: bool) {
    if done && let Err(error) = journal.forget(writer.section()) {
        tracing::warn!(%error, "journal could not be removed");
    }
}

/// Undoes what was applied for a request that failed in another step. Returns the error for the runtime.
pub fn abandon(
    node: &Node,
    journal: &Journal,
    writer: &Writer,
    machine: &mut dyn Machine,
    error: CniError,
) -> CniError {
    let Reverted { stuck, kept } = apply::rollback(writer.section(), &node.state, machine);
    forget_if_done(journal, writer, stuck.is_empty());
    if stuck.is_empty() && kept.is_empty() {
        return error;
    }
    let what = if error.details.is_empty() { "the ADD failed".to_owned() } else { error.details.clone() };
    let what = undone_but(&what, &kept);
    if stuck.is_empty() {
        return error.with_details(what);
    }
    let msg = format!("{}; the rollback is incomplete", error.msg);
    crate::error::stuck(&msg, &what, &stuck)
}

/// Undoes an ADD that panicked. Returns the error for the runtime. The panic released the lock, but the journal is
/// still on disk.
pub fn undo_unfinished(node: &Node, request: &Request, panic: CniError) -> CniError {
    let undo_all = || {
        let journal = node.state.lock(&request.attachment)?;
        let netns = NetnsFile::open(&request.netns).ok();
        let netns_id = netns.as_ref().map(NetnsFile::id);
        let mut machine = node.locked_machine(netns, &journal);
        let unfinished = |section: &&Section| section.report.is_none();
        let sections = journal.sections()?;
        sections.iter().filter(unfinished).try_fold(Vec::new(), |mut all, section| {
            all.extend(undo(node, &journal, section, netns_id, &mut machine)?);
            Ok::<_, CniError>(all)
        })
    };
    let outcome = match panic::caught(undo_all).flatten() {
        Ok(kept) => undone_but("all that was done before is undone", &kept),
        Err(error) => format!("{}\n{}", error.msg, error.details),
    };
    let details = format!("{}\n{outcome}", panic.details);
    panic.with_details(details)
}

/// Those of the sections of earlier ADDs of the same attachment that a new ADD undoes first: that ADD failed, or its
/// namespace or its interface is gone.
///
/// An IPAM plugin leaves the leases of an ADD that succeeded: the plugin itself finds them in its store. With
/// `is_continued`, this ADD continues a chain (it has a `prevResult`), so the sections of this chain stay. Then only
/// sections of this plugin are undone, and only if their ADD did not succeed or was in another namespace.
///
/// # Errors
///
/// The attachment is complete and live (SPEC, section 4: ADD of an interface whose name exists), or another program has
/// made it again.
pub fn outdated(
    sections: Vec<Section>,
    request: &Request,
    kind: Kind,
    netns_id: Option<NetnsId>,
    is_continued: bool,
    look: &mut dyn Look,
) -> Result<Vec<Section>, CniError> {
    let mut outdated = Vec::new();
    for section in sections {
        let is_own = section.header.plugin == request.plugin;
        let is_complete = section.report.is_some();
        let is_same_netns = netns_id.is_some() && netns_id == section.header.netns_id;
        let stays = match kind {
            Kind::Ipam => is_complete,
            Kind::Main | Kind::Chained if is_continued => {
                !is_own || is_complete && section.header.netns_id == netns_id
            }
            Kind::Main | Kind::Chained => false,
        };
        if stays {
            continue;
        }
        let details = if !is_same_netns {
            None
        } else if is_replaced(&section, look) {
            // Its lease and its rules may have the same names. An undo could delete those.
            Some("another program made the attachment again since; nothing was changed")
        } else if is_complete
            && section.container_link().is_some_and(|link| is_there(link, look).unwrap_or(true))
        {
            Some("the attachment is complete; nothing was changed; DEL removes it")
        } else {
            None
        };
        if let Some(details) = details {
            let name = section.header.attachment.interface.as_str();
            let msg = format!("container veth name ({name:?}) already exists");
            return Err(CniError::new(ErrorKind::NameTaken, msg).with_details(details));
        }
        outdated.push(section);
    }
    Ok(outdated)
}

/// Undoes the sections that [`outdated`] finds.
pub fn undo_outdated(
    node: &Node,
    request: &Request,
    journal: &Journal,
    kind: Kind,
    netns_id: Option<NetnsId>,
    is_continued: bool,
    machine: &mut dyn Machine,
) -> Result<(), CniError> {
    let sections = journal.sections()?;
    for section in outdated(sections, request, kind, netns_id, is_continued, machine.as_look())? {
        tracing::warn!(plugin = %section.header.plugin, "an earlier ADD of this attachment is undone first");
        undo(node, journal, &section, netns_id, machine)?;
    }
    Ok(())
}

/// Whether the process that asked for a lease has certainly ended. `sections` are those of the attachment.
pub fn asker_has_ended(sections: &[Section], address: IpAddr) -> bool {
    let has_lease = |section: &&Section| {
        let mut leases = section.entries().filter_map(|entry| ReserveLease::of(&entry.action));
        leases.any(|lease| lease.address == address)
    };
    let latest = sections.iter().find(has_lease).filter(|section| section.report.is_some());
    latest.and_then(|section| section.header.asker).is_some_and(|asker| asker.has_ended())
}

/// Undoes a section and removes it from the journal. Returns what stays on purpose.
///
/// `netns_id` is the identity of the container's namespace. The undo enters that namespace only if the section was
/// made in it.
pub fn undo(
    node: &Node,
    journal: &Journal,
    section: &Section,
    netns_id: Option<NetnsId>,
    machine: &mut dyn Machine,
) -> Result<Vec<Kept>, CniError> {
    let Reverted { stuck, kept } = if netns_id.is_some() && netns_id == section.header.netns_id {
        apply::undo_section(section, section.reason(), &node.state, machine)
    } else {
        apply::undo_section(section, section.reason(), &node.state, &mut node.locked_machine(None, journal))
    };
    if stuck.is_empty() {
        if let Err(error) = journal.forget(section) {
            // The journal describes changes that are already undone. It does no harm.
            tracing::warn!(%error, "journal could not be removed");
        }
        return Ok(kept);
    }
    let what = format!(
        "plugin {:?} of container {}",
        section.header.plugin.as_str(),
        section.header.attachment.container
    );
    Err(crate::error::stuck("not everything could be undone", &what, &stuck))
}

/// Whether the section's container link is gone and another link has its name. Then another program made the
/// attachment again, and the journal describes a link that no longer exists.
pub fn is_replaced(section: &Section, look: &mut dyn Look) -> bool {
    let Some(identity) = section.container_link() else { return false };
    let link = &identity.link;
    let has_name = |look: &mut dyn Look| look.has_netns(link.netns) && matches!(look.link(link), Ok(Some(_)));
    matches!(is_there(identity, look), Ok(false)) && has_name(look)
}

/// Whether a link that the host made still exists, under any name.
pub fn is_there(identity: &LinkIdentity, look: &mut dyn Look) -> Result<bool, MachineError> {
    let found = ReadContext::new(look, &mut Notes::default()).link_at(&identity.link, identity.index)?;
    Ok(found.is_some_and(|found| found.kind == identity.kind))
}

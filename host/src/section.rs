//! The section that one request writes in the journal of its attachment: begin, apply, forget, undo.

use crate::action::context::{Notes, ReadContext};
use crate::action::record::{Before, Effect};
use crate::action::{Delegate, Lifetime};
use crate::apply::journal::Writer;
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
use crate::value::{LinkIdentity, PluginName, Report};
use std::time::{SystemTime, UNIX_EPOCH};

/// Begins the section of a request.
pub fn begin(
    request: &Request,
    journal: &Journal,
    netns_id: Option<NetnsId>,
    plugins: Vec<(String, String)>,
) -> Result<Writer, CniError> {
    let same = |section: &&Section| section.header.plugin == request.plugin;
    let ordinal = journal.sections()?.iter().filter(same).map(|s| s.header.ordinal + 1).max().unwrap_or(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let header = Header {
        version: apply::journal::VERSION,
        attachment: request.attachment.clone(),
        plugin: request.plugin.clone(),
        ordinal,
        netns: request.netns.clone(),
        netns_id,
        plugins,
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

/// Undoes the recorded sections of earlier ADDs of the same attachment: the earlier ADD failed, or its DEL never
/// came.
///
/// With `is_continued`, this ADD continues a chain (it has a `prevResult`), so the sections of this chain stay. Then it
/// undoes only sections of this plugin, and only if their ADD did not succeed or was in another namespace.
pub fn undo_old(
    node: &Node,
    request: &Request,
    journal: &Journal,
    netns_id: Option<NetnsId>,
    is_continued: bool,
    machine: &mut dyn Machine,
) -> Result<(), CniError> {
    for section in journal.sections()? {
        let is_old = section.header.plugin == request.plugin
            && (section.report.is_none() || section.header.netns_id != netns_id);
        if is_continued && !is_old {
            continue;
        }
        if netns_id.is_some()
            && netns_id == section.header.netns_id
            && is_replaced(&section, machine.as_look())
        {
            // Another program made the attachment again, and its lease and rules may have the same names. An undo
            // could delete those.
            let name = section.header.attachment.interface.as_str();
            let msg = format!("container veth name ({name:?}) already exists");
            return Err(CniError::new(ErrorKind::NameTaken, msg)
                .with_details("another program made the attachment again since; nothing was changed"));
        }
        tracing::info!(plugin = %section.header.plugin, "an earlier ADD of this attachment is undone first");
        undo(node, journal, &section, netns_id, machine)?;
    }
    Ok(())
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

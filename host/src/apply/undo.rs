//! Undo of a section. It is derived from the recorded effects, and needs no plugin.

use super::bequest::{Place, pass_on, values};
use super::journal::Section;
use super::parallel::in_parallel;
use super::records::records;
use super::rules;
use super::state_dir::StateDir;
use crate::action::context::{Notes, Permit, WriteContext, refused, sealed::PermitSeal};
use crate::action::profile::{OwnUndo, Retract, Retraction, RuleRemoval, UndoLane};
use crate::action::record::{Reason, Record, Undoing, Undone};
use crate::action::{self, Action, Lifetime, Undo};
use crate::machine::MachineError;
use crate::machine::port::{Machine, Request};
use crate::timings;
use crate::value::Netns;
use nix::errno::Errno;
use std::ops::Range;

/// An undo that failed.
#[derive(Debug)]
pub struct Stuck {
    /// The undo.
    pub undo: Undo,
    /// `CNI_NETNS`, for objects in the container. May be empty.
    pub netns: String,
    /// The error.
    pub error: MachineError,
}

impl PermitSeal for Section {}

impl Permit for Section {}

impl Section {
    /// The reason with which DEL undoes this section: rollback, if the ADD did not complete.
    pub fn reason(&self) -> Reason {
        if self.report.is_some() { Reason::Delete } else { Reason::Rollback }
    }
}

/// What a rollback leaves on purpose.
#[derive(Debug)]
pub struct Kept {
    /// The undo that is not done.
    pub undo: Undo,
    /// `CNI_NETNS`, for objects in the container. May be empty.
    pub netns: String,
    /// Why it stays.
    pub why: &'static str,
}

/// What an undo has left of a section.
#[derive(Debug, Default)]
pub struct Reverted {
    /// The undos that failed.
    pub stuck: Vec<Stuck>,
    /// What a rollback leaves on purpose: others need it. Empty for a DEL, which never removes such objects.
    pub kept: Vec<Kept>,
}

/// The undos of a section, in the reverse order of its actions.
///
/// `others` are the sections of all other attachments. What one of them uses stays.
pub fn undos(section: &Section, why: Reason, others: &[Section]) -> Vec<Undo> {
    let each = each_undo(section, why, others).into_iter();
    each.filter(|one| one.kept.is_none()).flat_map(|one| one.undos).collect()
}

/// The undos of one record.
struct UndoOf {
    place: Place,
    undos: Vec<Undo>,
    /// Why they are not done.
    kept: Option<&'static str>,
    /// Whether a native plugin undoes it.
    is_native: bool,
}

fn each_undo(section: &Section, why: Reason, others: &[Section]) -> Vec<UndoOf> {
    let own: Vec<Record<'_>> = section.steps.iter().flat_map(records).collect();
    let others: Vec<Vec<&Action>> =
        others.iter().map(|other| other.entries().map(|entry| &entry.action).collect()).collect();
    let mut each = Vec::new();
    for (number, step) in section.steps.iter().enumerate().rev() {
        let of_step: Vec<_> = records(step).zip(&step.intent).enumerate().collect();
        for (action, (record, (entry, _))) in of_step.into_iter().rev() {
            let kept = match (entry.lifetime, why) {
                (Lifetime::Attachment, _) => None,
                (_, Reason::Delete) => Some("a DEL leaves what others may use"),
                (Lifetime::Shared, Reason::Rollback) => {
                    is_used(&entry.action, &own, &others).then_some("another attachment uses it")
                }
                (Lifetime::Node, Reason::Rollback) => {
                    (!others.is_empty()).then_some("the node has other attachments")
                }
            };
            let undoing = Undoing { done: record.done, why, own: &own, others: &others };
            let undos = entry.action.kind().undos(&undoing);
            let is_native = entry.action.kind().profile().lane.place() == action::profile::Place::Native;
            each.push(UndoOf { place: Place { step: number, action }, undos, kept, is_native });
        }
    }
    each
}

/// Whether another attachment uses the shared object that an action made.
fn is_used(action: &Action, own: &[Record<'_>], others: &[Vec<&Action>]) -> bool {
    let own: Vec<&Action> = own.iter().map(|record| record.action).collect();
    others.iter().flatten().any(|other| action.kind().is_used_by(other, &own))
}

/// Undoes a section whose ADD did not complete. Returns what is left.
pub fn rollback(section: &Section, state: &StateDir, machine: &mut dyn Machine) -> Reverted {
    undo_section(section, Reason::Rollback, state, machine)
}

/// Undoes a section, as far as the objects are still ours. Returns the undos that failed.
pub fn revert(section: &Section, why: Reason, state: &StateDir, machine: &mut dyn Machine) -> Vec<Stuck> {
    undo_section(section, why, state, machine).stuck
}

/// The same, and returns also what stays on purpose.
///
/// A native plugin runs without the lock of shared objects, because it may execute plugins of ours that need the lock.
/// After it, it is looked again which objects others use.
pub fn undo_section(section: &Section, why: Reason, state: &StateDir, machine: &mut dyn Machine) -> Reverted {
    let each = each_undo(section, why, &[]);
    let mut reverted = Reverted::default();
    let mut start = 0;
    for part in each.chunk_by(|a, b| a.is_native == b.is_native) {
        let is_native = part.first().is_some_and(|one| one.is_native);
        let end = start + part.len();
        let state = (!is_native).then_some(state);
        let Reverted { stuck, kept } = undo_part(section, start..end, why, state, machine);
        reverted.stuck.extend(stuck);
        reverted.kept.extend(kept);
        start = end;
    }
    reverted
}

/// Undoes some records of a section, by their position in [`each_undo`]. Without `state`, it takes no lock.
fn undo_part(
    section: &Section,
    part: Range<usize>,
    why: Reason,
    state: Option<&StateDir>,
    machine: &mut dyn Machine,
) -> Reverted {
    let shared = why == Reason::Rollback && section.has_shared();
    let replaces = !values(section, &undone(section, part.clone(), why, &[])).is_empty();
    let state = state.filter(|_| shared || replaces);
    // Without the lock, shared objects stay. At worst a bridge without ports is left.
    let lock = state.and_then(|state| Some((state, state.lock_shared_for_undo().ok()?)));
    let others =
        lock.as_ref().filter(|_| shared).and_then(|(state, _)| state.others(&section.header.attachment));
    let is_blind = shared && others.is_none();
    let reason = if is_blind { Reason::Delete } else { why };
    let others = others.unwrap_or_default();
    // Somebody else may have written into the section before we got the lock.
    let mut section = if replaces { section.refreshed() } else { section.clone() };
    let values = values(&section, &undone(&section, part.clone(), reason, &others));
    if let Some((state, _)) = &lock
        && !values.is_empty()
    {
        section = pass_on(&section, &values, state);
    }
    let netns = &section.header.netns;
    let (mut kept, mut undos) = (Vec::new(), Vec::new());
    for one in each_undo(&section, reason, &others).into_iter().take(part.end).skip(part.start) {
        match one.kept {
            None => undos.extend(one.undos),
            Some(why) if shared => {
                let why = if is_blind { "it is not known who else uses it" } else { why };
                kept.extend(one.undos.into_iter().map(|undo| Kept { undo, netns: netns.clone(), why }));
            }
            Some(_) => {}
        }
    }
    let stuck = undo_all(&section, &undos, netns, machine);
    Reverted { stuck, kept }
}

/// The records of a part that are undone, the latest first.
fn undone(section: &Section, part: Range<usize>, why: Reason, others: &[Section]) -> Vec<Place> {
    let each = each_undo(section, why, others).into_iter().take(part.end).skip(part.start);
    each.filter(|one| one.kept.is_none() && !one.undos.is_empty()).map(|one| one.place).collect()
}

/// Performs undos in order, and continues after a failure. Returns what is left. `netns` is `CNI_NETNS`, or empty.
pub fn undo_all(permit: &dyn Permit, undos: &[Undo], netns: &str, machine: &mut dyn Machine) -> Vec<Stuck> {
    let mut stuck = Vec::new();
    timings::ended("state");
    let all_undone = undo(permit, undos, machine);
    timings::ended("undo");
    for (undo, undone) in undos.iter().zip(all_undone) {
        match undone {
            Undone::Done | Undone::Gone => {}
            Undone::Left(reason) => tracing::info!(?undo, reason, "left alone"),
            Undone::Failed(error) => {
                stuck.push(Stuck { undo: undo.clone(), netns: netns.to_owned(), error });
            }
        }
    }
    stuck
}

/// An undo outside of the lane of rules.
enum Task<'a> {
    Requests(Netns, &'a dyn Retract),
    Own(&'a dyn OwnUndo),
}

/// Performs undos in order. Returns one result for each. Rules are removed in parallel with everything else. After it
/// removes a rule or a link, the kernel waits until no packet uses it any more, about 15 ms each. This way, both waits
/// overlap.
pub fn undo(permit: &dyn Permit, undos: &[Undo], machine: &mut dyn Machine) -> Vec<Undone> {
    let held = machine.stores().locked();
    let mut notes = Notes::default();
    let (mut removals, mut tasks, mut last): (Vec<&dyn RuleRemoval>, Vec<Task<'_>>, Vec<Task<'_>>) =
        Default::default();
    let mut waits_for_links = false;
    for undo in undos {
        match undo.inverse().lane() {
            UndoLane::Rules(removal) => removals.push(removal),
            // Native plugins run after the rules were removed. The programs that edit rules inherit the attachment's
            // lock. A process that a plugin leaves running would inherit it too, and hold it after this verb. Undos
            // that follow a native plugin wait too.
            UndoLane::Native(own) => last.push(Task::Own(own)),
            UndoLane::Requests(netns, retract) => {
                waits_for_links |= last.is_empty();
                if last.is_empty() { &mut tasks } else { &mut last }.push(Task::Requests(netns, retract));
            }
            UndoLane::Own(own) => if last.is_empty() { &mut tasks } else { &mut last }.push(Task::Own(own)),
        }
    }
    let tables = machine.tables();
    let mut cx = WriteContext::new(permit, machine, &mut notes);
    let (removed, mut others) = if !removals.is_empty() && waits_for_links {
        let of_rules: Vec<&Undo> =
            undos.iter().filter(|undo| matches!(undo.inverse().lane(), UndoLane::Rules(_))).collect();
        let remove = || {
            let removals: Vec<&dyn RuleRemoval> = of_rules.iter().filter_map(|undo| removal(undo)).collect();
            rules::remove(&removals, &*tables)
        };
        in_parallel(remove, || each(&tasks, &mut cx))
    } else {
        (rules::remove(&removals, &*tables), each(&tasks, &mut cx))
    };
    let count = others.len();
    if !last.is_empty() {
        // A native IPAM plugin may need the lock of the store in which leases were looked up.
        cx.machine.stores().unlock_all();
    }
    others.extend(each(&last, &mut cx));
    machine.stores().unlock_except(&held);
    in_order(undos, removed, others, count)
}

fn removal(undo: &Undo) -> Option<&dyn RuleRemoval> {
    match undo.inverse().lane() {
        UndoLane::Rules(removal) => Some(removal),
        UndoLane::Requests(..) | UndoLane::Own(_) | UndoLane::Native(_) => None,
    }
}

/// The results in the order of the undos.
fn in_order(undos: &[Undo], removed: Vec<Undone>, others: Vec<Undone>, count: usize) -> Vec<Undone> {
    let mut removed = removed.into_iter();
    let mut tasks: Vec<Undone> = others;
    let mut last = tasks.split_off(count).into_iter();
    let mut tasks = tasks.into_iter();
    let mut is_last = false;
    let next = |undo: &Undo| match undo.inverse().lane() {
        UndoLane::Rules(_) => removed.next(),
        UndoLane::Native(_) => {
            is_last = true;
            last.next()
        }
        UndoLane::Requests(..) | UndoLane::Own(_) if is_last => last.next(),
        UndoLane::Requests(..) | UndoLane::Own(_) => tasks.next(),
    };
    undos.iter().filter_map(next).collect()
}

fn each(tasks: &[Task<'_>], cx: &mut WriteContext<'_>) -> Vec<Undone> {
    let undone = |task: &Task<'_>| match task {
        Task::Requests(netns, retract) => take_back(*netns, *retract, cx),
        Task::Own(own) => own.perform(cx),
    };
    tasks.iter().map(undone).map(|undone| undone.unwrap_or_else(Undone::Failed)).collect()
}

fn take_back(netns: Netns, retract: &dyn Retract, cx: &mut WriteContext<'_>) -> Result<Undone, MachineError> {
    let (lists, what) = match retract.prepare(cx)? {
        Retraction::Nothing(undone) => return Ok(undone),
        Retraction::Send(lists, what) => (lists, what),
    };
    let mut undone = Undone::Gone;
    for requests in lists {
        undone = send(netns, requests, &what, cx)?;
    }
    Ok(undone)
}

/// Sends requests. An object that is already gone counts as removed.
fn send(
    netns: Netns,
    requests: Vec<Request>,
    what: &str,
    cx: &mut WriteContext<'_>,
) -> Result<Undone, MachineError> {
    let gone = [Errno::ENODEV as i32, Errno::EADDRNOTAVAIL as i32];
    let mut undone = Undone::Gone;
    for answer in cx.machine.send(netns, requests) {
        match answer {
            Ok(()) => undone = Undone::Done,
            Err(error) if error.raw_os_error().is_some_and(|number| gone.contains(&number)) => {}
            Err(error) => return Err(refused(what, error)),
        }
    }
    Ok(undone)
}

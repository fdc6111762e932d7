//! Every plan of the corpus, with a fault in every call of the port: a failed ADD leaves nothing, and neither does an
//! undo.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tempfile::TempDir;
use wasm_cni::action::record::Reason;
use wasm_cni::action::{Action, Delegate};
use wasm_cni::apply::{self, Header, Journal, Section, StateDir};
use wasm_cni::machine::port::Machine;
use wasm_cni::plan::{CheckedPlan, Entry};
use wasm_cni::section;
use wasm_cni::value::{Attachment, PluginName, derive};
use wasm_cni_fake::FakeMachine;
use wasm_cni_fake::faulty::{Died, Fault, Strike};
use wasm_cni_plans::{Plan, again, kind, play};

/// A plan, and the machine that it is applied to.
struct Case {
    plan: Plan,
    stages: Vec<Stage>,
    before: FakeMachine,
}

/// A part of a plan that is done in one go.
enum Stage {
    Checked(CheckedPlan),
    Native(Delegate),
}

impl Case {
    fn all() -> Vec<Case> {
        Plan::all().into_iter().map(Case::new).collect()
    }

    fn new(plan: Plan) -> Case {
        let before = plan.before();
        let stages = plan.stages().into_iter().map(|entries| match entries {
            [Entry { action: Action::Delegate(delegate), .. }] => Stage::Native(delegate.clone()),
            whole if whole.len() == plan.entries.len() => Stage::Checked(plan.checked()),
            part => Stage::Checked(again::checked(part)),
        });
        Case { stages: stages.collect(), before, plan }
    }

    /// An ADD without the report of its result.
    fn add(&self, journal: &Journal, state: &StateDir, machine: &mut dyn Machine) -> Result<(), Failed> {
        let Plan { attachment, plugin, .. } = &self.plan;
        let mut writer = journal.begin(&header(attachment, plugin)).unwrap();
        let result = self.stages.iter().try_for_each(|stage| match stage {
            Stage::Checked(plan) => apply::execute(plan, &mut writer, state, machine)
                .map_err(|error| Failed { is_undone: error.stuck.is_empty(), error: format!("{error:?}") }),
            Stage::Native(delegate) => {
                let added = section::delegate(&mut writer, plugin, delegate, "1.0.0", machine).unwrap();
                added.map(drop).map_err(|error| {
                    let stuck = apply::rollback(writer.section(), state, machine).stuck;
                    Failed { is_undone: stuck.is_empty(), error: format!("{error:?}, {stuck:?}") }
                })
            }
        });
        if result.as_ref().is_err_and(|failed| failed.is_undone) {
            journal.forget(writer.section()).unwrap();
        }
        result
    }

    /// The number of calls of an ADD, the machine after it, and its section.
    fn whole(&self, state: &StateDir) -> (usize, FakeMachine, Section) {
        let journal = state.lock(&self.plan.attachment).unwrap();
        let (mut machine, count) = (self.before.clone(), Strike::never());
        let added = self.add(&journal, state, machine.struck(count.clone()));
        assert!(added.is_ok(), "{}: {added:?}", self.plan.name);
        machine.next_verb();
        let section = journal.sections().unwrap().remove(0);
        journal.forget(&section).unwrap();
        (count.seen(), machine, section)
    }

    /// An ADD with a fault, then the next verb, which finds the rest of the journal. `done` is the machine after an ADD
    /// without a fault.
    fn survives_add(&self, strike: Strike, done: &FakeMachine, state: &StateDir) -> Result<(), String> {
        let (mut machine, is_lasting) = (self.before.clone(), strike.is_lasting());
        let journal = state.lock(&self.plan.attachment).unwrap();
        let added = or_dies(|| self.add(&journal, state, machine.struck(strike)));
        machine.next_verb();
        let first = match added {
            Some(Ok(())) => differs(&required(done), &required(&machine), &[])
                .map_err(|why| format!("it ended well: {why}")),
            Some(Err(failed)) if failed.is_undone => self.is_as_before(&machine),
            Some(Err(_)) | None => Ok(()),
        };
        for section in journal.sections().unwrap() {
            is_undone(apply::revert(&section, section.reason(), state, &mut machine))?;
            journal.forget(&section).unwrap();
        }
        if is_lasting && self.has_unmarked_pair(&machine) {
            return Ok(());
        }
        first.and_then(|()| self.is_as_before(&machine))
    }

    /// Whether there is a new veth pair that could neither get its alias nor be deleted. Nothing shows its owner, so
    /// nothing may delete it later.
    fn has_unmarked_pair(&self, machine: &FakeMachine) -> bool {
        let had = seen(&self.before);
        let is_unmarked = |line: &String| {
            line.starts_with("host: link ") && line.contains(" type veth") && !line.contains(" alias ")
        };
        seen(machine).iter().any(|line| is_unmarked(line) && !had.contains(line))
    }

    /// An undo with a fault, then the same undo again. `clean` is the machine after an undo without a fault.
    fn survives_undo(
        &self,
        strike: Strike,
        (done, clean): (&FakeMachine, &FakeMachine),
        (section, why): (&Section, Reason),
        state: &StateDir,
    ) -> Result<(), String> {
        let mut machine = done.clone();
        drop(or_dies(|| apply::revert(section, why, state, machine.struck(strike))));
        machine.next_verb();
        is_undone(apply::revert(section, why, state, &mut machine))?;
        differs(&but_queue_lengths(&seen(clean)), &but_queue_lengths(&seen(&machine)), &[])
    }

    /// The number of calls of an undo without a fault, and the machine after it.
    fn undone(
        &self,
        done: &FakeMachine,
        section: &Section,
        why: Reason,
        state: &StateDir,
    ) -> (usize, FakeMachine) {
        let (mut machine, count) = (done.clone(), Strike::never());
        let stuck = apply::revert(section, why, state, machine.struck(count.clone()));
        assert!(stuck.is_empty(), "{}, {why:?}: {stuck:?}", self.plan.name);
        match why {
            Reason::Rollback => self.is_as_before(&machine).unwrap(),
            Reason::Delete => self.assert_ended(&machine),
        }
        (count.seen(), machine)
    }

    fn is_as_before(&self, machine: &FakeMachine) -> Result<(), String> {
        differs(&seen(&self.before), &seen(machine), self.plan.taken)
    }

    /// After DEL, nothing of the attachment exists. Objects that are shared, or belong to the node, may exist.
    fn assert_ended(&self, machine: &FakeMachine) {
        let had = seen(&self.before);
        let Attachment { container, interface, .. } = &self.plan.attachment;
        let own = [
            "container: ".to_owned(),
            derive::alias(&self.plan.attachment),
            derive::chain(&self.plan.attachment),
            derive::nft_owner(&self.plan.attachment),
            format!(" = {container} {interface}"),
        ];
        for line in seen(machine).iter().filter(|line| !had.contains(line)) {
            assert!(!own.iter().any(|own| line.contains(own)), "{}: DEL has left {line:?}", self.plan.name);
        }
    }
}

/// Why an ADD failed, and whether everything was undone.
#[derive(Debug)]
struct Failed {
    #[expect(dead_code, reason = "shown where an ADD should not have failed")]
    error: String,
    is_undone: bool,
}

fn is_undone(stuck: Vec<apply::Stuck>) -> Result<(), String> {
    if stuck.is_empty() { Ok(()) } else { Err(format!("{stuck:?}")) }
}

/// The lines that were added, and those that were lost, except lost lines that contain one of the words `taken`.
fn differs(had: &[String], has: &[String], taken: &[&str]) -> Result<(), String> {
    let is_taken = |line: &String| taken.iter().any(|word| line.contains(word));
    let left: Vec<&String> = has.iter().filter(|line| !had.contains(line)).collect();
    let lost: Vec<&String> = had.iter().filter(|line| !has.contains(line) && !is_taken(line)).collect();
    let is_same = left.is_empty() && lost.is_empty() && (!taken.is_empty() || had == has);
    if is_same { Ok(()) } else { Err(format!("left {left:?}, lost {lost:?}")) }
}

/// A queue length is not restored if the process died, or the kernel refused a request, after the token bucket filter
/// was removed.
fn but_queue_lengths(lines: &[String]) -> Vec<String> {
    let words = |line: &String| {
        let mut is_length = false;
        let kept = line.split(' ').filter(|word| {
            let is_part = *word == "qlen" || is_length;
            is_length = *word == "qlen";
            !is_part
        });
        kept.collect::<Vec<_>>().join(" ")
    };
    lines.iter().map(words).collect()
}

/// What an ADD must have done when it succeeds. It also succeeds without an optional kernel parameter, and if the
/// temporary name of a lease file could not be removed. That name is removed together with the lease.
fn required(machine: &FakeMachine) -> Vec<String> {
    let is_required = |line: &String| !line.contains(": sysctl ") && !line.contains(": file .");
    seen(machine).into_iter().filter(is_required).collect()
}

/// Each fault in a call, and one after which all calls fail, with their names.
fn strikes(at: usize) -> impl Iterator<Item = (Strike, String)> {
    let from = (Strike::from(at, Fault::Refused), "refused from there on".to_owned());
    Fault::ALL.into_iter().map(move |fault| (Strike::at(at, fault), format!("{fault:?}"))).chain([from])
}

/// None if the process died.
fn or_dies<T>(verb: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(verb)) {
        Ok(ended) => Some(ended),
        Err(payload) if payload.is::<Died>() => None,
        Err(payload) => std::panic::resume_unwind(payload),
    }
}

fn header(attachment: &Attachment, plugin: &PluginName) -> Header {
    Header {
        version: apply::journal::VERSION,
        attachment: attachment.clone(),
        plugin: plugin.clone(),
        ordinal: 0,
        level: 0,
        netns: String::new(),
        netns_id: None,
        plugins: Vec::new(),
        asker: None,
        created: 1,
    }
}

/// The whole machine, except empty lease stores: like in the reference, they stay.
fn seen(machine: &FakeMachine) -> Vec<String> {
    let text = machine.snapshot();
    let lines = text.lines().filter(|line| !line.starts_with("leases ") || line.contains(": "));
    lines.map(str::to_owned).collect()
}

/// The number of faults, and the failures.
#[derive(Default)]
struct Faults {
    tried: usize,
    failed: Vec<String>,
}

impl Faults {
    fn each(&mut self, what: &str, calls: usize, survives: impl Fn(Strike) -> Result<(), String>) {
        for at in 0..calls {
            for (strike, name) in strikes(at) {
                let survived = survives(strike);
                self.failed.extend(survived.err().map(|why| format!("{what}, call {at}, {name}: {why}")));
                self.tried += 1;
            }
        }
    }

    fn assert_all(&self, least: usize) {
        assert!(
            self.failed.is_empty(),
            "{} of {}:\n{}",
            self.failed.len(),
            self.tried,
            self.failed.join("\n")
        );
        assert!(self.tried >= least, "{} faults", self.tried);
    }
}

fn with_state(then: impl FnOnce(&StateDir)) {
    let directory = TempDir::new().unwrap();
    then(&StateDir::new(directory.path().to_owned()));
}

#[test]
fn a_fault_at_any_call_of_an_add_leaves_nothing() {
    with_state(|state| {
        let mut faults = Faults::default();
        for case in Case::all() {
            let (calls, done, _) = case.whole(state);
            faults.each(&case.plan.name, calls, |strike| case.survives_add(strike, &done, state));
        }
        faults.assert_all(4000);
    });
}

#[test]
fn a_second_undo_removes_everything_after_a_fault_at_any_call_of_the_first() {
    with_state(|state| {
        let mut faults = Faults::default();
        for case in Case::all() {
            let (_, done, section) = case.whole(state);
            for why in [Reason::Rollback, Reason::Delete] {
                let (calls, clean) = case.undone(&done, &section, why, state);
                let survives = |strike| case.survives_undo(strike, (&done, &clean), (&section, why), state);
                faults.each(&format!("{}, {why:?}", case.plan.name), calls, survives);
            }
        }
        faults.assert_all(1000);
    });
}

/// The kinds of actions that leave nothing on a machine: a wait, an announcement, and a native plugin, whose changes the
/// host does not know.
const LEAVE_NOTHING: [&str; 3] = ["Announce", "Delegate", "Settle"];

#[test]
fn every_other_kind_of_action_leaves_a_change() {
    let mut changing = BTreeSet::new();
    for plan in Plan::all() {
        let mut machine = plan.before();
        for Entry { action, .. } in plan.entries {
            let (before, kind) = (machine.snapshot(), kind(&action));
            if kind != "Delegate" {
                play::perform(&mut machine, action).unwrap_or_else(|error| panic!("{}: {error}", plan.name));
            }
            if machine.snapshot() != before {
                changing.insert(kind);
            }
        }
    }
    let all = Action::KINDS.iter().copied();
    let idle: Vec<&str> = all.filter(|kind| !changing.contains(*kind)).collect();
    let mut expected = LEAVE_NOTHING.to_vec();
    expected.sort_by_key(|kind| Action::KINDS.iter().position(|other| other == kind));
    assert_eq!(idle, expected);
}

//! All or nothing on the machine in memory: every plan of the differential corpus, every action of it, every fault.
//!
//! `tests/plans/corpus.json` is recorded from the journals of real ADDs, and held against them, by `tests/tests/faults/steps.rs`.

use super::journal::Journal;
use super::state_dir::StateDir;
use super::tests::{Fault, Faulty};
use super::{ApplyError, Header, execute, revert};
use crate::action::Action;
use crate::cni::{Command, Request, config};
use crate::machine::fake::FakeKernel;
use crate::machine::{Kernel, Outcome};
use crate::plan::{DraftPlan, Entry, render};
use crate::policy::{self, CheckedPlan};
use crate::reference;
use crate::value::{Attachment, PluginName, Report};
use serde::Deserialize;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// An ADD as it was.
#[derive(Deserialize)]
struct Recorded {
    case: String,
    config: String,
    args: Option<String>,
    attachment: Attachment,
    plugin: PluginName,
    /// What the plugins before it in the chain did.
    #[serde(default)]
    earlier: Vec<Entry>,
    entries: Vec<Entry>,
    report: Report,
}

impl Recorded {
    fn all() -> Vec<Recorded> {
        let text = include_str!("../../../tests/plans/corpus.json");
        let lines = text.lines().filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn plan(&self) -> CheckedPlan {
        let request = Request {
            command: Command::Add,
            plugin: self.plugin.clone(),
            attachment: self.attachment.clone(),
            netns: format!("/var/run/netns/{}", self.attachment.container),
            path: Vec::new(),
            args: self.args.clone().unwrap_or_default(),
            config: self.config.clone(),
            cni_version: "1.0.0".to_owned(),
        };
        let (entries, report) = (self.entries.clone(), self.report.clone());
        let draft = DraftPlan { entries, report, unreadable: Vec::new() };
        let config = config::decode(self.config.as_bytes()).unwrap();
        let previous = config.previous().unwrap();
        let grants = reference::grants(&request, &config, previous.as_ref(), &Default::default());
        policy::check(draft, &[], &grants)
            .unwrap_or_else(|violations| panic!("{}: {violations:?}", self.case))
    }

    /// The machine on which it is the next.
    fn machine(&self) -> FakeKernel {
        let mut kernel = FakeKernel::new();
        for step in self.earlier.chunk_by(|a, b| render::place(&a.action) == render::place(&b.action)) {
            let step: Vec<Action> = step.iter().map(|entry| entry.action.clone()).collect();
            let outcomes = kernel.execute(&step);
            assert!(
                outcomes.iter().all(|outcome| matches!(outcome, Outcome::Done(_))),
                "{}: {outcomes:?}",
                self.case
            );
        }
        kernel.unlock_leases();
        kernel
    }

    /// An ADD with a fault.
    fn add(
        &self,
        journal: &Journal,
        state: &StateDir,
        kernel: &mut Faulty<'_, FakeKernel>,
    ) -> Result<(), ApplyError> {
        let header = Header {
            version: super::journal::VERSION,
            attachment: self.attachment.clone(),
            plugin: self.plugin.clone(),
            ordinal: 0,
            netns: String::new(),
            netns_id: None,
            plugins: Vec::new(),
            created: 1,
        };
        let mut writer = journal.begin(&header).unwrap();
        let result = execute(&self.plan(), &mut writer, state, kernel);
        if result.as_ref().is_err_and(|error| error.stuck.is_empty()) {
            journal.forget(writer.section()).unwrap();
        }
        result
    }

    /// Every fault at an action, then the next verb; each time the machine is as before.
    fn survives(&self, at: usize, before: &FakeKernel, state: &StateDir) {
        for (fault, undo_fails) in [
            (Fault::Fails, false),
            (Fault::Fails, true),
            (Fault::DiesBefore, false),
            (Fault::DiesAfter, false),
        ] {
            let what = format!("{}, action {at}, {fault:?}, undo fails: {undo_fails}", self.case);
            let mut kernel = before.clone();
            let journal = state.lock(&self.attachment).unwrap();
            let mut faulty = Faulty { kernel: &mut kernel, fault, at, seen: 0, undo_fails };
            let died = catch_unwind(AssertUnwindSafe(|| self.add(&journal, state, &mut faulty).unwrap_err()));
            assert_eq!(died.is_err(), fault != Fault::Fails, "{what}");
            kernel.unlock_leases();
            if let Ok(error) = died
                && error.stuck.is_empty()
            {
                assert_eq!(seen(&kernel), seen(before), "{what}");
            }
            for section in journal.sections().unwrap() {
                let stuck = revert(&section, section.reason(), state, &mut kernel);
                assert!(stuck.is_empty(), "{what}: {stuck:?}");
                journal.forget(&section).unwrap();
            }
            assert_eq!(seen(&kernel), seen(before), "{what}");
        }
    }
}

/// All of the machine but that there is a store: like the reference's, an empty one stays.
fn seen(kernel: &FakeKernel) -> Vec<String> {
    let text = kernel.snapshot();
    text.lines()
        .filter(|line| !line.starts_with("leases ") || line.contains(": "))
        .map(str::to_owned)
        .collect()
}

#[test]
fn on_the_machine_in_memory_a_fault_at_any_action_of_any_plan_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let state = StateDir::new(directory.path().to_owned());
    let plans = Recorded::all();
    let mut faults = 0;
    for recorded in &plans {
        let fresh = recorded.machine();
        // Without a fault it can be done there at all.
        let mut kernel = fresh.clone();
        {
            let journal = state.lock(&recorded.attachment).unwrap();
            let mut whole = Faulty {
                kernel: &mut kernel,
                fault: Fault::Fails,
                at: usize::MAX,
                seen: 0,
                undo_fails: false,
            };
            let added = recorded.add(&journal, &state, &mut whole);
            assert!(added.is_ok(), "{}: {added:?}", recorded.case);
            journal.sections().unwrap().iter().for_each(|section| journal.forget(section).unwrap());
        }
        for at in 0..recorded.entries.len() {
            recorded.survives(at, &fresh, &state);
            faults += 4;
        }
    }
    assert!(plans.len() >= 20 && faults >= 1000, "{} plans, {faults} faults", plans.len());
}

//! An attachment on the machine in memory: what CHECK finds after a change by somebody else, and what an undo leaves.

use wasm_cni::action::record::{Done, Effect, Reason, Record, Undoing, Undone};
use wasm_cni::action::{Action, Undo};
use wasm_cni_fake::FakeMachine;
use wasm_cni_plans::play::{missing, perform, read, undo_all};

/// A machine on which actions were performed.
pub struct Attached {
    before: String,
    /// The machine after the actions.
    pub machine: FakeMachine,
    actions: Vec<Action>,
    effects: Vec<Effect>,
}

impl Attached {
    /// Performs the actions. Each of them must change the machine, and CHECK must find no difference.
    pub fn new(mut machine: FakeMachine, actions: impl IntoIterator<Item = Action>) -> Self {
        let (before, actions) = (machine.snapshot(), Vec::from_iter(actions));
        let mut changed = |action: &Action| {
            let before = machine.snapshot();
            let effect = perform(&mut machine, action.clone()).unwrap();
            assert_ne!(machine.snapshot(), before, "{action:?} changed nothing");
            effect
        };
        let effects = actions.iter().map(&mut changed).collect();
        machine.next_verb();
        let attached = Attached { before, machine, actions, effects };
        assert_eq!(attached.check_after(|_| ()), [""; 0]);
        attached
    }

    /// What CHECK says after a change by somebody else.
    pub fn check_after(&self, change: impl FnOnce(&mut FakeMachine)) -> Vec<String> {
        let mut machine = self.machine.clone();
        change(&mut machine);
        machine.next_verb();
        missing(&mut machine, &self.actions)
    }

    /// The undos of a failed ADD, the last action first.
    pub fn undos(&self) -> Vec<Undo> {
        let records: Vec<Record<'_>> = std::iter::zip(&self.actions, &self.effects)
            .map(|(action, effect)| Record { action, done: Done::Effect(effect) })
            .collect();
        let of = |record: &Record<'_>| {
            let undoing = Undoing { done: record.done, why: Reason::Rollback, own: &records, others: &[] };
            record.action.kind().undos(&undoing)
        };
        records.iter().rev().flat_map(of).collect()
    }

    /// Whether something is left that the undos remove.
    pub fn is_left(&mut self) -> bool {
        let undos = self.undos();
        undos.iter().any(|undo| read(&mut self.machine, |cx| undo.inverse().is_left(cx)).unwrap())
    }

    /// Performs the undos. Each of them must have something to do, and the machine must be as before the actions.
    pub fn assert_undone(&mut self) {
        let undos = self.undos();
        for (undo, undone) in std::iter::zip(&undos, undo_all(&mut self.machine, &undos)) {
            assert!(matches!(undone, Undone::Done), "{undo:?}: {undone:?}");
        }
        assert_eq!(self.machine.snapshot(), self.before);
    }
}

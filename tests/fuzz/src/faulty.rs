//! The machine in memory, but for one action that fails.

use wasm_cni::action::{Action, Answer, Facts, Query};
use wasm_cni::machine::fake::FakeKernel;
use wasm_cni::machine::{Before, Difference, Kernel, MachineError, Outcome, Undo, Undone};

/// See the module.
pub struct Faulty<'a> {
    /// The machine.
    pub kernel: &'a mut FakeKernel,
    /// So many actions, counted over all steps, are done before the one that fails; none: all are done.
    pub left: Option<usize>,
}

impl Facts for Faulty<'_> {
    fn ask(&mut self, query: &Query) -> Answer {
        self.kernel.ask(query)
    }
}

impl Kernel for Faulty<'_> {
    fn observe(&mut self, step: &[Action]) -> Vec<Before> {
        self.kernel.observe(step)
    }

    fn execute(&mut self, step: &[Action]) -> Vec<Outcome> {
        let Some(left) = self.left else { return self.kernel.execute(step) };
        let Some(first) = step.get(..left).filter(|first| first.len() < step.len()) else {
            self.left = Some(left - step.len());
            return self.kernel.execute(step);
        };
        let mut outcomes = self.kernel.execute(first);
        if !outcomes.iter().any(|outcome| matches!(outcome, Outcome::Failed(_) | Outcome::Halfway(_))) {
            outcomes.push(Outcome::Failed(MachineError::Conflict("made to fail".to_owned())));
        }
        outcomes.resize_with(step.len(), || Outcome::NotTried);
        outcomes
    }

    fn undo(&mut self, undos: &[Undo]) -> Vec<Undone> {
        self.kernel.undo(undos)
    }

    fn verify(&mut self, actions: &[Action]) -> Vec<Vec<Difference>> {
        self.kernel.verify(actions)
    }

    fn unlock_leases(&mut self) {
        self.kernel.unlock_leases();
    }
}

//! A line in a journal at which the process died.

use super::Fixture;
use std::collections::BTreeSet;

/// A death in the last recorded step, which was perhaps done.
#[derive(Debug, Clone)]
pub struct Death {
    /// The journal up to the last intent, or to an unclear effect.
    pub journal: Fixture,
    /// Whether the step was done.
    pub is_done: bool,
}

/// The kinds of the actions that were tried, each with the state before it, what is known about it, and whether it was
/// done.
#[derive(Debug, Default)]
pub struct Known(BTreeSet<(String, String, Option<String>, bool)>);

impl Death {
    /// All such lines of a journal.
    pub fn of(fixture: &Fixture) -> Vec<Death> {
        let intents = fixture.lines_of("intent");
        if fixture.name.ends_with("/killed") {
            let at =
                |is_done| intents.iter().map(move |line| Death { journal: fixture.first(*line), is_done });
            return at(true).chain(at(false)).collect();
        }
        if !fixture.name.contains("/unclear") {
            return Vec::new();
        }
        let last = fixture.len();
        let effects: Vec<String> = fixture.members(last).iter().map(super::fixture::tag).collect();
        let is_tried = effects.len() == fixture.members(last - 1).len()
            && !effects.iter().any(|effect| effect == "null");
        // Links that were made exist in any case, and actions that were not tried do not.
        let possible = [(true, is_tried), (false, !effects.iter().any(|effect| effect == "created-links"))];
        let at = |is_done| Death { journal: fixture.clone(), is_done };
        possible.into_iter().filter(|(_, is_possible)| *is_possible).map(|(is_done, _)| at(is_done)).collect()
    }

    /// The line at which the current ADD must die to leave the machine as this one did.
    pub fn killed_at(&self) -> usize {
        let intent = self.intent();
        if self.is_done { intent + 1 } else { intent }
    }

    fn intent(&self) -> usize {
        *self.journal.lines_of("intent").last().expect("a step")
    }
}

impl Known {
    /// Whether a death has a new combination.
    pub fn learns(&mut self, death: &Death) -> bool {
        let count = death.journal.actions(death.intent()).len();
        let effects = death.journal.effects();
        let last = effects[effects.len() - count..].iter().cloned();
        let mut is_new = false;
        for (action, before, effect) in last {
            is_new |= self.0.insert((action, before, effect, death.is_done));
        }
        is_new
    }
}

//! A place in a journal where the process died.

use super::Fixture;
use std::collections::BTreeSet;

/// The last step of the journal was noted and perhaps done.
#[derive(Debug, Clone)]
pub struct Death {
    /// Up to the last intent; or to an effect that is unclear.
    pub journal: Fixture,
    /// Whether the step was done.
    pub is_done: bool,
}

/// Kinds of actions with the state that they found, what is known of them, and whether they were done: those that were tried.
#[derive(Debug, Default)]
pub struct Known(BTreeSet<(String, String, Option<String>, bool)>);

impl Death {
    /// All places in a journal.
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
        // Links that were made are there in any case; and what was not tried is not.
        let possible = [(true, is_tried), (false, !effects.iter().any(|effect| effect == "created-links"))];
        let at = |is_done| Death { journal: fixture.clone(), is_done };
        possible.into_iter().filter(|(_, is_possible)| *is_possible).map(|(is_done, _)| at(is_done)).collect()
    }

    /// The line at which today's ADD dies, so that the machine is as this one left it.
    pub fn killed_at(&self) -> usize {
        let intent = self.intent();
        if self.is_done { intent + 1 } else { intent }
    }

    fn intent(&self) -> usize {
        *self.journal.lines_of("intent").last().expect("a step")
    }
}

impl Known {
    /// Whether something of a death is new.
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

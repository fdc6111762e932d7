//! The machine before an ADD.

use super::trial::seen;
use super::{Fixture, Scenario, Scene};

/// The state that a rollback leads to.
#[derive(Debug)]
pub struct Before {
    /// As it is.
    untouched: Vec<String>,
    /// As far as a rollback restores it: what the ADD replaced was invalid, and stays removed.
    without_old: Vec<String>,
}

impl Before {
    /// For the ADD of a scenario.
    pub fn of(scenario: &Scenario) -> Self {
        let scene = Scene::new(scenario);
        let untouched = seen(&scene.machine);
        let Some(script) = scenario.file("undone") else {
            return Before { without_old: untouched.clone(), untouched };
        };
        scene.machine.sh(script);
        Before { untouched, without_old: seen(&scene.machine) }
    }

    /// For an ADD that died at that line.
    pub fn at(&self, journal: &Fixture, killed_at: usize) -> &[String] {
        let line_of = |kind: &str| {
            let has = |line: &usize| journal.actions(*line).iter().any(|(action, _)| action == kind);
            journal.lines_of("intent").into_iter().find(has)
        };
        // The old link has the alias of the link that the ADD was about to make, so undo identifies it as that link
        // where this is possible.
        let is_tried = |kind: &str| {
            journal
                .effects()
                .iter()
                .any(|(action, _, effect)| action == kind && effect.as_deref() != Some("null"))
        };
        let is_gone = line_of("delete-stale-link").is_some() && is_tried("create-veth")
            || line_of("delete-port-map").is_some_and(|line| killed_at > line);
        if is_gone { &self.without_old } else { &self.untouched }
    }
}

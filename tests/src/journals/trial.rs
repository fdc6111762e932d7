//! A journal on a machine that it describes, and the verb that undoes it.

use super::{Finish, Fixture, Scenario, Scene};
use crate::Machine;
use std::collections::BTreeMap;
use std::fmt;

/// A trial.
#[derive(Debug)]
pub struct Trial<'a> {
    /// Its scenario.
    pub scenario: &'a Scenario,
    /// The journal, as far as it was written.
    pub journal: Fixture,
    /// The journal line, from 1, at which the current host's ADD is killed before it writes the line. None: the ADD
    /// ends.
    pub killed_at: Option<usize>,
    /// The following verb.
    pub finish: Finish,
}

impl Trial<'_> {
    /// The machine with the journal in place.
    pub fn begin(&self) -> Scene<'_> {
        let mut scene = Scene::new(self.scenario);
        match self.killed_at {
            Some(line) => scene.add_until(line),
            None => drop(scene.add(self.scenario.add(), None)),
        }
        scene.put(&self.journal);
        scene
    }

    /// Calls the verb; returns what is wrong with its reply, and how the machine differs from the expectation.
    pub fn run(&self, expected: &[String]) -> Vec<String> {
        let scene = self.begin();
        let reply = self.finish.make(&scene, self.scenario.add());
        let mut wrong: Vec<String> = self.finish.refutes(&reply).into_iter().collect();
        wrong.extend(differences(expected, &seen(&scene.machine)));
        wrong.into_iter().map(|line| format!("{self}: {line}")).collect()
    }
}

impl fmt::Display for Trial<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, killed at {:?}, {:?}", self.journal.name, self.killed_at, self.finish)
    }
}

/// The machine as a snapshot; of journals only whether they exist, because no two are the same.
pub fn seen(machine: &Machine) -> Vec<String> {
    let lines = machine.snapshot();
    let line = |line: &str| match line.split_once(": ") {
        Some((path, _)) if path.starts_with("/run/wasm-cni/attachments/") => path.to_owned(),
        _ => line.to_owned(),
    };
    lines.lines().map(line).collect()
}

/// The lines that only one side has.
pub fn differences(before: &[String], after: &[String]) -> Vec<String> {
    let mut counts: BTreeMap<&String, isize> = BTreeMap::new();
    before.iter().for_each(|line| *counts.entry(line).or_default() -= 1);
    after.iter().for_each(|line| *counts.entry(line).or_default() += 1);
    let changed = counts.into_iter().filter(|(_, count)| *count != 0);
    changed.map(|(line, count)| format!("{} {line}", if count < 0 { '-' } else { '+' })).collect()
}

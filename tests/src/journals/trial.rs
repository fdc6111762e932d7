//! A journal in its place on a machine that is as it tells, and the verb that takes it back.

use super::{Finish, Fixture, Scenario, Scene};
use crate::Machine;
use std::collections::BTreeMap;
use std::fmt;

/// What is tried.
#[derive(Debug)]
pub struct Trial<'a> {
    /// Of which scenario.
    pub scenario: &'a Scenario,
    /// The journal, as far as it was written.
    pub journal: Fixture,
    /// The line that today's ADD is killed at, from 1: what is noted before it is done. None: it ends.
    pub killed_at: Option<usize>,
    /// What comes then.
    pub finish: Finish,
}

impl Trial<'_> {
    /// The machine with the journal in its place.
    pub fn begin(&self) -> Scene<'_> {
        let mut scene = Scene::new(self.scenario);
        match self.killed_at {
            Some(line) => scene.add_until(line),
            None => drop(scene.add(self.scenario.add(), None)),
        }
        scene.put(&self.journal);
        scene
    }

    /// Makes the verb; tells what is wrong with its reply, and by what the machine then differs from what is expected.
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

/// The machine as a snapshot has it; of the journals only whether they are there, for no two are the same.
pub fn seen(machine: &Machine) -> Vec<String> {
    let lines = machine.snapshot();
    let line = |line: &str| match line.split_once(": ") {
        Some((path, _)) if path.starts_with("/run/wasm-cni/attachments/") => path.to_owned(),
        _ => line.to_owned(),
    };
    lines.lines().map(line).collect()
}

/// The lines that are on one side alone.
pub fn differences(before: &[String], after: &[String]) -> Vec<String> {
    let mut counts: BTreeMap<&String, isize> = BTreeMap::new();
    before.iter().for_each(|line| *counts.entry(line).or_default() -= 1);
    after.iter().for_each(|line| *counts.entry(line).or_default() += 1);
    let changed = counts.into_iter().filter(|(_, count)| *count != 0);
    changed.map(|(line, count)| format!("{} {line}", if count < 0 { '-' } else { '+' })).collect()
}

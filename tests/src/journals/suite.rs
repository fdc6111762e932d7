//! The trials with the journals of scenarios; each returns what was wrong.

use super::before::Before;
use super::death::{self, Death};
use super::trial::{differences, seen};
use super::{Finish, Scenario, Scene, Trial};
use crate::workers;

/// The verbs that delete an attachment.
const DELETING: [Finish; 3] = [Finish::Del, Finish::DelWithoutNetns, Finish::Gc];

/// The verbs that undo an ADD that did not end, besides an ADD that is refused.
const UNDOING: [Finish; 4] = [Finish::Del, Finish::DelWithoutNetns, Finish::Gc, Finish::Add];

/// The machine after the current host's ADD.
fn attached(scenario: &Scenario) -> Vec<String> {
    let mut scene = Scene::new(scenario);
    scene.add(scenario.add(), None);
    seen(&scene.machine)
}

/// The machine after the current host's ADD and the following verb.
fn after(scenario: &Scenario, finish: Finish) -> [Vec<String>; 2] {
    let mut scene = Scene::new(scenario);
    scene.add(scenario.add(), None);
    let attached = seen(&scene.machine);
    let reply = finish.make(&scene, scenario.add());
    assert_eq!(finish.refutes(&reply), None, "{}", scenario.name());
    [attached, seen(&scene.machine)]
}

/// The verbs for the scenario with that number: one of the possible ones, in turn; all of them in a complete run.
fn in_turn(all: &[Finish], scenario: &Scenario, number: usize) -> Vec<Finish> {
    // A native plugin of Debian does not support GC.
    let possible = all.iter().copied().filter(|finish| *finish != Finish::Gc || scenario.knows_gc());
    let possible: Vec<Finish> = possible.collect();
    let count = if wasm_cni_sample::is_whole() { possible.len() } else { 1 };
    possible.iter().copied().cycle().skip(number).take(count).collect()
}

/// With the old journal, an attachment is deleted as with a current one: shared objects stay.
pub fn deleted(scenarios: &[Scenario]) -> Vec<String> {
    let numbered = scenarios.iter().enumerate();
    let wanted: Vec<(&Scenario, Finish)> = numbered
        .flat_map(|(number, scenario)| {
            in_turn(&DELETING, scenario, number).into_iter().map(move |finish| (scenario, finish))
        })
        .collect();
    let wrong = workers::map(&wanted, |(scenario, finish)| {
        let [attached, expected] = after(scenario, *finish);
        let trial =
            Trial { scenario, journal: scenario.fixture("complete"), killed_at: None, finish: *finish };
        let mut wrong = trial.run(&expected);
        if differences(&attached, &expected).is_empty() {
            wrong.push(format!("{trial}: nothing was there to delete"));
        }
        wrong
    });
    wrong.concat()
}

/// Everything was done and recorded except the end: every effect is undone, also on objects that others would share.
pub fn undone_by_effects(scenarios: &[Scenario]) -> Vec<String> {
    let numbered: Vec<(usize, &Scenario)> = scenarios.iter().enumerate().collect();
    let wrong = workers::map(&numbered, |(number, scenario)| {
        let complete = scenario.fixture("complete");
        let journal = complete.first(complete.len() - 1);
        let before = Before::of(scenario);
        let expected = before.at(&journal, complete.len());
        let trial =
            |finish| Trial { scenario, journal: journal.clone(), killed_at: Some(complete.len()), finish };
        let finishes = std::iter::once(Finish::RefusedAdd).chain(in_turn(&UNDOING, scenario, *number));
        let run = |finish| match finish {
            Finish::Add => trial(finish).run(&attached(scenario)),
            _ => trial(finish).run(expected),
        };
        let mut wrong: Vec<String> = finishes.flat_map(run).collect();
        if !scenario.alone().is_empty() {
            wrong.extend(without_journal(&trial(Finish::Del), expected));
        }
        wrong
    });
    wrong.concat()
}

/// Proves that the journal was used: without it, objects stay that only the journal names.
fn without_journal(trial: &Trial<'_>, expected: &[String]) -> Vec<String> {
    let scene = trial.begin();
    scene.forget();
    if let Some(script) = trial.scenario.file("lost") {
        scene.machine.sh(script);
    }
    let reply = trial.finish.make(&scene, trial.scenario.add());
    let left = differences(expected, &seen(&scene.machine));
    let is_left = |part: &&str| left.iter().any(|line| line.contains(part));
    let gone = trial.scenario.alone().into_iter().filter(|part| !is_left(part));
    let gone = gone.map(|part| format!("{trial}: without journal {part:?} goes too: {left:#?}"));
    trial.finish.refutes(&reply).into_iter().chain(gone).collect()
}

/// The last step was recorded and not started, or done and not recorded; or it failed, and may have been done.
pub fn undone_by_intents(scenarios: &[Scenario]) -> Vec<String> {
    let mut deaths: Vec<(usize, Death)> = Vec::new();
    for (number, scenario) in scenarios.iter().enumerate() {
        deaths.extend(scenario.fixtures().iter().flat_map(Death::of).map(|death| (number, death)));
    }
    let mut known = death::Known::default();
    deaths.retain(|(_, death)| known.learns(death) || wasm_cni_sample::is_whole());
    let before = workers::map(scenarios, Before::of);
    let wrong = workers::map(&deaths, |(number, death)| {
        let (scenario, journal, killed_at) = (&scenarios[*number], death.journal.clone(), death.killed_at());
        let expected = before[*number].at(&journal, killed_at);
        // If something was done, only the journal helps, and a DEL without it would remove the objects that the ADD
        // replaced.
        let is_alone = death.is_done || scenario.file("undone").is_some();
        let finish = if is_alone { Finish::RefusedAdd } else { Finish::Del };
        Trial { scenario, journal, killed_at: Some(killed_at), finish }.run(expected)
    });
    wrong.concat()
}

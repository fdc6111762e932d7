//! An unreadable value affects its own undo, not the section.

use serde_json::{Value, json};
use wasm_cni_tests::journals::{Finish, Fixture, Scenario, Scene};
use wasm_cni_tests::journals::{Trial, differences, seen};
use wasm_cni_tests::workers;

/// A scenario, a kind of action whose old value is replaced by another text, and the snapshot lines that may then
/// differ.
const GARBAGE: [(&str, &str, &str, &[&str]); 11] = [
    ("forced", "delete-address", "not an address", &["10.9.9.1", "10.8.8.1", "fd00:9::1"]),
    ("forced", "delete-address", "10.9.9.1/24 0xzz", &["10.9.9.1", "10.8.8.1", "fd00:9::1"]),
    ("tuning", "set-link", "neither MAC nor number", &["eth0"]),
    ("bridge", "reserve-lease", "not an address", &["last_reserved_ip"]),
    ("bandwidth", "shape", "many", &["link veth"]),
    ("portmap-second", "map-ports", "no chain of ours", &[]),
    ("firewall-second", "filter", "no chain of ours", &[]),
    ("portmap-nft-second", "map-ports", "no table of ours", &[]),
    ("nft-second", "masquerade-nft", "no table of ours", &[]),
    ("nft-second", "check-source-mac", "no table of ours", &[]),
    // If the kernel refuses an old parameter value, DEL undoes everything else and then fails, so that an operator sees
    // it.
    ("bridge", "set-sysctl", "0\nneither key nor value", &["lan0/forwarding", "accept_redirects"]),
];

/// The journal with the old values of that kind of action replaced; none if it has none.
fn spoilt(journal: &Fixture, kind: &str, text: &str) -> Option<Fixture> {
    let mut spoilt = journal.clone();
    let mut count = 0;
    for line in journal.lines_of("intent") {
        let actions = journal.actions(line);
        let mut intent = journal.members(line).to_vec();
        let mut effect = if line < journal.len() { journal.members(line + 1).to_vec() } else { Vec::new() };
        for index in (0..actions.len()).filter(|index| actions[*index].0 == kind) {
            if intent[index][1].get("value").is_some() {
                intent[index][1] = json!({"value": text});
                count += 1;
            }
            if let Some(effect) = effect.get_mut(index).filter(|effect| effect.get("replaced").is_some()) {
                *effect = json!({"replaced": text});
                count += 1;
            }
        }
        spoilt = spoilt.with(line, json!({"intent": Value::Array(intent)}));
        if !effect.is_empty() {
            spoilt = spoilt.with(line + 1, json!({"effect": Value::Array(effect)}));
        }
    }
    (count > 0).then_some(spoilt)
}

#[test]
fn an_unreadable_value_affects_only_its_own_undo() {
    let wrong = workers::map(&GARBAGE, |(name, kind, text, lost)| {
        let scenario = Scenario::named(name);
        let complete = scenario.fixture("complete");
        let last = *complete.lines_of("intent").last().expect("a step");
        let expected = seen(&Scene::new(&scenario).machine);
        let mut wrong = Vec::new();
        // With the complete journal, and without the last effect line, so that the undo uses the state before the
        // action.
        for (lines, finish) in [(complete.len() - 1, Finish::Del), (last, Finish::RefusedAdd)] {
            let Some(journal) = spoilt(&complete.first(lines), kind, text) else {
                assert_eq!(lines, last, "{name} has no old value of {kind}");
                continue;
            };
            let trial = Trial { scenario: &scenario, journal, killed_at: Some(lines + 1), finish };
            let scene = trial.begin();
            let reply = finish.make(&scene, scenario.add());
            wrong.extend(finish.refutes(&reply));
            let mut left = differences(&expected, &seen(&scene.machine));
            left.retain(|line| !lost.iter().any(|part| line.contains(part)));
            wrong.extend(left.iter().map(|line| format!("{name}, {kind} {text:?}, {finish:?}: {line}")));
        }
        wrong
    });
    let wrong: Vec<String> = wrong.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

//! Attachments of both versions on one bridge: neither removes objects of the other.

use serde_json::{Value, json};
use wasm_cni_tests::differential::Step;
use wasm_cni_tests::differential::case::Invocation;
use wasm_cni_tests::journals::{Finish, Scenario, Scene};
use wasm_cni_tests::journals::{differences, seen};
use wasm_cni_tests::workers;

/// Scenarios whose ADD makes shared objects, and whether only the journal shows that they are shared. Otherwise the
/// kernel shows that they are in use.
const SHARING: [(&str, bool); 6] = [
    ("bridge", true),
    ("forced", true),
    ("nft", false),
    ("portmap", true),
    ("portmap-nft", true),
    ("firewall", true),
];

/// The same for another container.
fn other(call: &Invocation) -> Invocation {
    Invocation { container: "c2".to_owned(), ..call.clone() }
}

/// Keys that give that container its own address and ports, whatever the order.
fn keys(call: &Invocation, last: u8) -> Value {
    match call.plugin.as_str() {
        "bridge" => {
            json!({"args": {"cni": {"ips": [format!("10.1.2.{last}"), format!("fd00:1::{last}")]}}})
        }
        "portmap" => {
            let port = json!({"hostPort": 9000 + u16::from(last), "containerPort": 80, "protocol": "tcp"});
            json!({"runtimeConfig": {"portMappings": [port]}})
        }
        _ => json!({}),
    }
}

/// A machine with both containers, up to the ADDs of the scenario's plugin.
fn scene(scenario: &Scenario) -> Scene<'_> {
    let mut scene = Scene::new(scenario);
    scene.machine.netns("c2");
    for step in scenario.before() {
        if let Step::Call(call) = step {
            scene.add(&other(call), None);
        }
    }
    scene
}

/// The machine, without the last leased address.
fn shared(scene: &Scene<'_>) -> Vec<String> {
    let mut lines = seen(&scene.machine);
    lines.retain(|line| !line.contains("last_reserved_ip"));
    lines
}

/// The failures of a scenario. `wrong` are those with the living attachment's journal. `without` are those without it:
/// if the journal protects shared objects, there must be some.
fn judged(name: &str, by_journal: bool, wrong: Vec<String>, without: &[String]) -> Vec<String> {
    let mut all: Vec<String> = wrong.into_iter().map(|line| format!("{name}: {line}")).collect();
    if by_journal && without.is_empty() {
        all.push(format!("{name}: nothing is shared, so this shows nothing"));
    }
    all
}

fn assert_none(wrong: Vec<Vec<String>>) {
    let wrong = wrong.concat();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_a_living_attachment_of_version_1_uses_stays_when_a_later_add_is_rolled_back() {
    assert_none(workers::map(&SHARING, |(name, by_journal)| {
        let scenario = Scenario::named(name);
        let (first, second) = (scenario.add(), other(scenario.add()));
        let complete = scenario.fixture("complete");
        let expected = {
            let mut scene = scene(&scenario);
            scene.add(first, Some(&keys_of_first(first)));
            shared(&scene)
        };
        let [wrong, without] = [true, false].map(|is_noted| {
            let mut scene = scene(&scenario);
            // This ADD makes all shared objects, and dies before its end.
            let add = scene.call("ADD", &second, Some(&keys(&second, 9)));
            let reply = scene.add_until_line(&add, &scenario.section_of(&second), complete.len());
            assert_eq!(reply.code, None, "{name}: {}{}", reply.stdout, reply.stderr);
            scene.machine.wait_for_locks();
            scene.add(first, Some(&keys_of_first(first)));
            scene.put(&complete);
            if !is_noted {
                scene.forget();
            }
            let reply = Finish::RefusedAdd.make(&scene, &second);
            assert_eq!(Finish::RefusedAdd.refutes(&reply), None, "{name}");
            let mut left = differences(&expected, &shared(&scene));
            left.retain(|line| is_noted || !line.contains("/run/wasm-cni/"));
            left
        });
        judged(name, *by_journal, wrong, &without)
    }));
}

/// The last leased address of the fixture.
fn keys_of_first(call: &Invocation) -> Value {
    if call.plugin == "bridge" { keys(call, 2) } else { json!({}) }
}

#[test]
fn what_a_living_attachment_of_today_uses_stays_when_an_add_of_version_1_is_rolled_back() {
    assert_none(workers::map(&SHARING, |(name, by_journal)| {
        let scenario = Scenario::named(name);
        let (first, second) = (scenario.add(), other(scenario.add()));
        let complete = scenario.fixture("complete");
        let expected = {
            let mut scene = scene(&scenario);
            scene.add(&second, Some(&keys(&second, 9)));
            shared(&scene)
        };
        let finishes = [Finish::RefusedAdd, Finish::Del].into_iter();
        let judgements = finishes.flat_map(|finish| {
            let [wrong, without] = [true, false].map(|is_noted| {
                let mut scene = scene(&scenario);
                scene.add_until(complete.len());
                scene.put(&complete.first(complete.len() - 1));
                scene.add(&second, Some(&keys(&second, 9)));
                if !is_noted {
                    scene.machine.sh(&format!("rm -r $(dirname {})", scenario.section_of(&second)));
                }
                let reply = finish.make(&scene, first);
                assert_eq!(finish.refutes(&reply), None, "{name}");
                let mut left = differences(&expected, &shared(&scene));
                left.retain(|line| is_noted || !line.contains("/run/wasm-cni/"));
                left
            });
            judged(name, *by_journal, wrong, &without)
        });
        judgements.collect()
    }));
}

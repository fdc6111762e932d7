//! Several workers add and delete attachments in random order, with kills. At the end the machine is as after one ADD
//! and DEL.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;
use wasm_cni_sample::Draw;
use wasm_cni_tests::faults::{Row, table};
use wasm_cni_tests::{Call, Machine, walkthrough};

const ROUNDS: u64 = 5;
const WORKERS: usize = 8;
const ATTACHMENTS: usize = 200;
/// A container has several interfaces.
const CONTAINERS: usize = 50;
/// One call in that many is killed.
const KILLED: usize = 4;
/// The latest time of a kill after the start, in microseconds: longer than a call takes.
const LONGEST: usize = 60_000;

/// Name, bridge and subnet. Neither network has a default route, because a container can have only one.
const NETWORKS: [[&str; 3]; 2] =
    [["mybridge", "cni_bridge0", "10.15.0.0/16"], ["other", "br1", "10.16.0.0/16"]];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Its ADD was not called.
    New,
    /// A call is running.
    Busy,
    /// Its ADD succeeded, failed or was killed: a DEL must follow.
    Added,
    /// Its DEL succeeded.
    Gone,
}

fn config(network: usize, version: &str) -> String {
    let [name, bridge, subnet] = NETWORKS[network];
    walkthrough(version)
        .replace("mybridge", name)
        .replace("cni_bridge0", bridge)
        .replace("10.15.20.0/24", subnet)
        .replace("{ \"dst\": \"0.0.0.0/0\" }, { \"dst\": \"1.1.1.1/32\", \"gw\": \"10.15.20.1\" }", "")
}

fn call(verb: &str, attachment: usize) -> Call {
    let cache = wasm_cni_tests::target().join("faults-cache").display().to_string();
    Call::bridge(verb, &config(attachment % NETWORKS.len(), "1.0.0"))
        .container(&container(attachment))
        .env("CNI_IFNAME", &format!("eth{}", attachment / CONTAINERS))
        .env("WASM_CNI_CACHE_DIR", &cache)
}

fn container(attachment: usize) -> String {
    format!("c{}", attachment % CONTAINERS)
}

fn machine() -> Machine {
    let machine = Machine::new();
    machine.sh(&format!("for c in $(seq 0 {}); do ip netns add c$c; done", CONTAINERS - 1));
    machine
}

/// One ADD and DEL on each network, with a fixed address.
fn add_and_del(machine: &Machine) {
    for (network, [_, _, subnet]) in NETWORKS.iter().enumerate() {
        let address = subnet.replace("0.0/16", "99.99");
        let ask = format!("IgnoreUnknown=1;IP={address}");
        call("ADD", network).env("CNI_ARGS", &ask).ok_patiently(machine);
        call("DEL", network).env("CNI_ARGS", &ask).ok_patiently(machine);
    }
}

/// Counts of a round.
#[derive(Debug, Default)]
struct Counts {
    calls: usize,
    killed: usize,
    failed: Vec<String>,
}

fn round(seed: u64, expected: &str) -> (Counts, Vec<String>) {
    let machine = machine();
    let states = Mutex::new(vec![State::New; ATTACHMENTS]);
    let counts = Mutex::new(Counts::default());
    thread::scope(|scope| {
        for worker in 0..WORKERS {
            let (states, counts, machine) = (&states, &counts, &machine);
            scope.spawn(move || {
                let mut draw = Draw::new(seed.wrapping_mul(1000) + worker as u64);
                while let Some((attachment, state)) = choose(states, &mut draw) {
                    let verb = if state == State::New { "ADD" } else { "DEL" };
                    let next = one(verb, attachment, &mut draw, counts, machine);
                    states.lock().unwrap()[attachment] = next;
                }
            });
        }
    });
    // GC removes what is left of the second network.
    for (attachment, state) in states.into_inner().unwrap().into_iter().enumerate() {
        assert_ne!(state, State::Busy);
        if attachment % NETWORKS.len() == 0 && state == State::Added {
            call("DEL", attachment).ok_patiently(&machine);
        }
    }
    let none = config(1, "1.1.0").trim_end().trim_end_matches('}').to_owned()
        + ", \"cni.dev/valid-attachments\": []}";
    Call::bridge("GC", &none).env("CNI_NETNS", "").ok_patiently(&machine);
    add_and_del(&machine);
    (counts.into_inner().unwrap(), machine.changes(expected))
}

/// An attachment with a pending call; none if all are done or stay.
fn choose(states: &Mutex<Vec<State>>, draw: &mut Draw) -> Option<(usize, State)> {
    let mut states = states.lock().unwrap();
    let open: Vec<usize> = (0..states.len()).filter(|index| matches!(states[*index], State::New)).collect();
    let added: Vec<usize> =
        (0..states.len()).filter(|index| matches!(states[*index], State::Added)).collect();
    // Some attachments stay at the end, for DEL and GC.
    let from = match (open.is_empty(), added.len()) {
        (true, 0..=20) => return None,
        (true, _) => added,
        (false, 0) => open,
        (false, _) if draw.below(5) < 3 => open,
        (false, _) => added,
    };
    let attachment = from[draw.below(from.len())];
    let state = states[attachment];
    states[attachment] = State::Busy;
    Some((attachment, state))
}

/// Makes one call, and perhaps kills it; returns the new state of the attachment.
fn one(verb: &str, attachment: usize, draw: &mut Draw, counts: &Mutex<Counts>, machine: &Machine) -> State {
    let call = call(verb, attachment);
    // As runtimes do if the container is already gone.
    let call = if verb == "DEL" && draw.below(3) == 0 { call.env("CNI_NETNS", "") } else { call };
    let kill = (draw.below(KILLED) == 0).then(|| Duration::from_micros(draw.below(LONGEST) as u64));
    let mut child = call.spawn(machine);
    if let Some(after) = kill {
        thread::sleep(after);
        let _ = child.kill();
    }
    let output = child.wait_with_output().expect("the plugin ends");
    let mut counts = counts.lock().unwrap();
    counts.calls += 1;
    match output.status.code() {
        Some(0) if verb == "DEL" => State::Gone,
        Some(0) => State::Added,
        None => {
            counts.killed += 1;
            State::Added
        }
        Some(_) => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            counts.failed.push(format!("{verb} {attachment}: {text}"));
            State::Added
        }
    }
}

#[test]
fn after_churn_with_kills_the_machine_is_as_after_one_add_and_del() {
    let fresh = machine();
    add_and_del(&fresh);
    let expected = fresh.snapshot();
    let first = wasm_cni_sample::seed().wrapping_mul(ROUNDS);
    let rounds: BTreeMap<u64, (Counts, Vec<String>)> =
        (first..first + ROUNDS).map(|seed| (seed, round(seed, &expected))).collect();
    let mut rows = Vec::new();
    let mut wrong = Vec::new();
    for (seed, (counts, left)) in rounds {
        let what =
            format!("churn of {ATTACHMENTS} attachments, {} calls, round seed {seed}: killed", counts.calls);
        let mut row = Row {
            who: "wasm-cni".to_owned(),
            what,
            possible: counts.calls,
            tried: counts.killed,
            ..Row::default()
        };
        row.failed = counts.failed.len();
        row.left_by_next = usize::from(!left.is_empty());
        row.examples.extend(left.iter().take(5).map(|line| format!("round {seed}: {line}")));
        wrong.extend(row.examples.clone());
        // An error was reported and undone; on a busy machine some calls exceed a time limit.
        row.examples.extend(counts.failed.iter().map(|text| format!("round {seed}: failed: {text}")));
        rows.push(row);
    }
    table::publish(2, &rows);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

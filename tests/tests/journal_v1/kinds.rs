//! The journals have every kind of action, with every state before it and every effect that decides its undo.

use std::collections::{BTreeMap, BTreeSet};
use wasm_cni_tests::journals::Scenario;

/// Every kind of action of version 1, with states before it and effects that the journals must have. They decide what
/// is undone, and how.
const KINDS: [(&str, &[&str], &[&str]); 23] = [
    ("reserve-lease", &["absent", "value"], &["created", "replaced", "unclear"]),
    ("delete-stale-link", &["present"], &["already-there"]),
    ("ensure-bridge", &["absent", "present"], &["already-there", "created-links", "unclear"]),
    ("create-veth", &["absent"], &["created-links", "unclear"]),
    ("ensure-vlan-gateway", &["absent"], &["created-links", "unclear"]),
    ("set-up", &["absent", "present"], &["already-there", "created", "unclear"]),
    ("set-promiscuous", &["absent"], &["created", "unclear"]),
    ("set-link", &["value"], &["replaced", "unclear"]),
    ("save-link", &["absent"], &["created", "unclear"]),
    ("settle", &["present"], &["already-there"]),
    ("announce", &["present"], &["already-there", "unclear"]),
    ("delete-address", &["value"], &["replaced", "unclear"]),
    ("add-address", &["absent"], &["created", "unclear"]),
    ("add-route", &["absent"], &["created", "unclear"]),
    ("set-sysctl", &["absent", "present", "value"], &["already-there", "replaced"]),
    ("masquerade", &["absent"], &["created", "unclear"]),
    ("masquerade-nft", &["absent"], &["created", "replaced", "unclear"]),
    ("check-source-mac", &["absent"], &["created", "replaced", "unclear"]),
    ("map-ports", &["absent", "value"], &["created", "replaced", "unclear"]),
    ("delete-port-map", &["present"], &["already-there"]),
    ("filter", &["absent", "value"], &["created", "replaced", "unclear"]),
    ("shape", &["absent"], &["replaced", "unclear"]),
    ("delegate", &["absent"], &["created"]),
];

#[test]
fn every_kind_of_action_is_in_a_journal() {
    let mut states: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut effects = states.clone();
    for fixture in Scenario::all().iter().flat_map(Scenario::fixtures) {
        for (action, before, effect) in fixture.effects() {
            states.entry(action.clone()).or_default().insert(before);
            effects.entry(action).or_default().extend(effect);
        }
    }
    let lacks = |found: &BTreeMap<String, BTreeSet<String>>, kind: &str, wanted: &[&str]| {
        let found = found.get(kind).cloned().unwrap_or_default();
        let missing = wanted.iter().filter(|name| !found.contains(**name));
        missing.map(|name| format!("{kind}: {name}, only {found:?}")).collect::<Vec<_>>()
    };
    let lacking: Vec<String> = KINDS
        .iter()
        .flat_map(|(kind, before, after)| {
            [lacks(&states, kind, before), lacks(&effects, kind, after)].concat()
        })
        .collect();
    assert!(lacking.is_empty(), "{lacking:#?}");
    let others: Vec<&String> =
        states.keys().filter(|kind| !KINDS.iter().any(|(name, ..)| name == kind)).collect();
    assert!(others.is_empty(), "{others:?} is no kind of version 1");
}

/// The old values: their kind of action and their encoding.
type Encoding = (&'static str, &'static str, fn(&str) -> bool);

/// Each old value is text of its own kind.
#[test]
fn every_encoding_of_an_old_value_is_in_a_journal() {
    let encodings: [Encoding; 10] = [
        ("a parameter", "set-sysctl", |old| old == "0"),
        ("a parameter with its followers", "set-sysctl", |old| {
            old.contains("\nnet/ipv4/conf/") && old.contains("accept_redirects=")
        }),
        ("an Ethernet address", "set-link", |old| old.split(':').count() == 6),
        ("a number", "set-link", |old| old == "1500"),
        ("a switch", "set-link", |old| old == "false"),
        ("the last address of a range set", "reserve-lease", |old| old == "10.1.2.1"),
        ("an address with the kernel's message", "delete-address", |old| {
            old.split_once(' ')
                .is_some_and(|(address, message)| address == "10.9.9.1/24" && message.len() > 40)
        }),
        ("chains of mapped ports", "map-ports", |old| old.contains("CNI-HOSTPORT-DNAT ")),
        ("chains of a filter", "filter", |old| old.contains("CNI-FORWARD")),
        ("the length of a queue", "shape", |old| old.parse::<u32>().is_ok()),
    ];
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for fixture in Scenario::all().iter().flat_map(Scenario::fixtures) {
        for (kind, old) in fixture.old_values() {
            found.entry(kind).or_default().insert(old);
        }
    }
    for (what, kind, is_it) in encodings {
        let all = found.get(kind).cloned().unwrap_or_default();
        assert!(all.iter().any(|old| is_it(old)), "{what} is in none of {all:#?}");
    }
    for kind in ["masquerade-nft", "check-source-mac"] {
        assert!(found[kind].contains("table"), "{kind}: {:?}", found[kind]);
    }
    assert!(found["map-ports"].contains("cni_hostport"), "{:?}", found["map-ports"]);
}

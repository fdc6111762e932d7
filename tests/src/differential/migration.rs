//! Attachments that one implementation adds, and the other checks, deletes and collects.

use super::case::Invocation;
use super::record::{Run, record_from};
use super::{Case, Difference, Implementation, OWN, Record, Step, compare};
use serde_json::Value;
use std::collections::BTreeMap;

/// Whether the case can be migrated: every call succeeds with both implementations, and one is a DEL.
pub fn applies(case: &Case, reference: &[Record], ours: &[Record]) -> bool {
    let is_done = |record: &Record| record.fields["exit"] == ["0"];
    let mut verbs = case.calls().map(|call| call.verb.as_str());
    verbs.all(|verb| ["ADD", "CHECK", "DEL"].contains(&verb))
        && case.calls().any(|call| call.verb == "ADD")
        && case.calls().last().is_some_and(|call| call.verb == "DEL")
        && reference.iter().chain(ours).all(is_done)
}

/// Both directions. Compares the other implementation's verbs with the same verbs after its own ADD. Also returns the
/// number of equal fields.
pub fn both_ways(case: &Case, reference: &[Record], ours: &[Record]) -> (Vec<Difference>, usize) {
    use Implementation::{Ours, Reference};
    let mut differences = Vec::new();
    let mut equal = 0;
    for (kind, adder, other, pure) in
        [("to-us ", Reference, Ours, ours), ("to-reference ", Ours, Reference, reference)]
    {
        let last = case.calls().count() - 1;
        let run = record_from(case, last, |call| if call.verb == "ADD" { adder } else { other });
        let (found, same) = compare(&case.name, kind, &relevant(case, pure), &relevant(case, &run));
        differences.extend(found);
        equal += same;
    }
    (differences, equal)
}

/// The exit of CHECK and DEL, and the machine after the last one.
fn relevant(case: &Case, records: &[Record]) -> Vec<Record> {
    let last = records.len() - 1;
    let calls = case.calls().zip(records).enumerate().filter(|(_, (call, _))| call.verb != "ADD");
    calls
        .map(|(number, (_, record))| {
            let mut record = record.clone();
            record.fields.retain(|name, _| {
                ["exit", "code", "msg", "details"].contains(&name.as_str())
                    || (number == last
                        && !["veth-txqlen", "lease-modes"].iter().chain(&OWN).any(|own| name == *own))
            });
            record
        })
        .collect()
}

/// ADD by the reference, then our GC with an empty list: leases and rules must be as after all DELs.
pub fn collected(case: &Case, ours: &[Record]) -> Vec<Difference> {
    let mut run = Run::new(case);
    for step in &case.steps {
        match step {
            Step::Shell(script) => run.shell(script),
            Step::Call(call) if call.verb == "ADD" => run.make(call, Implementation::Reference),
            Step::Call(_) => break,
        }
    }
    let networks: BTreeMap<&str, &Invocation> =
        case.calls().filter(|call| call.verb == "ADD").map(|call| (call.file.as_str(), call)).collect();
    let record = networks.values().map(|call| {
        let gc = Invocation { verb: "GC".to_owned(), env: Vec::new(), ..(*call).clone() };
        run.call_with(&gc, Implementation::Ours, &nothing_valid(&case.files[&gc.file]))
    });
    let (Some(collected), Some(deleted)) = (record.last(), ours.last()) else { return Vec::new() };
    let narrow = |record: &Record| {
        let mut record = Record { label: "GC".to_owned(), ..record.clone() };
        record
            .fields
            .retain(|name, _| ["exit", "msg", "details", "leases", "iptables"].contains(&name.as_str()));
        // The case may have another ADD after a DEL.
        if let Some(leases) = record.fields.get_mut("leases") {
            leases.retain(|line| !line.contains("/last_reserved_ip."));
        }
        record
    };
    compare(&case.name, "", &[narrow(deleted)], &[narrow(&collected)]).0
}

/// The configuration in the version that has GC, with an empty list.
fn nothing_valid(config: &str) -> String {
    let mut config: Value = serde_json::from_str(config).expect("a configuration that works is JSON");
    config["cniVersion"] = "1.1.0".into();
    config["cni.dev/valid-attachments"] = Value::Array(Vec::new());
    config.to_string()
}

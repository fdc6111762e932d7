//! Compares us with the reference: `tests/differential`; its README says how to write and run a case.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use wasm_cni_tests::differential::{Case, Listed, page, part, suite};

#[test]
fn every_case_is_as_the_reference_does_it_or_a_listed_difference() {
    let mut cases = Case::all();
    cases.retain(|case| !case.needs_vm && case.is_wanted());
    let is_whole = part().is_empty();
    // Writes to stderr directly, because the test harness captures the output of a test that passes.
    let outcome = suite::run(&cases, is_whole, |case, unlisted| {
        if !is_whole {
            writeln!(std::io::stderr(), "{}", suite::line(case, unlisted)).unwrap();
        }
    });
    writeln!(std::io::stderr(), "{}", outcome.score).unwrap();
    assert!(outcome.is_good(), "{outcome}");
}

/// What the suite must cover, as words in the inputs of cases.
const VERSIONS: [&str; 7] = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];
const VERBS: [&str; 6] = ["ADD", "DEL", "CHECK", "GC", "STATUS", "VERSION"];
const KEYS: &str = "cniVersion name type prevResult capabilities runtimeConfig args cni dns nameservers domain search options
    cni.dev/valid-attachments bridge isGateway isDefaultGateway forceAddress ipMasq ipMasqBackend mtu hairpinMode promiscMode
    vlan vlanTrunk minID maxID id preserveDefaultVlan macspoofchk portIsolation enabledad disableContainerInterface mac ipam subnet rangeStart rangeEnd gateway ranges routes
    sysctl promisc allmulti txQLen portMappings hostPort containerPort protocol hostIP backend snat masqAll markMasqBit
    externalSetMarkChain conditionsV4 conditionsV6
    resolvConf dataDir statusWhenFull ips ipRanges dst gw advmss priority table scope addresses address";

#[test]
fn no_verb_version_or_key_is_missing_and_no_case_is_there_twice() {
    let cases = Case::all();
    assert!(cases.len() >= 150, "{}", cases.len());
    let has = |part: &str| cases.iter().any(|case| case.files.values().any(|text| text.contains(part)));
    for version in VERSIONS {
        assert!(has(&format!("\"cniVersion\": \"{version}\"")), "{version}");
    }
    for key in KEYS.split_whitespace() {
        assert!(has(&format!("\"{key}\":")), "{key}");
    }
    for verb in VERBS {
        assert!(cases.iter().any(|case| case.calls().any(|call| call.verb == verb)), "{verb}");
    }
    let mut inputs = BTreeMap::new();
    for case in &cases {
        let steps: Vec<&str> = case.files["steps"].lines().filter(|line| !line.starts_with('#')).collect();
        let files = case.files.iter().filter(|(name, _)| !["steps", "expect"].contains(&name.as_str()));
        let input = (steps, files.collect::<Vec<_>>());
        assert_eq!(inputs.insert(input, &case.name), None, "{} is another case again", case.name);
    }
}

/// Each entry of `docs/differences.md` names cases in which it shows, if there are any, or files with tests; each difference of a case has an entry.
#[test]
fn every_difference_on_the_page_is_shown_and_the_reverse() {
    let (entries, listed) = (page::entries(), Listed::all());
    let shown: BTreeSet<(&str, &str)> =
        listed.iter().map(|line| (line.reason.as_str(), line.case.as_str())).collect();
    let mut wrong = Vec::new();
    for entry in &entries {
        let has_case = listed.iter().any(|line| line.reason == entry.name);
        if has_case && entry.cases.is_empty() {
            wrong.push(format!("{}: the page names no case of it", entry.name));
        }
        for case in entry.cases.iter().filter(|case| !shown.contains(&(entry.name.as_str(), case.as_str()))) {
            wrong.push(format!("{}: it does not show in the case {case}", entry.name));
        }
        for test in entry.tests.iter().filter(|test| !is_test(test)) {
            wrong.push(format!("{}: {test} has no test", entry.name));
        }
    }
    let names: BTreeSet<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names.len(), entries.len(), "two entries have one name");
    let without = listed.iter().filter(|line| !names.contains(line.reason.as_str()));
    wrong.extend(without.map(|line| format!("not in docs/differences.md: {line:?}")));
    assert!(wrong.is_empty(), "{wrong:#?}");
    let places: BTreeSet<(&str, &str)> =
        listed.iter().map(|line| (line.case.as_str(), line.place.as_str())).collect();
    assert_eq!(places.len(), listed.len(), "a difference is listed twice");
}

fn is_test(path: &str) -> bool {
    let text = std::fs::read_to_string(wasm_cni_tests::repository().join(path));
    text.is_ok_and(|text| text.contains("#[test]"))
}

//! Beside the reference: `tests/differential`, whose README tells how a case is written and how to run one.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use wasm_cni_tests::differential::{
    Case, Difference, Implementation, Listed, Score, compare, expect, migration, record,
};

/// A case's differences, and what of its score does not depend on whether they are listed.
fn run(case: &Case) -> (Vec<Difference>, Score) {
    let ours = record(case, |_| Implementation::Ours);
    let mut score = Score { cases: 1, calls: ours.len(), ..Score::default() };
    if let Some(expectation) = case.expectation() {
        score.head_only = 1;
        if expectation.is_empty() && std::env::var_os("BLESS").is_some() {
            std::fs::write(case.directory.join("expect"), expect::render(&ours))
                .expect("the folder is writable");
        }
        let expected = expect::parse(expectation);
        let (differences, equal) = compare(&case.name, "", &expected, &ours);
        score.equal = equal;
        return (differences, score);
    }
    let reference = record(case, |_| Implementation::Reference);
    let (mut differences, equal) = compare(&case.name, "", &reference, &ours);
    score.equal = equal;
    if migration::applies(case, &reference, &ours) {
        let (found, equal) = migration::both_ways(case, &reference, &ours);
        differences.extend(found);
        differences.extend(migration::collected(case, &ours));
        score.equal += equal;
        score.migrations = 3;
    }
    (differences, score)
}

/// A case that could not be run to its end is a difference too.
fn stopped(case: &Case, panic: &(dyn Any + Send)) -> (Vec<Difference>, Score) {
    let text = panic.downcast_ref::<String>().cloned().unwrap_or_default();
    let added = text.lines().map(str::to_owned).collect();
    let place = "the run".to_owned();
    let difference = Difference { case: case.name.clone(), place, missing: Vec::new(), added };
    (vec![difference], Score { cases: 1, ..Score::default() })
}

/// What the names of the cases to run contain; empty for all.
fn part() -> String {
    std::env::var("CASE").unwrap_or_default()
}

/// The cases to run.
fn cases() -> Vec<Case> {
    let mut cases = Case::all();
    cases.retain(|case| case.name.contains(&part()));
    cases
}

#[test]
fn every_case_is_as_the_reference_does_it_or_a_listed_difference() {
    let (cases, next) = (cases(), AtomicUsize::new(0));
    let results: Mutex<Vec<(Vec<Difference>, Score)>> = Mutex::default();
    let threads = std::thread::available_parallelism().map_or(2, |count| count.get() + 1);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result =
                        std::panic::catch_unwind(|| run(case)).unwrap_or_else(|panic| stopped(case, &*panic));
                    results.lock().unwrap().push(result);
                }
            });
        }
    });
    let listed = Listed::all();
    let mut seen: BTreeSet<&Listed> = BTreeSet::new();
    let mut unlisted = Vec::new();
    let mut total = Score::default();
    for (differences, score) in results.into_inner().unwrap() {
        total.add(score);
        for difference in differences {
            match listed.iter().find(|line| line.covers(&difference)) {
                Some(line) => {
                    *if line.is_age() { &mut total.age } else { &mut total.listed } += 1;
                    seen.insert(line);
                }
                None => unlisted.push(difference),
            }
        }
    }
    total.unlisted = unlisted.len();
    // Past the test harness, which keeps what a test prints that passes.
    writeln!(std::io::stderr(), "{total}").unwrap();
    let names: BTreeSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    let is_run = |line: &&Listed| part().is_empty() || names.contains(line.case.as_str());
    let gone: Vec<String> = listed
        .iter()
        .filter(is_run)
        .filter(|line| !seen.contains(line))
        .map(|line| format!("| {} | {} | {} |\n", line.case, line.place, line.reason))
        .collect();
    unlisted.sort_by(|one, other| (&one.case, &one.place).cmp(&(&other.case, &other.place)));
    let texts: Vec<String> = unlisted.iter().map(Difference::to_string).collect();
    assert!(
        texts.is_empty() && gone.is_empty(),
        "{total}\nnot in docs/differences.md (- the reference or the expectation, + ours):\n{}\nlisted there, and no difference any more:\n{}",
        texts.concat(),
        gone.concat()
    );
}

/// What the suite has to cover, as words of the inputs of cases.
const VERSIONS: [&str; 7] = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];
const VERBS: [&str; 6] = ["ADD", "DEL", "CHECK", "GC", "STATUS", "VERSION"];
const KEYS: &str = "cniVersion name type prevResult capabilities runtimeConfig args cni dns nameservers domain search options
    cni.dev/valid-attachments bridge isGateway isDefaultGateway forceAddress ipMasq ipMasqBackend mtu hairpinMode promiscMode
    macspoofchk portIsolation enabledad disableContainerInterface mac ipam subnet rangeStart rangeEnd gateway ranges routes
    resolvConf dataDir ips ipRanges dst gw advmss priority table scope addresses address";

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

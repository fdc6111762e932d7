//! Runs cases, and finds the differences that are not listed.

use super::{Case, Difference, Implementation, Listed, Score, compare, expect, migration, record};
use std::any::Any;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The result of a run.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The figures.
    pub score: Score,
    /// Differences that are not listed.
    pub unlisted: Vec<Difference>,
    /// Listed differences that did not occur.
    pub gone: Vec<Listed>,
}

impl Outcome {
    /// Whether the run passed.
    pub fn is_good(&self) -> bool {
        self.unlisted.is_empty() && self.gone.is_empty()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}\nno `differs:` of its case has (- the reference or the expectation, + ours):",
            self.score
        )?;
        self.unlisted.iter().try_for_each(|difference| write!(f, "{difference}"))?;
        writeln!(f, "listed by a case, and no difference any more:")?;
        self.gone.iter().try_for_each(|line| writeln!(f, "{}: {} ({})", line.case, line.place, line.reason))
    }
}

/// The progress text for a finished case.
pub fn line(case: &Case, unlisted: usize) -> String {
    let result = if unlisted == 0 { "ok".to_owned() } else { format!("{unlisted} differences") };
    format!("case {} ... {result}", case.name)
}

/// Runs cases, several at a time. It calls `told` after each case, with the number of its differences that are not
/// listed.
///
/// A listed difference of these cases must occur. With `is_whole`, so must a listed difference that belongs to no case.
pub fn run(cases: &[Case], is_whole: bool, report: impl Fn(&Case, usize) + Sync) -> Outcome {
    let listed = Listed::all();
    let line = |difference: &Difference| listed.iter().find(|line| line.covers(difference));
    let (next, results) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let threads = std::thread::available_parallelism().map_or(2, |count| count.get() + 1);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = std::panic::catch_unwind(|| run_case(case))
                        .unwrap_or_else(|panic| stopped(case, &*panic));
                    report(case, result.0.iter().filter(|difference| line(difference).is_none()).count());
                    results.lock().expect("no thread panics").push(result);
                }
            });
        }
    });
    let mut outcome = Outcome::default();
    let mut seen: BTreeSet<&Listed> = BTreeSet::new();
    for (differences, score) in results.into_inner().expect("no thread panics") {
        outcome.score.add(score);
        for difference in differences {
            match line(&difference) {
                Some(line) => {
                    *if line.is_age() { &mut outcome.score.age } else { &mut outcome.score.listed } += 1;
                    seen.insert(line);
                }
                None => outcome.unlisted.push(difference),
            }
        }
    }
    outcome.unlisted.sort_by(|one, other| (&one.case, &one.place).cmp(&(&other.case, &other.place)));
    outcome.score.unlisted = outcome.unlisted.len();
    let names: BTreeSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    let all = Case::all();
    let is_in_other_part = |name: &str| !names.contains(name) && all.iter().any(|case| case.name == name);
    let must_show =
        |line: &&Listed| names.contains(line.case.as_str()) || (is_whole && !is_in_other_part(&line.case));
    outcome.gone = listed.iter().filter(must_show).filter(|line| !seen.contains(line)).cloned().collect();
    outcome
}

/// A case's differences, and the part of its score that does not depend on the list.
fn run_case(case: &Case) -> (Vec<Difference>, Score) {
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

/// A case that could not run to its end counts as a difference, too.
fn stopped(case: &Case, panic: &(dyn Any + Send)) -> (Vec<Difference>, Score) {
    let text = panic.downcast_ref::<String>().cloned().unwrap_or_default();
    let added = text.lines().map(str::to_owned).collect();
    let place = "the run".to_owned();
    let difference = Difference { case: case.name.clone(), place, missing: Vec::new(), added };
    (vec![difference], Score { cases: 1, ..Score::default() })
}

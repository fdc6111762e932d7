//! The differences between two runs of a case.

use super::{Fields, Record, STATE};
use std::fmt;

/// One field after one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The case.
    pub case: String,
    /// The call and the field, after the kind of the run if it is a migration: `1.ADD links`, `to-us 2.DEL exit`.
    pub place: String,
    /// Lines that only the expected side has.
    pub missing: Vec<String>,
    /// Lines that only our side has.
    pub added: Vec<String>,
}

impl Difference {
    /// The field.
    pub fn field(&self) -> &str {
        self.place.rsplit(' ').next().unwrap_or_default()
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let call = self.place.rsplit_once(' ').map_or("", |(call, _)| call);
        writeln!(f, "{}/steps\n  {call}: {}", self.case, self.field())?;
        self.missing.iter().try_for_each(|line| writeln!(f, "    - {line}"))?;
        self.added.iter().try_for_each(|line| writeln!(f, "    + {line}"))
    }
}

/// The differences of two runs of one case, and the number of equal fields.
///
/// A difference of the machine belongs to the first call after which it appears. It is not reported again while it
/// stays the same.
pub fn compare(case: &str, kind: &str, expected: &[Record], ours: &[Record]) -> (Vec<Difference>, usize) {
    let mut differences: Vec<Difference> = Vec::new();
    let mut standing: Vec<Difference> = Vec::new();
    let mut equal = 0;
    let nothing = Fields::new();
    for (number, ours) in ours.iter().enumerate() {
        let expected = expected.get(number).map_or(&nothing, |record| &record.fields);
        let mut now = Vec::new();
        for field in fields(expected, &ours.fields) {
            match between(expected, &ours.fields, field) {
                None => equal += 1,
                Some((missing, added)) => {
                    let place = format!("{kind}{} {field}", ours.label);
                    now.push(Difference { case: case.to_owned(), place, missing, added });
                }
            }
        }
        let is_old = |new: &Difference| {
            STATE.contains(&new.field())
                && standing.iter().any(|old| {
                    (old.field(), &old.missing, &old.added) == (new.field(), &new.missing, &new.added)
                })
        };
        differences.extend(now.iter().filter(|new| !is_old(new)).cloned());
        standing = now;
    }
    (differences, equal)
}

fn fields<'a>(one: &'a Fields, other: &'a Fields) -> impl Iterator<Item = &'a String> {
    one.keys().chain(other.keys().filter(|key| !one.contains_key(*key)))
}

/// The lines that only one side has; none if the sides are equal. If only the order differs, all lines are reported.
fn between(expected: &Fields, ours: &Fields, field: &str) -> Option<(Vec<String>, Vec<String>)> {
    let none = Vec::new();
    let (expected, ours) = (expected.get(field).unwrap_or(&none), ours.get(field).unwrap_or(&none));
    if expected == ours {
        return None;
    }
    let only = |one: &[String], other: &[String]| {
        let count = |lines: &[String], line: &String| lines.iter().filter(|l| *l == line).count();
        one.iter().filter(|line| count(one, line) > count(other, line)).cloned().collect::<Vec<_>>()
    };
    let (missing, added) = (only(expected, ours), only(ours, expected));
    Some(if missing.is_empty() && added.is_empty() {
        (expected.clone(), ours.clone())
    } else {
        (missing, added)
    })
}

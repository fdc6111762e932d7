//! The intended differences: the end of a case's `steps`, and for every case `tests/differential/differs`.

use super::{Case, Difference};

/// A field of a call that differs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// The case; `*` if the field differs in every case that shows it.
    pub case: String,
    /// Call and field; with `*` only the field.
    pub place: String,
    /// An entry of `docs/differences.md`, by its name.
    pub reason: String,
}

impl Listed {
    /// The lines of all cases, and those that apply to every case.
    pub fn all() -> Vec<Listed> {
        let path = crate::repository().join("tests/differential/differs");
        let text = std::fs::read_to_string(path).expect("tests/differential/differs");
        let mut listed = Listed::parse(EVERY, &text);
        for case in Case::all() {
            listed.extend(Listed::parse(&case.name, &case.differs));
        }
        listed
    }

    /// Reads `differs: REASON`, each followed by lines `CALL: FIELD…`.
    fn parse(case: &str, text: &str) -> Vec<Listed> {
        let mut listed = Vec::new();
        let mut reason = None;
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if let Some(name) = line.strip_prefix(DIFFERS) {
                reason = Some(name.trim());
                continue;
            }
            let parts = line.strip_prefix("  ").and_then(|line| line.split_once(": "));
            let (Some((call, fields)), Some(reason)) = (parts, reason) else { panic!("{case}: {line:?}") };
            for field in fields.split_whitespace() {
                let place = if case == EVERY { field.to_owned() } else { format!("{call} {field}") };
                listed.push(Listed { case: case.to_owned(), place, reason: reason.to_owned() });
            }
        }
        listed
    }

    /// Whether HEAD behaves as we do, and only 1.1.1 differs.
    pub fn is_age(&self) -> bool {
        self.reason.starts_with("1.1.1: ")
    }

    /// Whether the line lists this difference.
    pub fn covers(&self, difference: &Difference) -> bool {
        match self.case.as_str() {
            EVERY => self.place == difference.field(),
            case => case == difference.case && self.place == difference.place,
        }
    }
}

/// The beginning of a reason.
pub const DIFFERS: &str = "differs: ";
/// The case of what differs in every case.
pub const EVERY: &str = "*";

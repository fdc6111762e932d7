//! The differences that `docs/differences.md` lists.

use super::Difference;
use std::collections::BTreeSet;

/// A line of the second table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// The case; `*` if the field differs in every case that shows it.
    pub case: String,
    /// Call and field; with `*` only the field.
    pub place: String,
    /// A row of the first table, by its first column; or `1.1.1`: HEAD behaves as we do.
    pub reason: String,
}

impl Listed {
    /// All lines.
    pub fn all() -> Vec<Listed> {
        let path = crate::repository().join("docs/differences.md");
        let text = std::fs::read_to_string(path).expect("docs/differences.md");
        let (first, second) = text.split_once("\n## Field by field").expect("the second part");
        let cells = |line: &str| -> Option<Vec<String>> {
            let line = line.strip_prefix("| ")?.strip_suffix(" |")?;
            Some(line.split(" | ").map(|cell| cell.trim().to_owned()).collect())
        };
        let topics: BTreeSet<String> =
            first.lines().filter_map(cells).filter_map(|cells| cells.into_iter().next()).collect();
        let rows = second.lines().filter_map(cells).filter(|cells| cells[0] != "Case");
        let listed: Vec<Listed> = rows
            .map(|cells| {
                let [case, place, reason] = <[String; 3]>::try_from(cells).expect("three columns");
                Listed { case, place, reason }
            })
            .collect();
        for line in &listed {
            assert!(line.is_age() || topics.contains(&line.reason), "no such reason: {line:?}");
        }
        listed
    }

    /// Whether HEAD behaves as we do, and only 1.1.1 differs.
    pub fn is_age(&self) -> bool {
        self.reason.starts_with("1.1.1")
    }

    /// Whether the line lists this difference.
    pub fn covers(&self, difference: &Difference) -> bool {
        match self.case.as_str() {
            "*" => self.place == difference.field(),
            case => case == difference.case && self.place == difference.place,
        }
    }
}

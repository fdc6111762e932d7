//! A line of the table.

use serde::Serialize;
use std::fmt::Write;

/// A measurement, what it is compared with, and its target.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// The measured call.
    pub what: String,
    /// The unit.
    pub unit: &'static str,
    /// Our value.
    pub ours: f64,
    /// The value to compare with; none if the target is absolute.
    pub other: Option<f64>,
    /// Who has that value.
    pub against: String,
    /// The target for ours: the maximum, as a multiple of the other value, or absolute.
    pub target: f64,
}

impl Row {
    /// Ours as a multiple of the other value; without one, ours.
    pub fn ratio(&self) -> f64 {
        self.other.map_or(self.ours, |other| self.ours / other)
    }

    /// Whether the target is met.
    pub fn is_met(&self) -> bool {
        self.ratio() <= self.target
    }
}

/// The table, in Markdown.
pub fn table(rows: &[Row]) -> String {
    let mut text = "| What | ours | against | ratio | target | met |\n|---|---|---|---|---|---|\n".to_owned();
    for row in rows {
        let unit = row.unit;
        let times = if row.other.is_some() { "×".to_owned() } else { format!(" {unit}") };
        let other = row.other.map_or("–".to_owned(), |other| format!("{} {}", number(other), row.against));
        let (target, met) = match (row.target.is_finite(), row.is_met()) {
            (false, _) => ("–".to_owned(), "–"),
            (true, is_met) => (format!("≤ {}{times}", row.target), if is_met { "yes" } else { "no" }),
        };
        let _ = writeln!(
            text,
            "| {} | {} {unit} | {other} | {:.2}{times} | {target} | {met} |",
            row.what,
            number(row.ours),
            row.ratio(),
        );
    }
    text
}

/// Three significant digits.
fn number(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

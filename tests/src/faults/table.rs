//! The table: on the terminal, in `target/faults.json` and in `target/faults.md`.

use super::Row;
use serde_json::json;
use std::io::Write;
use std::sync::{Mutex, PoisonError};
use wasm_cni_sample::{is_whole, seed};

/// The rows of this run so far, with the number of their part; the parts run in any order.
static ROWS: Mutex<Vec<(usize, Row)>> = Mutex::new(Vec::new());

/// Adds the rows of a part to the table, and writes it.
pub fn publish(part: usize, rows: &[Row]) {
    let mut all = ROWS.lock().unwrap_or_else(PoisonError::into_inner);
    all.extend(rows.iter().map(|row| (part, row.clone())));
    all.sort_by_key(|(part, _)| *part);
    let all: Vec<&Row> = all.iter().map(|(_, row)| row).collect();
    let rows_json: Vec<_> = all.iter().map(|row| row.json()).collect();
    let value = json!({ "seed": seed(), "complete": is_whole(), "rows": rows_json });
    let text = serde_json::to_string_pretty(&value).expect("a value of strings and numbers");
    std::fs::write(crate::target().join("faults.json"), text + "\n").expect("target is writable");
    std::fs::write(crate::target().join("faults.md"), render(&all)).expect("target is writable");
    // Writes to stderr directly, because the test harness captures the output of a test that passes.
    let mine: Vec<&Row> = rows.iter().collect();
    let _ = writeln!(std::io::stderr(), "faults, seed {}:\n{}", seed(), render(&mine));
}

/// As Markdown.
fn render(rows: &[&Row]) -> String {
    const HEADINGS: [&str; 12] = [
        "Whose",
        "Fault",
        "possible",
        "tried",
        "survived",
        "failed",
        "machine as before",
        "left by the call",
        "wrong exit",
        "bad stdout",
        "left after the next verb",
        "left after DEL without namespace",
    ];
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut text = line(&HEADINGS.map(str::to_owned)) + &line(&HEADINGS.map(|_| "---".to_owned()));
    for row in rows {
        let mut cells = vec![row.who.clone(), row.what.clone()];
        let counts = [row.possible, row.tried, row.survived, row.failed, row.as_before, row.left];
        let wrongs = [row.wrong_exit, row.bad_stdout, row.left_by_next, row.left_without_netns];
        cells.extend(counts.iter().chain(&wrongs).map(usize::to_string));
        text += &line(&cells);
    }
    text
}

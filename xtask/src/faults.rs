//! `cargo xtask test faults`: only the fault suite, and its table.

use crate::progress::Progress;
use crate::tally::Tally;
use crate::workspace::Workspace;
use crate::{dist, sample, test};
use anyhow::{Context, Result};
use std::fs;

/// The table in the document is between these lines.
const BEGIN: &str = "<!-- the table of `cargo xtask test faults` -->\n";
const END: &str = "<!-- end of the table -->\n";

/// Builds, runs the suite and prints its table, which the suite wrote to `target/faults.json` and `target/faults.md`.
pub fn run(whole: bool, seed: Option<u64>, update: bool) -> Result<()> {
    test::ensure_packages()?;
    let workspace = Workspace::read()?;
    dist::build(&workspace)?;
    let mut process = test::cargo_test(&workspace)?;
    // This includes the tests of that name in `tests/fake`, which take no time.
    process.args(["--test", "faults"]);
    sample::set(&mut process, &sample::environment(&workspace, whole, seed)?);
    let mut tally = Tally::default();
    tally.tests(&mut process, &mut Progress::default())?;
    let path = workspace.target_dir.join("faults.md");
    let table = fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))?;
    println!("\n{table}");
    if update {
        let document = workspace.root.join("docs/faults.md");
        let text = fs::read_to_string(&document)
            .with_context(|| format!("failed to read {}", document.display()))?;
        fs::write(&document, replaced(&text, &table)?)
            .with_context(|| format!("failed to write {}", document.display()))?;
    }
    tally.end()
}

/// The document with another table.
fn replaced(document: &str, table: &str) -> Result<String> {
    let (before, rest) = document.split_once(BEGIN).context("docs/faults.md has no place for the table")?;
    let (_, after) = rest.split_once(END).context("docs/faults.md does not tell where the table ends")?;
    Ok(format!("{before}{BEGIN}\n{table}\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_table_is_replaced() {
        let document = format!("before\n{BEGIN}old\n{END}after\n");
        assert_eq!(replaced(&document, "new").unwrap(), format!("before\n{BEGIN}\nnew\n{END}after\n"));
        assert!(replaced("nothing", "new").is_err());
    }
}

//! Execution of the programs that list rules and change them.

use crate::machine::linux::process::{self, tool};
use crate::machine::linux::tables::program::printed;
use crate::machine::rules::TableError;
use crate::machine::rules::iptables::{Edit, Family, Listing, Table};
use std::io;
use std::process::Command;

/// In seconds. The longest time that iptables-legacy waits for `/run/xtables.lock`. iptables-nft has no lock.
const WAIT_SECONDS: u64 = 5;

/// The largest number of attempts to list a table completely.
const LISTINGS: usize = 3;

/// The exit status `RESOURCE_PROBLEM` of `xtables.h`.
const RESOURCE_PROBLEM: i32 = 4;

/// Lists a table with `iptables -t TABLE -S`. A table that the kernel does not have is empty.
///
/// # Errors
///
/// Fails if the program fails, or prints an incomplete listing each time.
pub fn list(table: Table, family: Family) -> Result<Listing, TableError> {
    let wait = WAIT_SECONDS.to_string();
    // The program reports success even if it could not read the whole table, because somebody changed it meanwhile, or
    // could not write its whole output.
    for _ in 0..LISTINGS {
        match run(family.program(), family, &["-t", table.name(), "-S", "--wait", &wait], "") {
            Err(TableError::Refused(message)) if is_absence(&message) => return Ok(Listing::default()),
            Err(error) => return Err(error),
            Ok(text) if text.contains(&format!("-P {} ", table.built_in())) => {
                return Ok(Listing::parse(&text));
            }
            Ok(_) => {}
        }
    }
    let what = format!("running [{} -t {} -S]", family.program(), table.name());
    Err(TableError::Failed(format!("{what}: its listing is cut off")))
}

/// Does all edits, or none. Existing chains are not declared in the script, because `:CHAIN` would flush them.
pub fn commit(table: Table, family: Family, edits: &[Edit]) -> Result<(), TableError> {
    let wait = WAIT_SECONDS.to_string();
    let lines: String = edits.iter().map(|edit| format!("{}\n", edit.line())).collect();
    let script = format!("*{}\n{lines}COMMIT\n", table.name());
    run(family.restorer(), family, &["--noflush", "--wait", &wait], &script).map(drop).map_err(|error| {
        match error {
            TableError::Refused(message) => TableError::Refused(match refused(&message, edits) {
                Some(edit) => format!("`{}`: {message}", edit.command(table, family)),
                None => message,
            }),
            other => other,
        }
    })
}

/// The edit on the line of the script that a message of `iptables-restore` names: `line: 11`, `line 11`. The message
/// has nothing else of it.
fn refused<'a>(message: &str, edits: &'a [Edit]) -> Option<&'a Edit> {
    let number = |(at, word): (usize, &str)| {
        let rest = message.get(at + word.len()..)?.trim_start_matches(':').trim_start();
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest.get(..end)?.parse::<usize>().ok()
    };
    let line = message.match_indices("line").find_map(number)?;
    // The first line is the table.
    edits.get(line.checked_sub(2)?)
}

fn run(program: &str, family: Family, arguments: &[&str], input: &str) -> Result<String, TableError> {
    let called = format!("running [{program} {}]", arguments.join(" "));
    let output = process::run(Command::new(program).args(arguments), input, tool())
        .map_err(|error| io::Error::new(error.kind(), format!("{called}: {error}")));
    // iptables-nft uses the same exit status for a conflict with a concurrent change.
    if output.as_ref().is_ok_and(|output| {
        output.status.code() == Some(RESOURCE_PROBLEM)
            && String::from_utf8_lossy(&output.stderr).contains("xtables lock")
    }) {
        return Err(TableError::Busy(WAIT_SECONDS));
    }
    printed(output, family.program(), &called)
}

/// The messages that the reference takes for "does not exist", as far as a listing can produce them.
fn is_absence(message: &str) -> bool {
    [
        "No chain/target/match by that name",
        "No such file or directory",
        "does not exist",
        // The message of iptables-legacy on a kernel with `ipv6.disable=1`.
        "Address family not supported by protocol",
    ]
    .iter()
    .any(|text| message.contains(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::rules::iptables::failed;

    #[test]
    fn a_refusal_names_the_edit_on_the_line() {
        let edits = ["A", "B", "C"].map(|chain| Edit::NewChain(chain.to_owned()));
        let chain = |message: &str| refused(message, &edits).map(Edit::line);
        for message in [
            "exit status 2: iptables-restore v1.8.9 (nf_tables): Set none doesn't exist.\n\nError occurred at line: 3\nTry",
            "exit status 4: iptables-restore v1.8.9 (nf_tables): \nline 3: CHAIN_ADD failed (No such file or directory)",
            "exit status 1: iptables-restore: line 3 failed",
        ] {
            assert_eq!(chain(message).as_deref(), Some("-N B"), "{message}");
        }
        for message in ["exit status 1: iptables-restore: line 5 failed", "line: 1", "a line", ""] {
            assert_eq!(chain(message), None, "{message}");
        }
    }

    #[test]
    fn the_error_for_a_missing_program_is_the_reference_s() {
        let missing = run("no-such-iptables-restore", Family::V4, &[], "").unwrap_err();
        assert!(matches!(missing, TableError::Missing(_)));
        assert_eq!(
            failed(missing).to_string(),
            "failed to locate iptables: exec: \"iptables\": executable file not found in $PATH"
        );
    }
}

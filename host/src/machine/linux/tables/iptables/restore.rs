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
    run(family.restorer(), family, &["--noflush", "--wait", &wait], &script).map(drop)
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
    fn the_error_for_a_missing_program_is_the_reference_s() {
        let missing = run("no-such-iptables-restore", Family::V4, &[], "").unwrap_err();
        assert!(matches!(missing, TableError::Missing(_)));
        assert_eq!(
            failed(missing).to_string(),
            "failed to locate iptables: exec: \"iptables\": executable file not found in $PATH"
        );
    }
}

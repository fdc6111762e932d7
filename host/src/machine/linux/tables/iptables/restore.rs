//! The two processes: one that lists, one that changes.

use crate::machine::linux::process::{self, TOOL};
use crate::machine::linux::tables::program::printed;
use crate::machine::rules::TableError;
use crate::machine::rules::iptables::{Edit, Family, Listing, Table};
use std::io;
use std::process::Command;

/// Seconds that the legacy variant waits for `/run/xtables.lock`; the nft variant has no lock.
const WAIT_SECONDS: u64 = 5;

/// `RESOURCE_PROBLEM` of `xtables.h`.
const RESOURCE_PROBLEM: i32 = 4;

/// `iptables -t TABLE -S`. A kernel without the table has no rules.
pub fn list(table: Table, family: Family) -> Result<Listing, TableError> {
    let wait = WAIT_SECONDS.to_string();
    match run(family.program(), family, &["-t", table.name(), "-S", "--wait", &wait], "") {
        Err(TableError::Refused(message)) if is_absence(&message) => Ok(Listing::default()),
        Err(error) => Err(error),
        // It succeeds also when it cannot write what it lists.
        Ok(text) if !text.contains(&format!("-P {} ", table.built_in())) => {
            let what = format!("running [{} -t {} -S]", family.program(), table.name());
            Err(TableError::Failed(format!("{what}: its listing is cut off")))
        }
        Ok(text) => Ok(Listing::parse(&text)),
    }
}

/// Does all edits or none. The chains that are there are not declared: `:CHAIN` would flush them.
pub fn commit(table: Table, family: Family, edits: &[Edit]) -> Result<(), TableError> {
    let wait = WAIT_SECONDS.to_string();
    let lines: String = edits.iter().map(|edit| format!("{}\n", edit.line())).collect();
    let script = format!("*{}\n{lines}COMMIT\n", table.name());
    run(family.restorer(), family, &["--noflush", "--wait", &wait], &script).map(drop)
}

fn run(program: &str, family: Family, arguments: &[&str], input: &str) -> Result<String, TableError> {
    let called = format!("running [{program} {}]", arguments.join(" "));
    let output = process::run(Command::new(program).args(arguments), input, TOOL)
        .map_err(|error| io::Error::new(error.kind(), format!("{called}: {error}")));
    // The nft variant has the same code for a change that somebody else's made impossible.
    if output.as_ref().is_ok_and(|output| {
        output.status.code() == Some(RESOURCE_PROBLEM)
            && String::from_utf8_lossy(&output.stderr).contains("xtables lock")
    }) {
        return Err(TableError::Busy(WAIT_SECONDS));
    }
    printed(output, family.program(), &called)
}

/// What the reference takes to mean "it is not there", as far as a listing can say it.
fn is_absence(message: &str) -> bool {
    [
        "No chain/target/match by that name",
        "No such file or directory",
        "does not exist",
        // `ipv6.disable=1`, as the legacy variant says it.
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
    fn a_missing_program_is_the_reference_s_error() {
        let missing = run("no-such-iptables-restore", Family::V4, &[], "").unwrap_err();
        assert!(matches!(missing, TableError::Missing(_)));
        assert_eq!(
            failed(missing).to_string(),
            "failed to locate iptables: exec: \"iptables\": executable file not found in $PATH"
        );
    }
}

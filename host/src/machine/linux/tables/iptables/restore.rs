//! The two processes: one that lists, one that changes.

use crate::machine::linux::process::{self, TOOL};
use crate::machine::rules::TableError;
use crate::machine::rules::iptables::{Edit, Family, Listing, Table};
use std::io;
use std::process::{Command, Output};

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
    let output = process::run(Command::new(program).args(arguments), input, TOOL);
    printed(program, family, arguments, output)
}

/// What a process printed, or why it did not do it.
fn printed(
    program: &str,
    family: Family,
    arguments: &[&str],
    output: io::Result<Output>,
) -> Result<String, TableError> {
    let what = format!("running [{program} {}]", arguments.join(" "));
    let output = match output {
        Ok(output) => output,
        // A directory of $PATH that may not be read counts as one without the program, as in Go.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) => {
            let message = format!("exec: {:?}: executable file not found in $PATH", family.program());
            return Err(TableError::Missing(message));
        }
        Err(error) => {
            let is_ended = matches!(error.kind(), io::ErrorKind::Other | io::ErrorKind::TimedOut);
            let message = format!("{what}: {error}");
            return Err(if is_ended { TableError::Unknown(message) } else { TableError::Failed(message) });
        }
    };
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let printed = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    // The nft variant has the same code for a change that somebody else's made impossible.
    if output.status.code() == Some(RESOURCE_PROBLEM) && printed.contains("xtables lock") {
        return Err(TableError::Busy(WAIT_SECONDS));
    }
    let status = output.status.to_string().replace("exit status: ", "exit status ");
    let message = format!("{what}: {status}: {printed}");
    // Killed, by us after its time or by others, it may have done all.
    if output.status.code().is_none() {
        return Err(TableError::Unknown(message));
    }
    Err(TableError::Refused(message))
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
    use crate::machine::testing::private;

    #[test]
    fn a_missing_program_is_the_reference_s_error() {
        let missing = run("no-such-iptables-restore", Family::V4, &[], "").unwrap_err();
        assert!(matches!(missing, TableError::Missing(_)));
        assert_eq!(
            failed(missing).to_string(),
            "failed to locate iptables: exec: \"iptables\": executable file not found in $PATH"
        );
    }

    #[test]
    fn a_program_that_fails_is_quoted() {
        private(|| {
            let refused = commit(Table::Filter, Family::V4, &[Edit::Flush("NONE".to_owned())]).unwrap_err();
            assert!(matches!(&refused, TableError::Refused(_)), "{refused:?}");
            let text = failed(refused).to_string();
            assert!(
                text.starts_with("running [iptables-restore --noflush --wait 5]: exit status "),
                "{text}"
            );
        });
    }
}

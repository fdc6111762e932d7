//! The two processes: one that lists a table, one that changes it.

use super::super::MachineError;
use super::super::process::{self, TOOL};
use super::table::Table;
use serde_json::{Value, json};
use std::io;
use std::process::Command;

/// A transaction that somebody else's made impossible is made again from a new listing, so many times in all.
const MAX_TRIES: usize = 4;

/// A table by family and name; both are constants, so that nothing of theirs has to be quoted.
#[derive(Debug, Clone, Copy)]
pub struct TableName(pub &'static str, pub &'static str);

/// What is done at once, or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Script {
    /// Nothing.
    Empty,
    /// In the language of `nft(8)`: only it can give a table or a chain a comment (1.0.6).
    Text(String),
    /// Commands of `libnftables-json(5)`: any text may be part of a name.
    Json(Vec<Value>),
}

/// Why a process did not do it.
#[derive(Debug)]
pub enum NftError {
    /// There is no such program.
    Missing,
    /// It said no, and nothing was changed: another try on a new listing may succeed.
    Refused(String),
    /// It was killed, by us after its time or by others, perhaps when it had done all.
    Killed(String),
    /// It said no each time, and others had changed the table in between.
    Changed(String),
    /// It could not be run, or its listing not be read.
    Failed(String),
}

impl NftError {
    /// In the words of the reference, one for a missing program and one for all else.
    pub fn into_kernel_error(self, missing: &str, failed: &str) -> MachineError {
        let (what, message) = match self {
            NftError::Changed(message) => return MachineError::Changed(format!("{failed}: {message}")),
            NftError::Missing => (missing, "exec: \"nft\": executable file not found in $PATH".to_owned()),
            NftError::Refused(message) | NftError::Killed(message) | NftError::Failed(message) => {
                (failed, message)
            }
        };
        MachineError::Tool { what: what.to_owned(), message }
    }
}

/// `nft -j list table`. A table that is not there is empty, also where the kernel has no nftables at all.
pub fn list(TableName(family, name): TableName) -> Result<Table, NftError> {
    match run(&["-j", "list", "table", family, name], "") {
        Ok(text) => Table::decode(&text).map_err(|error| NftError::Failed(error.to_string())),
        Err(NftError::Refused(message)) if is_absence(&message) => Ok(Table::default()),
        Err(error) => Err(error),
    }
}

/// A table as far as it can be listed. Why something may be missing is added to `unread`, in these words.
pub fn list_for(
    name: TableName,
    unread: &mut Vec<MachineError>,
    words: impl FnOnce(NftError) -> MachineError,
) -> Table {
    list(name).unwrap_or_else(|error| {
        // Without the program there are no rules of ours.
        if !matches!(error, NftError::Missing) {
            unread.push(words(error));
        }
        Table::default()
    })
}

/// Lists a table and does what follows from it, again if others have changed the table between the two.
pub fn change<T>(name: TableName, decide: impl Fn(&Table) -> (Script, T)) -> Result<T, NftError> {
    let mut table = list(name)?;
    let mut tries = 0;
    loop {
        tries += 1;
        let (script, result) = decide(&table);
        if script == Script::Empty && tries < MAX_TRIES {
            // `nft` leaves out what it cannot get from the kernel, and succeeds: that there is nothing to do, two listings have to say.
            let now = list(name)?;
            if now != table {
                table = now;
                continue;
            }
        }
        match submit(&script) {
            Ok(()) => return Ok(result),
            Err(NftError::Refused(message)) if tries < MAX_TRIES => {
                let now = list(name)?;
                if now == table {
                    return Err(NftError::Refused(message));
                }
                table = now;
            }
            Err(NftError::Refused(message)) => return Err(NftError::Changed(message)),
            Err(error) => return Err(error),
        }
    }
}

/// Does all of a script or nothing.
pub fn submit(script: &Script) -> Result<(), NftError> {
    match script {
        Script::Empty => Ok(()),
        Script::Text(text) => run(&["-f", "-"], text).map(drop),
        Script::Json(commands) => {
            run(&["-j", "-f", "-"], &json!({ "nftables": commands }).to_string()).map(drop)
        }
    }
}

fn run(arguments: &[&str], input: &str) -> Result<String, NftError> {
    let mut nft = Command::new("nft");
    // What it says is looked at.
    nft.args(arguments).env("LC_ALL", "C");
    let output = match process::run(&mut nft, input, TOOL) {
        Ok(output) => output,
        // A directory of $PATH that may not be read counts as one without the program, as in Go.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) => {
            return Err(NftError::Missing);
        }
        Err(error) if matches!(error.kind(), io::ErrorKind::Other | io::ErrorKind::TimedOut) => {
            return Err(NftError::Killed(error.to_string()));
        }
        Err(error) => return Err(NftError::Failed(error.to_string())),
    };
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let status = output.status.to_string().replace("exit status: ", "exit status ");
    let message = format!("nft {}: {status}: {said}", arguments.join(" "));
    Err(if output.status.code().is_some() { NftError::Refused(message) } else { NftError::Killed(message) })
}

/// Whether a listing failed because there is nothing: no such table, or no nftables in the kernel (no such protocol of
/// netlink, or no such subsystem of it).
fn is_absence(message: &str) -> bool {
    // With its prefix: a library that the program lacks is told in the same words.
    [
        "Error: No such file or directory",
        "Protocol not supported",
        "Operation not supported",
        "Invalid argument",
    ]
    .iter()
    .any(|text| message.contains(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_cannot_start_is_no_missing_table() {
        assert!(is_absence(
            "nft -j list table inet x: exit status 1: Error: No such file or directory\nlist table"
        ));
        assert!(is_absence("nft: netlink: Error: cache initialization failed: Protocol not supported"));
        assert!(!is_absence(
            "nft: libnftables.so.1: cannot open shared object file: No such file or directory"
        ));
        assert!(!is_absence("nft: Operation not permitted (you must be root)"));
    }
}

//! The two processes: one that lists a table, one that changes it.

use super::super::KernelError;
use super::table::Table;
use serde_json::{Value, json};
use std::io::{self, Write};
use std::process::{Command, Output, Stdio};

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
    /// It could not be run, or its listing not be read.
    Failed(String),
}

impl NftError {
    /// In the words of the reference, one for a missing program and one for all else.
    pub fn into_kernel_error(self, missing: &str, failed: &str) -> KernelError {
        let (what, message) = match self {
            NftError::Missing => (missing, "exec: \"nft\": executable file not found in $PATH".to_owned()),
            NftError::Refused(message) | NftError::Failed(message) => (failed, message),
        };
        KernelError::Tool { what: what.to_owned(), message }
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

/// Lists a table and does what follows from it, again if others have changed the table between the two.
pub fn change<T>(name: TableName, decide: impl Fn(&Table) -> (Script, T)) -> Result<T, NftError> {
    let mut table = list(name)?;
    let mut tries = 0;
    loop {
        tries += 1;
        let (script, result) = decide(&table);
        match submit(&script) {
            Ok(()) => return Ok(result),
            Err(NftError::Refused(message)) if tries < MAX_TRIES => {
                let now = list(name)?;
                if now == table {
                    return Err(NftError::Refused(message));
                }
                table = now;
            }
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
    let output = match spawn(arguments, input) {
        Ok(output) => output,
        // A directory of $PATH that may not be read counts as one without the program, as in Go.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) => {
            return Err(NftError::Missing);
        }
        Err(error) => return Err(NftError::Failed(error.to_string())),
    };
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let status = output.status.to_string().replace("exit status: ", "exit status ");
    Err(NftError::Refused(format!("nft {}: {status}: {said}", arguments.join(" "))))
}

fn spawn(arguments: &[&str], input: &str) -> io::Result<Output> {
    let mut child = Command::new("nft")
        .args(arguments)
        // What it says is looked at.
        .env("LC_ALL", "C")
        .stdin(if input.is_empty() { Stdio::null() } else { Stdio::piped() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A process that ends before it has read all says why itself.
        let _ = stdin.write_all(input.as_bytes());
    }
    child.wait_with_output()
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

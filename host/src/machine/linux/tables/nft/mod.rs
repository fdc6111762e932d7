//! Tables of nftables, through `nft`: a process that lists one, and a process that changes it.

mod listing;
mod script;

use crate::machine::linux::process::{self, TOOL};
use crate::machine::linux::tables::program::printed;
use crate::machine::rules::TableError;
use crate::machine::rules::nftables::{Edit, Listing};
use script::Script;
use std::process::Command;

/// Lists a table: `nft -j list table`. One that is not there is empty, also where the kernel has no nftables at all.
///
/// # Errors
/// [`TableError::Missing`] without the program; what it says when it fails.
pub fn list(family: &str, name: &str) -> Result<Listing, TableError> {
    match run(&["-j", "list", "table", family, name], "") {
        Ok(text) => listing::decode(&text).map_err(|error| TableError::Failed(error.to_string())),
        Err(TableError::Refused(message)) if is_absence(&message) => Ok(Listing::default()),
        Err(error) => Err(error),
    }
}

/// Does all edits of a table or none, in one process; without an edit in none.
///
/// # Errors
/// [`TableError::Refused`] when the kernel or the program refuses one of them; [`TableError::Unknown`] when the process was killed, perhaps
/// after it had done all.
pub fn commit(family: &str, name: &str, edits: &[Edit]) -> Result<(), TableError> {
    if edits.is_empty() {
        return Ok(());
    }
    match script::of(family, name, edits)? {
        Script::Text(text) => run(&["-f", "-"], &text),
        Script::Json(text) => run(&["-j", "-f", "-"], &text),
    }
    .map(drop)
}

fn run(arguments: &[&str], input: &str) -> Result<String, TableError> {
    let mut nft = Command::new("nft");
    // Its messages are looked at.
    nft.args(arguments).env("LC_ALL", "C");
    printed(process::run(&mut nft, input, TOOL), "nft", &format!("nft {}", arguments.join(" ")))
}

/// Whether a listing failed because there is nothing: no such table, or no nftables in the kernel (no such protocol of netlink, or no such
/// subsystem of it).
fn is_absence(message: &str) -> bool {
    // With its prefix: the message for a library that the program lacks has the same words.
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

//! Tables of nftables. The program `nft` lists and changes them.

mod listing;
mod script;

use crate::machine::linux::process::{self, tool};
use crate::machine::linux::tables::program::printed;
use crate::machine::rules::TableError;
use crate::machine::rules::nftables::{Edit, Listing};
use script::Script;
use std::process::Command;

/// Lists a table with `nft -j list table`. A table that does not exist is empty, also if the kernel has no nftables.
///
/// # Errors
///
/// [`TableError::Missing`] if the program is not installed. Otherwise the program's message.
pub fn list(family: &str, name: &str) -> Result<Listing, TableError> {
    match run(&["-j", "list", "table", family, name], "") {
        Ok(text) => listing::decode(&text).map_err(|error| TableError::Failed(error.to_string())),
        Err(TableError::Refused(message)) if is_absence(&message) => Ok(Listing::default()),
        Err(error) => Err(error),
    }
}

/// Does all edits of a table, or none, with one execution of `nft`. Without edits, it executes nothing.
///
/// # Errors
///
/// [`TableError::Refused`] if the kernel or the program refuses an edit. [`TableError::Unknown`] if the program was
/// killed, perhaps after it had done all edits.
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
    // Error messages are compared with English texts.
    nft.args(arguments).env("LC_ALL", "C");
    printed(process::run(&mut nft, input, tool()), "nft", &format!("nft {}", arguments.join(" ")))
}

/// Whether a listing failed because there is no such table, or because the kernel has no nftables (no netlink protocol
/// or subsystem for it).
fn is_absence(message: &str) -> bool {
    // The text includes the prefix `Error: `, because the dynamic linker reports a missing library with the same words.
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
    fn a_program_that_cannot_start_is_not_a_missing_table() {
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

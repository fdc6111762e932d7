//! Tables of iptables: plain rules of `nat` over netlink where the nft variant keeps them, all else by processes. One transaction is all or nothing.

pub mod nf_tables;
pub mod restore;

use crate::machine::rules::TableError;
use crate::machine::rules::iptables::{Edit, Family, Listing, Table};
use nf_tables::Done;

/// Lists a table; one that the kernel does not have is empty.
///
/// # Errors
/// The program is not installed, or failed, or what it printed is cut off.
pub fn list(table: Table, family: Family) -> Result<Listing, TableError> {
    match table {
        Table::PlainNat => nf_tables::list(family).map_or_else(|| restore::list(table, family), Ok),
        Table::Nat | Table::Filter => restore::list(table, family),
    }
}

/// Does all edits or none.
///
/// # Errors
/// What became of the table says the kind of error. A chain that is to be made and is there is [`TableError::Refused`].
pub fn commit(table: Table, family: Family, edits: &[Edit]) -> Result<(), TableError> {
    let done = match table {
        Table::PlainNat => nf_tables::commit(family, edits),
        Table::Nat | Table::Filter => None,
    };
    match done {
        Some(Done::All) => Ok(()),
        Some(Done::ChainExists(chain)) => Err(TableError::Refused(format!("chain {chain} exists already"))),
        Some(Done::Unknown(message)) => {
            Err(TableError::Unknown(format!("changing table nat over netlink: {message}")))
        }
        None => restore::commit(table, family, edits),
    }
}

//! Tables of iptables. Simple rules of `nat` are handled over netlink, if iptables uses nf_tables. Everything else is
//! done by programs. A transaction is done completely or not at all.

pub mod nf_tables;
pub mod restore;

use crate::machine::rules::TableError;
use crate::machine::rules::iptables::{Edit, Family, Listing, Table};
use nf_tables::Done;

/// Lists a table. A table that the kernel does not have is empty.
///
/// # Errors
///
/// Fails if the program is not installed, fails, or prints incomplete output.
pub fn list(table: Table, family: Family) -> Result<Listing, TableError> {
    match table {
        Table::PlainNat => nf_tables::list(family).map_or_else(|| restore::list(table, family), Ok),
        Table::Nat | Table::Filter => restore::list(table, family),
    }
}

/// Does all edits, or none.
///
/// # Errors
///
/// The kind of the error shows what happened to the table. [`TableError::Refused`] if a chain to create exists already.
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

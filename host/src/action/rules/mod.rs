//! Packet filter rules.

pub mod filter;
pub mod masquerade;
pub mod port_map;
pub mod source_mac;

use super::context::ReadContext;
use super::profile::RuleSet;
use crate::machine::MachineError;
use crate::machine::rules::{Listing, RuleTables, TableError, TableId};

/// The shell commands that add a set of rules to an empty table.
fn commands(set: &dyn RuleSet) -> Vec<String> {
    let table = set.table();
    set.add(&Listing::empty(table)).iter().map(|edit| edit.command(table)).collect()
}

/// Whether the table that is listed now contains something. `failed` makes the error if it cannot be listed.
fn is_listed(
    cx: &mut ReadContext<'_>,
    table: TableId,
    failed: impl FnOnce(TableError) -> MachineError,
    is_there: impl FnOnce(&Listing) -> bool,
) -> Result<bool, MachineError> {
    match cx.look.tables().list(table) {
        Ok(listing) => Ok(is_there(&listing)),
        // If the program is missing, there are no rules of ours.
        Err(TableError::Missing(_)) => Ok(false),
        Err(error) => Err(failed(error)),
    }
}

/// The listing of a table, without a journal. If it cannot be listed, the error from `failed` is added to `unread`, and
/// the result is empty.
fn listed(
    tables: &dyn RuleTables,
    table: TableId,
    unread: &mut Vec<MachineError>,
    failed: impl FnOnce(TableError) -> MachineError,
) -> Listing {
    tables.list(table).unwrap_or_else(|error| {
        // If the program is missing, there are no rules of ours.
        if !matches!(error, TableError::Missing(_)) {
            unread.push(failed(error));
        }
        Listing::empty(table)
    })
}

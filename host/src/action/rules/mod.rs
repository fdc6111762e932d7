//! Rules of packet filters.

pub mod filter;
pub mod masquerade;
pub mod port_map;
pub mod source_mac;

use super::context::ReadContext;
use super::profile::RuleSet;
use crate::machine::MachineError;
use crate::machine::rules::{Listing, RuleTables, TableError, TableId};

/// What one would type for a set of rules where there is none: what is sent to a table without rules.
fn commands(set: &dyn RuleSet) -> Vec<String> {
    let table = set.table();
    set.add(&Listing::empty(table)).iter().map(|edit| edit.command(table)).collect()
}

/// Whether something is in a table as it is listed now. A failure is an error in the words of `failed`.
fn is_listed(
    cx: &mut ReadContext<'_>,
    table: TableId,
    failed: impl FnOnce(TableError) -> MachineError,
    is_there: impl FnOnce(&Listing) -> bool,
) -> Result<bool, MachineError> {
    match cx.look.tables().list(table) {
        Ok(listing) => Ok(is_there(&listing)),
        // Without the program there are no rules of ours.
        Err(TableError::Missing(_)) => Ok(false),
        Err(error) => Err(failed(error)),
    }
}

/// A table as far as it can be listed, without a journal. Why something may be missing is added to `unread`, in the words of `failed`.
fn listed(
    tables: &dyn RuleTables,
    table: TableId,
    unread: &mut Vec<MachineError>,
    failed: impl FnOnce(TableError) -> MachineError,
) -> Listing {
    tables.list(table).unwrap_or_else(|error| {
        // Without the program there are no rules of ours.
        if !matches!(error, TableError::Missing(_)) {
            unread.push(failed(error));
        }
        Listing::empty(table)
    })
}

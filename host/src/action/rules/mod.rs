//! Rules of packet filters.

pub mod filter;
pub mod masquerade;
pub mod port_map;
pub mod source_mac;

use super::profile::RuleSet;
use crate::machine::MachineError;
use crate::machine::rules::{Listing, RuleTables, TableError, TableId};

/// What one would type for a set of rules where there is none: what is sent to a table without rules.
fn commands(set: &dyn RuleSet) -> Vec<String> {
    let table = set.table();
    set.add(&Listing::empty(table)).iter().map(|edit| edit.command(table)).collect()
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

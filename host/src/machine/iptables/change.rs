//! A transaction that follows from a listing.

use super::super::MachineError;
use super::restore::{Family, IptablesError, Table, list_table, restore};
use super::rule::Listing;

/// A transaction that somebody else's made impossible is made again from a new listing, so many times in all.
const MAX_TRIES: usize = 4;

/// Lists a table and does the lines that follow from it, all or none; again, if others have changed the table between the two.
///
/// `listed` is a listing that was had just before.
pub fn change<T>(
    table: Table,
    family: Family,
    listed: Option<String>,
    decide: impl Fn(&Listing) -> (Vec<String>, T),
) -> Result<T, IptablesError> {
    let list = |family| list_table(table, family);
    let mut text = listed.map_or_else(|| list(family), Ok)?;
    let mut tries = 0;
    loop {
        tries += 1;
        let (lines, result) = decide(&Listing::parse(&text));
        if lines.is_empty() {
            // `iptables -S` leaves out what it cannot get from the kernel, and succeeds: that there is nothing to do, it has to say twice.
            let now = list(family)?;
            if now == text || tries >= MAX_TRIES {
                return Ok(result);
            }
            text = now;
            continue;
        }
        match restore(table, family, &lines) {
            Ok(()) => return Ok(result),
            Err(IptablesError::Refused(error)) => {
                let now = list(family)?;
                if now == text {
                    return Err(IptablesError::Refused(error));
                }
                if tries >= MAX_TRIES {
                    return Err(IptablesError::Failed(MachineError::Changed(error.to_string())));
                }
                text = now;
            }
            Err(error) => return Err(error),
        }
    }
}

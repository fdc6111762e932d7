//! Rule tables of iptables and nftables.

pub mod iptables;
pub mod nft;
mod program;

use super::process::inherited;
use crate::machine::errno::DRY;
use crate::machine::rules::{Edit, Listing, RuleTables, TableError, TableId};
use std::os::fd::OwnedFd;

/// The tables of the calling thread's network namespace.
#[derive(Debug)]
pub struct Tables {
    dry: bool,
    /// The lock of the attachment, for the programs that change rules.
    lock: Option<OwnedFd>,
}

impl Tables {
    /// Tables whose programs hold this lock while they change rules. Dry tables refuse every change.
    pub fn new(dry: bool, lock: Option<OwnedFd>) -> Self {
        Tables { dry, lock }
    }
}

impl RuleTables for Tables {
    fn list(&self, table: TableId) -> Result<Listing, TableError> {
        match table {
            TableId::Iptables(table, family) => iptables::list(table, family).map(Listing::Iptables),
            TableId::Nftables(family, name) => nft::list(family, name).map(Listing::Nftables),
        }
    }

    fn commit(&self, table: TableId, edits: &[Edit]) -> Result<(), TableError> {
        if self.dry {
            return Err(TableError::Failed(DRY.to_owned()));
        }
        let _lock = inherited(self.lock.as_ref());
        match table {
            TableId::Iptables(table, family) => {
                let edits: Vec<_> = edits.iter().filter_map(of_iptables).collect();
                iptables::commit(table, family, &edits)
            }
            TableId::Nftables(family, name) => {
                let edits: Vec<_> = edits.iter().filter_map(of_nftables).collect();
                nft::commit(family, name, &edits)
            }
        }
    }
}

fn of_iptables(edit: &Edit) -> Option<crate::machine::rules::iptables::Edit> {
    match edit {
        Edit::Iptables(edit) => Some(edit.clone()),
        Edit::Nftables(_) => None,
    }
}

fn of_nftables(edit: &Edit) -> Option<crate::machine::rules::nftables::Edit> {
    match edit {
        Edit::Nftables(edit) => Some(edit.clone()),
        Edit::Iptables(_) => None,
    }
}

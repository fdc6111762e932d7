//! Tables of rules: of `iptables` and of nftables.

use super::{DRY, inherited};
use crate::machine::rules::{Edit, Listing, RuleTables, TableError, TableId};
use std::os::fd::OwnedFd;

/// The tables of the calling thread's namespace.
#[derive(Debug)]
pub struct Tables {
    dry: bool,
    /// The lock of the attachment, for the processes that change rules.
    lock: Option<OwnedFd>,
}

impl Tables {
    /// Tables whose processes hold that lock while they change something; dry ones refuse every change.
    pub fn new(dry: bool, lock: Option<OwnedFd>) -> Self {
        Tables { dry, lock }
    }
}

impl RuleTables for Tables {
    fn list(&self, table: TableId) -> Result<Listing, TableError> {
        match table {
            // iptables::list(table, family).map(Listing::Iptables)
            TableId::Iptables(_, _) => todo!(),
            // nft::list(family, name).map(Listing::Nftables)
            TableId::Nftables(_, _) => todo!(),
        }
    }

    fn commit(&self, table: TableId, edits: &[Edit]) -> Result<(), TableError> {
        if self.dry {
            return Err(TableError::Failed(DRY.to_owned()));
        }
        let _lock = inherited(self.lock.as_ref());
        match table {
            TableId::Iptables(_, _) => {
                let _edits: Vec<_> = edits.iter().filter_map(iptables).collect();
                // iptables::commit(table, family, &edits)
                todo!()
            }
            TableId::Nftables(_, _) => {
                let _edits: Vec<_> = edits.iter().filter_map(nftables).collect();
                // nft::commit(family, name, &edits)
                todo!()
            }
        }
    }
}

fn iptables(edit: &Edit) -> Option<crate::machine::rules::iptables::Edit> {
    match edit {
        Edit::Iptables(edit) => Some(edit.clone()),
        Edit::Nftables(_) => None,
    }
}

fn nftables(edit: &Edit) -> Option<crate::machine::rules::nftables::Edit> {
    match edit {
        Edit::Nftables(edit) => Some(edit.clone()),
        Edit::Iptables(_) => None,
    }
}

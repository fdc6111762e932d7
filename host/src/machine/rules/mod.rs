//! Tables of packet filter rules: their listings, and the edits that change them in one transaction.

mod error;
pub mod iptables;
pub mod nftables;

pub use error::TableError;

use std::fmt;

/// A table of rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TableId {
    /// `iptables -t TABLE`, or the same with `ip6tables`.
    Iptables(iptables::Table, iptables::Family),
    /// A table of nftables, by family and name. Both are constants, so they need no quoting.
    Nftables(&'static str, &'static str),
}

/// The listing of a table.
#[derive(Debug, Clone, PartialEq)]
pub enum Listing {
    /// A table of iptables.
    Iptables(iptables::Listing),
    /// A table of nftables.
    Nftables(nftables::Listing),
}

/// A change of a table.
#[derive(Debug, Clone, PartialEq)]
pub enum Edit {
    /// In a table of iptables.
    Iptables(iptables::Edit),
    /// In a table of nftables.
    Nftables(nftables::Edit),
}

impl Listing {
    /// A table that is empty or does not exist.
    pub fn empty(table: TableId) -> Self {
        match table {
            TableId::Iptables(..) => Listing::Iptables(iptables::Listing::default()),
            TableId::Nftables(..) => Listing::Nftables(nftables::Listing::default()),
        }
    }

    /// Applies edits to the listing.
    pub fn apply(&mut self, edits: &[Edit]) {
        for edit in edits {
            match (&mut *self, edit) {
                (Listing::Iptables(listing), Edit::Iptables(edit)) => listing.apply(edit),
                (Listing::Nftables(listing), Edit::Nftables(edit)) => listing.apply(edit),
                (Listing::Iptables(_), Edit::Nftables(_)) | (Listing::Nftables(_), Edit::Iptables(_)) => {}
            }
        }
    }

    /// The listing, if it is of iptables.
    pub fn iptables(&self) -> Option<&iptables::Listing> {
        match self {
            Listing::Iptables(listing) => Some(listing),
            Listing::Nftables(_) => None,
        }
    }

    /// The listing, if it is of nftables.
    pub fn nftables(&self) -> Option<&nftables::Listing> {
        match self {
            Listing::Nftables(listing) => Some(listing),
            Listing::Iptables(_) => None,
        }
    }
}

impl From<iptables::Edit> for Edit {
    fn from(edit: iptables::Edit) -> Self {
        Edit::Iptables(edit)
    }
}

impl Edit {
    /// Whether the kernel refuses the edit, and with it the whole transaction, if its object exists.
    pub fn is_exclusive(&self) -> bool {
        match self {
            Edit::Iptables(edit) => edit.is_exclusive(),
            // `add table`, `add chain` and `add rule` succeed if the object exists.
            Edit::Nftables(_) => false,
        }
    }

    /// The edit as a command of `iptables(8)` or `nft(8)`.
    pub fn command(&self, table: TableId) -> String {
        match (self, table) {
            (Edit::Iptables(edit), TableId::Iptables(table, family)) => edit.command(table, family),
            (Edit::Nftables(edit), TableId::Nftables(family, name)) => edit.command(family, name),
            (Edit::Iptables(_), TableId::Nftables(..)) | (Edit::Nftables(_), TableId::Iptables(..)) => {
                String::new()
            }
        }
    }
}

impl fmt::Display for TableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TableId::Iptables(table, family) => write!(f, "{} -t {}", family.program(), table.name()),
            TableId::Nftables(family, name) => write!(f, "nft {family} {name}"),
        }
    }
}

/// The rule tables of a machine. A second thread uses them too, in parallel with changes of links.
pub trait RuleTables {
    /// Lists a table. A table that does not exist is empty, also if the kernel has no such tables.
    fn list(&self, table: TableId) -> Result<Listing, TableError>;

    /// Does all edits, or none.
    fn commit(&self, table: TableId, edits: &[Edit]) -> Result<(), TableError>;
}

//! Rules of nftables, as `libnftables-json(5)` lists them.

/// A table as far as it is listed; the default is one that is not there.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Listing {
    /// Whether it is there.
    pub exists: bool,
}

/// A command of `nft(8)`.
#[derive(Debug, Clone, PartialEq)]
pub enum Edit {
    /// Makes the table, unless it is there.
    AddTable,
}

impl Listing {
    /// The table after an edit.
    pub fn apply(&mut self, _edit: &Edit) {
        todo!()
    }
}

impl Edit {
    /// As a command of `nft(8)` for a table.
    pub fn command(&self, _family: &str, _name: &str) -> String {
        todo!()
    }
}

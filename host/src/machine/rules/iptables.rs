//! Rules of `iptables`, in words as `iptables -S` prints them.

use ipnetwork::IpNetwork;

/// Whose rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// `iptables`.
    V4,
    /// `ip6tables`.
    V6,
}

impl Family {
    /// Both.
    pub const ALL: [Family; 2] = [Family::V4, Family::V6];

    /// The one of an address.
    pub fn of(address: IpNetwork) -> Self {
        if address.is_ipv4() { Family::V4 } else { Family::V6 }
    }

    /// The program that lists its rules.
    pub fn program(self) -> &'static str {
        match self {
            Family::V4 => "iptables",
            Family::V6 => "ip6tables",
        }
    }
}

/// Which rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// `nat`.
    Nat,
    /// `filter`.
    Filter,
}

impl Table {
    /// As `-t` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Table::Nat => "nat",
            Table::Filter => "filter",
        }
    }
}

/// A rule: its chain, and all words after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The chain that it is in.
    pub chain: String,
    /// As `iptables -S` prints them, unquoted.
    pub words: Vec<String>,
}

/// A table as far as it is listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Chains that somebody made.
    pub chains: Vec<String>,
    /// All rules, in order.
    pub rules: Vec<Rule>,
}

/// A line of `iptables-restore --noflush`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// `-N`: refused if the chain exists.
    NewChain(String),
    /// `-A`: last in its chain.
    Append(Rule),
    /// `-I CHAIN 1`: first in its chain.
    Insert(Rule),
    /// `-D`: a rule that is listed.
    Delete(Rule),
    /// `-F`: all rules of a chain.
    Flush(String),
    /// `-X`: a chain that is empty and to which nothing jumps.
    DeleteChain(String),
}

impl Listing {
    /// The table after an edit.
    pub fn apply(&mut self, _edit: &Edit) {
        todo!()
    }
}

impl Edit {
    /// Whether the kernel refuses it when what it makes is there.
    pub fn is_exclusive(&self) -> bool {
        matches!(self, Edit::NewChain(_))
    }

    /// As a command.
    pub fn command(&self, _table: Table, _family: Family) -> String {
        todo!()
    }
}

//! Rules of `iptables`, in words as `iptables -S` prints them.

mod rule;

pub use rule::Rule;

use crate::machine::MachineError;
use crate::machine::rules::error::TableError;
use crate::value::shell::word;
use ipnetwork::IpNetwork;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

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

    /// IPv4 or not.
    pub fn new(is_ipv4: bool) -> Self {
        if is_ipv4 { Family::V4 } else { Family::V6 }
    }

    /// The one of an address.
    pub fn of(address: IpNetwork) -> Self {
        Family::new(address.is_ipv4())
    }

    /// The groups that are never masqueraded.
    pub fn multicast(self) -> &'static str {
        match self {
            Family::V4 => "224.0.0.0/4",
            Family::V6 => "ff00::/8",
        }
    }

    /// No address.
    pub fn unspecified(self) -> IpAddr {
        match self {
            Family::V4 => Ipv4Addr::UNSPECIFIED.into(),
            Family::V6 => Ipv6Addr::UNSPECIFIED.into(),
        }
    }

    /// The program that lists its rules.
    pub fn program(self) -> &'static str {
        match self {
            Family::V4 => "iptables",
            Family::V6 => "ip6tables",
        }
    }

    /// The program that changes them.
    pub fn restorer(self) -> &'static str {
        match self {
            Family::V4 => "iptables-restore",
            Family::V6 => "ip6tables-restore",
        }
    }
}

/// Which rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// `nat`, with every word of every rule.
    Nat,
    /// `nat`, of which only plain rules ([`Rule::is_plain`]) are listed and changed: that needs no process. Of other rules a word may be `?`.
    PlainNat,
    /// `filter`, with every word of every rule.
    Filter,
}

impl Table {
    /// As `-t` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Table::Nat | Table::PlainNat => "nat",
            Table::Filter => "filter",
        }
    }

    /// A chain that is in every whole listing.
    pub fn built_in(self) -> &'static str {
        match self {
            Table::Nat | Table::PlainNat => "POSTROUTING",
            Table::Filter => "FORWARD",
        }
    }
}

/// A table as far as it is listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Chains that somebody made.
    pub chains: Vec<String>,
    /// All rules; those of one chain are in order.
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
    /// Parses what `iptables -S` prints. Lines that are neither `-N` nor `-A` are skipped.
    pub fn parse(text: &str) -> Self {
        let mut listing = Listing::default();
        for line in text.lines() {
            if let Some(chain) = line.strip_prefix("-N ") {
                listing.chains.push(chain.trim().to_owned());
            } else if let Some(line) = line.strip_prefix("-A ") {
                listing.rules.extend(Rule::parse(line));
            }
        }
        listing
    }

    /// Whether somebody made that chain.
    pub fn has_chain(&self, chain: &str) -> bool {
        self.chains.iter().any(|there| there == chain)
    }

    /// Whether there is such a rule.
    pub fn has(&self, rule: &Rule) -> bool {
        self.rules.iter().any(|listed| rule.is_same(listed))
    }

    /// Whether an edit makes a chain or a rule that is not there.
    pub fn lacks(&self, edit: &Edit) -> bool {
        match edit {
            Edit::NewChain(chain) => !self.has_chain(chain),
            Edit::Append(rule) | Edit::Insert(rule) => !self.has(rule),
            Edit::Delete(_) | Edit::Flush(_) | Edit::DeleteChain(_) => false,
        }
    }

    /// The table after an edit.
    pub fn apply(&mut self, edit: &Edit) {
        match edit {
            Edit::NewChain(chain) => {
                if !self.has_chain(chain) {
                    self.chains.push(chain.clone());
                }
            }
            Edit::Append(rule) => self.rules.push(rule.clone()),
            Edit::Insert(rule) => {
                let first = self.rules.iter().position(|listed| listed.chain == rule.chain);
                self.rules.insert(first.unwrap_or(self.rules.len()), rule.clone());
            }
            Edit::Delete(rule) => {
                if let Some(place) = self.rules.iter().position(|listed| rule.is_same(listed)) {
                    self.rules.remove(place);
                }
            }
            Edit::Flush(chain) => self.rules.retain(|rule| rule.chain != *chain),
            Edit::DeleteChain(chain) => self.chains.retain(|there| there != chain),
        }
    }
}

impl Edit {
    /// Whether the kernel refuses it when what it makes is there.
    pub fn is_exclusive(&self) -> bool {
        matches!(self, Edit::NewChain(_))
    }

    /// The rule that it adds or deletes.
    pub fn rule(&self) -> Option<&Rule> {
        match self {
            Edit::Append(rule) | Edit::Insert(rule) | Edit::Delete(rule) => Some(rule),
            Edit::NewChain(_) | Edit::Flush(_) | Edit::DeleteChain(_) => None,
        }
    }

    /// Where it goes among others that remove something. A chain goes when nothing leads to it: where another one is flushed after that, the jumps of that
    /// still do.
    pub fn removal_order(&self) -> u8 {
        match self {
            Edit::Delete(_) => 0,
            Edit::Flush(_) => 1,
            Edit::DeleteChain(_) => 2,
            Edit::NewChain(_) | Edit::Append(_) | Edit::Insert(_) => 3,
        }
    }

    /// As a line of `iptables-restore`.
    pub fn line(&self) -> String {
        self.written(rule::plain)
    }

    /// As a command for a shell.
    pub fn command(&self, table: Table, family: Family) -> String {
        format!("{} -t {} {}", family.program(), table.name(), self.written(word))
    }

    /// With each word of a rule as `quoted` writes it.
    fn written(&self, quoted: fn(&str) -> String) -> String {
        let words = |rule: &Rule| rule.words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
        match self {
            Edit::NewChain(chain) => format!("-N {chain}"),
            Edit::Append(rule) => format!("-A {} {}", rule.chain, words(rule)),
            Edit::Insert(rule) => format!("-I {} 1 {}", rule.chain, words(rule)),
            Edit::Delete(rule) => format!("-D {} {}", rule.chain, words(rule)),
            Edit::Flush(chain) => format!("-F {chain}"),
            Edit::DeleteChain(chain) => format!("-X {chain}"),
        }
    }

    /// What a table lacks whose rules are made by these edits: one sentence for each rule.
    pub fn missing(edits: &[Edit]) -> Vec<String> {
        let of_rules = edits.iter().filter(|edit| edit.rule().is_some());
        of_rules.map(|edit| format!("the rule `{}` is gone", edit.line())).collect()
    }
}

/// Why a table of iptables was not listed or changed, in the words of the reference.
pub fn failed(error: TableError) -> MachineError {
    error.into_error("failed to locate iptables", "")
}

#[cfg(test)]
mod tests;

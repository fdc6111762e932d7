//! Rules of iptables, as words in the format of `iptables -S`.

mod rule;

pub use rule::Rule;

use crate::machine::MachineError;
use crate::machine::rules::error::TableError;
use crate::value::shell::word;
use ipnetwork::IpNetwork;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The address family of the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// `iptables`.
    V4,
    /// `ip6tables`.
    V6,
}

impl Family {
    /// Both families.
    pub const ALL: [Family; 2] = [Family::V4, Family::V6];

    /// The family, as a boolean.
    pub fn new(is_ipv4: bool) -> Self {
        if is_ipv4 { Family::V4 } else { Family::V6 }
    }

    /// The family of an address.
    pub fn of(address: IpNetwork) -> Self {
        Family::new(address.is_ipv4())
    }

    /// The multicast addresses, which are never masqueraded.
    pub fn multicast(self) -> &'static str {
        match self {
            Family::V4 => "224.0.0.0/4",
            Family::V6 => "ff00::/8",
        }
    }

    /// The unspecified address of the family.
    pub fn unspecified(self) -> IpAddr {
        match self {
            Family::V4 => Ipv4Addr::UNSPECIFIED.into(),
            Family::V6 => Ipv6Addr::UNSPECIFIED.into(),
        }
    }

    /// The program that lists rules.
    pub fn program(self) -> &'static str {
        match self {
            Family::V4 => "iptables",
            Family::V6 => "ip6tables",
        }
    }

    /// The program that changes rules.
    pub fn restorer(self) -> &'static str {
        match self {
            Family::V4 => "iptables-restore",
            Family::V6 => "ip6tables-restore",
        }
    }
}

/// The table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// The table `nat`. Listings contain every word of every rule.
    Nat,
    /// The table `nat`, in which only plain rules ([`Rule::is_plain`]) are listed and changed, without a program.
    /// Listings may contain `?` for a part of another rule.
    PlainNat,
    /// The table `filter`. Listings contain every word of every rule.
    Filter,
}

impl Table {
    /// The name for the option `-t`.
    pub fn name(self) -> &'static str {
        match self {
            Table::Nat | Table::PlainNat => "nat",
            Table::Filter => "filter",
        }
    }

    /// A built-in chain, which every complete listing contains.
    pub fn built_in(self) -> &'static str {
        match self {
            Table::Nat | Table::PlainNat => "POSTROUTING",
            Table::Filter => "FORWARD",
        }
    }
}

/// The listing of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// The chains that are not built in.
    pub chains: Vec<String>,
    /// All rules. Those of the same chain are in order.
    pub rules: Vec<Rule>,
}

/// A line of `iptables-restore --noflush`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// `-N`: creates a chain. Fails if it exists.
    NewChain(String),
    /// `-A`: adds a rule at the end of its chain.
    Append(Rule),
    /// `-I CHAIN 1`: inserts a rule at the beginning of its chain.
    Insert(Rule),
    /// `-D`: deletes a listed rule.
    Delete(Rule),
    /// `-F`: deletes all rules of a chain.
    Flush(String),
    /// `-X`: deletes a chain. It must be empty, and no rule may jump to it.
    DeleteChain(String),
}

impl Listing {
    /// Parses the output of `iptables -S`. Lines that are neither `-N` nor `-A` are skipped.
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

    /// Whether the chain exists. Built-in chains do not count.
    pub fn has_chain(&self, chain: &str) -> bool {
        self.chains.iter().any(|there| there == chain)
    }

    /// Whether the listing contains the rule.
    pub fn has(&self, rule: &Rule) -> bool {
        self.rules.iter().any(|listed| rule.is_same(listed))
    }

    /// Whether an edit adds a chain or a rule that is missing.
    pub fn lacks(&self, edit: &Edit) -> bool {
        match edit {
            Edit::NewChain(chain) => !self.has_chain(chain),
            Edit::Append(rule) | Edit::Insert(rule) => !self.has(rule),
            Edit::Delete(_) | Edit::Flush(_) | Edit::DeleteChain(_) => false,
        }
    }

    /// Applies an edit to the listing.
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
    /// Whether the kernel refuses the edit if its object exists.
    pub fn is_exclusive(&self) -> bool {
        matches!(self, Edit::NewChain(_))
    }

    /// The rule that the edit adds or deletes.
    pub fn rule(&self) -> Option<&Rule> {
        match self {
            Edit::Append(rule) | Edit::Insert(rule) | Edit::Delete(rule) => Some(rule),
            Edit::NewChain(_) | Edit::Flush(_) | Edit::DeleteChain(_) => None,
        }
    }

    /// The position of an edit in a removal. A chain can only be deleted when no rule jumps to it. So all chains are
    /// flushed before the first one is deleted.
    pub fn removal_order(&self) -> u8 {
        match self {
            Edit::Delete(_) => 0,
            Edit::Flush(_) => 1,
            Edit::DeleteChain(_) => 2,
            Edit::NewChain(_) | Edit::Append(_) | Edit::Insert(_) => 3,
        }
    }

    /// The edit as a line of `iptables-restore`.
    pub fn line(&self) -> String {
        self.written(rule::plain)
    }

    /// The edit as a shell command.
    pub fn command(&self, table: Table, family: Family) -> String {
        format!("{} -t {} {}", family.program(), table.name(), self.written(word))
    }

    /// The edit, with each word of its rule in the form that `quoted` returns.
    fn written(&self, quoted: fn(&str) -> String) -> String {
        let words = |rule: &Rule| rule.words().iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
        match self {
            Edit::NewChain(chain) => format!("-N {chain}"),
            Edit::Append(rule) => format!("-A {} {}", rule.chain, words(rule)),
            Edit::Insert(rule) => format!("-I {} 1 {}", rule.chain, words(rule)),
            Edit::Delete(rule) => format!("-D {} {}", rule.chain, words(rule)),
            Edit::Flush(chain) => format!("-F {chain}"),
            Edit::DeleteChain(chain) => format!("-X {chain}"),
        }
    }

    /// The rules that edits would add, as missing rules: one sentence for each.
    pub fn missing(edits: &[Edit]) -> Vec<String> {
        let of_rules = edits.iter().filter(|edit| edit.rule().is_some());
        of_rules.map(|edit| format!("the rule `{}` is gone", edit.line())).collect()
    }
}

/// The error for a table of iptables, in the wording of the reference.
pub fn failed(error: TableError) -> MachineError {
    error.into_error("failed to locate iptables", "")
}

#[cfg(test)]
mod tests;

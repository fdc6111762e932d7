//! The chain of a container: its rules, the jump to it, and the edits that make and remove them.

use crate::machine::MachineError;
use crate::machine::rules::TableId;
use crate::machine::rules::iptables::{self, Family, Rule, Table};
use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// See [`Action::Masquerade`](crate::action::Action::Masquerade): one chain of the attachment in `nat`, its two rules, and the jump to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Masquerade {
    /// The container's address; its network is what keeps its source.
    pub address: IpNetwork,
    /// The chain, as the reference names it.
    pub chain: String,
    /// The comment of each rule, as the reference writes it.
    pub comment: String,
}

impl Masquerade {
    pub(super) fn family(&self) -> Family {
        Family::of(self.address)
    }

    /// Packets to the own network keep their source.
    pub(super) fn accept(&self) -> Rule {
        self.rule(&self.chain, &["-d", &network(self.address).to_string()], "ACCEPT")
    }

    /// Packets to others, but to groups, do not.
    pub(super) fn masquerade(&self) -> Rule {
        self.rule(&self.chain, &["!", "-d", self.family().multicast()], "MASQUERADE")
    }

    /// Packets from the address come to the chain.
    pub(super) fn jump(&self) -> Rule {
        self.jump_from(self.address.ip().into())
    }

    pub(super) fn jump_from(&self, source: IpNetwork) -> Rule {
        self.rule("POSTROUTING", &["-s", &source.to_string()], &self.chain)
    }

    pub(super) fn rule(&self, chain: &str, of: &[&str], target: &str) -> Rule {
        Rule::new(chain, &[of, &["-j", target, "-m", "comment", "--comment", &self.comment]].concat())
    }

    /// All of it, in the order in which it is made.
    ///
    /// A network comes first in its chain: where the reference appends a second one, after the rule that masquerades, it has no effect.
    pub(super) fn wanted(&self) -> [iptables::Edit; 4] {
        [
            iptables::Edit::NewChain(self.chain.clone()),
            iptables::Edit::Insert(self.accept()),
            iptables::Edit::Append(self.masquerade()),
            iptables::Edit::Append(self.jump()),
        ]
    }

    /// The edits that make what a listing lacks.
    pub(super) fn edits(&self, now: &iptables::Listing) -> Vec<iptables::Edit> {
        self.wanted().into_iter().filter(|edit| now.lacks(edit)).collect()
    }

    /// The edits that remove what is listed of it, and whether the chain stays for somebody else.
    pub(super) fn removal(&self, now: &iptables::Listing) -> (Vec<iptables::Edit>, bool) {
        let mut doomed: BTreeSet<usize> = BTreeSet::new();
        let mut doom = |rule: Rule| {
            let found = now.rules.iter().enumerate().filter(|(_, listed)| rule.is_same(listed));
            doomed.extend(found.map(|(index, _)| index));
        };
        // With a prefix length: as old versions of the reference made it.
        let (jump, legacy) = (self.jump(), self.jump_from(network(self.address)));
        let is_jump = |listed: &Rule| jump.is_same(listed) || legacy.is_same(listed);
        let others: Vec<&Rule> = now
            .rules
            .iter()
            .filter(|listed| listed.target() == Some(&self.chain) && !is_jump(listed))
            .collect();
        doom(jump.clone());
        doom(legacy.clone());
        let is_used = !others.is_empty();
        if is_used {
            // Another interface of the container uses the chain, or another container: it keeps what it needs.
            let ours = others.iter().filter(|rule| rule.comment() == Some(&self.comment));
            let sources: Vec<IpNetwork> = ours.filter_map(|rule| rule.source()).collect();
            let network = network(self.address);
            if !sources.iter().any(|source| network.contains(source.ip())) {
                doom(self.accept());
            }
            if sources.is_empty() {
                doom(self.masquerade());
            }
        }
        let is_emptied = !is_used && now.has_chain(&self.chain);
        let rules = doomed.iter().filter_map(|index| now.rules.get(*index));
        let outside = rules.filter(|rule| !is_emptied || rule.chain != self.chain);
        let mut edits: Vec<iptables::Edit> = outside.cloned().map(iptables::Edit::Delete).collect();
        if is_emptied {
            edits.push(iptables::Edit::Flush(self.chain.clone()));
            edits.push(iptables::Edit::DeleteChain(self.chain.clone()));
        }
        (edits, is_used)
    }

    pub(super) fn table_of_family(&self) -> TableId {
        TableId::Iptables(Table::PlainNat, self.family())
    }

    /// What is written into a script has to stay one word: nobody adds a line of his own.
    pub(super) fn check_words(&self) -> Result<(), MachineError> {
        let name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        if self.chain.is_empty() || self.chain.len() > 28 || !self.chain.bytes().all(name) {
            return Err(MachineError::Conflict(format!("{:?} is no name of a chain", self.chain)));
        }
        if self.comment.chars().any(char::is_control) {
            return Err(MachineError::Conflict(format!("{:?} is no comment of a rule", self.comment)));
        }
        Ok(())
    }
}

/// Without host bits, as iptables lists it.
fn network(address: IpNetwork) -> IpNetwork {
    IpNetwork::new(address.network(), address.prefix()).unwrap_or(address)
}

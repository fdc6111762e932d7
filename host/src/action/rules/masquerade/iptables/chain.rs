//! The chain of a container: its rules, the jump to it, and the edits that add and remove them.

use crate::machine::MachineError;
use crate::machine::rules::TableId;
use crate::machine::rules::iptables::{self, Family, Rule, Table};
use crate::value::length;
use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// See [`Action::Masquerade`](crate::action::Action::Masquerade): one chain of the attachment in the table `nat`, with
/// two rules, and the jump to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Masquerade {
    /// The container's address, with the prefix length of its network. Packets to this network keep their source.
    pub address: IpNetwork,
    /// The name of the chain, as the reference derives it.
    pub chain: String,
    /// The comment of each rule, as the reference writes it.
    pub comment: String,
}

impl Masquerade {
    pub(super) fn family(&self) -> Family {
        Family::of(self.address)
    }

    /// Packets to the container's own network keep their source.
    pub(super) fn accept(&self) -> Rule {
        self.rule(&self.chain, &["-d", &network(self.address).to_string()], "ACCEPT")
    }

    /// All other packets are masqueraded, except those to multicast addresses.
    pub(super) fn masquerade(&self) -> Rule {
        self.rule(&self.chain, &["!", "-d", self.family().multicast()], "MASQUERADE")
    }

    /// Packets from the address jump to the chain.
    pub(super) fn jump(&self) -> Rule {
        self.jump_from(self.address.ip().into())
    }

    pub(super) fn jump_from(&self, source: IpNetwork) -> Rule {
        self.rule("POSTROUTING", &["-s", &source.to_string()], &self.chain)
    }

    pub(super) fn rule(&self, chain: &str, of: &[&str], target: &str) -> Rule {
        Rule::new(chain, &[of, &["-j", target, "-m", "comment", "--comment", &self.comment]].concat())
    }

    /// All edits, in order.
    ///
    /// The rule for a network is inserted at the beginning of the chain. The reference appends a second network after
    /// the rule that masquerades, where it has no effect.
    pub(super) fn wanted(&self) -> [iptables::Edit; 4] {
        [
            iptables::Edit::NewChain(self.chain.clone()),
            iptables::Edit::Insert(self.accept()),
            iptables::Edit::Append(self.masquerade()),
            iptables::Edit::Append(self.jump()),
        ]
    }

    /// The edits that add what is missing in a listing.
    pub(super) fn edits(&self, now: &iptables::Listing) -> Vec<iptables::Edit> {
        self.wanted().into_iter().filter(|edit| now.lacks(edit)).collect()
    }

    /// The edits that remove what is listed, and whether the chain stays because somebody else uses it.
    pub(super) fn removal(&self, now: &iptables::Listing) -> (Vec<iptables::Edit>, bool) {
        let mut doomed: BTreeSet<usize> = BTreeSet::new();
        let mut doom = |rule: Rule| {
            let found = now.rules.iter().enumerate().filter(|(_, listed)| rule.is_same(listed));
            doomed.extend(found.map(|(index, _)| index));
        };
        // Old versions of the reference wrote the jump's source with a prefix length.
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
            // Another interface of the container, or another container, uses the chain: the rules that it needs stay.
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

    /// Refuses names and comments that are not a single word in a script: they could add a line to it.
    pub(super) fn check_words(&self) -> Result<(), MachineError> {
        let name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        if self.chain.is_empty() || self.chain.len() > length::IPTABLES_CHAIN || !self.chain.bytes().all(name)
        {
            return Err(MachineError::Conflict(format!("{:?} is no name of a chain", self.chain)));
        }
        if self.comment.chars().any(char::is_control) {
            return Err(MachineError::Conflict(format!("{:?} is no comment of a rule", self.comment)));
        }
        Ok(())
    }
}

/// The network without host bits, as iptables lists it.
fn network(address: IpNetwork) -> IpNetwork {
    IpNetwork::new(address.network(), address.prefix()).unwrap_or(address)
}

//! The three rules of a masqueraded address.

use super::super::restore::Family;
use super::super::rule::{Rule, quote};
use crate::action::Masquerade;
use ipnetwork::IpNetwork;

/// One of the rules of an action.
#[derive(Debug, Clone, Copy)]
pub enum Part<'a> {
    /// Packets to the own network keep their source.
    Accept(&'a Masquerade),
    /// All others but multicast do not.
    Masquerade(&'a Masquerade),
    /// Packets from an address come here.
    Jump(&'a Masquerade, IpNetwork),
}

impl<'a> Part<'a> {
    /// The jump, as it is made.
    pub fn jump(action: &'a Masquerade) -> Self {
        Part::Jump(action, IpNetwork::from(action.address.ip()))
    }

    /// The line that adds it.
    ///
    /// A network comes first in its chain: where the reference appends a second one, after the rule that masquerades, it
    /// has no effect.
    pub fn line(self) -> String {
        let comment = |action: &Masquerade| format!("-m comment --comment {}", quote(&action.comment));
        match self {
            Part::Accept(action) => {
                let network = network(action.address);
                format!("-I {} 1 -d {network} -j ACCEPT {}", action.chain, comment(action))
            }
            Part::Masquerade(action) => {
                let groups = Family::of(action.address).multicast();
                format!("-A {} ! -d {groups} -j MASQUERADE {}", action.chain, comment(action))
            }
            Part::Jump(action, source) => {
                format!("-A POSTROUTING -s {source} -j {} {}", action.chain, comment(action))
            }
        }
    }

    /// Whether a listed rule is this one.
    pub fn is(self, rule: &Rule) -> bool {
        let groups = |action: &Masquerade| Family::of(action.address).multicast().parse().ok();
        let (action, chain, target) = match self {
            Part::Accept(action) => (action, action.chain.as_str(), "ACCEPT"),
            Part::Masquerade(action) => (action, action.chain.as_str(), "MASQUERADE"),
            Part::Jump(action, _) => (action, "POSTROUTING", action.chain.as_str()),
        };
        let (source, destination, not_destination) = match self {
            Part::Accept(action) => (None, Some(network(action.address)), None),
            Part::Masquerade(action) => (None, None, groups(action)),
            Part::Jump(_, source) => (Some(source), None, None),
        };
        rule.plain
            && rule.chain == chain
            && rule.target.as_deref() == Some(target)
            && rule.comment.as_deref() == Some(&action.comment)
            && (rule.source, rule.destination, rule.not_destination) == (source, destination, not_destination)
    }
}

/// The three, in the order in which they are made.
pub fn parts(action: &Masquerade) -> [Part<'_>; 3] {
    [Part::Accept(action), Part::Masquerade(action), Part::jump(action)]
}

/// Without host bits, as iptables lists it.
pub fn network(address: IpNetwork) -> IpNetwork {
    IpNetwork::new(address.network(), address.prefix()).unwrap_or(address)
}

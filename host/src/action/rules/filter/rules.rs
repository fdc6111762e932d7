//! The rules of the reference's firewall plugin (plugins/meta/firewall/iptables.go and ingresspolicy.go).

use crate::machine::rules::iptables::{Edit, Listing, Rule};
use crate::value::IfName;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The chain with the rules of all containers.
pub const ALLOWED: &str = "CNI-FORWARD";
/// The chain for packets that come from a bridge and leave through another link.
const STAGE_1: &str = "CNI-ISOLATION-STAGE-1";
/// The chain for those packets of stage 1 that would leave through a bridge.
const STAGE_2: &str = "CNI-ISOLATION-STAGE-2";

/// The comment of the rules that all bridges share, as the reference writes it since 1.7.
const ANY_POLICY: &str = "CNI firewall plugin rules (ingressPolicy: same-bridge|isolated)";
/// The same comment in older versions of the reference.
const SAME_BRIDGE: &str = "CNI firewall plugin rules (ingressPolicy: same-bridge)";
const ISOLATED: &str = "CNI firewall plugin rules (ingressPolicy: isolated)";

/// See [`Action::Filter`](crate::action::Action::Filter): the rules that the reference's firewall plugin adds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FilterRule {
    /// Accepts packets to and from an address of the container, in the table `filter` of iptables.
    AllowForward {
        /// The address.
        address: IpAddr,
        /// The administrator's chain, which is evaluated first.
        admin_chain: String,
    },
    /// Drops packets from one bridge to another, in the table `filter` of iptables, for all containers of the bridge.
    Isolate {
        /// Whether the rules are of IPv4.
        is_ipv4: bool,
        /// The bridge.
        bridge: IfName,
        /// Whether to drop packets between ports of the bridge too, if the host forwards them.
        within: bool,
    },
    /// Adds an address as a source to a firewalld zone.
    TrustSource {
        /// The address.
        address: IpAddr,
        /// The zone, by default `trusted`.
        zone: String,
    },
}

/// A rule that others use too, with the form in which an older reference wrote it.
#[derive(Debug, Clone)]
pub struct Shared {
    /// The rule as it is added.
    pub rule: Rule,
    /// The name of the object with which a rollback removes the rule.
    pub with: String,
    is_first: bool,
    old: Option<Rule>,
}

impl Shared {
    fn new(with: &str, rule: Rule) -> Self {
        let old = |word: &String| if word == ANY_POLICY { SAME_BRIDGE.to_owned() } else { word.clone() };
        let old = Rule::of(rule.chain.clone(), rule.words().iter().map(old).collect());
        Shared { old: Some(old).filter(|old| *old != rule), with: with.to_owned(), is_first: false, rule }
    }

    /// The same rule, to be inserted as the first of its chain.
    fn first(self) -> Self {
        Shared { is_first: true, ..self }
    }

    /// The edit that adds the rule.
    pub fn edit(self) -> Edit {
        if self.is_first { Edit::Insert(self.rule) } else { Edit::Append(self.rule) }
    }

    /// Whether a listed rule is this one, in the new or the old form.
    pub fn is(&self, listed: &Rule) -> bool {
        self.rule.is_same(listed) || self.old.as_ref().is_some_and(|old| old.is_same(listed))
    }

    /// Whether the listing contains the rule.
    pub fn is_in(&self, listing: &Listing) -> bool {
        listing.rules.iter().any(|listed| self.is(listed))
    }
}

/// The chains that also contain rules of others.
pub fn chains(rule: &FilterRule) -> Vec<&str> {
    match rule {
        FilterRule::AllowForward { admin_chain, .. } => vec![ALLOWED, admin_chain],
        FilterRule::Isolate { .. } => vec![STAGE_1, STAGE_2],
        FilterRule::TrustSource { .. } => Vec::new(),
    }
}

/// The name that a journal uses to record that a bridge was already isolated.
pub fn mark(rule: &FilterRule) -> Option<String> {
    match rule {
        FilterRule::Isolate { bridge, within, .. } => {
            Some(format!("{}={bridge}", if *within { "isolated" } else { "same-bridge" }))
        }
        FilterRule::AllowForward { .. } | FilterRule::TrustSource { .. } => None,
    }
}

/// The rules that others use too, in the order in which the reference adds them.
pub fn shared(rule: &FilterRule) -> Vec<Shared> {
    match rule {
        FilterRule::AllowForward { admin_chain, .. } => {
            let jump = |chain: &str, comment: &str, to: &str| {
                Shared::new(to, Rule::new(chain, &["-m", "comment", "--comment", comment, "-j", to])).first()
            };
            vec![
                jump("FORWARD", "CNI firewall plugin rules", ALLOWED),
                jump(ALLOWED, "CNI firewall plugin admin overrides", admin_chain),
            ]
        }
        FilterRule::Isolate { bridge, within, .. } => {
            let (name, mark) = (bridge.as_str(), mark(rule).unwrap_or_default());
            let shared = |with: &str, chain: &str, when: &[&str], comment: &str, to: &str| {
                let words = [when, &["-m", "comment", "--comment", comment, "-j", to]].concat();
                Shared::new(with, Rule::new(chain, &words))
            };
            let policy = if *within { ISOLATED } else { SAME_BRIDGE };
            let mut all = vec![
                shared(STAGE_1, "FORWARD", &[], ANY_POLICY, STAGE_1).first(),
                shared(&mark, STAGE_1, &["-i", name, "!", "-o", name], policy, STAGE_2).first(),
            ];
            if *within {
                all.push(shared(&mark, STAGE_1, &["-i", name, "-o", name], policy, "DROP").first());
            }
            all.push(shared(STAGE_1, STAGE_1, &[], ANY_POLICY, "RETURN"));
            all.push(shared(&mark, STAGE_2, &["-o", name], ANY_POLICY, "DROP").first());
            all.push(shared(STAGE_2, STAGE_2, &[], ANY_POLICY, "RETURN"));
            all
        }
        FilterRule::TrustSource { .. } => Vec::new(),
    }
}

/// The rules of the container alone, in the order in which they are added.
pub fn own(rule: &FilterRule) -> Vec<Rule> {
    match rule {
        FilterRule::AllowForward { address, .. } => {
            let address = single(*address);
            let answers =
                ["-d", &address, "-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED", "-j", "ACCEPT"];
            vec![Rule::new(ALLOWED, &answers), Rule::new(ALLOWED, &["-s", &address, "-j", "ACCEPT"])]
        }
        FilterRule::Isolate { .. } | FilterRule::TrustSource { .. } => Vec::new(),
    }
}

/// An address as a network of one address.
pub fn single(address: IpAddr) -> String {
    format!("{address}/{}", if address.is_ipv4() { 32 } else { 128 })
}

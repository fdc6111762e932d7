//! The rules of the reference's firewall (cni-behaviours, section 3.14).

use crate::machine::rules::iptables::{Edit, Listing, Rule};
use crate::value::IfName;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The chain with the rules of all containers.
pub const ALLOWED: &str = "CNI-FORWARD";
/// What comes from a bridge and leaves by another link.
const STAGE_1: &str = "CNI-ISOLATION-STAGE-1";
/// What of that would leave by a bridge.
const STAGE_2: &str = "CNI-ISOLATION-STAGE-2";

/// The comment of what all bridges share, as the reference has it since 1.7.
const ANY_POLICY: &str = "CNI firewall plugin rules (ingressPolicy: same-bridge|isolated)";
/// The same before that.
const SAME_BRIDGE: &str = "CNI firewall plugin rules (ingressPolicy: same-bridge)";
const ISOLATED: &str = "CNI firewall plugin rules (ingressPolicy: isolated)";

/// See [`Action::Filter`](crate::action::Action::Filter): what the reference's firewall makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FilterRule {
    /// Packets of an address of the container pass; in table `filter` of iptables.
    AllowForward {
        /// Whose.
        address: IpAddr,
        /// A chain of the administrator's, which is asked first.
        admin_chain: String,
    },
    /// Packets from one bridge to another do not pass; in table `filter` of iptables, for all containers of the bridge.
    Isolate {
        /// Of which family.
        is_ipv4: bool,
        /// The bridge.
        bridge: IfName,
        /// Nor do those between its own ports, as far as they pass the host.
        within: bool,
    },
    /// firewalld takes an address for one of a zone.
    TrustSource {
        /// Which.
        address: IpAddr,
        /// `trusted`.
        zone: String,
    },
}

/// A rule that others use too, and how an older reference wrote it.
#[derive(Debug, Clone)]
pub struct Shared {
    /// As it is added.
    pub rule: Rule,
    /// It goes, in a rollback, with the thing of this name.
    pub with: String,
    is_first: bool,
    old: Option<Rule>,
}

impl Shared {
    fn new(with: &str, rule: Rule) -> Self {
        let old = |word: &String| if word == ANY_POLICY { SAME_BRIDGE.to_owned() } else { word.clone() };
        let old = Rule { chain: rule.chain.clone(), words: rule.words.iter().map(old).collect() };
        Shared { old: Some(old).filter(|old| *old != rule), with: with.to_owned(), is_first: false, rule }
    }

    /// The same, but first in its chain.
    fn first(self) -> Self {
        Shared { is_first: true, ..self }
    }

    /// What adds it.
    pub fn edit(self) -> Edit {
        if self.is_first { Edit::Insert(self.rule) } else { Edit::Append(self.rule) }
    }

    /// Whether a listed rule is this one.
    pub fn is(&self, listed: &Rule) -> bool {
        self.rule.is_same(listed) || self.old.as_ref().is_some_and(|old| old.is_same(listed))
    }

    /// Whether it is listed.
    pub fn is_in(&self, listing: &Listing) -> bool {
        listing.rules.iter().any(|listed| self.is(listed))
    }
}

/// The chains that others have rules in too.
pub fn chains(rule: &FilterRule) -> Vec<&str> {
    match rule {
        FilterRule::AllowForward { admin_chain, .. } => vec![ALLOWED, admin_chain],
        FilterRule::Isolate { .. } => vec![STAGE_1, STAGE_2],
        FilterRule::TrustSource { .. } => Vec::new(),
    }
}

/// The name under which a journal has it that a bridge was isolated before.
pub fn mark(rule: &FilterRule) -> Option<String> {
    match rule {
        FilterRule::Isolate { bridge, within, .. } => {
            Some(format!("{}={bridge}", if *within { "isolated" } else { "same-bridge" }))
        }
        FilterRule::AllowForward { .. } | FilterRule::TrustSource { .. } => None,
    }
}

/// What others use too, in the order in which the reference makes it.
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

/// The rules of the container alone, in the order in which they are made.
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

/// An address as the network of it alone.
pub fn single(address: IpAddr) -> String {
    format!("{address}/{}", if address.is_ipv4() { 32 } else { 128 })
}

//! The rules of the reference's firewall (cni-behaviours, section 3.14).

use super::super::part::Part;
use super::super::rule::Rule;
use crate::action::FilterRule;
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

/// A rule, and how an older reference wrote it.
#[derive(Debug, Clone)]
pub struct Shared {
    /// As it is added.
    pub part: Part,
    /// It goes, in a rollback, with the thing of this name.
    pub with: String,
    old: Option<Vec<String>>,
}

impl Shared {
    fn new(with: &str, part: Part) -> Self {
        let old = |word: &String| if word == ANY_POLICY { SAME_BRIDGE.to_owned() } else { word.clone() };
        let old: Vec<String> = part.words.iter().map(old).collect();
        Shared { old: Some(old).filter(|old| *old != part.words), with: with.to_owned(), part }
    }

    /// Whether a listed rule is this one.
    pub fn is(&self, rule: &Rule) -> bool {
        self.part.is(rule)
            || rule.chain == self.part.chain && self.old.as_ref().is_some_and(|old| *old == rule.words)
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

/// By what it is told in a journal that a bridge was isolated before.
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
                Part::new(chain, &["-m", "comment", "--comment", comment, "-j", to]).first()
            };
            vec![
                Shared::new(ALLOWED, jump("FORWARD", "CNI firewall plugin rules", ALLOWED)),
                Shared::new(admin_chain, jump(ALLOWED, "CNI firewall plugin admin overrides", admin_chain)),
            ]
        }
        FilterRule::Isolate { bridge, within, .. } => {
            let (name, mark) = (bridge.as_str(), mark(rule).unwrap_or_default());
            let rule = |chain: &str, when: &[&str], comment: &str, to: &str| {
                Part::new(chain, &[when, &["-m", "comment", "--comment", comment, "-j", to]].concat())
            };
            let policy = if *within { ISOLATED } else { SAME_BRIDGE };
            let mut all = vec![
                Shared::new(STAGE_1, rule("FORWARD", &[], ANY_POLICY, STAGE_1).first()),
                Shared::new(&mark, rule(STAGE_1, &["-i", name, "!", "-o", name], policy, STAGE_2).first()),
            ];
            if *within {
                all.push(Shared::new(
                    &mark,
                    rule(STAGE_1, &["-i", name, "-o", name], policy, "DROP").first(),
                ));
            }
            all.push(Shared::new(STAGE_1, rule(STAGE_1, &[], ANY_POLICY, "RETURN")));
            all.push(Shared::new(&mark, rule(STAGE_2, &["-o", name], ANY_POLICY, "DROP").first()));
            all.push(Shared::new(STAGE_2, rule(STAGE_2, &[], ANY_POLICY, "RETURN")));
            all
        }
        FilterRule::TrustSource { .. } => Vec::new(),
    }
}

/// The rules of the container alone.
pub fn own(rule: &FilterRule) -> Vec<Part> {
    match rule {
        FilterRule::AllowForward { address, .. } => {
            let address = single(*address);
            let answers =
                ["-d", &address, "-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED", "-j", "ACCEPT"];
            vec![Part::new(ALLOWED, &answers), Part::new(ALLOWED, &["-s", &address, "-j", "ACCEPT"])]
        }
        FilterRule::Isolate { .. } | FilterRule::TrustSource { .. } => Vec::new(),
    }
}

/// An address as the network of it alone.
pub fn single(address: IpAddr) -> String {
    format!("{address}/{}", if address.is_ipv4() { 32 } else { 128 })
}

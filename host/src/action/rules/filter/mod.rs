//! Firewall rules for packets that the host forwards: rules of iptables, and sources of firewalld's zones.

mod firewalld;
pub mod iptables;
mod rules;

pub use iptables::allowed;
pub use rules::FilterRule;

use crate::action::check::{Check, required, single};
use crate::action::context::{ReadContext, WriteContext};
use crate::action::kind::Kind;
use crate::action::profile::{
    Lane, Lasts, Lifetime, Own, OwnUndo, Place, Profile, Removal, RuleRemoval, RuleSet, UndoLane,
};
use crate::action::record::{Before, Difference, Effect, Old, Undoing, Undone};
use crate::action::rules::commands;
use crate::action::undo::Inverse;
use crate::action::{Action, Undo};
use crate::machine::MachineError;
use crate::machine::rules::iptables::{Edit as Line, Family, Table, failed};
use crate::machine::rules::{Edit, Listing, TableError, TableId};
use crate::policy::{Capability, Refusal, Resource};
use crate::value::Kind as PluginKind;
use std::net::IpAddr;

impl FilterRule {
    /// Whether the rule is one of iptables: its family as true for IPv4, false for IPv6. None for firewalld.
    pub fn iptables(&self) -> Option<bool> {
        match self {
            FilterRule::AllowForward { .. } | FilterRule::Isolate { .. } => Some(self.is_ipv4()),
            FilterRule::TrustSource { .. } => None,
        }
    }

    fn is_ipv4(&self) -> bool {
        match self {
            FilterRule::AllowForward { address, .. } | FilterRule::TrustSource { address, .. } => {
                address.is_ipv4()
            }
            FilterRule::Isolate { is_ipv4, .. } => *is_ipv4,
        }
    }

    /// Whether the other action shares the object with this name.
    fn shares(&self, other: &Action, name: &String) -> bool {
        matches!(other, Action::Filter(other)
            if other.iptables() == self.iptables() && iptables::shared_by(other).contains(name))
    }

    /// The command that adds or removes a firewalld source. `verb` is `add` or `remove`.
    fn zone_command(address: IpAddr, zone: &str, verb: &str) -> String {
        format!("firewall-cmd --zone={zone} --{verb}-source={}", rules::single(address))
    }
}

impl RuleSet for FilterRule {
    fn table(&self) -> TableId {
        iptables::table(self)
    }

    fn check(&self) -> Result<(), MachineError> {
        iptables::check(self)
    }

    fn add(&self, now: &Listing) -> Vec<Edit> {
        let edits = now.iptables().map(|now| iptables::add(self, now)).unwrap_or_default();
        edits.into_iter().map(Edit::from).collect()
    }

    fn effect(&self, before: &Listing, is_changed: bool) -> Effect {
        match before.iptables() {
            Some(before) => iptables::effect(self, before, is_changed),
            None => Effect::AlreadyThere,
        }
    }

    fn missing(&self, now: &Listing) -> Vec<Difference> {
        now.iptables().map(|now| iptables::missing(self, now)).unwrap_or_default()
    }

    fn failed(&self, error: TableError) -> MachineError {
        failed(error)
    }
}

impl Own for FilterRule {
    fn perform(&self, cx: &mut WriteContext<'_>) -> Result<Effect, MachineError> {
        match self {
            FilterRule::TrustSource { address, zone } => firewalld::add(*address, zone, cx),
            // These kinds are done in the lane of rules.
            FilterRule::AllowForward { .. } | FilterRule::Isolate { .. } => Ok(Effect::AlreadyThere),
        }
    }
}

impl Kind for FilterRule {
    fn profile(&self) -> Profile<'_> {
        let lane = match self {
            FilterRule::AllowForward { .. } | FilterRule::Isolate { .. } => Lane::Rules(self),
            FilterRule::TrustSource { .. } => Lane::Own(Place::Rules, self),
        };
        let lasts = match self {
            FilterRule::Isolate { .. } => Lifetime::Shared,
            FilterRule::AllowForward { .. } | FilterRule::TrustSource { .. } => Lifetime::Attachment,
        };
        Profile { lasts: Lasts::For(lasts), shares: true, ..Profile::new(lane, Capability::Filter) }
    }

    fn commands(&self) -> Vec<String> {
        if let FilterRule::TrustSource { address, zone } = self {
            return vec![FilterRule::zone_command(*address, zone, "add")];
        }
        commands(self)
    }

    fn name(&self) -> String {
        // The first rule that differs between containers or bridges.
        let name = match self {
            FilterRule::AllowForward { .. } => rules::own(self).into_iter().map(Line::Append).next(),
            FilterRule::Isolate { .. } => {
                let mark = rules::mark(self);
                let mut shared = rules::shared(self).into_iter();
                shared.find(|part| mark.as_ref() == Some(&part.with)).map(rules::Shared::edit)
            }
            FilterRule::TrustSource { .. } => None,
        };
        match name {
            Some(edit) => edit.command(Table::Filter, Family::new(self.is_ipv4())),
            None => self.commands().into_iter().next().unwrap_or_default(),
        }
    }

    /// Granted if the configuration asks for it, for an address of the attachment or for the attachment's own bridge. A
    /// main plugin has the capability for [`CheckSourceMac`](crate::action::CheckSourceMac).
    fn refuse(&self, check: &Check<'_>) -> Vec<Refusal> {
        let firewall = &check.grants.own.firewall;
        let is_chained = check.grants.own.kind == PluginKind::Chained;
        let rule = || "only a chained plugin lets the host forward packets or isolates bridges".to_owned();
        let mut refusals = check.rules.refuse(&Resource::Capability(Capability::Filter), is_chained, rule);
        let is_backend = |backend: &str| firewall.backend.as_deref().is_none_or(|own| own == backend);
        let backend = if self.iptables().is_some() { "iptables" } else { "firewalld" };
        // An unknown word counts as absent, as in the reference.
        let is_known = ["iptables", "firewalld"].map(Some).contains(&firewall.backend.as_deref());
        refusals
            .extend(required(!is_known || is_backend(backend), "the configuration names another `backend`"));
        refusals.extend(match self {
            FilterRule::AllowForward { address, admin_chain } => {
                let is_named = firewall.admin_chain == *admin_chain;
                let rule = "the administrator's chain is the one that the configuration names";
                [required(is_named, rule), check.own(single(*address))].concat()
            }
            FilterRule::Isolate { is_ipv4, bridge, within } => {
                let is_first = firewall.bridge.as_deref() == Some(bridge.as_str());
                let rule = "only a bridge of the host that is prevResult's first interface is isolated";
                let is_asked_for = firewall.isolates_within == Some(*within);
                let asked = required(is_asked_for, "the configuration has another `ingressPolicy`");
                // Others of the bridge may have addresses of the other family, and a configuration of their own.
                let rule_of_family =
                    "a bridge is isolated for a family of which the container has an address";
                let of_family = required(check.has_family(*is_ipv4), rule_of_family);
                [required(is_first, rule), asked, of_family].concat()
            }
            FilterRule::TrustSource { address, zone } => {
                let is_named = firewall.zone == *zone;
                let rule = "the zone is the one that the configuration names";
                [required(is_named, rule), check.own(single(*address))].concat()
            }
        });
        refusals
    }

    fn observe(&self, cx: &mut ReadContext<'_>) -> Before {
        if self.iptables().is_none() {
            return Before::Absent;
        }
        let Ok(listing) = cx.listing(iptables::table(self)) else { return Before::Unknown };
        let there = listing.iptables().map(|listing| iptables::there(self, listing)).unwrap_or_default();
        if there.is_empty() { Before::Absent } else { Before::Old(Old::Shared(there)) }
    }

    fn undos(&self, undoing: &Undoing<'_>) -> Vec<Undo> {
        if !undoing.owns_rules() {
            return Vec::new();
        }
        let mut unmake = undoing.created_shared(iptables::shared_by(self));
        unmake.retain(|name| !undoing.others.iter().flatten().any(|other| self.shares(other, name)));
        vec![RemoveFilter { rule: self.clone(), unmake }.into()]
    }

    fn verify(&self, cx: &mut ReadContext<'_>) -> Result<Vec<Difference>, MachineError> {
        match self {
            FilterRule::TrustSource { address, zone } => {
                Ok(Difference::all(firewalld::missing(*address, zone, cx)?, self.clone()))
            }
            FilterRule::AllowForward { .. } | FilterRule::Isolate { .. } => {
                Ok(self.missing(cx.listing(iptables::table(self)).map_err(failed)?))
            }
        }
    }

    fn is_used_by(&self, other: &Action, _own: &[&Action]) -> bool {
        matches!(other, Action::Filter(other) if other == self)
    }
}

/// Removes a firewall rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoveFilter {
    /// The rule.
    pub rule: FilterRule,
    /// The shared chains, and the rules that isolate a bridge, to remove if nobody uses them.
    pub unmake: Vec<String>,
}

impl RuleRemoval for RemoveFilter {
    fn table(&self) -> TableId {
        iptables::table(&self.rule)
    }

    fn check(&self) -> Result<(), MachineError> {
        iptables::check(&self.rule)
    }

    fn remove(&self, now: &Listing) -> Result<Removal, String> {
        let edits = now.iptables().map(|now| iptables::remove(&self.rule, &self.unmake, now));
        Ok(Removal {
            edits: edits.unwrap_or_default().into_iter().map(Edit::from).collect(),
            look_again: false,
        })
    }

    fn failed(&self, error: TableError) -> MachineError {
        failed(error)
    }
}

impl OwnUndo for RemoveFilter {
    fn perform(&self, cx: &mut WriteContext<'_>) -> Result<Undone, MachineError> {
        match &self.rule {
            FilterRule::TrustSource { address, zone } => firewalld::remove(*address, zone, cx),
            // These kinds are done in the lane of rules.
            FilterRule::AllowForward { .. } | FilterRule::Isolate { .. } => Ok(Undone::Gone),
        }
    }
}

impl Inverse for RemoveFilter {
    fn lane(&self) -> UndoLane<'_> {
        match &self.rule {
            FilterRule::AllowForward { .. } | FilterRule::Isolate { .. } => UndoLane::Rules(self),
            FilterRule::TrustSource { .. } => UndoLane::Own(self),
        }
    }

    /// Chains stay, as in the reference.
    fn command(&self) -> String {
        let tool = Family::new(self.rule.is_ipv4()).program();
        let commands = match &self.rule {
            FilterRule::AllowForward { address, .. } => vec![
                format!(
                    "{tool} -D CNI-FORWARD -d {address} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
                ),
                format!("{tool} -D CNI-FORWARD -s {address} -j ACCEPT"),
            ],
            FilterRule::Isolate { bridge, within, .. } => {
                let within = within
                    .then(|| format!("{tool} -D CNI-ISOLATION-STAGE-1 -i {bridge} -o {bridge} -j DROP"));
                let between = [
                    format!(
                        "{tool} -D CNI-ISOLATION-STAGE-1 -i {bridge} ! -o {bridge} -j CNI-ISOLATION-STAGE-2"
                    ),
                    format!("{tool} -D CNI-ISOLATION-STAGE-2 -o {bridge} -j DROP"),
                ];
                between.into_iter().chain(within).collect()
            }
            FilterRule::TrustSource { address, zone } => {
                vec![FilterRule::zone_command(*address, zone, "remove")]
            }
        };
        commands.join("; ")
    }
}

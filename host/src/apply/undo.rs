//! What takes back what was done: derived from recorded effects, never from the plugin.

use super::journal::{Section, Step};
use crate::action::{Action, Lifetime};
use crate::action::{AddAddress, EnsureBridge, FilterRule, ReserveLease};
use crate::machine::iptables::filter;
use crate::machine::{Before, Effect, Undo, shared_by};
use crate::plan::Entry;
use crate::value::{IfName, LinkRef, Netns};
use ipnetwork::IpNetwork;

/// Why something is undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The ADD failed or was killed: the machine becomes what it was.
    Rollback,
    /// The attachment ends: what is shared or the node's stays.
    Delete,
}

impl Section {
    /// Why this section would be undone by a DEL: an ADD that never ended well is rolled back.
    pub fn reason(&self) -> Reason {
        if self.report.is_some() { Reason::Delete } else { Reason::Rollback }
    }

    /// Whether anything is here that a rollback may take from others: then the shared lock is held meanwhile.
    pub fn has_shared(&self) -> bool {
        self.entries().any(Entry::is_shared)
    }
}

/// The undos of a section, in the order in which they are done: the reverse of what was done.
///
/// `others` are the sections of all other attachments: what one of them uses stays.
pub fn undos(section: &Section, reason: Reason, others: &[Section]) -> Vec<Undo> {
    let mut undos = Vec::new();
    for step in section.steps.iter().rev() {
        for (index, (entry, before)) in step.intent.iter().enumerate().rev() {
            let skip = match (entry.lifetime, reason) {
                (Lifetime::Attachment, _) => false,
                (_, Reason::Delete) => true,
                (Lifetime::Shared, Reason::Rollback) => {
                    others.iter().any(|other| uses(other, section, entry))
                }
                (Lifetime::Node, Reason::Rollback) => !others.is_empty(),
            };
            if !skip {
                undos.extend(undo(section, entry, &done(step, index, before), reason, others));
            }
        }
    }
    undos
}

/// What is known of an action afterwards.
enum Done<'a> {
    /// It reported this effect.
    Effect(&'a Effect),
    /// The process ended before it could tell, or it failed, perhaps halfway; this was there before.
    Unknown(&'a Before),
    /// It changed nothing, or was not tried.
    Not,
}

fn done<'a>(step: &'a Step, index: usize, before: &'a Before) -> Done<'a> {
    match &step.effects {
        None => Done::Unknown(before),
        Some(effects) => match effects.get(index) {
            Some(Some(Effect::Unclear)) => Done::Unknown(before),
            Some(Some(effect)) => Done::Effect(effect),
            Some(None) | None => Done::Not,
        },
    }
}

impl Done<'_> {
    /// Whether the action made something, or may have.
    fn made(&self) -> bool {
        match self {
            Done::Effect(effect) => !matches!(effect, Effect::AlreadyThere),
            Done::Unknown(before) => !matches!(before, Before::Present),
            Done::Not => false,
        }
    }

    /// The value that was replaced, or may have been.
    fn old(&self) -> Option<&str> {
        match self {
            Done::Effect(Effect::Replaced(old)) | Done::Unknown(Before::Value(old)) => Some(old),
            _ => None,
        }
    }
}

/// The undo of one action.
fn undo(section: &Section, entry: &Entry, done: &Done<'_>, reason: Reason, others: &[Section]) -> Vec<Undo> {
    match &entry.action {
        Action::ReserveLease(lease) if done.made() => release(lease, done, reason),
        Action::CreateVeth(veth) => match done {
            Done::Effect(Effect::CreatedLinks(links)) => {
                // Either end takes the other with it; the host's is reachable without the container's namespace.
                let host = links.iter().find(|identity| identity.link.netns == Netns::Host);
                host.or(links.first()).cloned().map(Undo::DeleteLink).into_iter().collect()
            }
            Done::Unknown(_) => {
                let (name, alias) = (veth.peer.name.clone(), veth.peer.alias.clone());
                vec![Undo::DeleteLinkByAlias { name, alias }]
            }
            Done::Effect(_) | Done::Not => Vec::new(),
        },
        Action::EnsureVlanGateway(gateway) => match done {
            Done::Effect(Effect::CreatedLinks(links)) => {
                links.first().cloned().map(Undo::DeleteLink).into_iter().collect()
            }
            Done::Unknown(_) if done.made() => {
                let (name, alias) = (gateway.name.clone(), gateway.alias.clone());
                vec![Undo::DeleteLinkByAlias { name, alias }]
            }
            Done::Effect(_) | Done::Unknown(_) | Done::Not => Vec::new(),
        },
        Action::EnsureBridge(bridge) if done.made() => vec![delete_bridge(section, bridge)],
        Action::AddAddress(add) if done.made() && !goes_with_link(section, &add.link) => {
            vec![Undo::DeleteAddress { link: add.link.clone(), address: add.address }]
        }
        Action::DeleteAddress(delete) => match done.old() {
            Some(saved) => vec![Undo::RestoreAddress {
                link: delete.link.clone(),
                address: delete.address,
                saved: saved.to_owned(),
            }],
            None => Vec::new(),
        },
        Action::SetUp(up) if done.made() && !goes_with_link(section, &up.link) => {
            vec![Undo::SetDown { link: up.link.clone() }]
        }
        Action::SetPromiscuous(set) if done.made() && !goes_with_link(section, &set.link) => {
            vec![Undo::ClearPromiscuous { link: set.link.clone() }]
        }
        Action::SetLink(set) if !goes_with_link(section, &set.link) => {
            let old = done.old().and_then(|old| set.attribute.with_text(old));
            let restore =
                |old| Undo::RestoreLink { link: set.link.clone(), set: Some(set.attribute.clone()), old };
            old.map(restore).into_iter().collect()
        }
        Action::SaveLink(save) if done.made() => vec![Undo::ForgetLink { path: save.path.clone() }],
        Action::SetSysctl(set) => {
            let link = set.key.link().and_then(|(_, name)| IfName::parse(name).ok());
            let gone = link.is_some_and(|name| goes_with_link(section, &LinkRef { netns: set.netns, name }));
            match done.old() {
                Some(old) if !gone => vec![Undo::RestoreSysctl {
                    netns: set.netns,
                    key: set.key.clone(),
                    written: set.value.clone(),
                    old: old.to_owned(),
                }],
                _ => Vec::new(),
            }
        }
        Action::Masquerade(masquerade) if owns_rules(done, reason) => {
            vec![Undo::DeleteMasquerade(masquerade.clone())]
        }
        Action::MasqueradeNft(rule) if owns_rules(done, reason) => {
            vec![Undo::DeleteMasqueradeNft { rule: rule.clone(), table: made_table(done, reason) }]
        }
        Action::CheckSourceMac(check) if owns_rules(done, reason) => {
            vec![Undo::DeleteCheckSourceMac { check: check.clone(), table: made_table(done, reason) }]
        }
        Action::MapPorts(ports) if owns_rules(done, reason) => {
            vec![Undo::DeleteMapPorts {
                ports: ports.clone(),
                unmake: made_shared(shared_by(ports), done, reason),
            }]
        }
        Action::Filter(rule) if owns_rules(done, reason) => {
            let mut unmake = made_shared(filter::shared_by(rule), done, reason);
            unmake.retain(|name| !others.iter().any(|other| shares(other, rule, name)));
            vec![Undo::DeleteFilter { rule: rule.clone(), unmake }]
        }
        Action::Shape(shape) if done.made() => {
            let queue_length = done.old().and_then(|old| old.parse().ok());
            vec![Undo::Unshape { shape: shape.clone(), queue_length }]
        }
        Action::Delegate(delegate) if done.made() => vec![Undo::EndDelegate(delegate.clone())],
        // Goes with its link, was not made, or leaves nothing.
        Action::ReserveLease(_)
        | Action::EnsureBridge(_)
        | Action::AddAddress(_)
        | Action::DeleteStaleLink(_)
        | Action::SetUp(_)
        | Action::SetPromiscuous(_)
        | Action::Settle(_)
        | Action::Announce(_)
        | Action::Masquerade(_)
        | Action::MasqueradeNft(_)
        | Action::CheckSourceMac(_)
        | Action::MapPorts(_)
        | Action::DeletePortMap(_)
        | Action::Filter(_)
        | Action::Shape(_)
        | Action::Delegate(_)
        | Action::SetLink(_)
        | Action::SaveLink(_)
        | Action::AddRoute(_) => Vec::new(),
    }
}

/// The comment shows rules to be this container's, so a DEL takes also those that were there before.
fn owns_rules(done: &Done<'_>, reason: Reason) -> bool {
    done.made() || reason == Reason::Delete && !matches!(done, Done::Not)
}

/// A table in nftables stays, as in the reference, unless it was made by an ADD that is rolled back.
fn made_table(done: &Done<'_>, reason: Reason) -> bool {
    reason == Reason::Rollback && matches!(done, Done::Effect(Effect::Created) | Done::Unknown(_))
}

/// Whether another attachment has use for what a filter's rule shares.
fn shares(other: &Section, rule: &FilterRule, name: &String) -> bool {
    other.entries().any(|used| match &used.action {
        Action::Filter(used) => used.iptables() == rule.iptables() && filter::shared_by(used).contains(name),
        _ => false,
    })
}

/// What rules share with others stays, as in the reference, but what an ADD made that is rolled back.
fn made_shared(shared: Vec<String>, done: &Done<'_>, reason: Reason) -> Vec<String> {
    // What could not be read may be anybody's.
    if reason == Reason::Delete || matches!(done, Done::Unknown(Before::Unknown)) {
        return Vec::new();
    }
    let there: Vec<&str> = done.old().map(|there| there.split(' ').collect()).unwrap_or_default();
    shared.into_iter().filter(|name| !there.contains(&name.as_str())).collect()
}

fn release(lease: &ReserveLease, done: &Done<'_>, reason: Reason) -> Vec<Undo> {
    let mut undos = vec![Undo::ReleaseLease(lease.clone())];
    if reason == Reason::Rollback {
        let old = done.old().and_then(|old| old.parse().ok());
        undos.push(Undo::RestoreLastReserved { lease: lease.clone(), old });
    }
    undos
}

fn delete_bridge(section: &Section, bridge: &EnsureBridge) -> Undo {
    let ours = |add: &AddAddress| add.link.netns == Netns::Host && add.link.name == bridge.name;
    let addresses = section.entries().filter_map(|entry| match &entry.action {
        Action::AddAddress(add) if ours(add) => Some(add.address),
        _ => None,
    });
    let addresses: Vec<IpNetwork> = addresses.collect();
    Undo::DeleteEmptyBridge { name: bridge.name.clone(), mac: bridge.mac, addresses }
}

/// Whether a link was made by this section, and so takes with it what is on it.
fn goes_with_link(section: &Section, link: &LinkRef) -> bool {
    section.steps.iter().any(|step| {
        step.intent.iter().enumerate().any(|(index, (entry, before))| {
            let same = match (&entry.action, link.netns) {
                (Action::CreateVeth(veth), Netns::Container) => veth.name == link.name,
                (Action::CreateVeth(veth), Netns::Host) => veth.peer.name == link.name,
                (Action::EnsureBridge(bridge), Netns::Host) => bridge.name == link.name,
                (Action::EnsureVlanGateway(gateway), Netns::Host) => {
                    gateway.name == link.name || gateway.port == link.name
                }
                _ => false,
            };
            same && done(step, index, before).made()
        })
    })
}

/// Whether another attachment uses the shared thing of an entry: the same bridge or gateway, whatever is on it; but of its addresses those
/// alone that its own plan has, and what it made room for.
fn uses(other: &Section, section: &Section, entry: &Entry) -> bool {
    let has = |other: &Section, action: &Action| other.entries().any(|used| used.action == *action);
    if let Action::DeleteAddress(deleted) = &entry.action {
        let took_its_place = |used: &Entry| match &used.action {
            Action::AddAddress(add) => {
                add.link == deleted.link
                    && add.address.is_ipv4() == deleted.address.is_ipv4()
                    && has(section, &used.action)
            }
            _ => false,
        };
        return has(other, &entry.action) || other.entries().any(took_its_place);
    }
    if matches!(entry.action, Action::AddAddress(_) | Action::Filter(_)) {
        return has(other, &entry.action);
    }
    let link = match &entry.action {
        Action::EnsureBridge(bridge) => Some(bridge.name.as_str()),
        Action::EnsureVlanGateway(gateway) => Some(gateway.name.as_str()),
        Action::SetUp(up) => Some(up.link.name.as_str()),
        Action::SetPromiscuous(set) => Some(set.link.name.as_str()),
        Action::AddRoute(add) => Some(add.link.name.as_str()),
        Action::SetSysctl(set) => set.key.link().map(|(_, name)| name),
        _ => None,
    };
    other.entries().any(|used| match (&used.action, link) {
        (Action::EnsureBridge(used), Some(name)) => used.name.as_str() == name,
        (Action::EnsureVlanGateway(used), Some(name)) => {
            used.name.as_str() == name || used.port.as_str() == name
        }
        _ => false,
    })
}

//! What a plugin may ask: of the host only what it could also use.

use super::{Capability, Grants, Mode, Refusal, Thing, Violation};
use crate::action::{Answer, Facts, Query};
use crate::value::{Backend, Fact, LinkRef, Netns, PluginName, StoreRef};
use std::borrow::Cow;

/// Facts of a machine, as far as they are granted.
pub struct GrantedFacts<'a> {
    facts: &'a mut dyn Facts,
    grants: &'a Grants,
    plugin: &'a PluginName,
    violations: Vec<Violation>,
    tolerated: Vec<Violation>,
}

impl<'a> GrantedFacts<'a> {
    /// Answers from `facts` what `grants` allow `plugin` to ask.
    pub fn new(facts: &'a mut dyn Facts, grants: &'a Grants, plugin: &'a PluginName) -> Self {
        GrantedFacts { facts, grants, plugin, violations: Vec::new(), tolerated: Vec::new() }
    }

    /// What was wrong with questions that were refused, and with those that audit mode let through.
    pub fn violations(self) -> (Vec<Violation>, Vec<Violation>) {
        (self.violations, self.tolerated)
    }

    fn refusals(&self, query: &Query) -> Vec<Refusal> {
        let grants = self.grants;
        let rules = grants.rules(self.plugin);
        let mut refusals: Vec<Refusal> = Vec::new();
        // What making a veth pair asks of its own names is no looking around.
        let own = matches!(query, Query::Link(LinkRef { netns: Netns::Host, name }) if grants.host_veths.contains(name));
        if let Some(capability) = Capability::of_query(query).filter(|_| !own) {
            refusals.extend(rules.refuse_capability(capability));
        }
        let store = |store: &StoreRef| {
            if store.network != grants.attachment.network {
                return vec![Refusal::never("leases are told of the network's own store")];
            }
            let usual = grants.data_dirs.contains(&store.data_dir);
            let rule = || format!("leases are kept below {}, by network", grants.data_dirs_text());
            rules.refuse(&Thing::Leases(&store.data_dir), usual, rule)
        };
        refusals.extend(match query {
            Query::Link(LinkRef { netns: Netns::Container, .. }) | Query::Backend | Query::Firewall => {
                Vec::new()
            }
            Query::Link(LinkRef { netns: Netns::Host, .. }) if own => Vec::new(),
            Query::Link(link @ LinkRef { netns: Netns::Host, name }) => {
                let named = grants.host_links.contains(name.as_str())
                    || grants.previous_links.contains(link)
                    || grants.routes_to_own.contains(name)
                    || grants.is_vlan_gateway(name);
                let rule = || format!("the configuration names no link {:?}", name.as_str());
                // The gateway of a VLAN is as much granted as the bridge.
                let bridge = name.as_str().rsplit_once('.').filter(|_| grants.is_vlan_gateway(name));
                let thing = Thing::Link(bridge.map_or(name.as_str(), |(bridge, _)| bridge));
                rules.refuse(&thing, named, rule)
            }
            Query::Held(reference, owner) if *owner == grants.attachment.owner() => store(reference),
            Query::Held(..) => vec![Refusal::never("only one's own leases are told")],
            Query::LastReserved(reference, _) | Query::Free(reference, _) => store(reference),
            Query::RouteTo(address) if grants.addresses.contains(address) => Vec::new(),
            Query::HostEnd(name) if *name == grants.attachment.interface => Vec::new(),
            Query::HostEnd(_) => vec![Refusal::never("only the other end of one's own interface is told")],
            Query::RouteTo(_) => vec![Refusal::never("only routes to one's own addresses are told")],
            Query::StalePorts { ports, .. } => {
                let is_asked_for =
                    |port: &u16| grants.ports.mappings.iter().any(|mapping| mapping.host_port == *port);
                match ports.iter().all(is_asked_for) {
                    true => Vec::new(),
                    false => vec![Refusal::never("only ports that runtimeConfig maps are looked at")],
                }
            }
            // The very text: another spelling of the path is not what the configuration names.
            Query::File(path) => {
                let named = grants.files.iter().any(|file| file.as_os_str() == path.as_os_str());
                let rule = || "the configuration names no such file as `resolvConf` of `ipam`".to_owned();
                rules.refuse(&Thing::File(path), named, rule)
            }
            Query::FileBelow(..) => vec![Refusal::never("a plugin names a file, and policy the directory")],
        });
        refusals
    }

    /// The question that is asked in its place: a file that only policy grants is read below that directory.
    fn put<'q>(&self, query: &'q Query) -> Cow<'q, Query> {
        let Query::File(path) = query else { return Cow::Borrowed(query) };
        if self.grants.files.contains(path) {
            return Cow::Borrowed(query);
        }
        match self.grants.rules(self.plugin).directory_above(path) {
            Some(directory) => Cow::Owned(Query::FileBelow(directory, path.clone())),
            None => Cow::Borrowed(query),
        }
    }
}

impl Facts for GrantedFacts<'_> {
    fn ask(&mut self, query: &Query) -> Answer {
        let refusals = self.refusals(query);
        let action = match query {
            Query::Link(link) => format!("look at link {link}"),
            Query::Held(store, _) | Query::LastReserved(store, _) | Query::Free(store, _) => {
                format!("look at leases in {}", store.directory().display())
            }
            Query::Backend | Query::Firewall => "look for a firewall".to_owned(),
            Query::HostEnd(name) => format!("look for the other end of {name}"),
            Query::RouteTo(address) => format!("look for the route to {address}"),
            Query::StalePorts { ports, .. } => format!("look for whose the ports {ports:?} are"),
            Query::File(path) | Query::FileBelow(_, path) => format!("read {}", path.display()),
        };
        let violation = |refusal| Violation { plugin: self.plugin.clone(), action: action.clone(), refusal };
        let (tolerated, refused): (Vec<Violation>, Vec<Violation>) = {
            let audited = self.grants.rules(self.plugin).mode() == Mode::Audit;
            let all = refusals.into_iter().map(violation);
            all.partition(|violation| audited && violation.refusal.is_negotiable())
        };
        self.tolerated.extend(tolerated);
        if !refused.is_empty() {
            self.violations.extend(refused);
            return nothing(query);
        }
        let query = self.put(query);
        self.facts.ask(&query)
    }
}

/// The answer to a question that is refused: as if there were nothing. The request fails, but first the plugin goes on, so that
/// all that policy refuses is told at once.
fn nothing(query: &Query) -> Answer {
    match query {
        Query::Link(_) => Answer::Link(Fact::Absent),
        Query::Held(..) => Answer::Held(Fact::Absent),
        Query::LastReserved(..) => Answer::LastReserved(Fact::Absent),
        Query::Free(..) => Answer::Free(Fact::Absent),
        Query::File(_) | Query::FileBelow(..) => Answer::File(Fact::Known(Vec::new())),
        Query::Backend => Answer::Backend(Backend::Iptables),
        Query::Firewall => Answer::Firewall(crate::value::Firewall::Iptables),
        Query::RouteTo(_) => Answer::RouteTo(Fact::Absent),
        Query::HostEnd(_) => Answer::HostEnd(Fact::Absent),
        Query::StalePorts { .. } => Answer::PortOwners(Vec::new()),
    }
}

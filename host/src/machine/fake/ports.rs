//! Mapped ports: what containers share, and the rules of each.

use super::super::{Effect, Undone, shared_by};
use crate::action::{DeletePortMap, MapPorts};
use crate::plan::render;
use crate::value::Backend;
use std::collections::BTreeSet;

/// Of both backends and families.
#[derive(Debug, Clone, Default)]
pub struct Ports {
    maps: Vec<MapPorts>,
    /// Chains and tables by family.
    shared: BTreeSet<(bool, String)>,
}

impl Ports {
    /// One transaction.
    pub fn add(&mut self, ports: &MapPorts) -> Effect {
        if self.maps.contains(ports) {
            return Effect::AlreadyThere;
        }
        self.maps.push(ports.clone());
        let there = self.shared_of(ports);
        self.shared.extend(shared_by(ports).into_iter().map(|name| (ports.address.is_ipv4(), name)));
        if there.is_empty() { Effect::Created } else { Effect::Replaced(there.join(" ")) }
    }

    /// Which of what it shares with others is there.
    pub fn shared_of(&self, ports: &MapPorts) -> Vec<String> {
        let is_there = |name: &String| self.shared.contains(&(ports.address.is_ipv4(), name.clone()));
        shared_by(ports).into_iter().filter(is_there).collect()
    }

    /// Deletes a map, and what is shared of `unmake` when no other map uses it.
    pub fn delete(&mut self, ports: &MapPorts, unmake: &[String]) -> Undone {
        let count = self.maps.len();
        self.maps.retain(|map| map != ports);
        let is_ipv4 = ports.address.is_ipv4();
        let used: BTreeSet<String> =
            self.maps.iter().filter(|map| map.address.is_ipv4() == is_ipv4).flat_map(shared_by).collect();
        self.shared
            .retain(|(family, name)| *family != is_ipv4 || used.contains(name) || !unmake.contains(name));
        if self.maps.len() < count { Undone::Done } else { Undone::Gone }
    }

    /// Deletes all maps of a container.
    pub fn delete_map(&mut self, map: &DeletePortMap) -> Undone {
        let count = self.maps.len();
        self.maps.retain(|found| {
            let name = match found.backend {
                Backend::Iptables => &found.chain,
                Backend::Nftables => &found.comment,
            };
            (found.backend, found.address.is_ipv4(), name) != (map.backend, map.is_ipv4, &map.chain)
        });
        if self.maps.len() < count { Undone::Done } else { Undone::Gone }
    }

    /// What is missing, in one sentence for each rule.
    pub fn verify(&self, ports: &MapPorts) -> Vec<String> {
        if self.maps.contains(ports) {
            return Vec::new();
        }
        let rules = render::portmap::rules(ports).into_iter();
        rules.map(|rule| format!("the rule `{rule}` is gone")).collect()
    }

    /// What is shared, then the commands that make each map.
    pub fn lines(&self) -> Vec<String> {
        let family = |is_ipv4: bool| if is_ipv4 { "IPv4" } else { "IPv6" };
        let shared = self.shared.iter().map(|(is_ipv4, name)| format!("{} {name}", family(*is_ipv4)));
        shared.chain(self.maps.iter().flat_map(render::portmap::rules)).collect()
    }
}

//! CHECK: what differs between the machine and what was made, one sentence for each.

use super::super::errno::chain;
use super::super::lease::Holder;
use super::super::{KernelError, sysctl::same};
use super::{FakeKernel, Link, no_entry};
use crate::kernel::step::{self, as_masquerade, as_masquerade_nft};
use crate::plan::action::{AddRoute, CreateVeth, Masquerade, ReserveLease, SetSysctl, VethPeer};
use crate::plan::{Action, IfName, LinkRef, Mac, Netns, render};

impl FakeKernel {
    pub(super) fn verify_all(&mut self, actions: &[Action]) -> Vec<String> {
        let mut differences = Vec::new();
        for action in actions {
            match self.verify_action(action) {
                Ok(found) => differences.extend(found),
                Err(error) => differences.push(chain(&error)),
            }
        }
        let rules: Vec<&Masquerade> = actions.iter().filter_map(as_masquerade).collect();
        differences.extend(self.nat.verify(&rules));
        let rules = actions.iter().filter_map(as_masquerade_nft);
        differences.extend(rules.flat_map(|rule| self.nft.verify_masquerade(rule)));
        differences
    }

    fn verify_action(&mut self, action: &Action) -> Result<Vec<String>, KernelError> {
        let difference = match action {
            Action::ReserveLease(lease) => self.verify_lease(lease),
            // All rules are verified together.
            Action::DeleteStaleLink(_) | Action::Masquerade(_) | Action::MasqueradeNft(_) => None,
            // What another attachment of the bridge put there meanwhile is its own.
            Action::DeleteAddress(_) | Action::Settle(_) => None,
            Action::Delegate(_) => None,
            Action::CheckSourceMac(check) => return Ok(self.nft.verify_check(check)),
            Action::SetPromiscuous(action) => match self.seen(&action.link)? {
                None => Some(format!("link {} is missing", action.link)),
                Some(found) if !found.promiscuous => Some(format!("link {} is not promiscuous", action.link)),
                Some(_) => None,
            },
            Action::EnsureBridge(bridge) => match self.find(Netns::Host, &bridge.name)? {
                None => Some(format!("bridge {} is missing", bridge.name)),
                Some(found) if found.kind != "bridge" => Some(format!("{} is not a bridge", bridge.name)),
                Some(_) => None,
            },
            Action::CreateVeth(veth) => return self.verify_veth(veth),
            Action::EnsureVlanGateway(gateway) => self.verify_vlan_gateway(gateway)?,
            Action::SetUp(action) => match self.seen(&action.link)? {
                None => Some(format!("link {} is missing", action.link)),
                Some(found) if !found.up => Some(format!("link {} is down", action.link)),
                Some(_) => None,
            },
            Action::AddAddress(action) => match self.seen(&action.link)? {
                None => Some(format!("link {} is missing, and with it {}", action.link, action.address)),
                Some(found) if !found.addresses().contains(&action.address) => {
                    Some(format!("address {} is missing on {}", action.address, action.link))
                }
                Some(_) => None,
            },
            Action::AddRoute(action) => self.verify_route(action)?,
            Action::SetSysctl(action) => self.verify_sysctl(action)?,
        };
        Ok(difference.into_iter().collect())
    }

    pub(super) fn seen(&mut self, link: &LinkRef) -> Result<Option<Link>, KernelError> {
        if self.has(link.netns) { self.find(link.netns, &link.name) } else { Ok(None) }
    }

    fn verify_route(&mut self, action: &AddRoute) -> Result<Option<String>, KernelError> {
        let text = render::route(&action.route, action.link.name.as_str());
        let Some(found) = self.seen(&action.link)? else {
            return Ok(Some(format!("link {} is missing, and with it the route {text}", action.link)));
        };
        let space = self.machine.space(action.link.netns);
        let routes = space.map(|space| space.all_routes()).unwrap_or_default();
        let there = routes.iter().any(|route| route.is(found.index, &action.route));
        Ok((!there).then(|| format!("route {text} is missing")))
    }

    fn verify_veth(&mut self, veth: &CreateVeth) -> Result<Vec<String>, KernelError> {
        let mut differences = Vec::new();
        let inside = LinkRef { netns: Netns::Container, name: veth.name.clone() };
        let outside = LinkRef { netns: Netns::Host, name: veth.peer.name.clone() };
        let found = self.seen(&inside)?;
        compare_end(&inside, found.as_ref(), veth.mac, veth.mtu, &mut differences);
        let found = self.seen(&outside)?;
        compare_end(&outside, found.as_ref(), veth.peer.mac, veth.mtu, &mut differences);
        let Some(found) = found else { return Ok(differences) };
        if found.alias.as_deref() != Some(&veth.peer.alias) {
            differences.push(format!("link {outside} is not ours: it has another alias"));
        }
        if let Some(master) = &veth.peer.master {
            differences.extend(self.compare_port(&outside, &found, master, &veth.peer)?);
        }
        Ok(differences)
    }

    fn compare_port(
        &mut self,
        link: &LinkRef,
        found: &Link,
        master: &IfName,
        peer: &VethPeer,
    ) -> Result<Vec<String>, KernelError> {
        let bridge = self.find(Netns::Host, master)?.map(|bridge| bridge.index);
        if bridge.is_none() || found.master != bridge {
            return Ok(vec![format!("link {link} is not a port of {master}")]);
        }
        let mut differences = step::compare_port(link, peer, found.hairpin, found.isolated);
        differences.extend(found.vlans.differences(&peer.name, &peer.vlans));
        Ok(differences)
    }

    fn verify_sysctl(&mut self, action: &SetSysctl) -> Result<Option<String>, KernelError> {
        if action.optional {
            return Ok(None);
        }
        let space = self.machine.space(action.netns).ok_or_else(no_entry)?;
        Ok(match space.sysctls.read(action.key.as_str()) {
            Ok(value) if same(&value, &action.value) => None,
            Ok(value) => Some(format!("sysctl {} is {value:?}, not {:?}", action.key, action.value)),
            Err(_) => Some(format!("sysctl {} cannot be read", action.key)),
        })
    }

    fn verify_lease(&self, lease: &ReserveLease) -> Option<String> {
        let store = self.stores.stores.get(&lease.store);
        let (address, network) = (lease.address, &lease.store.network);
        match store.map_or(Holder::Nobody, |store| store.holder(address, &lease.owner)) {
            Holder::Owner => None,
            Holder::Nobody => Some(format!("lease {address} of network {network} is missing")),
            Holder::Other => {
                Some(format!("lease {address} of network {network} belongs to another container"))
            }
        }
    }
}

fn compare_end(
    link: &LinkRef,
    found: Option<&Link>,
    mac: Mac,
    mtu: Option<u32>,
    differences: &mut Vec<String>,
) {
    let Some(found) = found else {
        differences.push(format!("link {link} is missing"));
        return;
    };
    if found.kind != "veth" {
        differences.push(format!("link {link} is not of type veth"));
    }
    if found.mac != mac {
        differences.push(format!("MAC of {link} is {}, not {mac}", found.mac));
    }
    if let Some(mtu) = mtu.filter(|mtu| *mtu != found.mtu) {
        differences.push(format!("MTU of {link} is {}, not {mtu}", found.mtu));
    }
}

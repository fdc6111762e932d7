//! What each action of a step finds.

use super::super::lease::Holder;
use super::super::{Before, MachineError, sysctl::same};
use super::FakeKernel;
use super::link::Link;
use crate::action::Action;
use crate::action::{DeleteAddress, ReserveLease, SetLink, SetSysctl};
use crate::machine::step::before_attribute;
use crate::value::{LinkRef, Netns};
use ipnetwork::IpNetwork;
use nix::errno::Errno;

impl FakeKernel {
    pub(super) fn observe_step(&mut self, step: &[Action]) -> Vec<Before> {
        let mut observed = Vec::with_capacity(step.len());
        let mut deleted = Vec::new();
        for action in step {
            observed.push(match action {
                // What the step itself deletes first, is not what the action finds.
                Action::CreateVeth(veth) if deleted.contains(&&veth.peer.name) => Before::Absent,
                _ => self.observe_action(action),
            });
            if let Action::DeleteStaleLink(stale) = action {
                deleted.push(&stale.name);
            }
        }
        observed
    }

    fn observe_action(&mut self, action: &Action) -> Before {
        match action {
            Action::ReserveLease(lease) => self.observe_lease(lease),
            Action::DeleteStaleLink(stale) => presence(self.find(Netns::Host, &stale.name), |_| true),
            Action::EnsureBridge(bridge) => presence(self.find(Netns::Host, &bridge.name), |_| true),
            Action::EnsureVlanGateway(gateway) => presence(self.find(Netns::Host, &gateway.name), |_| true),
            Action::CreateVeth(veth) => presence(self.find(Netns::Host, &veth.peer.name), |_| true),
            Action::SetUp(action) => {
                presence(self.find(action.link.netns, &action.link.name), |link| link.up)
            }
            Action::AddAddress(action) if action.link.netns == Netns::Host => {
                self.observe_address(&action.link, action.address)
            }
            Action::AddAddress(_) | Action::AddRoute(_) => Before::Absent,
            Action::SetPromiscuous(action) => {
                presence(self.find(action.link.netns, &action.link.name), |link| link.promiscuous)
            }
            // Present: done already, as there is nothing to delete.
            Action::DeleteAddress(DeleteAddress { link, address }) => {
                match self.observe_address(link, *address) {
                    Before::Present => Before::Value(address.to_string()),
                    Before::Absent => Before::Present,
                    unknown => unknown,
                }
            }
            Action::SetLink(action) => self.observe_attribute(action),
            Action::SaveLink(action) if self.saved.contains_key(&action.path) => Before::Present,
            Action::SaveLink(_) => Before::Absent,
            Action::Settle(_) | Action::Announce(_) => Before::Present,
            Action::SetSysctl(action) => self.observe_sysctl(action),
            Action::Masquerade(_) | Action::MasqueradeNft(_) | Action::CheckSourceMac(_) => Before::Absent,
            Action::Shape(shape) => match &shape.through {
                Some(ifb) if self.shapes.has_ifb(&ifb.name) => Before::Present,
                _ => Before::Absent,
            },
            Action::Filter(rule) => match self.filters.shared_of(rule) {
                there if there.is_empty() => Before::Absent,
                there => Before::Value(there.join(" ")),
            },
            Action::MapPorts(ports) => match self.ports.shared_of(ports) {
                there if there.is_empty() => Before::Absent,
                there => Before::Value(there.join(" ")),
            },
            Action::DeletePortMap(_) => Before::Present,
            Action::Delegate(_) => Before::Absent,
        }
    }

    fn observe_attribute(&mut self, action: &SetLink) -> Before {
        let found = self.find(action.link.netns, &action.link.name);
        before_attribute(action, found.map(|found| found.map(|found| found.attribute(&action.attribute))))
    }

    fn observe_lease(&mut self, lease: &ReserveLease) -> Before {
        let Some(store) = self.stores.planning(&lease.store, self.dry) else { return Before::Absent };
        match (store.holder(lease.address, &lease.owner), store.last.get(&lease.set)) {
            (Holder::Nobody, None) => Before::Absent,
            (Holder::Nobody, Some(last)) => Before::Value(last.to_string()),
            (Holder::Owner | Holder::Other, _) => Before::Present,
        }
    }

    fn observe_address(&mut self, link: &LinkRef, address: IpNetwork) -> Before {
        presence(self.find(link.netns, &link.name), |link| link.addresses().contains(&address))
    }

    fn observe_sysctl(&mut self, action: &SetSysctl) -> Before {
        let Some(space) = self.machine.space(action.netns) else { return Before::Unknown };
        match space.sysctls.read(action.key.as_str()) {
            Ok(value) if same(&value, &action.value) => Before::Present,
            Ok(value) => Before::Value(space.sysctls.saved(action.key.as_str(), &value)),
            Err(Errno::ENOENT) => Before::Absent,
            Err(_) => Before::Unknown,
        }
    }
}

fn presence(found: Result<Option<Link>, MachineError>, is_done: impl Fn(&Link) -> bool) -> Before {
    match found {
        Ok(Some(link)) if is_done(&link) => Before::Present,
        Ok(_) => Before::Absent,
        Err(_) => Before::Unknown,
    }
}

//! What each action of a step finds: as cheap as the journal's use of it allows.

use super::super::lease::Holder;
use super::super::netlink::Link;
use super::super::{Before, MachineError, sysctl};
use super::{HostKernel, enter};
use crate::action::Action;
use crate::action::{AddAddress, DeleteAddress, ReserveLease, SetLink, SetSysctl};
use crate::machine::step::before_attribute;
use crate::value::Netns;
use std::io;

impl HostKernel {
    pub(super) fn observe_step(&mut self, step: &[Action]) -> Vec<Before> {
        self.look_once();
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
        self.looked_at = None;
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
            Action::SetPromiscuous(action) => {
                presence(self.find(action.link.netns, &action.link.name), |link| link.promiscuous)
            }
            // Present: done already, as there is nothing to delete.
            Action::DeleteAddress(action) => self.observe_deletion(action),
            Action::AddAddress(action) if action.link.netns == Netns::Host => self.observe_address(action),
            // The kernel refuses what is there already, so what succeeds was absent; and it goes with its link.
            Action::AddAddress(_) | Action::AddRoute(_) => Before::Absent,
            Action::SetLink(action) => self.observe_attribute(action),
            Action::SaveLink(action) => {
                if action.path.exists() {
                    Before::Present
                } else {
                    Before::Absent
                }
            }
            Action::Settle(_) | Action::Announce(_) => Before::Present,
            Action::SetSysctl(action) => self.observe_sysctl(action),
            // Our comment tells our rules; a listing would cost more than adding them.
            Action::Masquerade(_) | Action::MasqueradeNft(_) | Action::CheckSourceMac(_) => Before::Absent,
            Action::MapPorts(ports) => self.observe_ports(ports),
            Action::Filter(rule) => self.observe_filter(rule),
            Action::Shape(shape) => match &shape.through {
                Some(ifb) => presence(self.find(Netns::Host, &ifb.name), |_| true),
                None => match self.find(Netns::Host, &shape.link) {
                    Ok(Some(found)) => Before::Value(found.queue_length.to_string()),
                    _ => Before::Unknown,
                },
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
        let store = match self.planning_store(&lease.store) {
            Ok(Some(store)) => store,
            Ok(None) => return Before::Absent,
            Err(_) => return Before::Unknown,
        };
        match (store.holder(lease.address, &lease.owner), store.last_reserved(lease.set)) {
            (Ok(Holder::Nobody), Ok(None)) => Before::Absent,
            (Ok(Holder::Nobody), Ok(Some(last))) => Before::Value(last.to_string()),
            (Ok(Holder::Owner | Holder::Other), _) => Before::Present,
            (Err(_), _) | (_, Err(_)) => Before::Unknown,
        }
    }

    fn observe_address(&mut self, action: &AddAddress) -> Before {
        let index = match self.find(action.link.netns, &action.link.name) {
            Ok(Some(link)) => link.index,
            Ok(None) => return Before::Absent,
            Err(_) => return Before::Unknown,
        };
        match self.addresses(&action.link, index) {
            Ok(addresses) if addresses.contains(&action.address) => Before::Present,
            Ok(_) => Before::Absent,
            Err(_) => Before::Unknown,
        }
    }

    fn observe_deletion(&mut self, action: &DeleteAddress) -> Before {
        let DeleteAddress { link, address } = action;
        let saved = match self.find(link.netns, &link.name) {
            Ok(Some(found)) => self.saved_address(link, found.index, *address),
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        match saved {
            Ok(Some(saved)) => Before::Value(saved),
            Ok(None) => Before::Present,
            Err(_) => Before::Unknown,
        }
    }

    fn observe_sysctl(&mut self, action: &SetSysctl) -> Before {
        let Ok(_guard) = enter(self.container.as_ref(), action.netns) else { return Before::Unknown };
        match sysctl::read(&action.key) {
            Ok(value) if sysctl::same(&value, &action.value) => Before::Present,
            Ok(value) => sysctl::saved(&action.key, value).map_or(Before::Unknown, Before::Value),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Before::Absent,
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

//! Undoing: each thing is looked at first, and only what is still the one meant goes.

use super::super::sysctl::{parse_saved, same};
use super::super::{MachineError, Undo, Undone, given_to_loopback};
use super::execute::answer;
use super::{FakeKernel, Link};
use crate::action::{LinkAttribute, Masquerade, SetLink};
use crate::machine::errno::as_go;
use crate::machine::step::{failed_set_link, restored_already};
use crate::value::{IfName, LinkIdentity, LinkRef, Mac, Netns, SysctlKey};
use ipnetwork::IpNetwork;
use nix::errno::Errno;
use std::net::IpAddr;

impl FakeKernel {
    pub(super) fn undo_all(&mut self, undos: &[Undo]) -> Vec<Undone> {
        let held = self.stores.locked.clone();
        let mut results = Vec::with_capacity(undos.len());
        let both_rules = |a: &Undo, b: &Undo| as_masquerade(a).is_some() && as_masquerade(b).is_some();
        for run in undos.chunk_by(both_rules) {
            let rules: Vec<&Masquerade> = run.iter().filter_map(as_masquerade).collect();
            if rules.is_empty() {
                results.extend(run.iter().map(|undo| self.undo_one(undo).unwrap_or_else(Undone::Failed)));
            } else {
                results.extend(self.nat.delete(&rules));
            }
        }
        // Locks that were taken only for this.
        self.stores.locked.retain(|store| held.contains(store));
        results
    }

    fn undo_one(&mut self, undo: &Undo) -> Result<Undone, MachineError> {
        match undo {
            Undo::DeleteLink(identity) => self.delete_link(identity),
            Undo::DeleteLinkByAlias { name, alias } => match self.find(Netns::Host, name)? {
                None => Ok(Undone::Gone),
                Some(found) if found.alias.as_deref() == Some(alias) => {
                    self.delete_found(Netns::Host, name, &found)
                }
                Some(_) => Ok(Undone::Left(format!("link {name} is not ours: it has another alias"))),
            },
            Undo::DeleteEmptyBridge { name, mac, addresses } => self.delete_bridge(name, *mac, addresses),
            Undo::DeleteAddress { link, address } => self.delete_address(link, *address),
            Undo::RestoreLink { link, set, old } => self.restore_link(link, set.as_ref(), old),
            Undo::ForgetLink { path } => Ok(self.saved.remove(path).map_or(Undone::Gone, |_| Undone::Done)),
            Undo::RestoreSysctl { netns, key, written, old } => {
                Ok(self.restore_sysctl(*netns, key, written, old))
            }
            Undo::RestoreAddress { link, address, saved: _ } => self.restore_address(link, *address),
            Undo::SetDown { link } => self.set_down(link),
            Undo::ClearPromiscuous { link } => self.clear_promiscuous(link),
            Undo::DeleteMasqueradeNft { rule, table } => Ok(self.nft.delete_masquerade(rule, *table)),
            Undo::DeleteMapPorts { ports, unmake } => Ok(self.ports.delete(ports, unmake)),
            Undo::DeletePortMap(map) => Ok(self.ports.delete_map(map)),
            Undo::Unshape { shape, .. } => Ok(self.shapes.delete(shape)),
            // Nobody else makes one.
            Undo::DeleteIfb { .. } => Ok(Undone::Gone),
            Undo::DeleteFilter { rule, unmake } => Ok(self.filters.delete(rule, unmake)),
            // It executes nothing.
            Undo::EndDelegate(_) => Ok(Undone::Gone),
            Undo::DeleteCheckSourceMac { check, table } => Ok(self.nft.delete_check(check, *table)),
            Undo::DeleteMasquerade(rules) => Ok(self.nat.delete(&[rules]).pop().unwrap_or(Undone::Gone)),
            Undo::ReleaseLease(lease) => {
                Ok(self.stores.existing(&lease.store).map_or(Undone::Gone, |store| store.release(lease)))
            }
            Undo::RestoreLastReserved { lease, old } => {
                let store = self.stores.existing(&lease.store);
                Ok(store.map_or(Undone::Gone, |store| store.restore_last(lease, *old)))
            }
        }
    }

    fn delete_link(&mut self, identity: &LinkIdentity) -> Result<Undone, MachineError> {
        let LinkRef { netns, name } = &identity.link;
        let found = self.machine.space(*netns).and_then(|space| space.get(identity.index)).cloned();
        let Some(found) = found else { return Ok(Undone::Gone) };
        let same_alias = found.alias == identity.alias;
        let same_mac = identity.alias.is_some() || found.mac == identity.mac;
        if found.kind != identity.kind || !same_alias || !same_mac {
            return Ok(Undone::Left(format!("link {name} is not the one that was made")));
        }
        self.delete_found(*netns, name, &found)
    }

    fn delete_bridge(
        &mut self,
        name: &IfName,
        mac: Mac,
        addresses: &[IpNetwork],
    ) -> Result<Undone, MachineError> {
        let Some(found) = self.find(Netns::Host, name)? else { return Ok(Undone::Gone) };
        if found.kind != "bridge" || found.mac != mac {
            return Ok(Undone::Left(format!("{name} is not the bridge that was made")));
        }
        let links = self.machine.space(Netns::Host).map(|space| space.links.as_slice()).unwrap_or_default();
        if let Some(port) = links.iter().find(|link| link.master == Some(found.index)) {
            return Ok(Undone::Left(format!("bridge {name} is in use: {} is a port of it", port.name)));
        }
        let foreign = found.addresses().into_iter().find(|a| !is_link_local(*a) && !addresses.contains(a));
        if let Some(foreign) = foreign {
            return Ok(Undone::Left(format!("bridge {name} has the address {foreign}, which is not ours")));
        }
        self.delete_found(Netns::Host, name, &found)
    }

    fn delete_address(&mut self, link: &LinkRef, address: IpNetwork) -> Result<Undone, MachineError> {
        if !self.has(link.netns) {
            return Ok(Undone::Gone);
        }
        let Some(found) = self.find(link.netns, &link.name)? else { return Ok(Undone::Gone) };
        let deleted =
            self.machine.in_space(link.netns).and_then(|space| space.delete_address(found.index, address));
        done(deleted, || format!("failed to delete {address} from {:?}", link.name.as_str()))
    }

    fn restore_address(&mut self, link: &LinkRef, address: IpNetwork) -> Result<Undone, MachineError> {
        let Some(found) = self.seen(link)? else { return Ok(Undone::Gone) };
        if found.addresses().contains(&address) {
            return Ok(Undone::Gone);
        }
        let added =
            self.machine.in_space(link.netns).and_then(|space| space.add_address(found.index, address));
        done(added, || format!("failed to add {address} to {:?} again", link.name.as_str()))
    }

    fn restore_link(
        &mut self,
        link: &LinkRef,
        set: Option<&LinkAttribute>,
        old: &LinkAttribute,
    ) -> Result<Undone, MachineError> {
        let Some(found) = self.seen(link)? else { return Ok(Undone::Gone) };
        if let Some(undone) = restored_already(link, set, old, found.attribute(old)) {
            return Ok(undone);
        }
        let restored =
            self.machine.in_space(link.netns).and_then(|space| space.set_attribute(found.index, old, None));
        done(restored, || failed_set_link(&SetLink { link: link.clone(), attribute: old.clone() }))
    }

    fn set_down(&mut self, link: &LinkRef) -> Result<Undone, MachineError> {
        let Some(found) = self.seen(link)?.filter(|found| found.up) else { return Ok(Undone::Gone) };
        let comes_back = |address: &IpNetwork| is_link_local(*address) || address.ip().is_loopback();
        if found.addresses().iter().any(|address| address.is_ipv6() && !comes_back(address)) {
            return Ok(Undone::Left(format!("link {} would lose its IPv6 addresses", link.name)));
        }
        let address = given_to_loopback(link, &found.addresses());
        let down = self.machine.in_space(link.netns).and_then(|space| {
            space.set_down(found.index)?;
            address.map_or(Ok(()), |address| space.delete_address(found.index, address))
        });
        done(down, || format!("failed to set {:?} down", link.name.as_str()))
    }

    fn clear_promiscuous(&mut self, link: &LinkRef) -> Result<Undone, MachineError> {
        match self.seen(link)? {
            Some(found) if found.promiscuous => {
                let cleared = self
                    .machine
                    .in_space(link.netns)
                    .and_then(|space| space.set_promiscuous(found.index, false));
                done(cleared, || format!("failed to end promiscuous mode of {:?}", link.name.as_str()))
            }
            _ => Ok(Undone::Gone),
        }
    }

    fn restore_sysctl(&mut self, netns: Netns, key: &SysctlKey, written: &str, old: &str) -> Undone {
        let Some(space) = self.machine.space_mut(netns) else { return Undone::Gone };
        let failed = |errno: Errno| {
            let what = format!("failed to restore sysctl {:?}", key.as_str());
            Undone::Failed(MachineError::File { what, source: as_go(errno.into()) })
        };
        let now = match space.sysctls.read(key.as_str()) {
            Ok(now) => now,
            Err(Errno::ENOENT) => return Undone::Gone,
            Err(errno) => return failed(errno),
        };
        let (old, others) = parse_saved(old);
        if same(&now, old) {
            return Undone::Gone;
        }
        if !same(&now, written) {
            return Undone::Left(format!("sysctl {key} was changed to {now:?} by somebody else"));
        }
        let mut restored = space.write_sysctl(key.as_str(), old);
        for (key, value) in others {
            restored = restored.and_then(|()| match space.write_sysctl(key.as_str(), value) {
                Err(Errno::ENOENT) => Ok(()),
                written => written,
            });
        }
        restored.map_or_else(failed, |()| Undone::Done)
    }

    fn delete_found(&mut self, netns: Netns, name: &IfName, found: &Link) -> Result<Undone, MachineError> {
        self.indexes.remove(&LinkRef { netns, name: name.clone() });
        let deleted = self.machine.delete(netns, found.index);
        done(deleted, || format!("failed to delete {:?}", name.as_str()))
    }
}

/// That the object is gone by now is as good.
fn done(answered: Result<(), Errno>, what: impl FnOnce() -> String) -> Result<Undone, MachineError> {
    match answered {
        Ok(()) => Ok(Undone::Done),
        Err(Errno::ENODEV | Errno::EADDRNOTAVAIL) => Ok(Undone::Gone),
        Err(errno) => Err(answer(what(), errno)),
    }
}

fn is_link_local(address: IpNetwork) -> bool {
    matches!(address.ip(), IpAddr::V6(v6) if v6.is_unicast_link_local())
}

fn as_masquerade(undo: &Undo) -> Option<&Masquerade> {
    match undo {
        Undo::DeleteMasquerade(masquerade) => Some(masquerade),
        _ => None,
    }
}

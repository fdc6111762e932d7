//! Undoing: each thing is looked at first, and only what is still the one meant goes.

use super::super::beside::beside;
use super::super::netlink::{Link, Request, address, link, refused};
use super::super::{MachineError, Undo, Undone, given_to_loopback, native, saved, sysctl};
use super::{HostKernel, enter, no_entry, rules};
use crate::action::{LinkAttribute, SetLink};
use crate::machine::step::{failed_set_link, restored_already};
use crate::value::{IfName, LinkIdentity, LinkRef, Mac, Netns, StoreRef};
use ipnetwork::IpNetwork;
use nix::errno::Errno;
use std::collections::BTreeSet;

impl HostKernel {
    pub(super) fn undo_all(&mut self, undos: &[Undo]) -> Vec<Undone> {
        let held: BTreeSet<StoreRef> =
            self.stores.iter().filter(|(_, store)| store.is_locked()).map(|(key, _)| key.clone()).collect();
        let (rules, others): (Vec<&Undo>, Vec<&Undo>) = undos.iter().partition(|undo| rules::are(undo));
        let is_slow = |undo: &&Undo| matches!(undo, Undo::DeleteLink(_) | Undo::DeleteLinkByAlias { .. });
        let (rules_undone, others_undone) = if !rules.is_empty() && others.iter().any(is_slow) {
            self.undo_at_once(&rules, &others)
        } else {
            (self.undo_rules(&rules), self.undo_each(&others))
        };
        // Locks that were taken only for this.
        let taken = self.stores.iter_mut().filter(|(key, _)| !held.contains(key));
        taken.for_each(|(_, store)| store.unlock());
        let (mut rules_undone, mut others_undone) = (rules_undone.into_iter(), others_undone.into_iter());
        let next = |undo: &Undo| if rules::are(undo) { rules_undone.next() } else { others_undone.next() };
        undos.iter().filter_map(next).collect()
    }

    /// Undoes rules beside all else: after removing a rule, and after removing a link, the kernel waits until no packet can be on its
    /// way there any more, some 15 ms each. It waits for both at once.
    fn undo_at_once(&mut self, rules: &[&Undo], others: &[&Undo]) -> (Vec<Undone>, Vec<Undone>) {
        // What a native plugin leaves running would inherit the lock that the rules' processes hold.
        let native = others.iter().position(|undo| matches!(undo, Undo::EndDelegate(_)));
        let (first, last) = others.split_at(native.unwrap_or(others.len()));
        let lock = self.inherited_lock();
        let (rules_undone, mut undone) = beside(|| rules::undo(rules), || self.undo_each(first));
        drop(lock);
        undone.extend(self.undo_each(last));
        (rules_undone, undone)
    }

    fn undo_rules(&self, undos: &[&Undo]) -> Vec<Undone> {
        let _lock = self.inherited_lock();
        rules::undo(undos)
    }

    fn undo_each(&mut self, undos: &[&Undo]) -> Vec<Undone> {
        undos.iter().map(|undo| self.undo_one(undo).unwrap_or_else(Undone::Failed)).collect()
    }

    fn undo_one(&mut self, undo: &Undo) -> Result<Undone, MachineError> {
        match undo {
            Undo::DeleteLink(identity) => self.delete_link(identity),
            Undo::DeleteLinkByAlias { name, alias } => self.delete_by_alias(name, alias),
            Undo::DeleteEmptyBridge { name, mac, addresses } => self.delete_bridge(name, *mac, addresses),
            Undo::DeleteAddress { link, address } => self.delete_address(link, *address),
            Undo::RestoreAddress { link, address, saved } => self.restore_address(link, *address, saved),
            Undo::SetDown { link } => self.set_down(link),
            Undo::ClearPromiscuous { link } => self.clear_promiscuous(link),
            Undo::RestoreLink { link, set, old } => self.restore_link(link, set.as_ref(), old),
            Undo::ForgetLink { path } => saved::forget(path),
            Undo::RestoreSysctl { netns, key, written, old } => {
                if !self.has(*netns) {
                    return Ok(Undone::Gone);
                }
                let _guard = enter(self.container.as_ref(), *netns).map_err(no_entry)?;
                Ok(sysctl::restore(key, written, old))
            }
            Undo::DeleteMasquerade(_)
            | Undo::DeleteMasqueradeNft { .. }
            | Undo::DeleteMapPorts { .. }
            | Undo::DeletePortMap(_)
            | Undo::DeleteFilter { .. }
            | Undo::DeleteCheckSourceMac { .. } => Ok(self.undo_rules(&[undo]).pop().unwrap_or(Undone::Gone)),
            Undo::Unshape { shape, queue_length } => self.unshape(shape, *queue_length),
            Undo::DeleteIfb { name } => self.delete_ifb(name),
            Undo::EndDelegate(delegate) => Ok(native::end(delegate, self.has(Netns::Container))),
            Undo::ReleaseLease(lease) => {
                let Some(store) = self.existing_store(&lease.store)? else { return Ok(Undone::Gone) };
                store.release(lease.address, &lease.owner).map(Undone::from)
            }
            Undo::RestoreLastReserved { lease, old } => {
                let Some(store) = self.existing_store(&lease.store)? else { return Ok(Undone::Gone) };
                store.restore_last(lease.set, lease.address, *old).map(Undone::from)
            }
        }
    }

    fn delete_link(&mut self, identity: &LinkIdentity) -> Result<Undone, MachineError> {
        let LinkRef { netns, name } = &identity.link;
        if !self.has(*netns) {
            return Ok(Undone::Gone);
        }
        let found = self.socket(*netns).and_then(|socket| link::find_index(socket, identity.index));
        let found = found.map_err(|e| refused(format!("failed to lookup {:?}", name.as_str()), e))?;
        let Some(found) = found else { return Ok(Undone::Gone) };
        let same_alias = found.alias == identity.alias;
        let same_mac = identity.alias.is_some() || found.mac() == identity.mac;
        if found.kind != identity.kind || !same_alias || !same_mac {
            return Ok(Undone::Left(format!("link {name} is not the one that was made")));
        }
        self.delete_found(*netns, name, &found)
    }

    fn delete_by_alias(&mut self, name: &IfName, alias: &str) -> Result<Undone, MachineError> {
        match self.find(Netns::Host, name)? {
            None => Ok(Undone::Gone),
            Some(found) if found.alias.as_deref() == Some(alias) => {
                self.delete_found(Netns::Host, name, &found)
            }
            Some(_) => Ok(Undone::Left(format!("link {name} is not ours: it has another alias"))),
        }
    }

    fn delete_bridge(
        &mut self,
        name: &IfName,
        mac: Mac,
        addresses: &[IpNetwork],
    ) -> Result<Undone, MachineError> {
        let Some(found) = self.find(Netns::Host, name)? else { return Ok(Undone::Gone) };
        if found.kind != "bridge" || found.mac() != mac {
            return Ok(Undone::Left(format!("{name} is not the bridge that was made")));
        }
        let ports = self.socket(Netns::Host).and_then(|socket| link::ports(socket, found.index));
        let ports =
            ports.map_err(|e| refused(format!("failed to list the ports of {:?}", name.as_str()), e))?;
        if let Some(port) = ports.first() {
            return Ok(Undone::Left(format!("bridge {name} is in use: {} is a port of it", port.name)));
        }
        let link = LinkRef { netns: Netns::Host, name: name.clone() };
        let found_addresses = self.addresses(&link, found.index)?;
        let foreign = found_addresses.iter().find(|a| !address::is_link_local(**a) && !addresses.contains(a));
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
        if !self.addresses(link, found.index)?.contains(&address) {
            return Ok(Undone::Gone);
        }
        let what = format!("failed to delete {address} from {:?}", link.name.as_str());
        self.request(link.netns, address::delete(found.index, address), what)
    }

    fn restore_address(
        &mut self,
        link: &LinkRef,
        address: IpNetwork,
        saved: &str,
    ) -> Result<Undone, MachineError> {
        let Some(found) = self.seen(link)? else { return Ok(Undone::Gone) };
        if self.addresses(link, found.index)?.contains(&address) {
            return Ok(Undone::Gone);
        }
        let what = format!("failed to add {address} to {:?} again", link.name.as_str());
        let request =
            address::restore(found.index, saved).unwrap_or_else(|| address::add(found.index, address, false));
        self.request(link.netns, request, what)
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
        let set = SetLink { link: link.clone(), attribute: old.clone() };
        let requests = self.attribute_requests(&found, old)?.into_iter();
        let mut undone = Undone::Gone;
        for request in requests {
            undone = self.request(link.netns, request, failed_set_link(&set))?;
        }
        Ok(undone)
    }

    fn set_down(&mut self, link: &LinkRef) -> Result<Undone, MachineError> {
        let Some(found) = self.seen(link)?.filter(|found| found.up) else { return Ok(Undone::Gone) };
        let addresses = self.addresses(link, found.index)?;
        if addresses.iter().any(|address| address.is_ipv6() && !comes_back(*address)) {
            return Ok(Undone::Left(format!("link {} would lose its IPv6 addresses", link.name)));
        }
        let what = format!("failed to set {:?} down", link.name.as_str());
        let undone = self.request(link.netns, link::set_down(found.index), what)?;
        if let Some(address) = given_to_loopback(link, &addresses) {
            self.delete_address(link, address)?;
        }
        Ok(undone)
    }

    fn clear_promiscuous(&mut self, link: &LinkRef) -> Result<Undone, MachineError> {
        match self.seen(link)? {
            Some(found) if found.promiscuous => {
                let what = format!("failed to end promiscuous mode of {:?}", link.name.as_str());
                self.request(link.netns, link::set_promiscuous(found.index, false), what)
            }
            _ => Ok(Undone::Gone),
        }
    }

    pub(super) fn delete_found(
        &mut self,
        netns: Netns,
        name: &IfName,
        found: &Link,
    ) -> Result<Undone, MachineError> {
        self.indexes.remove(&LinkRef { netns, name: name.clone() });
        self.request(netns, link::delete(found.index), format!("failed to delete {:?}", name.as_str()))
    }

    /// Sends one request; that its object is gone by now is as good.
    fn request(&mut self, netns: Netns, request: Request, what: String) -> Result<Undone, MachineError> {
        let answers = self.socket(netns).map(|socket| socket.batch(vec![request]));
        let gone = [Errno::ENODEV as i32, Errno::EADDRNOTAVAIL as i32];
        match answers.and_then(|answers| answers.into_iter().collect::<Result<Vec<()>, _>>()) {
            Ok(_) => Ok(Undone::Done),
            Err(error) if error.raw_os_error().is_some_and(|number| gone.contains(&number)) => {
                Ok(Undone::Gone)
            }
            Err(error) => Err(refused(what, error)),
        }
    }
}

/// Whether the kernel gives an IPv6 address to a link by itself whenever that comes up.
fn comes_back(address: IpNetwork) -> bool {
    address::is_link_local(address) || address.ip().is_loopback()
}

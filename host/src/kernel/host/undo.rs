//! Undoing: each thing is looked at first, and only what is still the one meant goes.

use super::super::iptables::masquerade;
use super::super::netlink::{Link, Request, address, link, refused};
use super::super::{KernelError, LinkIdentity, Undo, Undone, native, nft, sysctl};
use super::{HostKernel, enter, no_entry};
use crate::plan::action::{Masquerade, MasqueradeNft};
use crate::plan::{IfName, LinkRef, Mac, Netns, StoreRef};
use ipnetwork::IpNetwork;
use nix::errno::Errno;
use std::collections::BTreeSet;

impl HostKernel {
    pub(super) fn undo_all(&mut self, undos: &[Undo]) -> Vec<Undone> {
        let held: BTreeSet<StoreRef> =
            self.stores.iter().filter(|(_, store)| store.is_locked()).map(|(key, _)| key.clone()).collect();
        let mut results = Vec::with_capacity(undos.len());
        for run in undos.chunk_by(at_once) {
            let rules: Vec<&Masquerade> = run.iter().filter_map(as_masquerade).collect();
            let (nft_rules, tables): (Vec<&MasqueradeNft>, Vec<bool>) =
                run.iter().filter_map(as_masquerade_nft).unzip();
            if !rules.is_empty() {
                results.extend(masquerade::delete(&rules));
            } else if !nft_rules.is_empty() {
                results.extend(nft::masquerade::delete(&nft_rules, tables.contains(&true)));
            } else {
                results.extend(run.iter().map(|undo| self.undo_one(undo).unwrap_or_else(Undone::Failed)));
            }
        }
        // Locks that were taken only for this.
        let taken = self.stores.iter_mut().filter(|(key, _)| !held.contains(key));
        taken.for_each(|(_, store)| store.unlock());
        results
    }

    fn undo_one(&mut self, undo: &Undo) -> Result<Undone, KernelError> {
        match undo {
            Undo::DeleteLink(identity) => self.delete_link(identity),
            Undo::DeleteLinkByAlias { name, alias } => self.delete_by_alias(name, alias),
            Undo::DeleteEmptyBridge { name, mac, addresses } => self.delete_bridge(name, *mac, addresses),
            Undo::DeleteAddress { link, address } => self.delete_address(link, *address),
            Undo::RestoreAddress { link, address, saved } => self.restore_address(link, *address, saved),
            Undo::ClearPromiscuous { link } => self.clear_promiscuous(link),
            Undo::RestoreSysctl { netns, key, written, old } => {
                if !self.has(*netns) {
                    return Ok(Undone::Gone);
                }
                let _guard = enter(self.container.as_ref(), *netns).map_err(no_entry)?;
                Ok(sysctl::restore(key, written, old))
            }
            Undo::DeleteMasquerade(rules) => Ok(masquerade::delete(&[rules]).pop().unwrap_or(Undone::Gone)),
            Undo::DeleteMasqueradeNft { rule, table } => {
                Ok(nft::masquerade::delete(&[rule], *table).pop().unwrap_or(Undone::Gone))
            }
            Undo::DeleteCheckSourceMac { check, table } => nft::source_mac::delete(check, *table),
            Undo::EndDelegate(delegate) => Ok(native::end(delegate, self.has(Netns::Container))),
            Undo::ReleaseLease(lease) => {
                let Some(store) = self.existing_store(&lease.store)? else { return Ok(Undone::Gone) };
                Ok(store.release(lease))
            }
            Undo::RestoreLastReserved { lease, old } => {
                let Some(store) = self.existing_store(&lease.store)? else { return Ok(Undone::Gone) };
                Ok(store.restore_last(lease, *old))
            }
        }
    }

    fn delete_link(&mut self, identity: &LinkIdentity) -> Result<Undone, KernelError> {
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

    fn delete_by_alias(&mut self, name: &IfName, alias: &str) -> Result<Undone, KernelError> {
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
    ) -> Result<Undone, KernelError> {
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

    fn delete_address(&mut self, link: &LinkRef, address: IpNetwork) -> Result<Undone, KernelError> {
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
    ) -> Result<Undone, KernelError> {
        let Some(found) = self.seen(link)? else { return Ok(Undone::Gone) };
        if self.addresses(link, found.index)?.contains(&address) {
            return Ok(Undone::Gone);
        }
        let what = format!("failed to add {address} to {:?} again", link.name.as_str());
        let request =
            address::restore(found.index, saved).unwrap_or_else(|| address::add(found.index, address));
        self.request(link.netns, request, what)
    }

    fn clear_promiscuous(&mut self, link: &LinkRef) -> Result<Undone, KernelError> {
        match self.seen(link)? {
            Some(found) if found.promiscuous => {
                let what = format!("failed to end promiscuous mode of {:?}", link.name.as_str());
                self.request(link.netns, link::set_promiscuous(found.index, false), what)
            }
            _ => Ok(Undone::Gone),
        }
    }

    fn delete_found(&mut self, netns: Netns, name: &IfName, found: &Link) -> Result<Undone, KernelError> {
        self.indexes.remove(&LinkRef { netns, name: name.clone() });
        self.request(netns, link::delete(found.index), format!("failed to delete {:?}", name.as_str()))
    }

    /// Sends one request; that its object is gone by now is as good.
    fn request(&mut self, netns: Netns, request: Request, what: String) -> Result<Undone, KernelError> {
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

/// Whether two are undone as one transaction.
fn at_once(a: &Undo, b: &Undo) -> bool {
    let nft = |undo| as_masquerade_nft(undo).map(|(_, table)| table);
    (as_masquerade(a).is_some() && as_masquerade(b).is_some()) || (nft(a).is_some() && nft(a) == nft(b))
}

fn as_masquerade_nft(undo: &Undo) -> Option<(&MasqueradeNft, bool)> {
    match undo {
        Undo::DeleteMasqueradeNft { rule, table } => Some((rule, *table)),
        _ => None,
    }
}

fn as_masquerade(undo: &Undo) -> Option<&Masquerade> {
    match undo {
        Undo::DeleteMasquerade(masquerade) => Some(masquerade),
        _ => None,
    }
}

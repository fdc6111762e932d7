//! Answers to a planner's questions.

use super::super::errno::{as_go, chain};
use super::super::lease::Store;
use super::super::netlink::{address, refused};
use super::super::{KernelError, iptables, netlink::Link, nft};
use super::HostKernel;
use crate::plan::{
    AddressRange, Answer, Backend, Fact, Facts, LinkFact, LinkRef, Owner, Query, StoreFact, StoreRef,
};
use ipnetwork::IpNetwork;
use std::io;

impl Facts for HostKernel {
    fn ask(&mut self, query: &Query) -> Answer {
        let result = match query {
            Query::Link(link) => self.link_fact(link).map(Answer::Link),
            Query::Store(store, owner) => self.store_fact(store, owner).map(Answer::Store),
            Query::Backend => Ok(Answer::Backend(backend())),
            Query::Free(store, within) => self.free(store, *within).map(Answer::Free),
        };
        match (result, query) {
            (Ok(answer), _) => answer,
            (Err(error), Query::Link(_)) if self.is_hidden(&error) => Answer::Link(Fact::Unreadable),
            (Err(error), Query::Store(..)) if self.is_hidden(&error) => Answer::Store(Fact::Unreadable),
            (Err(error), Query::Free(..)) if self.is_hidden(&error) => Answer::Free(Fact::Unreadable),
            (Err(error), _) => {
                let text = chain(&error);
                self.refusal = Some(error);
                Answer::Failed(text)
            }
        }
    }
}

impl HostKernel {
    /// Only a dry run may go on without knowing.
    fn is_hidden(&self, error: &KernelError) -> bool {
        match error {
            KernelError::Netlink { source, .. } | KernelError::File { source, .. } => {
                self.dry && source.kind() == io::ErrorKind::PermissionDenied
            }
            KernelError::Tool { .. } | KernelError::Conflict(_) | KernelError::Busy { .. } => false,
        }
    }

    fn link_fact(&mut self, link: &LinkRef) -> Result<Fact<LinkFact>, KernelError> {
        if !self.has(link.netns) {
            return Ok(Fact::Absent);
        }
        let Some(found) = self.find(link.netns, &link.name)? else { return Ok(Fact::Absent) };
        let addresses = self.addresses(link, found.index)?;
        let mac = found.mac();
        let Link { index, kind, mtu, up, alias, master, .. } = found;
        let (netns, name) = (link.netns, link.name.clone());
        Ok(Fact::Known(LinkFact { netns, name, index, kind, mac, mtu, up, alias, master, addresses }))
    }

    /// The addresses of a link.
    pub(super) fn addresses(&mut self, link: &LinkRef, index: u32) -> Result<Vec<IpNetwork>, KernelError> {
        let found = self.socket(link.netns).and_then(|socket| address::list(socket, index));
        found.map_err(|e| refused(failed_list(link), e))
    }

    /// An address with all that undo needs to add it again; none, if the link does not have it.
    pub(super) fn saved_address(
        &mut self,
        link: &LinkRef,
        index: u32,
        address: IpNetwork,
    ) -> Result<Option<String>, KernelError> {
        let found = self.socket(link.netns).and_then(|socket| address::saved(socket, index, address));
        found.map_err(|e| refused(failed_list(link), e))
    }

    fn store_fact(&mut self, store: &StoreRef, owner: &Owner) -> Result<Fact<StoreFact>, KernelError> {
        match self.planning_store(store)? {
            Some(found) => found.holdings(owner).map(Fact::Known).map_err(|e| unreadable(store, e)),
            None => Ok(Fact::Known(StoreFact::default())),
        }
    }

    fn free(
        &mut self,
        store: &StoreRef,
        within: AddressRange,
    ) -> Result<Fact<Vec<AddressRange>>, KernelError> {
        match self.planning_store(store)? {
            Some(found) => found.free(within).map(Fact::Known).map_err(|e| unreadable(store, e)),
            None => Ok(Fact::Known(vec![within])),
        }
    }

    /// The store with its lock, unless dry; none only when dry.
    pub(super) fn planning_store(&mut self, store: &StoreRef) -> Result<Option<&Store>, KernelError> {
        if !self.dry {
            return self.locked_store(store).map(Some);
        }
        match Store::open(store).map_err(|e| unreadable(store, e))? {
            Some(opened) => {
                self.stores.insert(store.clone(), opened);
                Ok(self.stores.get(store))
            }
            None => Ok(None),
        }
    }

    /// The store, made where there is none, with its lock, which stays until `unlock_leases`.
    pub(super) fn locked_store(&mut self, store: &StoreRef) -> Result<&Store, KernelError> {
        if !self.stores.contains_key(store) {
            let created = Store::create(store).map_err(|source| KernelError::File {
                what: format!("mkdir {}", store.directory().display()),
                source: as_go(source),
            })?;
            self.stores.insert(store.clone(), created);
        }
        match self.stores.get_mut(store) {
            Some(found) => found.lock().map(|()| &*found),
            // Inserted above.
            None => Err(KernelError::Conflict(format!("{} is not open", store.directory().display()))),
        }
    }
}

fn failed_list(link: &LinkRef) -> String {
    format!("failed to get IP addresses for {:?}", link.name.as_str())
}

/// As the reference: nftables only where there is no iptables (cni-behaviours, section 2.10).
fn backend() -> Backend {
    if !iptables::is_installed() && nft::is_installed() { Backend::Nftables } else { Backend::Iptables }
}

fn unreadable(store: &StoreRef, source: io::Error) -> KernelError {
    let what = format!("failed to read {}", store.directory().display());
    KernelError::File { what, source: as_go(source) }
}

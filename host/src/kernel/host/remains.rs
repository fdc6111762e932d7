//! What belongs to an attachment, found without a journal.

use super::super::iptables::masquerade;
use super::super::{LinkIdentity, Undo, nft};
use super::HostKernel;
use super::links::identity;
use crate::plan::action::{Masquerade, ReserveLease};
use crate::plan::{Attachment, IfName, LinkRef, Netns, StoreRef, derive};
use std::net::IpAddr;

/// So many names are tried for a host end.
const MAX_CANDIDATES: u32 = 10;

impl HostKernel {
    /// Everything that can be told to be the attachment's: its rules, its links, its leases, in the order to undo them.
    ///
    /// What cannot be read is left out, so that DEL removes all that it can.
    pub fn remains(&mut self, attachment: &Attachment, stores: &[StoreRef]) -> Vec<Undo> {
        let leases = self.held_leases(attachment, stores);
        let (inside, addresses) = self.inside(attachment);
        let mut undos: Vec<Undo> = self
            .rules(attachment, stores, &addresses, &leases)
            .into_iter()
            .map(Undo::DeleteMasquerade)
            .collect();
        let (backend_rules, checks) = (nft::masquerade::find(attachment), nft::source_mac::find(attachment));
        undos.extend(backend_rules.into_iter().map(|rule| Undo::DeleteMasqueradeNft { rule, table: false }));
        undos.extend(checks.into_iter().map(|check| Undo::DeleteCheckSourceMac { check, table: false }));
        undos.extend(self.host_end(attachment).into_iter().chain(inside).map(Undo::DeleteLink));
        undos.extend(leases.into_iter().map(Undo::ReleaseLease));
        undos
    }

    /// The container's link with its addresses, if it is a veth.
    fn inside(&mut self, attachment: &Attachment) -> (Option<LinkIdentity>, Vec<IpAddr>) {
        let link = LinkRef { netns: Netns::Container, name: attachment.interface.clone() };
        if !self.has(link.netns) {
            return (None, Vec::new());
        }
        match self.find(link.netns, &link.name) {
            Ok(Some(found)) if found.kind == "veth" => {
                let addresses = self.addresses(&link, found.index).unwrap_or_default();
                (Some(identity(link, found)), addresses.into_iter().map(|address| address.ip()).collect())
            }
            _ => (None, Vec::new()),
        }
    }

    /// The host's end: a veth with our alias under one of its names.
    fn host_end(&mut self, attachment: &Attachment) -> Option<LinkIdentity> {
        let alias = derive::alias(attachment);
        let names: Vec<IfName> = (0..MAX_CANDIDATES)
            .filter_map(|candidate| derive::host_veth(attachment, candidate).ok())
            .collect();
        names.into_iter().find_map(|name| match self.find(Netns::Host, &name) {
            Ok(Some(found)) if found.kind == "veth" && found.alias.as_deref() == Some(&alias) => {
                Some(identity(LinkRef { netns: Netns::Host, name }, found))
            }
            _ => None,
        })
    }

    /// The container's rules without those of its other interfaces, which have the same chain and comment.
    ///
    /// An address that is the interface's or leased to it is its own. When the container is gone, so are the others; yet what
    /// is leased to another interface is left to the DEL of that one.
    fn rules(
        &self,
        attachment: &Attachment,
        stores: &[StoreRef],
        addresses: &[IpAddr],
        leases: &[ReserveLease],
    ) -> Vec<Masquerade> {
        let mut rules = masquerade::find(&derive::chain(attachment), &derive::comment(attachment));
        let container_is_gone = !self.has(Netns::Container);
        rules.retain(|rule| {
            let address = rule.address.ip();
            addresses.contains(&address)
                || leases.iter().any(|lease| lease.address == address)
                || (container_is_gone && !self.is_leased_to_another(stores, attachment, address))
        });
        rules
    }
}

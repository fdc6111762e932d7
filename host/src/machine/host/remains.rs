//! What belongs to an attachment, found without a journal.

use super::super::iptables::masquerade;
use super::super::lease::Holder;
use super::super::netlink::address;
use super::super::netlink::{Link, link};
use super::super::{MachineError, Undo, nft};
use super::HostKernel;
use super::links::identity;
use super::verify::holder;
use crate::action::{Masquerade, ReserveLease};
use crate::value::{Attachment, IfName, LinkIdentity, LinkRef, Netns, StoreRef, derive};
use std::net::IpAddr;

/// So many names are tried for a host end.
const MAX_CANDIDATES: u32 = 10;

/// Which link in the container is the attachment's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inside {
    /// That of its name, as for the reference.
    ByName,
    /// That of its name, if one of its addresses is leased to it too: another network may have taken the name.
    IfLeased,
}

/// What was found of something, and why that may not be all.
#[derive(Debug, Default)]
pub struct Remains {
    /// What removes it, in the order to undo it.
    pub undos: Vec<Undo>,
    /// What could not be looked at: left out, so that all else can be removed.
    pub unread: Vec<MachineError>,
}

impl HostKernel {
    /// Everything that can be told to be the attachment's: its rules, its links, its leases.
    pub fn remains(&mut self, attachment: &Attachment, stores: &[StoreRef], which: Inside) -> Remains {
        let mut unread = Vec::new();
        let leases = self.held_leases(attachment, stores, &mut unread);
        let (mut inside, mut addresses) = self.inside(attachment, &mut unread);
        let is_leased = addresses.iter().any(|address| leases.iter().any(|lease| lease.address == *address));
        if which == Inside::IfLeased && !is_leased {
            (inside, addresses) = (None, Vec::new());
        }
        let mut undos: Vec<Undo> = self
            .rules(attachment, stores, &addresses, &leases, &mut unread)
            .into_iter()
            .map(Undo::DeleteMasquerade)
            .collect();
        let backend_rules = nft::masquerade::find(attachment, &mut unread);
        let checks = nft::source_mac::find(attachment, &mut unread);
        undos.extend(backend_rules.into_iter().map(|rule| Undo::DeleteMasqueradeNft { rule, table: false }));
        undos.extend(checks.into_iter().map(|check| Undo::DeleteCheckSourceMac { check, table: false }));
        let host_end = self.host_end(attachment, &mut unread);
        undos.extend(host_end.into_iter().chain(inside).map(Undo::DeleteLink));
        undos.extend(leases.into_iter().map(Undo::ReleaseLease));
        Remains { undos, unread }
    }

    /// The attachment's leases alone.
    pub fn remaining_leases(&mut self, attachment: &Attachment, stores: &[StoreRef]) -> Remains {
        let mut unread = Vec::new();
        let leases = self.held_leases(attachment, stores, &mut unread).into_iter();
        Remains { undos: leases.map(Undo::ReleaseLease).collect(), unread }
    }

    /// What of the undos of [`HostKernel::remains`] did not help.
    pub fn still_there(&mut self, mut undos: Vec<Undo>) -> Remains {
        let mut unread = Vec::new();
        undos.retain(|undo| match undo {
            Undo::DeleteMasquerade(rules) => {
                masquerade::find(&rules.chain, &rules.comment, &mut unread).contains(rules)
            }
            Undo::DeleteMasqueradeNft { rule, .. } => nft::masquerade::is_there(rule, &mut unread),
            Undo::DeleteCheckSourceMac { check, .. } => nft::source_mac::is_there(check, &mut unread),
            Undo::DeleteLink(identity) => matches!(self.is_there(identity), Ok(true)),
            Undo::ReleaseLease(lease) => matches!(holder(lease), Ok(Holder::Owner)),
            _ => false,
        });
        Remains { undos, unread }
    }

    /// The container's link with its addresses, if it is a veth, and not one that we made for another attachment: the namespace
    /// may be that of another container by now.
    fn inside(
        &mut self,
        attachment: &Attachment,
        unread: &mut Vec<MachineError>,
    ) -> (Option<LinkIdentity>, Vec<IpAddr>) {
        let link = LinkRef { netns: Netns::Container, name: attachment.interface.clone() };
        if !self.has(link.netns) {
            return (None, Vec::new());
        }
        match self.find(link.netns, &link.name) {
            Ok(Some(found)) if found.kind == "veth" && !self.is_anothers(&found, attachment) => {
                let addresses = self.addresses(&link, found.index).unwrap_or_default();
                (Some(identity(link, found)), addresses.into_iter().map(|address| address.ip()).collect())
            }
            Ok(_) => (None, Vec::new()),
            Err(error) => {
                unread.push(error);
                (None, Vec::new())
            }
        }
    }

    /// Whether the other end of a container's link tells that it is another attachment's.
    fn is_anothers(&mut self, inside: &Link, attachment: &Attachment) -> bool {
        let Some(index) = inside.peer else { return false };
        let host = self.socket(Netns::Host).and_then(|socket| link::find_index(socket, index));
        let Ok(Some(host)) = host else { return false };
        let is_other_end = host.kind == "veth" && host.peer == Some(inside.index);
        let alias = host.alias.unwrap_or_default();
        is_other_end && derive::is_alias(&alias) && alias != derive::alias(attachment)
    }

    /// The host's end: a veth with our alias under one of its names.
    fn host_end(&mut self, attachment: &Attachment, unread: &mut Vec<MachineError>) -> Option<LinkIdentity> {
        let alias = derive::alias(attachment);
        let names: Vec<IfName> = (0..MAX_CANDIDATES)
            .filter_map(|candidate| derive::host_veth(attachment, candidate).ok())
            .collect();
        names.into_iter().find_map(|name| match self.find(Netns::Host, &name) {
            Ok(Some(found)) if found.kind == "veth" && found.alias.as_deref() == Some(&alias) => {
                Some(identity(LinkRef { netns: Netns::Host, name }, found))
            }
            Ok(_) => None,
            Err(error) => {
                unread.push(error);
                None
            }
        })
    }

    /// The container's rules without those of its other interfaces, which have the same chain and comment.
    ///
    /// An address that is the interface's or leased to it is its own. So is one that no interface has, such as all of them when the
    /// container is gone; yet what is leased to another interface is left to the DEL of that one.
    fn rules(
        &mut self,
        attachment: &Attachment,
        stores: &[StoreRef],
        addresses: &[IpAddr],
        leases: &[ReserveLease],
        unread: &mut Vec<MachineError>,
    ) -> Vec<Masquerade> {
        let mut rules = masquerade::find(&derive::chain(attachment), &derive::comment(attachment), unread);
        // What cannot be looked at may have any address.
        let used = match self.has(Netns::Container) {
            true => self.socket(Netns::Container).and_then(address::all).ok(),
            false => Some(Vec::new()),
        };
        let is_unused = |address: &IpAddr| {
            used.as_ref().is_some_and(|used| !used.iter().any(|there| there.ip() == *address))
        };
        rules.retain(|rule| {
            let address = rule.address.ip();
            address.is_unspecified()
                || addresses.contains(&address)
                || leases.iter().any(|lease| lease.address == address)
                || (is_unused(&address) && !self.is_leased_to_another(stores, attachment, address))
        });
        rules
    }
}

//! The remains of an attachment: objects that belong to it, found without a journal.

use super::Stuck;
use super::undo::undo_all;
use crate::action::context::{Notes, Permit, ReadContext, sealed::PermitSeal};
use crate::action::rules::{masquerade, source_mac};
use crate::action::{
    DeleteIfb, DeleteLink, Masquerade, ReleaseLease, RemoveMasquerade, RemoveMasqueradeNft, RemoveSourceMac,
    ReserveLease, Undo,
};
use crate::machine::MachineError;
use crate::machine::port::{Link, Look, Machine};
use crate::value::{Attachment, LinkIdentity, LinkRef, Netns, StoreRef, derive};
use std::net::IpAddr;

/// How to recognise the attachment's link in the container. Like the reference, it uses the interface name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inside {
    /// The required kind of the link (`IFLA_INFO_KIND`).
    pub kind: &'static str,
    /// Whether one of the link's addresses must be leased to the attachment. Without that, the link may belong to
    /// another network that uses the same name.
    pub leased: bool,
}

/// The objects that were found, and the errors that may hide others.
///
/// This type is a permit to change a machine. Its fields are private to the crate, so that only code that has read the
/// machine constructs it.
#[derive(Debug)]
pub struct Remains {
    /// The undos that remove the objects, in order.
    pub(crate) undos: Vec<Undo>,
    /// Errors for what could not be read. It is left out, so that everything else can be removed.
    pub(crate) unread: Vec<MachineError>,
}

impl PermitSeal for Remains {}

impl Permit for Remains {}

impl Remains {
    /// Remains that are known, or possible, without reading the machine.
    pub(crate) fn known(undos: Vec<Undo>) -> Self {
        Remains { undos, unread: Vec::new() }
    }

    /// Everything that can be recognised as the attachment's: its rules, its links, its leases.
    pub fn of(attachment: &Attachment, stores: &[StoreRef], which: Inside, look: &mut dyn Look) -> Self {
        let mut unread = Vec::new();
        let leases = ReserveLease::held(look.stores(), attachment, stores, &mut unread);
        let (mut inside, mut addresses) = inside(attachment, which.kind, look, &mut unread);
        let is_leased = addresses.iter().any(|address| leases.iter().any(|lease| lease.address == *address));
        if which.leased && !is_leased {
            (inside, addresses) = (None, Vec::new());
        }
        let rules = rules(attachment, stores, &addresses, &leases, look, &mut unread).into_iter();
        let mut undos: Vec<Undo> = rules.map(|rules| RemoveMasquerade { rules }.into()).collect();
        let tables = look.tables();
        let of_nftables = masquerade::nft::find(attachment, &*tables, &mut unread).into_iter();
        undos.extend(of_nftables.map(|rule| RemoveMasqueradeNft { rule, table: false }.into()));
        let check = source_mac::find(attachment, &*tables, &mut unread);
        undos.extend(check.map(|check| RemoveSourceMac { check, table: false }.into()));
        let links = host_end(attachment, look, &mut unread).into_iter().chain(inside);
        undos.extend(links.map(|identity| DeleteLink { identity }.into()));
        undos.extend(leases.into_iter().map(|lease| ReleaseLease { lease }.into()));
        Remains { undos, unread }
    }

    /// Only the attachment's links on the host, which its alias shows, and the reference's ifb.
    pub fn links(attachment: &Attachment, look: &mut dyn Look) -> Self {
        let mut unread = Vec::new();
        let veth = host_end(attachment, look, &mut unread).map(|identity| DeleteLink { identity }.into());
        let ifb = DeleteIfb::of(attachment).map(Undo::from);
        Remains { undos: ifb.into_iter().chain(veth).collect(), unread }.still_there(look)
    }

    /// Only the attachment's leases.
    pub fn leases(attachment: &Attachment, stores: &[StoreRef], look: &mut dyn Look) -> Self {
        let mut unread = Vec::new();
        let leases = ReserveLease::held(look.stores(), attachment, stores, &mut unread).into_iter();
        Remains { undos: leases.map(|lease| ReleaseLease { lease }.into()).collect(), unread }
    }

    /// Performs the undos in order, and continues after a failure. Returns what is left. `netns` is `CNI_NETNS`, or
    /// empty.
    pub fn undo(&self, netns: &str, machine: &mut dyn Machine) -> Vec<Stuck> {
        undo_all(self, &self.undos, netns, machine)
    }

    /// The undos whose objects still exist, although no undo failed.
    pub fn still_there(self, look: &mut dyn Look) -> Self {
        let mut notes = Notes::default();
        let mut cx = ReadContext::new(look, &mut notes);
        let Remains { mut undos, mut unread } = self;
        undos.retain(|undo| {
            undo.inverse().is_left(&mut cx).unwrap_or_else(|error| {
                unread.push(error);
                false
            })
        });
        Remains { undos, unread }
    }
}

/// A link by its name. None if its namespace is gone.
fn find(link: &LinkRef, look: &mut dyn Look, unread: &mut Vec<MachineError>) -> Option<Link> {
    ReadContext::new(look, &mut Notes::default()).link(link).unwrap_or_else(|error| {
        unread.push(error);
        None
    })
}

/// The container's link and its addresses, if the link has this kind. A link that we created for another attachment
/// does not count: by now, the namespace may belong to another container.
fn inside(
    attachment: &Attachment,
    kind: &str,
    look: &mut dyn Look,
    unread: &mut Vec<MachineError>,
) -> (Option<LinkIdentity>, Vec<IpAddr>) {
    let link = LinkRef { netns: Netns::Container, name: attachment.interface.clone() };
    match find(&link, look, unread) {
        Some(found) if found.kind == kind && !is_anothers(&found, attachment, look) => {
            let addresses = look.addresses(link.netns, Some(found.index)).unwrap_or_default();
            let addresses = addresses.into_iter().map(|address| address.address.ip()).collect();
            (Some(found.identity(link)), addresses)
        }
        Some(_) | None => (None, Vec::new()),
    }
}

/// Whether the other end of a container's link has the alias of another attachment.
fn is_anothers(inside: &Link, attachment: &Attachment, look: &mut dyn Look) -> bool {
    let Some(index) = inside.peer else { return false };
    let Ok(Some(host)) = look.link_at(Netns::Host, index) else { return false };
    let is_other_end = host.kind == "veth" && host.peer == Some(inside.index);
    let alias = host.alias.unwrap_or_default();
    is_other_end && derive::is_alias(&alias) && alias != derive::alias(attachment)
}

/// The host end: a veth with one of the attachment's names and our alias.
fn host_end(
    attachment: &Attachment,
    look: &mut dyn Look,
    unread: &mut Vec<MachineError>,
) -> Option<LinkIdentity> {
    let alias = derive::alias(attachment);
    derive::host_veths(attachment).find_map(|name| {
        let link = LinkRef { netns: Netns::Host, name };
        let found = find(&link, look, unread)?;
        (found.kind == "veth" && found.alias.as_deref() == Some(&alias)).then(|| found.identity(link))
    })
}

/// The container's rules, without those of its other interfaces, which have the same chain and comment.
///
/// An address belongs to this interface if the interface has it or it is leased to it. It also does if no interface of
/// the container has it. When the container is gone, this is true for all addresses. But a rule whose address is leased
/// to another interface is left to the DEL of that interface.
fn rules(
    attachment: &Attachment,
    stores: &[StoreRef],
    addresses: &[IpAddr],
    leases: &[ReserveLease],
    look: &mut dyn Look,
    unread: &mut Vec<MachineError>,
) -> Vec<Masquerade> {
    let (chain, comment) = (derive::chain(attachment), derive::comment(attachment));
    let mut rules = masquerade::iptables::find(&*look.tables(), &chain, &comment, unread);
    // If the addresses cannot be read, any address may be in use.
    let used = match look.has_netns(Netns::Container) {
        true => look.addresses(Netns::Container, None).ok(),
        false => Some(Vec::new()),
    };
    let is_unused = |address: &IpAddr| {
        used.as_ref().is_some_and(|used| !used.iter().any(|there| there.address.ip() == *address))
    };
    rules.retain(|rule| {
        let address = rule.address.ip();
        address.is_unspecified()
            || addresses.contains(&address)
            || leases.iter().any(|lease| lease.address == address)
            || (is_unused(&address)
                && !look.stores().is_leased_to_another(stores, &attachment.owner(), address))
    });
    rules
}

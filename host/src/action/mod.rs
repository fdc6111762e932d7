//! What a plan can do: a room for each thing, with all that is done with it.
//!
//! [`Action`] and [`Undo`] are the closed lists; [`Action::kind`] and [`Undo::inverse`] are the only matches on them. Everything else goes through the
//! traits [`Kind`] and [`Inverse`], which a room implements for its data. `docs/architecture.md` has the checklist for a new room.
//!
//! This file has the lists and their matches, and nothing else: that they name the rooms, which name them, is the one circle of the source, and a test holds that.

pub mod address;
pub mod check;
pub mod completion;
pub mod context;
pub mod delegate;
pub mod kind;
pub mod lease;
pub mod link;
pub mod profile;
pub mod qdisc;
pub mod query;
pub mod record;
pub mod route;
pub mod rules;
pub mod sysctl;
pub mod undo;

pub use address::{AddAddress, DeleteAddress, RemoveAddress, RestoreAddress};
pub use delegate::{Delegate, EndDelegate};
pub use kind::Kind;
pub use lease::{ReleaseLease, ReserveLease, RestoreLastReserved};
pub use link::announce::Announce;
pub use link::attribute::RestoreLink;
pub use link::bridge::{DeleteEmptyBridge, EnsureBridge};
pub use link::delete::{DeleteLink, DeleteMarkedLink};
pub use link::dummy::{CreateDummy, DeleteDummy};
pub use link::promiscuous::{ClearPromiscuous, SetPromiscuous};
pub use link::save::{ForgetLink, SaveLink};
pub use link::settings::{BridgePort, LinkAttribute, PortVlan, PortVlans, SetLink};
pub use link::settle::Settle;
pub use link::stale::DeleteStaleLink;
pub use link::up::{SetDown, SetUp};
pub use link::veth::{CreateVeth, VethPeer};
pub use link::vlan_gateway::EnsureVlanGateway;
pub use profile::Lifetime;
pub use qdisc::{DeleteIfb, Ifb, RemoveTokenBucket, SetTokenBucket};
pub use query::{Answer, Facts, Query};
pub use route::AddRoute;
pub use rules::filter::{FilterRule, RemoveFilter};
pub use rules::masquerade::iptables::{Masquerade, RemoveMasquerade};
pub use rules::masquerade::nft::{MasqueradeNft, RemoveMasqueradeNft};
pub use rules::port_map::{
    DeletePortMap, MapPorts, Mark, MasqueradePorts, PortMapping, PortOwner, RemovePorts,
};
pub use rules::source_mac::{CheckSourceMac, RemoveSourceMac};
pub use sysctl::{RestoreSysctl, SetSysctl};
pub use undo::Inverse;

use serde::{Deserialize, Serialize};

/// A closed list, whose variants hold each a type of a room; `method` gives the room's `trait`.
macro_rules! list {
    ($(#[$of_list:meta])* $list:ident, $method:ident, $interface:ident, $($(#[$of_kind:meta])* $variant:ident($room:ty),)*) => {
        $(#[$of_list])*
        pub enum $list {
            $($(#[$of_kind])* $variant($room),)*
        }

        impl $list {
            /// What its room does with it.
            pub fn $method(&self) -> &dyn $interface {
                match self {
                    $($list::$variant(room) => room,)*
                }
            }

            /// The names of all kinds.
            pub const KINDS: &'static [&'static str] = &[$(stringify!($variant),)*];
        }

        $(impl From<$room> for $list {
            fn from(room: $room) -> Self {
                $list::$variant(room)
            }
        })*
    };
}

list! {
    /// One change of the machine.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    Action, kind, Kind,
    /// Takes an address in a lease store.
    ReserveLease(ReserveLease),
    /// Deletes what an earlier, dead attempt of this attachment left on the host.
    DeleteStaleLink(DeleteStaleLink),
    /// Makes a bridge, or uses the one that is there.
    EnsureBridge(EnsureBridge),
    /// Makes a veth pair.
    CreateVeth(CreateVeth),
    /// Makes a dummy link in the container.
    CreateDummy(CreateDummy),
    /// Makes the host's own interface in a VLAN of a bridge, or uses the one that is there.
    EnsureVlanGateway(EnsureVlanGateway),
    /// Brings a link up.
    SetUp(SetUp),
    /// Lets a link take every frame.
    SetPromiscuous(SetPromiscuous),
    /// Waits until a link passes packets.
    Settle(Settle),
    /// Tells the neighbours of a link which addresses it has.
    Announce(Announce),
    /// Removes an address from a link.
    DeleteAddress(DeleteAddress),
    /// Adds an address to a link.
    AddAddress(AddAddress),
    /// Adds a route.
    AddRoute(AddRoute),
    /// Sets a kernel parameter.
    SetSysctl(SetSysctl),
    /// Hides an address behind the host's, with iptables.
    Masquerade(Masquerade),
    /// Hides an address behind the host's, with nftables.
    MasqueradeNft(MasqueradeNft),
    /// Leads ports of the host to the container.
    MapPorts(MapPorts),
    /// Removes what leads ports of the host to a container that is no more.
    DeletePortMap(DeletePortMap),
    /// Drops what a container sends under another Ethernet address than its own.
    CheckSourceMac(CheckSourceMac),
    /// Says what the host passes on to a container, and from it.
    Filter(FilterRule),
    /// Limits how fast packets pass a link, by a token bucket.
    SetTokenBucket(SetTokenBucket),
    /// Executes a native plugin. No planner records it: the host does it between two stages of a plan.
    Delegate(Delegate),
    /// Gives an attribute of a link another value; or, when something is repaired, again the one that it was made with.
    SetLink(SetLink),
    /// Saves the attributes of a link for the reference's tuning, which puts them back.
    SaveLink(SaveLink),
}

list! {
    /// The undo of something that was done. It is derived when it is needed, and never kept.
    #[derive(Debug, Clone, PartialEq, Eq)]
    Undo, inverse, Inverse,
    /// Deletes a link that was made.
    DeleteLink(DeleteLink),
    /// Deletes a link of that name and alias.
    DeleteMarkedLink(DeleteMarkedLink),
    /// Deletes a dummy link that a step made which did not end.
    DeleteDummy(DeleteDummy),
    /// Deletes a bridge that nobody uses.
    DeleteEmptyBridge(DeleteEmptyBridge),
    /// Removes an address.
    RemoveAddress(RemoveAddress),
    /// Adds a deleted address again.
    RestoreAddress(RestoreAddress),
    /// Takes a link down.
    SetDown(SetDown),
    /// Ends promiscuous mode.
    ClearPromiscuous(ClearPromiscuous),
    /// Restores an attribute of a link.
    RestoreLink(RestoreLink),
    /// Removes the file in which a link was saved.
    ForgetLink(ForgetLink),
    /// Restores a kernel parameter.
    RestoreSysctl(RestoreSysctl),
    /// Removes the rules of an address from iptables.
    RemoveMasquerade(RemoveMasquerade),
    /// Removes the rule of an address from nftables.
    RemoveMasqueradeNft(RemoveMasqueradeNft),
    /// Removes the rules of mapped ports.
    RemovePorts(RemovePorts),
    /// Removes all rules of mapped ports of a container.
    DeletePortMap(DeletePortMap),
    /// Removes the check of a source MAC.
    RemoveSourceMac(RemoveSourceMac),
    /// Removes what the host passes on.
    RemoveFilter(RemoveFilter),
    /// Removes the token bucket of a link.
    RemoveTokenBucket(RemoveTokenBucket),
    /// Deletes an ifb of the reference's.
    DeleteIfb(DeleteIfb),
    /// Executes a native plugin for DEL.
    EndDelegate(EndDelegate),
    /// Removes a lease.
    ReleaseLease(ReleaseLease),
    /// Restores `last_reserved_ip.N`.
    RestoreLastReserved(RestoreLastReserved),
}

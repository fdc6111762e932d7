//! The kinds of actions that a plan can contain. Each kind has a module of its own, which holds everything about it.
//!
//! [`Action`] and [`Undo`] are closed lists. [`Action::kind`] and [`Undo::inverse`] are the only matches on them. All
//! other code uses the traits [`Kind`] and [`Inverse`], which the module of each kind implements.
//! `docs/architecture.md` has a checklist for a new kind.
//!
//! This file holds the two lists and their matches, and nothing else. The lists name the modules, and the modules name
//! the lists: this is the only circle of dependencies in the source, and `tests/tests/architecture.rs` checks that
//! there is no other.

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
pub use kind::{Kind, of_kind};
pub use lease::{ReleaseLease, ReserveLease, RestoreLastReserved};
pub use link::announce::Announce;
pub use link::attribute::RestoreLink;
pub use link::bridge::{DeleteEmptyBridge, EnsureBridge};
pub use link::delete::{DeleteLink, DeleteMarkedLink};
pub use link::dummy::{CreateDummy, DeleteDummy};
pub use link::mtu::RestoreMtu;
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

/// Declares a closed list as an enum. Each variant holds the data type of one module. `method` returns that data as the
/// trait object `interface`.
macro_rules! list {
    ($(#[$of_list:meta])* $list:ident, $method:ident, $interface:ident, $($(#[$of_kind:meta])* $variant:ident($room:ty),)*) => {
        $(#[$of_list])*
        pub enum $list {
            $($(#[$of_kind])* $variant($room),)*
        }

        impl $list {
            /// The implementation in the module of this kind.
            pub fn $method(&self) -> &dyn $interface {
                match self {
                    $($list::$variant(room) => room,)*
                }
            }

            /// The names of all kinds, in the order of the list.
            pub const KINDS: &'static [&'static str] = &[$(stringify!($variant),)*];
        }

        $(impl From<$room> for $list {
            fn from(room: $room) -> Self {
                $list::$variant(room)
            }
        }

        impl<'a> TryFrom<&'a $list> for &'a $room {
            type Error = ();

            fn try_from(one: &'a $list) -> Result<Self, ()> {
                if let $list::$variant(room) = one { Ok(room) } else { Err(()) }
            }
        })*
    };
}

list! {
    /// One change to the machine.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    Action, kind, Kind,
    /// Reserves an address in a lease store.
    ReserveLease(ReserveLease),
    /// Deletes a link on the host that an earlier, failed attempt of this attachment left.
    DeleteStaleLink(DeleteStaleLink),
    /// Creates a bridge, or uses the existing one.
    EnsureBridge(EnsureBridge),
    /// Creates a veth pair.
    CreateVeth(CreateVeth),
    /// Creates a dummy link in the container.
    CreateDummy(CreateDummy),
    /// Creates the host's own interface in a VLAN of a bridge, or uses the existing one.
    EnsureVlanGateway(EnsureVlanGateway),
    /// Sets a link up.
    SetUp(SetUp),
    /// Sets promiscuous mode on a link.
    SetPromiscuous(SetPromiscuous),
    /// Waits until a link forwards packets.
    Settle(Settle),
    /// Announces the addresses of a link to its neighbours (gratuitous ARP, unsolicited neighbour advertisements).
    Announce(Announce),
    /// Removes an address from a link.
    DeleteAddress(DeleteAddress),
    /// Adds an address to a link.
    AddAddress(AddAddress),
    /// Adds a route.
    AddRoute(AddRoute),
    /// Sets a kernel parameter.
    SetSysctl(SetSysctl),
    /// Masquerades packets from an address, with iptables.
    Masquerade(Masquerade),
    /// Masquerades packets from an address, with nftables.
    MasqueradeNft(MasqueradeNft),
    /// Forwards ports of the host to the container.
    MapPorts(MapPorts),
    /// Removes the rules that forward ports of the host to a container that no longer exists.
    DeletePortMap(DeletePortMap),
    /// Drops frames that the container sends with a source MAC other than its own.
    CheckSourceMac(CheckSourceMac),
    /// Adds the firewall rules that accept packets to and from the container.
    Filter(FilterRule),
    /// Limits the rate of a link with a token bucket filter.
    SetTokenBucket(SetTokenBucket),
    /// Executes a native plugin. No planner records this action: the host adds it between two stages of a plan.
    Delegate(Delegate),
    /// Sets an attribute of a link. A repair uses it to set an attribute to the value that the link was created with.
    SetLink(SetLink),
    /// Saves the attributes of a link in the file that the reference's tuning plugin restores them from.
    SaveLink(SaveLink),
}

list! {
    /// The undo of an action. The host derives it from the record when it needs it, and never stores it.
    #[derive(Debug, Clone, PartialEq, Eq)]
    Undo, inverse, Inverse,
    /// Deletes a link that an action created.
    DeleteLink(DeleteLink),
    /// Deletes the link with this name and alias.
    DeleteMarkedLink(DeleteMarkedLink),
    /// Deletes a dummy link that an unfinished step created.
    DeleteDummy(DeleteDummy),
    /// Deletes a bridge that has no ports.
    DeleteEmptyBridge(DeleteEmptyBridge),
    /// Removes an address.
    RemoveAddress(RemoveAddress),
    /// Adds a deleted address again.
    RestoreAddress(RestoreAddress),
    /// Sets a link down.
    SetDown(SetDown),
    /// Clears promiscuous mode.
    ClearPromiscuous(ClearPromiscuous),
    /// Restores an attribute of a link.
    RestoreLink(RestoreLink),
    /// Restores the MTU of a link, with the kernel parameters that the link lost with a small one.
    RestoreMtu(RestoreMtu),
    /// Removes the file that [`Action::SaveLink`] wrote.
    ForgetLink(ForgetLink),
    /// Restores a kernel parameter.
    RestoreSysctl(RestoreSysctl),
    /// Removes the masquerading rules of an address from iptables.
    RemoveMasquerade(RemoveMasquerade),
    /// Removes the masquerading rule of an address from nftables.
    RemoveMasqueradeNft(RemoveMasqueradeNft),
    /// Removes the rules of the mapped ports of an action.
    RemovePorts(RemovePorts),
    /// Removes all port rules of a container.
    DeletePortMap(DeletePortMap),
    /// Removes the rules that check a source MAC.
    RemoveSourceMac(RemoveSourceMac),
    /// Removes firewall rules.
    RemoveFilter(RemoveFilter),
    /// Removes the token bucket filter of a link.
    RemoveTokenBucket(RemoveTokenBucket),
    /// Deletes the ifb of an attachment without a journal.
    DeleteIfb(DeleteIfb),
    /// Executes a native plugin for DEL.
    EndDelegate(EndDelegate),
    /// Removes a lease.
    ReleaseLease(ReleaseLease),
    /// Restores `last_reserved_ip.N`.
    RestoreLastReserved(RestoreLastReserved),
}

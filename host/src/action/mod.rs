//! What a plan can do: one variant for each thing, as data.

mod filter;
mod link;
pub mod query;
mod rules;
mod shape;

pub use filter::*;
pub use link::*;
pub use query::{Answer, Facts, PortOwner, Query};
pub use rules::*;
pub use shape::*;

use crate::value::{LinkRef, Netns, Owner, PluginName, Route, StoreRef, SysctlKey};
use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::path::PathBuf;

/// One change of the machine.
///
/// Adding a variant: the compiler names every place that has to know it (render, policy, step, kernel, undo, verify).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Takes an address in a lease store.
    ReserveLease(ReserveLease),
    /// Deletes what an earlier, dead attempt of this attachment left on the host.
    DeleteStaleLink(DeleteStaleLink),
    /// Makes a bridge, or uses the one that is there.
    EnsureBridge(EnsureBridge),
    /// Makes a veth pair.
    CreateVeth(CreateVeth),
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
    /// Limits how fast packets pass a link.
    Shape(Shape),
    /// Executes a native plugin. No planner records it: the host does it between two stages of a plan.
    Delegate(Delegate),
    /// Gives an attribute of a link another value; or, when something is repaired, again the one that it was made with.
    SetLink(SetLink),
    /// Saves the attributes of a link for the reference's tuning, which puts them back.
    SaveLink(SaveLink),
}

/// See [`Action::ReserveLease`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReserveLease {
    /// Where.
    pub store: StoreRef,
    /// The address to take.
    pub address: IpAddr,
    /// The range set whose `last_reserved_ip.N` is written.
    pub set: u32,
    /// For whom.
    pub owner: Owner,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// See [`Action::DeleteAddress`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteAddress {
    /// From which link.
    pub link: LinkRef,
    /// With host bits and prefix length.
    pub address: IpNetwork,
}

/// See [`Action::AddAddress`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddAddress {
    /// On which link.
    pub link: LinkRef,
    /// With host bits and prefix length.
    pub address: IpNetwork,
    /// `IFA_F_NODAD`: an IPv6 address is used without asking whether somebody else has it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub nodad: bool,
}

/// See [`Action::AddRoute`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddRoute {
    /// Through which link.
    pub link: LinkRef,
    /// What it leads to, and how.
    pub route: Route,
}

/// See [`Action::SetSysctl`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetSysctl {
    /// Whose parameter.
    pub netns: Netns,
    /// Below `/proc/sys`, with slashes.
    pub key: SysctlKey,
    /// The value, without a line end.
    pub value: String,
    /// Go on when the parameter does not exist or refuses the value.
    #[serde(default)]
    pub optional: bool,
}

/// See [`Action::Delegate`]: all that it takes to execute the plugin again for DEL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delegate {
    /// Its type.
    pub plugin: PluginName,
    /// The executable.
    pub program: PathBuf,
    /// `CNI_CONTAINERID` and `CNI_IFNAME`.
    pub owner: Owner,
    /// `CNI_NETNS`.
    pub netns: String,
    /// `CNI_ARGS`.
    pub args: String,
    /// `CNI_PATH`.
    pub path: String,
    /// Standard input.
    pub config: String,
}

/// How long what an action made is meant to last (design rule 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lifetime {
    /// As long as the attachment: DEL, GC and rollback undo it.
    Attachment,
    /// As long as anybody uses it: only a rollback undoes it, and only when nobody does.
    Shared,
    /// As long as the node runs: only a rollback undoes it, and only when there is no other attachment.
    Node,
}

//! Changes of links, addresses and routes. Each is one netlink message.

use super::address::Address;
use super::qdisc::TokenBucket;
use crate::value::{IfName, Mac, Netns, Route};
use ipnetwork::IpNetwork;

/// A change of links, addresses or routes. Indexes are those of the namespace that the request is sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Creates a link, except a veth pair. Fails with `EEXIST` if the name is taken.
    CreateLink(NewLink),
    /// Creates a veth pair. Both ends are down, and in their final namespaces from the start. The host end has the
    /// queue length 0, as in the reference. The request is sent to the host's namespace.
    CreateVeth(NewVeth),
    /// Sets the alias and the bridge port settings of a new link, which is given by its name. The kernel ignores both
    /// in the message that creates a link.
    Mark {
        /// The name of the link.
        name: IfName,
        /// `IFLA_IFALIAS`. An empty text removes it.
        alias: String,
        /// `IFLA_BRPORT_MODE`.
        hairpin: bool,
        /// `IFLA_BRPORT_ISOLATED`.
        isolated: bool,
    },
    /// Deletes a link. If it is one end of a veth pair, the kernel deletes both.
    Delete(u32),
    /// Sets a link up, or down.
    SetUp(u32, bool),
    /// Sets or clears `IFF_PROMISC`.
    SetPromiscuous(u32, bool),
    /// Sets or clears `IFF_ALLMULTI`.
    SetAllMulticast(u32, bool),
    /// Sets the MAC address.
    SetMac(u32, Mac),
    /// Sets the MTU, in bytes.
    SetMtu(u32, u32),
    /// Sets `IFLA_TXQLEN`, in packets.
    SetQueueLength(u32, u32),
    /// Sets `IFLA_IFALIAS`.
    SetAlias(u32, String),
    /// Makes a link a port of a bridge.
    SetMaster {
        /// The link.
        link: u32,
        /// The bridge.
        master: u32,
    },
    /// Sets the settings of a bridge port.
    SetPort {
        /// The port.
        link: u32,
        /// `IFLA_BRPORT_MODE`.
        hairpin: bool,
        /// `IFLA_BRPORT_ISOLATED`.
        isolated: bool,
    },
    /// Removes a bridge port from all VLANs.
    DropVlans(u32),
    /// Adds a bridge port to VLANs.
    AddVlans {
        /// The port.
        link: u32,
        /// The lowest VLAN ID.
        first: u16,
        /// The highest VLAN ID.
        last: u16,
        /// Whether the VLAN is the PVID, and its frames leave untagged.
        native: bool,
    },
    /// `ip address add`. An IPv4 prefix shorter than 31 gets its broadcast address. Fails with `EEXIST` if the address
    /// exists.
    AddAddress {
        /// The link.
        link: u32,
        /// The address with its host bits.
        address: IpNetwork,
        /// `IFA_F_NODAD`.
        nodad: bool,
    },
    /// Adds an address with all its earlier attributes.
    RestoreAddress {
        /// The link.
        link: u32,
        /// The address with its earlier attributes.
        address: Address,
    },
    /// `ip address delete`.
    DeleteAddress {
        /// The link.
        link: u32,
        /// The address with its host bits.
        address: IpNetwork,
    },
    /// `ip route prepend … proto boot`: adds a route before other routes to the same destination, as the reference
    /// does.
    AddRoute {
        /// The link of the route.
        link: u32,
        /// The route. Its gateway must be of the same family as the destination.
        route: Route,
    },
    /// Sets a token bucket filter as the root qdisc of a link, and replaces any other.
    SetTokenBucket(u32, TokenBucket),
    /// Deletes the root qdisc of a link.
    DeleteRootQdisc(u32),
    /// Adds the ingress qdisc of a link.
    AddIngress(u32),
    /// Deletes the ingress qdisc of a link, with its filters.
    DeleteIngress(u32),
    /// Redirects all incoming packets of a link.
    Redirect {
        /// The link that packets come from.
        link: u32,
        /// The link that they are redirected to.
        to: u32,
    },
}

/// See [`Request::CreateLink`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLink {
    /// The name.
    pub name: IfName,
    /// The MAC address. None means that the kernel chooses one.
    pub mac: Option<Mac>,
    /// In bytes. None means the kernel's default.
    pub mtu: Option<u32>,
    /// The kind, with the attributes that only this kind has.
    pub kind: NewKind,
}

/// The kind of a new link: `IFLA_INFO_KIND` and `IFLA_INFO_DATA`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewKind {
    /// A bridge. It is down.
    Bridge {
        /// Whether the bridge filters by VLAN (`IFLA_BR_VLAN_FILTERING`).
        vlan_filtering: bool,
    },
    /// A dummy link. It is down.
    Dummy,
    /// An intermediate functional block. It is up, and its queue length is 0.
    Ifb,
}

/// See [`Request::CreateVeth`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewVeth {
    /// The first end, with the kernel's default queue length.
    pub end: VethEnd,
    /// The end in the host's namespace, with the queue length 0.
    pub host: VethEnd,
    /// The namespace of the first end.
    pub netns: Netns,
    /// The MTU of both ends, in bytes. None means the kernel's default.
    pub mtu: Option<u32>,
    /// The index of the bridge that the host end joins.
    pub master: Option<u32>,
}

/// An end of a veth pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VethEnd {
    /// The name.
    pub name: IfName,
    /// The MAC address.
    pub mac: Mac,
}

//! A change of links, addresses and routes: one netlink message each.

use super::address::Address;
use super::qdisc::TokenBucket;
use crate::value::{IfName, Mac, Netns, Route};
use ipnetwork::IpNetwork;

/// A change of links, addresses or routes; indexes are those of the namespace to which it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Makes a link of one end. A link of that name is `EEXIST`.
    CreateLink(NewLink),
    /// Makes a veth pair, both ends down and in their places at once; the second end's queue length is 0, as the reference makes it. Sent to the
    /// host's namespace.
    CreateVeth(NewVeth),
    /// Gives a new link, by its name, its alias, and as a port its settings: the kernel ignores both in the message that makes a link.
    Mark {
        /// Which.
        name: IfName,
        /// `IFLA_IFALIAS`; empty removes it.
        alias: String,
        /// `IFLA_BRPORT_MODE`.
        hairpin: bool,
        /// `IFLA_BRPORT_ISOLATED`.
        isolated: bool,
    },
    /// Deletes a link; of a pair, both ends.
    Delete(u32),
    /// Brings a link up, or takes it down.
    SetUp(u32, bool),
    /// `IFF_PROMISC`.
    SetPromiscuous(u32, bool),
    /// `IFF_ALLMULTI`.
    SetAllMulticast(u32, bool),
    /// The Ethernet address.
    SetMac(u32, Mac),
    /// Bytes.
    SetMtu(u32, u32),
    /// `IFLA_TXQLEN`, packets.
    SetQueueLength(u32, u32),
    /// `IFLA_IFALIAS`.
    SetAlias(u32, String),
    /// Makes a link a port of a bridge.
    SetMaster {
        /// The link.
        link: u32,
        /// The bridge.
        master: u32,
    },
    /// The settings of a bridge port.
    SetPort {
        /// The port.
        link: u32,
        /// `IFLA_BRPORT_MODE`.
        hairpin: bool,
        /// `IFLA_BRPORT_ISOLATED`.
        isolated: bool,
    },
    /// Takes a bridge port out of every VLAN.
    DropVlans(u32),
    /// Puts a bridge port into VLANs.
    AddVlans {
        /// The port.
        link: u32,
        /// The lowest VLAN ID.
        first: u16,
        /// The highest.
        last: u16,
        /// Frames without a tag are its, and its frames leave without one.
        native: bool,
    },
    /// `ip address add`, of an IPv4 prefix shorter than 31 with its broadcast address; `EEXIST` if it is there.
    AddAddress {
        /// On which link.
        link: u32,
        /// With host bits.
        address: IpNetwork,
        /// `IFA_F_NODAD`.
        nodad: bool,
    },
    /// Adds an address as it was.
    RestoreAddress {
        /// On which link.
        link: u32,
        /// All that was known of it.
        address: Address,
    },
    /// `ip address delete`.
    DeleteAddress {
        /// From which link.
        link: u32,
        /// With host bits.
        address: IpNetwork,
    },
    /// `ip route prepend … proto boot`: before another route to the same destination, as in the reference.
    AddRoute {
        /// Through which link.
        link: u32,
        /// Its gateway is of the destination's family.
        route: Route,
    },
    /// Puts a token bucket at the root of a link's queues, in the place of whatever is there.
    SetTokenBucket(u32, TokenBucket),
    /// Deletes the root of a link's queues.
    DeleteRootQdisc(u32),
    /// Adds the place where a link's incoming packets are looked at.
    AddIngress(u32),
    /// Deletes it, with its filters.
    DeleteIngress(u32),
    /// Redirects all that comes from a link.
    Redirect {
        /// From which link.
        link: u32,
        /// To which.
        to: u32,
    },
}

/// See [`Request::CreateLink`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLink {
    /// Its name.
    pub name: IfName,
    /// Its Ethernet address; none: the kernel chooses one.
    pub mac: Option<Mac>,
    /// Bytes; none: the kernel's default.
    pub mtu: Option<u32>,
    /// Its kind, with what only that kind has.
    pub kind: NewKind,
}

/// The kind of a new link: `IFLA_INFO_KIND` and `IFLA_INFO_DATA`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewKind {
    /// A bridge, down.
    Bridge {
        /// Whether ports exchange frames of common VLANs alone.
        vlan_filtering: bool,
    },
    /// A dummy link, down.
    Dummy,
    /// An intermediate functional block, up, with a queue length of 0.
    Ifb,
}

/// See [`Request::CreateVeth`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewVeth {
    /// The one end, with the kernel's queue length.
    pub end: VethEnd,
    /// The end in the host's namespace, with a queue length of 0.
    pub host: VethEnd,
    /// Where the first end is.
    pub netns: Netns,
    /// Bytes, of both; none: the kernel's default.
    pub mtu: Option<u32>,
    /// The bridge that the host's end is a port of, by index.
    pub master: Option<u32>,
}

/// An end of a veth pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VethEnd {
    /// Its name.
    pub name: IfName,
    /// Its Ethernet address.
    pub mac: Mac,
}

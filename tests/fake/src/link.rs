//! A link, and what the kernel allows of one.

use ipnetwork::{Ipv4Network, Ipv6Network};
use nix::errno::Errno;
use wasm_cni::machine::port::TokenBucket;
use wasm_cni::machine::vlans::Vlans;
use wasm_cni::value::{Mac, Netns};

/// `ETH_MIN_MTU` and `ETH_MAX_MTU`, the bounds of bridges and veths.
const MTU: std::ops::RangeInclusive<u32> = 68..=65535;

/// `IPV6_MIN_MTU`: a link below it has no IPv6 at all.
const MIN_MTU_V6: u32 = 1280;

/// The longest that Linux 6.18 takes as our requests send it; `IFALIASZ` is 256.
const MAX_ALIAS_BYTES: usize = 254;

/// `DEFAULT_TX_QUEUE_LEN`, packets.
pub const DEFAULT_QUEUE_LENGTH: u32 = 1000;

/// An IPv4 address of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressV4 {
    /// With its prefix length.
    pub address: Ipv4Network,
    /// Another one of its subnet came before: it goes with that one, and has no route of its own.
    pub secondary: bool,
    /// Of scope host: `lo`'s own, which it gets by being brought up.
    pub of_host: bool,
}

/// A link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// `ifi_index`.
    pub index: u32,
    /// `IFLA_IFNAME`.
    pub name: String,
    /// `IFLA_INFO_KIND`; empty for `lo`.
    pub kind: String,
    /// Zeros where it has none.
    pub mac: Mac,
    /// Bytes.
    pub mtu: u32,
    /// Of a bridge: somebody set the MTU after it was made, so it does not follow its ports.
    pub mtu_fixed: bool,
    /// `IFF_UP`.
    pub up: bool,
    /// `IFLA_IFALIAS`.
    pub alias: Option<String>,
    /// `IFLA_MASTER`.
    pub master: Option<u32>,
    /// `IFLA_BRPORT_MODE`.
    pub hairpin: bool,
    /// `IFLA_BRPORT_ISOLATED`.
    pub isolated: bool,
    /// Of a port.
    pub vlans: Vlans,
    /// Of a bridge: `IFLA_BR_VLAN_FILTERING`.
    pub vlan_filtering: bool,
    /// `IFF_PROMISC`.
    pub promiscuous: bool,
    /// `IFF_ALLMULTI`.
    pub all_multicast: bool,
    /// `IFLA_TXQLEN`, packets.
    pub queue_length: u32,
    /// The token bucket at the root of its queues.
    pub root: Option<TokenBucket>,
    /// Where its incoming packets are looked at, with the links to which they are redirected; 0: one that is gone.
    pub ingress: Option<Vec<u32>>,
    /// The other end of a veth pair.
    pub peer: Option<(Netns, u32)>,
    /// In the kernel's order.
    pub v4: Vec<AddressV4>,
    /// In the kernel's order.
    pub v6: Vec<Ipv6Network>,
}

impl Link {
    /// A link that is down, without index, master and addresses.
    pub fn new(name: &str, kind: &str, mac: Mac, mtu: u32) -> Self {
        Link {
            index: 0,
            name: name.to_owned(),
            kind: kind.to_owned(),
            mac,
            mtu,
            mtu_fixed: false,
            up: false,
            alias: None,
            master: None,
            hairpin: false,
            isolated: false,
            vlans: Vlans::default(),
            vlan_filtering: false,
            promiscuous: false,
            all_multicast: false,
            queue_length: DEFAULT_QUEUE_LENGTH,
            root: None,
            ingress: None,
            peer: None,
            v4: Vec::new(),
            v6: Vec::new(),
        }
    }

    /// `lo`.
    pub fn loopback() -> Self {
        Link::new("lo", "", Mac([0; 6]), 65536)
    }

    /// Whether the kernel would make such a link.
    pub fn check(&self) -> Result<(), Errno> {
        if self.mac.0 == [0; 6] || self.mac.0[0] & 1 == 1 {
            return Err(Errno::EADDRNOTAVAIL);
        }
        // Their directories of parameters are taken.
        if !MTU.contains(&self.mtu) || matches!(self.name.as_str(), "all" | "default") {
            return Err(Errno::EINVAL);
        }
        Ok(())
    }

    /// Whether it is a loopback device.
    pub fn is_loopback(&self) -> bool {
        self.kind.is_empty()
    }

    /// Whether it can have IPv6 addresses.
    pub fn has_v6(&self) -> bool {
        self.mtu >= MIN_MTU_V6
    }

    /// All addresses in the kernel's order: IPv4 first.
    pub fn addresses(&self) -> Vec<ipnetwork::IpNetwork> {
        let v4 = self.v4.iter().map(|found| found.address.into());
        v4.chain(self.v6.iter().map(|address| (*address).into())).collect()
    }

    /// Sets the alias; an empty one is none.
    pub fn set_alias(&mut self, alias: &str) -> Result<(), Errno> {
        if alias.len() > MAX_ALIAS_BYTES {
            return Err(Errno::ERANGE);
        }
        self.alias = (!alias.is_empty()).then(|| alias.to_owned());
        Ok(())
    }
}

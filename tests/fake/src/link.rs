//! A link, and the kernel's limits for it.

use super::address::same_subnet;
use ipnetwork::IpNetwork;
use nix::errno::Errno;
use std::ops::{Deref, DerefMut};
use wasm_cni::machine::port::{self, Address, TokenBucket};
use wasm_cni::machine::vlans::{Membership, Vlans};
use wasm_cni::value::{Mac, Netns};

/// `ETH_MIN_MTU` and `ETH_MAX_MTU`, the limits of bridges and veths, in bytes.
const MTU: std::ops::RangeInclusive<u32> = 68..=65535;

/// `IPV6_MIN_MTU`, in bytes. A link with a smaller MTU has no IPv6.
const MIN_MTU_V6: u32 = 1280;

/// In bytes. The longest alias that Linux 6.18 accepts in the form in which our requests send it. `IFALIASZ` is 256.
const MAX_ALIAS_BYTES: usize = 254;

/// `DEFAULT_TX_QUEUE_LEN`, in packets.
pub const DEFAULT_QUEUE_LENGTH: u32 = 1000;

/// A link: the attributes that the port reports, and other state of the kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Link {
    /// What the port reports of a link, except what follows from other links.
    pub told: port::Link,
    /// Of a bridge: whether a user has set the MTU after creation, so that it does not follow the ports.
    pub mtu_fixed: bool,
    /// Of a bridge port.
    pub vlans: Vlans,
    /// Of a bridge: `IFLA_BR_VLAN_FILTERING`.
    pub vlan_filtering: bool,
    /// The root qdisc, if it is a token bucket filter.
    pub root: Option<TokenBucket>,
    /// The ingress qdisc, with the targets of its redirects. 0 stands for a target that no longer exists.
    pub ingress: Option<Vec<u32>>,
    /// The peer of a veth.
    pub pair: Option<(Netns, u32)>,
    /// The addresses in the kernel's order: first IPv4, and of these first the primary address of each subnet.
    pub addresses: Vec<Address>,
}

impl Deref for Link {
    type Target = port::Link;

    fn deref(&self) -> &port::Link {
        &self.told
    }
}

impl DerefMut for Link {
    fn deref_mut(&mut self) -> &mut port::Link {
        &mut self.told
    }
}

impl Link {
    /// A link that is down, without index, master and addresses.
    pub fn new(name: &str, kind: &str, mac: Mac, mtu: u32) -> Self {
        let (name, kind, queue_length) = (name.to_owned(), kind.to_owned(), DEFAULT_QUEUE_LENGTH);
        Link {
            told: port::Link { name, kind, mac, mtu, queue_length, ..Default::default() },
            ..Default::default()
        }
    }

    /// The same link without a queue. An ifb is up from the start.
    pub fn without_queue(mut self) -> Self {
        (self.queue_length, self.up) = (0, self.kind == "ifb");
        self
    }

    /// `lo`.
    pub fn loopback() -> Self {
        Link::new("lo", "", Mac([0; 6]), 65536)
    }

    /// Fails if the kernel would refuse to create such a link.
    pub fn check(&self) -> Result<(), Errno> {
        check_mac(self.mac)?;
        // The directories of the parameters of `all` and `default` exist already.
        if !MTU.contains(&self.mtu) || matches!(self.name.as_str(), "all" | "default") {
            return Err(Errno::EINVAL);
        }
        Ok(())
    }

    /// Whether it is the loopback link.
    pub fn is_loopback(&self) -> bool {
        self.kind.is_empty()
    }

    /// Whether it can have IPv6 addresses.
    pub fn has_v6(&self) -> bool {
        self.mtu >= MIN_MTU_V6
    }

    /// The first address of a subnet: in IPv4 the primary one, which alone has a route and takes the others with it.
    pub fn first_of(&self, subnet: IpNetwork) -> Option<&Address> {
        self.addresses.iter().find(|found| same_subnet(found.address, subnet))
    }

    /// Sets the queue length with the first qdisc of a link without queue (`qdisc_create`, `net/sched/sch_api.c`).
    pub fn queue(&mut self) {
        if self.queue_length == 0 && matches!(self.kind.as_str(), "bridge" | "veth") {
            self.queue_length = DEFAULT_QUEUE_LENGTH;
        }
    }

    /// Sets the alias. An empty text removes it.
    pub fn set_alias(&mut self, alias: &str) -> Result<(), Errno> {
        if alias.len() > MAX_ALIAS_BYTES {
            return Err(Errno::ERANGE);
        }
        self.alias = (!alias.is_empty()).then(|| alias.to_owned());
        Ok(())
    }

    /// Of a bridge port: adds VLANs.
    pub fn add_vlans(&mut self, vids: std::ops::RangeInclusive<u16>, native: bool) {
        if native {
            // A port has only one PVID. Frames of the old PVID still leave untagged.
            for (vid, old) in self.vlans.iter().collect::<Vec<_>>() {
                self.vlans.insert(vid, Membership { pvid: false, ..old });
            }
        }
        for vid in vids {
            self.vlans.insert(vid, Membership { pvid: native, untagged: native });
        }
    }
}

/// Fails if the kernel would refuse this MAC address for a link.
pub fn check_mac(mac: Mac) -> Result<(), Errno> {
    if mac.0 == [0; 6] || mac.0[0] & 1 == 1 { Err(Errno::EADDRNOTAVAIL) } else { Ok(()) }
}

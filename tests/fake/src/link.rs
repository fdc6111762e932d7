//! A link, and what the kernel allows of one.

use super::address::same_subnet;
use ipnetwork::IpNetwork;
use nix::errno::Errno;
use std::ops::{Deref, DerefMut};
use wasm_cni::machine::port::{self, Address, TokenBucket};
use wasm_cni::machine::vlans::{Membership, Vlans};
use wasm_cni::value::{Mac, Netns};

/// `ETH_MIN_MTU` and `ETH_MAX_MTU`, the bounds of bridges and veths.
const MTU: std::ops::RangeInclusive<u32> = 68..=65535;

/// `IPV6_MIN_MTU`: a link below it has no IPv6 at all.
const MIN_MTU_V6: u32 = 1280;

/// The longest that Linux 6.18 takes as our requests send it; `IFALIASZ` is 256.
const MAX_ALIAS_BYTES: usize = 254;

/// `DEFAULT_TX_QUEUE_LEN`, packets.
pub const DEFAULT_QUEUE_LENGTH: u32 = 1000;

/// A link: what the port tells of one, and what the kernel keeps besides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Link {
    /// As [`Look::link`](wasm_cni::machine::port::Look::link) gives it, but for what follows from other links.
    pub told: port::Link,
    /// Of a bridge: somebody set the MTU after it was made, so it does not follow its ports.
    pub mtu_fixed: bool,
    /// Of a port.
    pub vlans: Vlans,
    /// Of a bridge: `IFLA_BR_VLAN_FILTERING`.
    pub vlan_filtering: bool,
    /// The token bucket at the root of its queues.
    pub root: Option<TokenBucket>,
    /// Where its incoming packets are looked at, with the links to which they are redirected; 0: one that is gone.
    pub ingress: Option<Vec<u32>>,
    /// The other end of a veth pair.
    pub pair: Option<(Netns, u32)>,
    /// In the kernel's order: IPv4 first, and of that those first of which none of their subnet came before.
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

    /// `lo`.
    pub fn loopback() -> Self {
        Link::new("lo", "", Mac([0; 6]), 65536)
    }

    /// Whether the kernel would make such a link.
    pub fn check(&self) -> Result<(), Errno> {
        check_mac(self.mac)?;
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

    /// The first address of a subnet: of IPv4, others go with it, and have no route of their own.
    pub fn first_of(&self, subnet: IpNetwork) -> Option<&Address> {
        self.addresses.iter().find(|found| same_subnet(found.address, subnet))
    }

    /// With its first queueing discipline, one that has no queue of its own gets a length (`qdisc_create` in `net/sched/sch_api.c`).
    pub fn queue(&mut self) {
        if self.queue_length == 0 && matches!(self.kind.as_str(), "bridge" | "veth") {
            self.queue_length = DEFAULT_QUEUE_LENGTH;
        }
    }

    /// Sets the alias; an empty one is none.
    pub fn set_alias(&mut self, alias: &str) -> Result<(), Errno> {
        if alias.len() > MAX_ALIAS_BYTES {
            return Err(Errno::ERANGE);
        }
        self.alias = (!alias.is_empty()).then(|| alias.to_owned());
        Ok(())
    }

    /// Of a port: puts it into VLANs.
    pub fn add_vlans(&mut self, vids: std::ops::RangeInclusive<u16>, native: bool) {
        if native {
            // There is one such VLAN at most; frames of the old one still leave without a tag.
            for (vid, old) in self.vlans.iter().collect::<Vec<_>>() {
                self.vlans.insert(vid, Membership { pvid: false, ..old });
            }
        }
        for vid in vids {
            self.vlans.insert(vid, Membership { pvid: native, untagged: native });
        }
    }
}

/// Whether the kernel would give a link such an Ethernet address.
pub fn check_mac(mac: Mac) -> Result<(), Errno> {
    if mac.0 == [0; 6] || mac.0[0] & 1 == 1 { Err(Errno::EADDRNOTAVAIL) } else { Ok(()) }
}

//! What of an action follows from the complete plan: Ethernet addresses that nobody set.

use super::{Action, AddAddress};
use crate::value::{Attachment, LinkRef, Mac, derive};
use ipnetwork::IpNetwork;

/// Stands for an Ethernet address that follows from the complete plan. No link can have it (`is_valid_ether_addr` in the kernel).
pub const UNSET: Mac = Mac([0; 6]);

/// The actions of a plan to which no more are added.
pub struct Complete<'a> {
    /// Whose interface it is.
    pub attachment: &'a Attachment,
    /// All of them, in order.
    pub actions: &'a [&'a Action],
}

impl Complete<'_> {
    /// The Ethernet address of a link: the one that is set; else `0a:58` with its first IPv4 address, which a reused address keeps; else `otherwise`.
    pub fn mac(&self, set: Mac, link: &LinkRef, otherwise: impl FnOnce() -> Mac) -> Mac {
        if set != UNSET {
            return set;
        }
        let added = self.actions.iter().filter_map(|action| AddAddress::of(action));
        let addresses: Vec<IpNetwork> =
            added.filter(|add| add.link == *link).map(|add| add.address).collect();
        derive::mac_of(&addresses).unwrap_or_else(otherwise)
    }
}

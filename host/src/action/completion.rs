//! What of an action follows from the complete plan: Ethernet addresses that nobody set. `address.rs` has how one follows from an address.

use super::Action;
use crate::value::{Attachment, Mac};

/// Stands for an Ethernet address that follows from the complete plan. No link can have it (`is_valid_ether_addr` in the kernel).
pub const UNSET: Mac = Mac([0; 6]);

/// The actions of a plan, or of a stage that ends.
pub struct Complete<'a> {
    /// Whose interface it is.
    pub attachment: &'a Attachment,
    /// All of them, in order.
    pub actions: &'a [&'a Action],
}

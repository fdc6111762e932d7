//! What of an action follows from the complete plan: Ethernet addresses that nobody set.

use super::Action;
use crate::value::{Attachment, Mac};

/// Stands for an Ethernet address that follows from the complete plan. No link can have it (`is_valid_ether_addr` in the kernel).
pub const UNSET: Mac = Mac([0; 6]);

/// The actions of a plan to which no more are added.
pub struct Complete<'a> {
    /// Whose interface it is.
    pub attachment: &'a Attachment,
    /// All of them, in order.
    pub actions: &'a [&'a Action],
}

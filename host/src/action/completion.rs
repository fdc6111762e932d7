//! Completion of actions: MAC addresses that no planner set, which follow from the complete plan. `Complete::mac` in
//! `address.rs` derives a MAC address from an IP address.

use super::Action;
use crate::value::{Attachment, Mac};

/// Placeholder for a MAC address that follows from the complete plan. No link can have it, because the kernel rejects
/// it (`is_valid_ether_addr`).
pub const UNSET: Mac = Mac([0; 6]);

/// The actions of a plan, or of a stage that is complete.
pub struct Complete<'a> {
    /// The attachment of the request.
    pub attachment: &'a Attachment,
    /// All actions, in order.
    pub actions: &'a [&'a Action],
}

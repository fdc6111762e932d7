//! Looking at a step before it is done.

use crate::action::Action;
use crate::action::context::{Notes, ReadContext};
use crate::action::profile::LinkName;
use crate::action::record::Before;
use crate::machine::port::Look;

/// What each action of a step finds: with it a killed step can be undone.
pub fn observe(step: &[&Action], look: &mut dyn Look, notes: &mut Notes) -> Vec<Before> {
    notes.listings.clear();
    let mut cx = ReadContext::new(look, notes);
    let mut deleted: Vec<LinkName<'_>> = Vec::new();
    let mut observed = Vec::with_capacity(step.len());
    for action in step {
        let profile = action.kind().profile();
        // What the step itself deletes first, is not what the action finds.
        let makes_again = profile.makes.iter().any(|link| deleted.contains(link));
        observed.push(if makes_again { Before::Absent } else { action.kind().observe(&mut cx) });
        deleted.extend(profile.changes.iter().filter(|link| !profile.makes.contains(link)));
    }
    observed
}

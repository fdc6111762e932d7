//! Reading the state before a step.

use crate::action::Action;
use crate::action::context::{Notes, ReadContext};
use crate::action::profile::LinkName;
use crate::action::record::Before;
use crate::machine::port::Look;

/// The state before each action of a step. With it, a step whose process was killed can be undone.
pub fn observe(step: &[&Action], look: &mut dyn Look, notes: &mut Notes) -> Vec<Before> {
    notes.listings.clear();
    let mut cx = ReadContext::new(look, notes);
    let mut deleted: Vec<LinkName<'_>> = Vec::new();
    let mut observed = Vec::with_capacity(step.len());
    for action in step {
        let profile = action.kind().profile();
        // A link that the step itself deletes first does not exist any more when the action creates it.
        let makes_again = profile.makes.iter().any(|link| deleted.contains(link));
        observed.push(if makes_again { Before::Absent } else { action.kind().observe(&mut cx) });
        deleted.extend(profile.changes.iter().filter(|link| !profile.makes.contains(link)));
    }
    observed
}

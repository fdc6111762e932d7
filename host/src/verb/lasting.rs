//! What of a section is meant to be on the machine still.

use crate::action::Action;
use crate::action::record::Difference;
use crate::apply::Section;
use crate::machine::port::Look;
use crate::plan::Entry;
use crate::reference::tuning;
use crate::value::Attachment;

/// What was done and is meant to last, in the order of doing.
pub fn entries(section: &Section) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for (entry, effect) in section.done() {
        if entry.action.kind().lasts(effect) {
            entries.retain(|earlier| !earlier.action.kind().is_superseded(&entry.action));
            entries.push(entry.clone());
        }
    }
    entries
}

/// What plugins that run later in a chain changed of the container's link.
#[derive(Debug)]
pub struct Tuned(Vec<Action>);

impl Tuned {
    /// By the `sections` of the attachment, as far as they are later than `one`; and, if none of them notes it, by the file of the reference's `tuning`.
    pub fn after(
        one: Option<&Section>,
        attachment: &Attachment,
        sections: &[Section],
        look: &mut dyn Look,
    ) -> Self {
        let at = |section: &Section| (section.header.created, section.header.ordinal);
        let later = sections.iter().filter(|section| one.is_none_or(|one| at(section) > at(one)));
        let mut tuned: Vec<Action> =
            later.flat_map(Section::entries).map(|entry| entry.action.clone()).collect();
        let journaled = sections.iter().flat_map(Section::entries).map(|entry| &entry.action);
        tuned.extend(tuning::changes(attachment, journaled, look));
        Tuned(tuned)
    }

    /// Whether a difference is their doing.
    pub fn explains(&self, difference: &Difference) -> bool {
        let Some(repair) = &difference.repair else { return false };
        self.0.iter().any(|later| repair.kind().is_superseded(later))
    }
}

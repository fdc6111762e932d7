//! The part of a section that must still be on the machine.

use crate::action::Action;
use crate::action::record::Difference;
use crate::apply::Section;
use crate::machine::port::Look;
use crate::plan::Entry;
use crate::reference::tuning;
use crate::value::Attachment;

/// The applied actions whose effect lasts, in the order in which they were applied.
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

/// The changes of the container's link by later plugins of the chain.
#[derive(Debug)]
pub struct Tuned(Vec<Action>);

impl Tuned {
    /// Collects the changes from the attachment's `sections` that are later than `one`. If none of them has such a
    /// change, uses the file of the reference's `tuning`.
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

    /// Whether one of these changes explains a difference.
    pub fn explains(&self, difference: &Difference) -> bool {
        let Some(repair) = &difference.repair else { return false };
        self.0.iter().any(|later| repair.kind().is_superseded(later))
    }
}

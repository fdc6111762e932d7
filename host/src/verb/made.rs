//! What of a section is meant to be on the machine still.

use crate::action::Action;
use crate::action::SetLink;
use crate::apply::Section;
use crate::machine::{Difference, Effect};
use crate::plan::Entry;
use crate::reference::tuning;
use crate::value::{Attachment, LinkRef, Netns};

/// What was done and is meant to last, in the order of doing.
///
/// A failed optional action was not done, and of two values of a parameter the later one lasts.
pub fn entries(section: &Section) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for (entry, effect) in section.done() {
        if let Action::SetSysctl(set) = &entry.action {
            if set.optional && *effect == Effect::AlreadyThere {
                continue;
            }
            entries.retain(|earlier| {
                !matches!(&earlier.action, Action::SetSysctl(other)
                    if (other.netns, &other.key) == (set.netns, &set.key))
            });
        }
        entries.push(entry.clone());
    }
    entries
}

/// What plugins that run later in a chain changed of the container's link.
#[derive(Debug)]
pub struct Tuned(Vec<SetLink>);

impl Tuned {
    /// By the `sections` of the attachment, as far as they are later than `one`; and, if none of them notes it, by the file in which
    /// the reference's `tuning` notes what was there before, where it keeps that unless told otherwise (cni-behaviours, section 3.15).
    pub fn after(one: Option<&Section>, attachment: &Attachment, sections: &[Section]) -> Self {
        let set = |entry: &Entry| match &entry.action {
            Action::SetLink(set) => Some(set.clone()),
            _ => None,
        };
        let at = |section: &Section| (section.header.created, section.header.ordinal);
        let later = sections.iter().filter(|section| one.is_none_or(|one| at(section) > at(one)));
        let mut tuned: Vec<SetLink> = later.flat_map(Section::entries).filter_map(set).collect();
        let is_ours = |entry: &Entry| matches!(entry.action, Action::SaveLink(_));
        if !sections.iter().flat_map(Section::entries).any(is_ours)
            && let Some(saved) = tuning::saved(attachment)
        {
            let link = LinkRef { netns: Netns::Container, name: attachment.interface.clone() };
            let noted = saved.attributes().into_iter();
            tuned.extend(noted.map(|attribute| SetLink { link: link.clone(), attribute }));
        }
        Tuned(tuned)
    }

    /// Whether a difference is their doing.
    pub fn explains(&self, difference: &Difference) -> bool {
        let Some(Action::SetLink(mend)) = &difference.mend else { return false };
        let is_it = |set: &SetLink| set.link == mend.link && set.attribute.is_same_kind(&mend.attribute);
        self.0.iter().any(is_it)
    }
}

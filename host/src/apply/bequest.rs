//! Values that several attachments replaced, one after the other: sysctls and attributes of the same link.
//!
//! Each record has the value before its action. When the latest one is undone first, each undo restores what the record
//! before it set. In any other order, the value before an undone record passes to the next record, which replaced the value
//! in turn, or found it set already and relies on it. So the last undo restores what was there before all of them.

use super::journal::{Inherited, Section, VERSION};
use super::records::records;
use super::state_dir::StateDir;
use crate::action::record::{Done, Old, Record, Replaces, ValueOf};
use crate::value::Netns;

/// A record that is about to be undone, in its section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The step, counted from 0.
    pub step: usize,
    /// The action of the step, counted from 0.
    pub action: usize,
}

/// The values that the undo of these records restores, the last one first.
pub fn values(section: &Section, undone: &[Place]) -> Vec<(Place, Replaces)> {
    let replaced = |place: &Place| {
        let Record { action, done } = record(section, *place)?;
        action.kind().before(done)?;
        Some((*place, action.kind().replaces()?))
    };
    undone.iter().filter_map(replaced).collect()
}

/// Passes the values before these records on to the sections that need them. Returns the section as it is to be undone:
/// without the records whose value passed to a later section.
///
/// The caller holds the lock of shared objects, so that two sections that are undone at the same time do not miss each
/// other.
pub fn pass_on(section: &Section, values: &[(Place, Replaces)], state: &StateDir) -> Section {
    let mut own = section.clone();
    let mut heirs = heirs(section, values, state);
    for (place, replaces) in values {
        let Some(before) = record(&own, *place).and_then(|own| own.action.kind().before(own.done)) else {
            continue;
        };
        let Some((heir, at)) = heirs.iter_mut().find_map(|heir| {
            let at = needs(heir, replaces)?;
            Some((heir, at))
        }) else {
            continue;
        };
        let Some(next) = record(heir, at) else { continue };
        let (kind, done) = (next.action.kind(), next.done);
        let inherited = Inherited { step: at.step, action: at.action, effect: kind.inherit(done, before) };
        if let Err(error) = heir.bequeath(inherited) {
            tracing::warn!(%error, "a later attachment does not learn what was there before this one");
        }
        // The value is the heir's now, or that of its own heir. Even if it is the one that this record set, a later record
        // set it too.
        own.dismiss(place.step, place.action);
    }
    own
}

/// The sections that were begun later and can have replaced one of the values, in the order in which they were begun.
fn heirs(section: &Section, values: &[(Place, Replaces)], state: &StateDir) -> Vec<Section> {
    let header = &section.header;
    let is_on_host = values.iter().any(|(_, replaces)| replaces.of.netns() == Netns::Host);
    let is_same_netns = |netns_id| netns_id == header.netns_id && header.netns_id.is_some();
    let mut heirs = state.sections_where(|other| {
        other.version == VERSION
            && other.created > header.created
            && (is_on_host || is_same_netns(other.netns_id))
    });
    // Values in the container's namespace are equal only if the namespaces are.
    heirs.retain(|heir| {
        let is_comparable = |of: &ValueOf| of.netns() == Netns::Host || is_same_netns(heir.header.netns_id);
        values.iter().any(|(_, replaces)| is_comparable(&replaces.of))
    });
    heirs.sort_by_key(|heir| heir.header.created);
    heirs
}

/// The record of a section that found the value as `replaces` set it.
fn needs(heir: &Section, replaces: &Replaces) -> Option<Place> {
    places(heir).find(|place| {
        let Some(Record { action, done }) = record(heir, *place) else { return false };
        let kind = action.kind();
        let is_done = !matches!(done, Done::Not);
        let is_same_value = |next: Replaces| next.of == replaces.of;
        let found = || kind.before(done).is_some_and(|before: Old| before.is_same(&replaces.with));
        is_done && kind.replaces().is_some_and(is_same_value) && found()
    })
}

fn places(section: &Section) -> impl Iterator<Item = Place> {
    let of_step = |(step, there): (usize, &super::journal::Step)| {
        (0..there.intent.len()).map(move |action| Place { step, action })
    };
    section.steps().iter().enumerate().flat_map(of_step)
}

fn record(section: &Section, place: Place) -> Option<Record<'_>> {
    records(section.steps().get(place.step)?).nth(place.action)
}

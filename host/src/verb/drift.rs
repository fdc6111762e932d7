//! How attachments differ from what was made, and the plan that repairs it.

use super::attached::{self, Attached, State};
use super::dry;
use super::lasting::{self, Tuned};
use crate::action::context::Notes;
use crate::action::profile::Found;
use crate::action::{Action, Lifetime};
use crate::apply::{self, Section};
use crate::machine::port::Look;
use crate::node::Node;
use crate::plan::Entry;
use crate::plan::document::PlanDocument;
use crate::section;
use crate::value::NetworkName;

/// What became of an attachment.
#[derive(Debug)]
pub struct Drift {
    /// Which.
    pub attached: Attached,
    /// What is not as it was made, in sentences.
    pub differences: Vec<String>,
    /// What repairs it, in order; nothing, if some of it is beyond repair.
    pub repairs: Vec<Entry>,
    /// What each of these finds.
    pub states: Vec<Found>,
    /// What nothing repairs but an ADD, a DEL or a GC.
    pub beyond: Vec<String>,
    /// A verb of it runs now, so nobody looked.
    pub in_flight: bool,
}

/// Looks at every attachment of a network, or of all; changes nothing and waits for nobody.
///
/// What several need, such as their bridge, is in the plan of the first that needs it.
pub fn all(node: &Node, network: Option<&NetworkName>) -> Vec<Drift> {
    let everything = node.state.sections(None);
    let mut planned: Vec<Action> = Vec::new();
    let mut drifts = Vec::new();
    for attached in attached::all(&node.state, network) {
        let state = attached.state(&node.state);
        let mut machine = node.machine(attached.netns(), true);
        let mut drift = look(attached, state, &everything, &mut machine, &mut Notes::default());
        drift
            .repairs
            .retain(|repair| repair.lifetime == Lifetime::Attachment || !planned.contains(&repair.action));
        planned.extend(drift.repairs.iter().map(|repair| repair.action.clone()));
        drift.states = dry::states(&drift.repairs, &mut machine);
        drifts.push(drift);
    }
    drifts
}

/// Looks at one; `everything` are the sections of all attachments. A repair needs the `notes` of the look from which it follows.
pub fn look(
    attached: Attached,
    state: State,
    everything: &[Section],
    look: &mut dyn Look,
    notes: &mut Notes,
) -> Drift {
    let mut drift = Drift {
        attached,
        differences: Vec::new(),
        repairs: Vec::new(),
        states: Vec::new(),
        beyond: Vec::new(),
        in_flight: state == State::InFlight,
    };
    match state {
        State::InFlight => {}
        State::Unfinished => drift
            .beyond
            .push("its ADD did not end: the next ADD, DEL or GC takes back what is left of it".to_owned()),
        State::NetnsGone => drift.beyond.push(format!(
            "its namespace {} is gone: its DEL or GC removes what is left of it",
            drift.attached.netns_path()
        )),
        State::Complete => drift.compare(everything, look, notes),
    }
    drift
}

impl Drift {
    fn compare(&mut self, everything: &[Section], look: &mut dyn Look, notes: &mut Notes) {
        for section in &self.attached.sections {
            let tuned = Tuned::after(Some(section), &self.attached.attachment, &self.attached.sections, look);
            if let Some(lost) = lost_link(section, look) {
                self.beyond.push(lost);
            }
            let mut entries = lasting::entries(section);
            entries.retain(|entry| !everything.iter().any(|other| is_superseded(entry, section, other)));
            let actions: Vec<&Action> = entries.iter().map(|entry| &entry.action).collect();
            for (entry, found) in entries.iter().zip(apply::verify(&actions, look, notes)) {
                let is_lost = |repair: &Entry| entry.action.kind().is_lost_with(&repair.action);
                if found.is_empty() && self.repairs.iter().any(is_lost) {
                    self.repairs.push(entry.clone());
                }
                for difference in found.into_iter().filter(|difference| !tuned.explains(difference)) {
                    match difference.repair {
                        Some(action) => {
                            let repair = Entry { action, ..entry.clone() };
                            if !self.repairs.contains(&repair) {
                                self.repairs.push(repair);
                            }
                        }
                        None => self.beyond.push(difference.text.clone()),
                    }
                    if !self.differences.contains(&difference.text) {
                        self.differences.push(difference.text);
                    }
                }
            }
            self.repairs.extend(waits(&entries, &self.repairs));
        }
        if !self.beyond.is_empty() {
            self.repairs.clear();
        }
    }

    /// Whether it is as it was made, as far as anybody could look.
    pub fn is_none(&self) -> bool {
        self.differences.is_empty() && self.beyond.is_empty()
    }

    /// What is shown.
    pub fn document<'a>(&'a self, title: &'a str, plugins: &'a [(String, String)]) -> PlanDocument<'a> {
        PlanDocument {
            title,
            attachment: &self.attached.attachment,
            netns: self.attached.netns_path(),
            plugins,
            digest: "",
            differences: &self.differences,
            actions: PlanDocument::lines(&self.repairs, &self.states),
            result: None,
            rest: None,
            unreadable: Vec::new(),
            violations: Vec::new(),
            tolerated: Vec::new(),
            remedy: None,
            beyond: self.beyond.clone(),
        }
    }
}

/// Why a pair cannot be repaired: it is gone, perhaps with another link in its place.
fn lost_link(section: &Section, look: &mut dyn Look) -> Option<String> {
    let identity = section.container_link()?;
    match section::is_there(identity, look) {
        Ok(true) => None,
        Ok(false) => {
            Some(format!("link {} that was made is gone: the container needs a new ADD", identity.link))
        }
        Err(error) => Some(crate::error::chain(&error)),
    }
}

/// Whether another attachment has done something since that made void what an entry of a section did to something shared, such as the address of a
/// bridge that made room for its own gateway.
fn is_superseded(entry: &Entry, section: &Section, other: &Section) -> bool {
    entry.lifetime != Lifetime::Attachment
        && other.header.created > section.header.created
        && other.entries().any(|later| entry.action.kind().is_superseded(&later.action))
}

/// The waits of an ADD for links that are repaired, so that they pass packets when the repair ends.
fn waits(entries: &[Entry], repairs: &[Entry]) -> Vec<Entry> {
    let waits = |entry: &&Entry| repairs.iter().any(|repair| entry.action.kind().waits_for(&repair.action));
    entries.iter().filter(waits).cloned().collect()
}

//! Compares attachments with their journals, and plans the repair of the differences.

use super::attached::{self, Attached, State};
use super::dry;
use super::lasting::{self, Tuned};
use crate::action::context::{Notes, ReadContext};
use crate::action::profile::{Found, Lane};
use crate::action::{Action, Lifetime};
use crate::apply::{self, Section};
use crate::machine::port::Look;
use crate::machine::rules::{Edit, Listing, TableId};
use crate::node::Node;
use crate::plan::Entry;
use crate::plan::document::{Line, PlanDocument};
use crate::section;
use crate::value::{LinkRef, NetworkName};
use std::collections::BTreeMap;

/// The differences of one attachment.
#[derive(Debug)]
pub struct Drift {
    /// The attachment.
    pub attached: Attached,
    /// The differences, as sentences.
    pub differences: Vec<String>,
    /// The actions that repair them, in order. Empty if one of the differences cannot be repaired.
    pub repairs: Vec<Entry>,
    /// The present state for each of these actions.
    pub states: Vec<Found>,
    /// The commands of each of these actions: of rules only those that add what is missing.
    pub commands: Vec<Vec<String>>,
    /// The differences that only an ADD, a DEL or a GC removes.
    pub beyond: Vec<String>,
    /// Whether a verb of the attachment runs now. Then it was not compared.
    pub in_flight: bool,
}

/// Compares every attachment of one network, or of all networks. It changes nothing and waits for no lock.
///
/// A repair that several attachments need, for example of their bridge, is only in the plan of the first.
pub fn all(node: &Node, network: Option<&NetworkName>) -> Vec<Drift> {
    let everything = node.state.sections(None);
    let mut planned: Vec<Action> = Vec::new();
    let mut drifts = Vec::new();
    for attached in attached::all(&node.state, network) {
        let state = attached.state(&node.state);
        let mut machine = node.machine(attached.netns(), true);
        let mut drift = look(attached, state, &everything, &mut machine, &mut Notes::default());
        let is_new =
            |repair: &Entry| repair.lifetime == Lifetime::Attachment || !planned.contains(&repair.action);
        let repairs = std::mem::take(&mut drift.repairs).into_iter().zip(std::mem::take(&mut drift.commands));
        (drift.repairs, drift.commands) = repairs.filter(|(repair, _)| is_new(repair)).unzip();
        planned.extend(drift.repairs.iter().map(|repair| repair.action.clone()));
        drift.states = dry::states(&drift.repairs, &mut machine);
        drifts.push(drift);
    }
    drifts
}

/// Compares one attachment. `everything` are the sections of all attachments. A later repair needs the `notes`.
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
        commands: Vec::new(),
        beyond: Vec::new(),
        in_flight: state == State::InFlight,
    };
    match state {
        State::InFlight => {}
        State::Unfinished => drift
            .beyond
            .push("its ADD did not end: the next ADD, DEL or GC takes back what is left of it".to_owned()),
        State::NetnsGone => drift.beyond.push(format!(
            "its namespace {} is gone: its DEL, or `wasm-cni gc {} --dead-namespaces`, removes what is left of it",
            drift.attached.netns_path(),
            drift.attached.attachment.network
        )),
        State::Complete => drift.compare(everything, look, notes),
    }
    drift
}

impl Drift {
    fn compare(&mut self, everything: &[Section], look: &mut dyn Look, notes: &mut Notes) {
        let mut lost = Vec::new();
        for section in &self.attached.sections {
            let tuned = Tuned::after(Some(section), &self.attached.attachment, &self.attached.sections, look);
            if let Some(text) = lost_link(section, look) {
                self.beyond.push(text);
                lost.extend(made_links(section));
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
        // What says the same about a link that is gone, each action in its words. The first sentence says it best.
        let is_of_lost = |text: &String| lost.iter().any(|link| text.starts_with(&format!("link {link} ")));
        self.differences.retain(|text| !is_of_lost(text));
        let beyond = std::mem::take(&mut self.beyond).into_iter().enumerate();
        self.beyond =
            beyond.filter(|(number, text)| *number == 0 || !is_of_lost(text)).map(|(_, text)| text).collect();
        if !self.beyond.is_empty() {
            self.repairs.clear();
        }
        self.commands = commands(&self.repairs, look, notes);
    }

    /// Whether the attachment has no differences that were found.
    pub fn is_none(&self) -> bool {
        self.differences.is_empty() && self.beyond.is_empty()
    }

    /// The document to print.
    pub fn document<'a>(&'a self, title: &'a str, plugins: &'a [(String, String)]) -> PlanDocument<'a> {
        PlanDocument {
            title,
            attachment: &self.attached.attachment,
            netns: self.attached.netns_path(),
            plugins,
            undone: Vec::new(),
            digest: "",
            differences: &self.differences,
            actions: {
                let lines = PlanDocument::lines(&self.repairs, &self.states).into_iter();
                lines.zip(self.commands.clone()).map(|(line, commands)| Line { commands, ..line }).collect()
            },
            result: None,
            rest: None,
            unreadable: Vec::new(),
            violations: Vec::new(),
            tolerated: Vec::new(),
            warnings: &[],
            remedy: None,
            beyond: self.beyond.clone(),
        }
    }
}

/// The commands of each repair. A set of rules adds only what its table lacks, after the repairs before it.
fn commands(repairs: &[Entry], look: &mut dyn Look, notes: &mut Notes) -> Vec<Vec<String>> {
    let mut tables: BTreeMap<TableId, Listing> = BTreeMap::new();
    let mut cx = ReadContext::new(look, notes);
    let mut of_repair = |repair: &Entry| {
        let kind = repair.action.kind();
        let Lane::Rules(set) = kind.profile().lane else { return kind.commands() };
        let table = set.table();
        // What cannot be listed now was not compared either.
        let Ok(listed) = cx.listing(table) else { return kind.commands() };
        let now = tables.entry(table).or_insert_with(|| listed.clone());
        let written = |edits: &[Edit]| edits.iter().map(|edit| edit.command(table)).collect::<Vec<_>>();
        let whole = written(&set.add(&Listing::empty(table)));
        let missing = set.add(now);
        now.apply(&missing);
        let others = kind.commands().into_iter().filter(|command| !whole.contains(command));
        written(&missing).into_iter().chain(others).collect()
    };
    repairs.iter().map(&mut of_repair).collect()
}

/// The reason why a link cannot be repaired: it is missing, and another link may have its name.
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

/// The links that a section made for the attachment alone: with one end of a pair, the other is gone.
fn made_links(section: &Section) -> Vec<LinkRef> {
    let own = section.entries().filter(|entry| entry.lifetime == Lifetime::Attachment);
    let makes = own.flat_map(|entry| entry.action.kind().profile().makes);
    makes.map(|made| LinkRef { netns: made.netns, name: made.name.clone() }).collect()
}

/// Whether a later action of another attachment replaced a shared change of this section. For example, the bridge's
/// address was removed for the gateway of the other attachment.
fn is_superseded(entry: &Entry, section: &Section, other: &Section) -> bool {
    entry.lifetime != Lifetime::Attachment
        && other.header.created > section.header.created
        && other.entries().any(|later| entry.action.kind().is_superseded(&later.action))
}

/// The actions of the ADD that wait for repaired links, so that the links pass packets when the repair ends.
fn waits(entries: &[Entry], repairs: &[Entry]) -> Vec<Entry> {
    let waits = |entry: &&Entry| repairs.iter().any(|repair| entry.action.kind().waits_for(&repair.action));
    entries.iter().filter(waits).cloned().collect()
}

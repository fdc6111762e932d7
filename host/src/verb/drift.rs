//! How attachments differ from what was made, and the plan that mends it.

use super::attached::{self, Attached, State};
use super::dry;
use super::made::{self, Tuned};
use crate::action::{Action, Lifetime};
use crate::apply::Section;
use crate::context::Node;
use crate::machine::Kernel;
use crate::machine::host::HostKernel;
use crate::plan::Entry;
use crate::plan::render;
use crate::plan::render::Picture;
use crate::value::{Netns, NetworkName};

/// What became of an attachment.
#[derive(Debug)]
pub struct Drift {
    /// Which.
    pub attached: Attached,
    /// What is not as it was made, in sentences.
    pub differences: Vec<String>,
    /// What mends it, in order; nothing, if some of it is beyond mending.
    pub mends: Vec<Entry>,
    /// What each of these finds.
    pub states: Vec<render::State>,
    /// What nothing mends but an ADD, a DEL or a GC.
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
        let mut kernel = node.kernel(attached.netns(), true);
        let mut drift = look(attached, state, &everything, &mut kernel);
        drift.mends.retain(|mend| mend.lifetime == Lifetime::Attachment || !planned.contains(&mend.action));
        planned.extend(drift.mends.iter().map(|mend| mend.action.clone()));
        let actions: Vec<Action> = drift.mends.iter().map(|mend| mend.action.clone()).collect();
        drift.states = dry::states(&actions, &mut kernel);
        drifts.push(drift);
    }
    drifts
}

/// Looks at one; `everything` are the sections of all attachments.
pub fn look(attached: Attached, state: State, everything: &[Section], kernel: &mut HostKernel) -> Drift {
    let mut drift = Drift {
        attached,
        differences: Vec::new(),
        mends: Vec::new(),
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
        State::Complete => drift.compare(everything, kernel),
    }
    drift
}

impl Drift {
    fn compare(&mut self, everything: &[Section], kernel: &mut HostKernel) {
        for section in &self.attached.sections {
            let tuned = Tuned::after(Some(section), &self.attached.attachment, &self.attached.sections);
            if let Some(lost) = lost_link(section, kernel) {
                self.beyond.push(lost);
            }
            let mut entries = made::entries(section);
            entries.retain(|entry| !everything.iter().any(|other| made_room(other, section, &entry.action)));
            let actions: Vec<Action> = entries.iter().map(|entry| entry.action.clone()).collect();
            for (entry, found) in entries.iter().zip(kernel.verify(&actions)) {
                if found.is_empty() && self.sets_remade_link(&entry.action) {
                    self.mends.push(entry.clone());
                }
                for difference in found.into_iter().filter(|difference| !tuned.explains(difference)) {
                    match difference.mend {
                        Some(action) => {
                            let mend = Entry { action, ..entry.clone() };
                            if !self.mends.contains(&mend) {
                                self.mends.push(mend);
                            }
                        }
                        None => self.beyond.push(difference.text.clone()),
                    }
                    if !self.differences.contains(&difference.text) {
                        self.differences.push(difference.text);
                    }
                }
            }
            self.mends.extend(waits(&entries, &self.mends));
        }
        if !self.beyond.is_empty() {
            self.mends.clear();
        }
    }

    /// Whether an action sets a parameter of a bridge that is to be made again: as long as that is missing, so are they.
    fn sets_remade_link(&self, action: &Action) -> bool {
        let Action::SetSysctl(set) = action else { return false };
        let is_it = |name: &str| {
            self.mends.iter().any(
                |mend| matches!(&mend.action, Action::EnsureBridge(bridge) if bridge.name.as_str() == name),
            )
        };
        set.netns == Netns::Host && set.key.link().is_some_and(|(_, name)| is_it(name))
    }

    /// Whether it is as it was made, as far as anybody could look.
    pub fn is_none(&self) -> bool {
        self.differences.is_empty() && self.beyond.is_empty()
    }

    /// What is shown.
    pub fn picture<'a>(&'a self, title: &'a str, plugins: &'a [(String, String)]) -> Picture<'a> {
        Picture {
            title,
            attachment: &self.attached.attachment,
            netns: self.attached.netns_path(),
            plugins,
            digest: "",
            differences: &self.differences,
            actions: Picture::lines(&self.mends, &self.states),
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

/// Why a pair cannot be mended: it is gone, perhaps with another link in its place.
fn lost_link(section: &Section, kernel: &mut HostKernel) -> Option<String> {
    let identity = section.container_link()?;
    match kernel.is_there(identity) {
        Ok(true) => None,
        Ok(false) => {
            Some(format!("link {} that was made is gone: the container needs a new ADD", identity.link))
        }
        Err(error) => Some(crate::error::chain(&error)),
    }
}

/// Whether another attachment has removed since what an action of this one made: an address of a bridge, for its own gateway.
fn made_room(other: &Section, section: &Section, action: &Action) -> bool {
    let Action::AddAddress(add) = action else { return false };
    let removed = |entry: &Entry| {
        matches!(&entry.action, Action::DeleteAddress(delete)
            if (&delete.link, delete.address) == (&add.link, add.address))
    };
    other.header.created > section.header.created && other.entries().any(removed)
}

/// The waits of an ADD for links that are mended, so that they pass packets when the repair ends.
fn waits(entries: &[Entry], mends: &[Entry]) -> Vec<Entry> {
    let is_touched = |entry: &&Entry| {
        let Action::Settle(settle) = &entry.action else { return false };
        mends.iter().any(|mend| match &mend.action {
            Action::SetUp(up) => up.link == settle.link || up.link.netns == Netns::Container,
            Action::SetLink(restore) => restore.link == settle.link,
            Action::AddAddress(add) => add.link == settle.link,
            _ => false,
        })
    };
    entries.iter().filter(is_touched).cloned().collect()
}

//! What a link had before tuning changed it, in the file in which the reference's tuning keeps that: either can put it back (cni-behaviours, section 3.15).

use super::attribute::RestoreLink;
use super::settings::LinkAttribute;
use crate::action::check::{Check, required};
use crate::action::context::{ReadContext, WriteContext};
use crate::action::kind::Kind;
use crate::action::profile::{Found, Lane, Own, OwnUndo, Place, Profile, UndoLane};
use crate::action::record::{Before, Difference, Effect, Undoing, Undone};
use crate::action::undo::Inverse;
use crate::action::{Action, Undo};
use crate::machine::MachineError;
use crate::machine::errno::as_go;
use crate::machine::port::Look;
use crate::policy::{Capability, Refusal};
use crate::value::shell::word;
use crate::value::{LinkRef, Mac, derive};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

/// A larger file is none of tuning's, in bytes.
const MAX_BYTES: usize = 64 << 10;

/// See [`Action::SaveLink`](crate::action::Action::SaveLink).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaveLink {
    /// Which link.
    pub link: LinkRef,
    /// The file: JSON, as the reference's tuning writes it.
    pub path: PathBuf,
    /// What is saved, by what it is going to be.
    pub attributes: Vec<LinkAttribute>,
}

impl SaveLink {
    /// Whether an action is one.
    pub fn is_it(action: &Action) -> bool {
        matches!(action, Action::SaveLink(_))
    }
}

impl Kind for SaveLink {
    fn profile(&self) -> Profile<'_> {
        let lane = Lane::Own(Place::Netns(self.link.netns), self);
        Profile { on: Some(self.link.clone()), ..Profile::new(lane, Capability::Links) }
    }

    fn commands(&self) -> Vec<String> {
        vec![format!("# save to {} what {} has now", self.path.display(), self.link.name)]
    }

    fn refuse(&self, check: &Check<'_>) -> Vec<Refusal> {
        let grants = check.grants;
        let name = derive::saved_link(&grants.attachment);
        let is_named = self.path.file_name().and_then(|name| name.to_str()) == Some(&name);
        let is_kept =
            self.path.parent().is_some_and(|dir| grants.saved_link_dirs.iter().any(|own| own == dir));
        let rule = "a link is saved under its container's name, where tuning keeps that";
        let mut refusals = required(is_named && is_kept, rule);
        refusals.extend(check.link(&self.link));
        refusals
    }

    fn observe(&self, cx: &mut ReadContext<'_>) -> Before {
        if cx.look.has_file(&self.path) { Before::Present } else { Before::Absent }
    }

    /// A file that is there is written anew.
    fn found(&self, _before: &Before) -> Found {
        Found::Absent
    }

    fn undos(&self, undoing: &Undoing<'_>) -> Vec<Undo> {
        undoing.undo_if_created(ForgetLink { path: self.path.clone() })
    }

    /// The journal knows better than the file.
    fn verify(&self, _cx: &mut ReadContext<'_>) -> Result<Vec<Difference>, MachineError> {
        Ok(Vec::new())
    }
}

impl Own for SaveLink {
    fn perform(&self, cx: &mut WriteContext<'_>) -> Result<Effect, MachineError> {
        let name = self.link.name.as_str();
        // Nothing to save is nobody's link.
        let found = cx.link(&self.link)?;
        let found =
            found.ok_or_else(|| MachineError::Conflict(format!("failed to get {name:?}: Link not found")))?;
        let saved = SavedLink::of(self.attributes.iter().filter_map(|attribute| attribute.of(&found)));
        let written = cx.machine.write_file(&self.path, saved.text().as_bytes());
        written.map_err(|error| failed("write", &self.path, error))?;
        Ok(Effect::Created)
    }
}

/// Removes the file in which a link was saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForgetLink {
    /// Which file.
    pub path: PathBuf,
}

impl Inverse for ForgetLink {
    fn lane(&self) -> UndoLane<'_> {
        UndoLane::Own(self)
    }

    fn command(&self) -> String {
        format!("rm {}", word(&self.path.display().to_string()))
    }
}

impl OwnUndo for ForgetLink {
    fn perform(&self, cx: &mut WriteContext<'_>) -> Result<Undone, MachineError> {
        match cx.machine.remove_file(&self.path) {
            Ok(()) => Ok(Undone::Done),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Undone::Gone),
            Err(error) => Err(failed("remove", &self.path, error)),
        }
    }
}

fn failed(verb: &str, path: &Path, source: io::Error) -> MachineError {
    MachineError::File { what: format!("failed to {verb} {}", path.display()), source: as_go(source) }
}

/// The file's contents; what is not there was not changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SavedLink {
    #[serde(skip_serializing_if = "String::is_empty")]
    mac: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    promisc: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mtu: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allmulti: Option<bool>,
    #[serde(rename = "txQLen", skip_serializing_if = "Option::is_none")]
    queue_length: Option<u32>,
}

impl SavedLink {
    /// Some attributes of a link.
    pub fn of(attributes: impl Iterator<Item = LinkAttribute>) -> Self {
        let mut saved = SavedLink::default();
        for attribute in attributes {
            match attribute {
                LinkAttribute::Mac(mac) => saved.mac = mac.to_string(),
                LinkAttribute::Mtu(mtu) => saved.mtu = Some(mtu),
                LinkAttribute::AllMulticast(on) => saved.allmulti = Some(on),
                LinkAttribute::QueueLength(packets) => saved.queue_length = Some(packets),
                LinkAttribute::Promiscuous(on) => saved.promisc = Some(on),
                LinkAttribute::Alias(_) | LinkAttribute::Port(_) => {}
            }
        }
        saved
    }

    /// What it has of a link, in the order in which the reference puts it back.
    pub fn attributes(&self) -> Vec<LinkAttribute> {
        let mac = Mac::try_from(self.mac.to_lowercase()).ok();
        [
            self.mtu.filter(|mtu| *mtu != 0).map(LinkAttribute::Mtu),
            mac.map(LinkAttribute::Mac),
            self.promisc.map(LinkAttribute::Promiscuous),
            self.allmulti.map(LinkAttribute::AllMulticast),
            self.queue_length.map(LinkAttribute::QueueLength),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Reads a file; none, if there is none or it makes no sense.
    pub fn read(look: &mut dyn Look, path: &Path) -> Option<Self> {
        Self::parse(&look.file(path, None, MAX_BYTES).ok()?)
    }

    /// The contents of a file; none, if they make no sense.
    fn parse(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// As the file has it.
    fn text(&self) -> String {
        let mut bytes = Vec::new();
        let formatter = serde_json::ser::PrettyFormatter::with_indent(b" ");
        // Our own type with text keys, into memory: it cannot fail.
        let _ = self.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, formatter));
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// What puts it back on a link, and then forgets it.
    pub fn undos(&self, link: &LinkRef, path: PathBuf) -> Vec<Undo> {
        let restore = |old| RestoreLink { link: link.clone(), set: None, old }.into();
        self.attributes().into_iter().map(restore).chain([ForgetLink { path }.into()]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Debian's tuning wrote it.
    const TEXT: &str =
        "{\n \"mac\": \"02:00:00:00:00:01\",\n \"promisc\": false,\n \"mtu\": 1500,\n \"allmulti\": false\n}";

    #[test]
    fn a_file_is_written_as_the_reference_writes_it_and_read_back() {
        let attributes = vec![
            LinkAttribute::Mtu(1500),
            LinkAttribute::Mac(Mac([2, 0, 0, 0, 0, 1])),
            LinkAttribute::Promiscuous(false),
            LinkAttribute::AllMulticast(false),
        ];
        let saved = SavedLink::of(attributes.clone().into_iter());
        assert_eq!(saved.text(), TEXT);
        assert_eq!(SavedLink::parse(TEXT.as_bytes()).unwrap().attributes(), attributes);
        assert_eq!(SavedLink::parse(b"not JSON"), None);
    }
}

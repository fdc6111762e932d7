//! The file of the reference's tuning plugin with the link attributes that tuning changes
//! (plugins/meta/tuning/tuning.go). The reference and this host can both restore them from it.

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

/// In bytes. A larger file was not written by tuning.
const MAX_BYTES: usize = 64 << 10;

/// See [`Action::SaveLink`](crate::action::Action::SaveLink).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaveLink {
    /// The link.
    pub link: LinkRef,
    /// The path of the file, which is JSON in the format of the reference's tuning.
    pub path: PathBuf,
    /// The attributes to save, with their new values.
    pub attributes: Vec<LinkAttribute>,
}

impl SaveLink {
    /// Whether an action is a `SaveLink`.
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
            self.path.parent().is_some_and(|dir| grants.own.saved_link_dirs.iter().any(|own| own == dir));
        let rule = "a link is saved under its container's name, where tuning keeps that";
        let mut refusals = required(is_named && is_kept, rule);
        refusals.extend(check.link(&self.link));
        refusals
    }

    fn observe(&self, cx: &mut ReadContext<'_>) -> Before {
        if cx.look.has_file(&self.path) { Before::Present } else { Before::Absent }
    }

    /// An existing file is overwritten.
    fn found(&self, _before: &Before) -> Found {
        Found::Absent
    }

    fn undos(&self, undoing: &Undoing<'_>) -> Vec<Undo> {
        undoing.undo_if_created(ForgetLink { path: self.path.clone() })
    }

    /// CHECK compares the link with the journal, which is more reliable than the file.
    fn verify(&self, _cx: &mut ReadContext<'_>) -> Result<Vec<Difference>, MachineError> {
        Ok(Vec::new())
    }
}

impl Own for SaveLink {
    fn perform(&self, cx: &mut WriteContext<'_>) -> Result<Effect, MachineError> {
        let name = self.link.name.as_str();
        // If the link does not exist, there is nothing to save: it is an error.
        let found = cx.link(&self.link)?;
        let found =
            found.ok_or_else(|| MachineError::Conflict(format!("failed to get {name:?}: Link not found")))?;
        let saved = SavedLink::of(self.attributes.iter().filter_map(|attribute| attribute.of(&found)));
        let written = cx.machine.write_file(&self.path, saved.text().as_bytes());
        written.map_err(|error| failed("write", &self.path, error))?;
        Ok(Effect::Created)
    }
}

/// Removes the file with the saved attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForgetLink {
    /// The path of the file.
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

/// The content of the file. An attribute that is missing was not changed.
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
    /// The saved form of some attributes.
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

    /// The saved attributes, in the order in which the reference restores them.
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

    /// Reads a file. None if it does not exist or is not valid.
    pub fn read(look: &mut dyn Look, path: &Path) -> Option<Self> {
        Self::parse(&look.file(path, None, MAX_BYTES).ok()?)
    }

    /// Parses the content of a file. None if it is not valid.
    fn parse(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// The content of the file.
    fn text(&self) -> String {
        let mut bytes = Vec::new();
        let formatter = serde_json::ser::PrettyFormatter::with_indent(b" ");
        // Serialisation of this type into memory cannot fail: all keys are text.
        let _ = self.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, formatter));
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The undos that restore the attributes on a link and then remove the file.
    pub fn undos(&self, link: &LinkRef, path: PathBuf) -> Vec<Undo> {
        let restore = |old| RestoreLink { link: link.clone(), set: None, old }.into();
        self.attributes().into_iter().map(restore).chain([ForgetLink { path }.into()]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The content of a file that Debian's tuning plugin 1.1.1 wrote.
    const TEXT: &str =
        "{\n \"mac\": \"02:00:00:00:00:01\",\n \"promisc\": false,\n \"mtu\": 1500,\n \"allmulti\": false\n}";

    #[test]
    fn a_file_is_written_in_the_reference_s_format_and_read_back() {
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

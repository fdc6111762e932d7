//! What a link had before tuning changed it, in the file in which the reference's tuning keeps that: either can put it back
//! (cni-behaviours, section 3.15).

use super::errno::as_go;
use super::{MachineError, Undo, Undone};
use crate::action::LinkAttribute;
use crate::value::{LinkRef, Mac};
use serde::{Deserialize, Serialize};
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A larger file is none of tuning's, in bytes.
const MAX_BYTES: u64 = 64 << 10;

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
    pub fn read(path: &Path) -> Option<Self> {
        let metadata = std::fs::symlink_metadata(path).ok()?;
        let is_sane = metadata.is_file() && metadata.len() <= MAX_BYTES;
        serde_json::from_slice(&std::fs::read(path).ok().filter(|_| is_sane)?).ok()
    }

    /// As the file has it.
    pub fn text(&self) -> String {
        let mut bytes = Vec::new();
        let formatter = serde_json::ser::PrettyFormatter::with_indent(b" ");
        // Our own type with text keys, into memory: it cannot fail.
        let _ = self.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, formatter));
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Writes a file whole, with directories for root alone, as the reference makes both.
    pub fn write(&self, path: &Path) -> Result<(), MachineError> {
        let failed = |source| failed("write", path, source);
        if let Some(directory) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o600).create(directory).map_err(failed)?;
        }
        let new = path.with_added_extension(format!("new.{}", std::process::id()));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new);
        file.and_then(|mut file| file.write_all(self.text().as_bytes()))
            .and_then(|()| std::fs::rename(&new, path))
            .inspect_err(|_| drop(std::fs::remove_file(&new)))
            .map_err(failed)
    }

    /// What puts it back on a link, and then forgets it.
    pub fn undos(&self, link: &LinkRef, path: PathBuf) -> Vec<Undo> {
        let restore = |old| Undo::RestoreLink { link: link.clone(), set: None, old };
        self.attributes().into_iter().map(restore).chain([Undo::ForgetLink { path }]).collect()
    }
}

/// Removes a file.
pub fn forget(path: &Path) -> Result<Undone, MachineError> {
    match std::fs::remove_file(path) {
        Ok(()) => Ok(Undone::Done),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Undone::Gone),
        Err(error) => Err(failed("remove", path, error)),
    }
}

fn failed(verb: &str, path: &Path, source: io::Error) -> MachineError {
    MachineError::File { what: format!("failed to {verb} {}", path.display()), source: as_go(source) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Debian's tuning wrote it.
    const TEXT: &str =
        "{\n \"mac\": \"02:00:00:00:00:01\",\n \"promisc\": false,\n \"mtu\": 1500,\n \"allmulti\": false\n}";

    #[test]
    fn a_file_is_written_as_the_reference_writes_it_and_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/c1_eth0.json");
        let attributes = vec![
            LinkAttribute::Mtu(1500),
            LinkAttribute::Mac(Mac([2, 0, 0, 0, 0, 1])),
            LinkAttribute::Promiscuous(false),
            LinkAttribute::AllMulticast(false),
        ];
        let saved = SavedLink::of(attributes.clone().into_iter());
        saved.write(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), TEXT);
        assert_eq!(SavedLink::read(&path).unwrap().attributes(), attributes);
        assert!(matches!(forget(&path), Ok(Undone::Done)));
        assert!(matches!(forget(&path), Ok(Undone::Gone)));
        assert_eq!(SavedLink::read(&path), None);
        std::fs::write(&path, "not JSON").unwrap();
        assert_eq!(SavedLink::read(&path), None);
    }
}

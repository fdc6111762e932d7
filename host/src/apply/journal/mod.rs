//! The journal: what is about to be done and what was done, so that it can be undone without the plugin.
//!
//! `STATE-DIR/KEY/PLUGIN.ORDINAL` is the section of one plugin of one attachment: lines of JSON, appended. It lives on
//! a tmpfs that lasts as long as the kernel state that it describes, so nothing is flushed.

#![deny(
    clippy::as_conversions,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]
#![deny(clippy::arithmetic_side_effects)]

mod record;
mod v1;

use crate::action::record::{Before, Effect};
use crate::machine::MachineError;
use crate::machine::netns::NetnsId;
use crate::plan::Entry;
use crate::value::LinkIdentity;
use crate::value::{Attachment, Netns, PluginName, Report};
use nix::fcntl::Flock;
use record::Record;
use serde::{Deserialize, Serialize};
use std::fs::{DirEntry, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The version of the format. Version 1 is read too; a section of another one is kept aside.
pub const VERSION: u32 = 2;

/// The first line of a section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// [`VERSION`].
    pub version: u32,
    /// Whose interface on which network.
    pub attachment: Attachment,
    /// Which plugin of the chain.
    pub plugin: PluginName,
    /// Which of several of that type, from 0.
    pub ordinal: u32,
    /// `CNI_NETNS` as given.
    pub netns: String,
    /// Which namespace that was: another one at the same path is not entered. None, if an IPAM plugin was called without.
    pub netns_id: Option<NetnsId>,
    /// The plugins that recorded the plan, with the SHA-256 of their components.
    pub plugins: Vec<(String, String)>,
    /// Nanoseconds since 1970: sections are undone latest first.
    pub created: u64,
}

/// A step as the journal has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What was meant to be done, and what was there before.
    pub intent: Vec<(Entry, Before)>,
    /// What was done; none when the process ended before it could tell.
    pub effects: Option<Vec<Option<Effect>>>,
}

/// A section that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Who and when.
    pub header: Header,
    /// In the order in which they were done.
    pub steps: Vec<Step>,
    /// What the runtime was told; none for an ADD that failed or was killed.
    pub report: Option<Report>,
    path: PathBuf,
}

impl Section {
    /// Every action that was done or may have been.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.steps.iter().flat_map(|step| step.intent.iter().map(|(entry, _)| entry))
    }

    /// Every action that was done, with what it changed.
    pub fn done(&self) -> impl Iterator<Item = (&Entry, &Effect)> {
        self.steps.iter().flat_map(|step| {
            let effects = step.effects.as_deref().unwrap_or_default();
            step.intent.iter().zip(effects).filter_map(|((entry, _), effect)| Some((entry, effect.as_ref()?)))
        })
    }

    /// The link that was made in the container, if one was.
    pub fn container_link(&self) -> Option<&LinkIdentity> {
        let created_links = self.done().filter_map(|(_, effect)| match effect {
            Effect::CreatedLinks(links) => Some(links),
            Effect::Created | Effect::AlreadyThere | Effect::Unclear | Effect::Replaced(_) => None,
        });
        created_links.flatten().find(|identity| identity.link.netns == Netns::Container)
    }
}

/// The journal of one attachment, locked for one verb.
#[derive(Debug)]
pub struct Journal {
    pub(super) directory: PathBuf,
    pub(super) lock: Flock<File>,
}

/// A section that is being written.
#[derive(Debug)]
pub struct Writer {
    file: File,
    section: Section,
}

impl AsFd for Journal {
    /// The attachment's lock.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.lock.as_fd()
    }
}

impl Journal {
    /// The sections, the latest first. One that makes no sense, or of a newer version, is moved aside and reported; one that cannot be read
    /// now is an error.
    pub fn sections(&self) -> Result<Vec<Section>, MachineError> {
        let read = read_directory(&self.directory);
        let (sections, useless) = read.map_err(|e| file_error("read", &self.directory, e))?;
        for (path, error) in useless {
            // Nothing was done yet by who was killed between making the file and its first line.
            let Some(error) = error else {
                drop(std::fs::remove_file(&path));
                continue;
            };
            if matches!(error, MachineError::File { .. }) {
                return Err(error);
            }
            tracing::warn!(path = %path.display(), %error, "journal is kept aside and not used");
            let _ = std::fs::rename(&path, path.with_added_extension("unreadable"));
        }
        Ok(sections)
    }

    /// Begins the section of a plugin.
    pub fn begin(&self, header: &Header) -> Result<Writer, MachineError> {
        let path = self.directory.join(format!("{}.{}", header.plugin, header.ordinal));
        let file = OpenOptions::new().create_new(true).append(true).mode(0o600).open(&path);
        let file = file.map_err(|e| file_error("make", &path, e))?;
        let section = Section { header: header.clone(), steps: Vec::new(), report: None, path };
        let mut writer = Writer { file, section };
        if let Err(error) = writer.line(header) {
            // One that tells nothing is nothing.
            let _ = std::fs::remove_file(&writer.section.path);
            return Err(error);
        }
        Ok(writer)
    }

    /// Forgets a section: what it describes is undone.
    pub fn forget(&self, section: &Section) -> Result<(), MachineError> {
        match std::fs::remove_file(&section.path) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(file_error("remove", &section.path, e)),
            _ => Ok(()),
        }
    }
}

impl Drop for Journal {
    /// The directory goes with its last section, while the lock is still held; `rmdir` refuses one that is in use.
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.directory);
    }
}

impl Writer {
    /// Notes what is about to be done and what is there before.
    pub fn intent(&mut self, step: &[(Entry, Before)]) -> Result<(), MachineError> {
        self.line(&Record::Intent(step.to_vec()))?;
        self.section.steps.push(Step { intent: step.to_vec(), effects: None });
        Ok(())
    }

    /// Notes what was done; what cannot be written is still known here.
    pub fn effect(&mut self, effects: &[Option<Effect>]) -> Result<(), MachineError> {
        if let Some(step) = self.section.steps.last_mut() {
            step.effects = Some(effects.to_vec());
        }
        self.line(&Record::Effect(effects.to_vec()))
    }

    /// Notes that all was done, and what the runtime is told.
    pub fn complete(&mut self, report: &Report) -> Result<(), MachineError> {
        self.line(&Record::Complete(report.clone()))
    }

    /// What was noted so far.
    pub fn section(&self) -> &Section {
        &self.section
    }

    fn line(&mut self, value: &impl Serialize) -> Result<(), MachineError> {
        let path = &self.section.path;
        let line = serde_json::to_string(value).map_err(|e| file_error("write", path, e.into()))?;
        self.file.write_all(format!("{line}\n").as_bytes()).map_err(|e| file_error("write", path, e))
    }
}

/// A section that cannot be used, with the reason; none: nothing was noted in it.
pub(super) type Useless = (PathBuf, Option<MachineError>);

/// What is in a directory; nothing, if it is gone.
pub(super) fn entries(directory: &Path) -> std::io::Result<Vec<DirEntry>> {
    match std::fs::read_dir(directory) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        listed => listed?.collect(),
    }
}

/// All sections of an attachment, the latest first, and the paths of those that cannot be used, with the reason.
///
/// Without the attachment's lock a section may be half written: then it is left out, and must not be touched.
pub(super) fn read_directory(directory: &Path) -> std::io::Result<(Vec<Section>, Vec<Useless>)> {
    let (mut sections, mut useless) = (Vec::new(), Vec::new());
    for entry in entries(directory)? {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "unreadable") {
            continue;
        }
        match read(&path) {
            Ok(Some(section)) => sections.push(section),
            Ok(None) => useless.push((path, None)),
            // Its DEL came meanwhile.
            Err(MachineError::File { source, .. }) if source.kind() == ErrorKind::NotFound => {}
            Err(error) => useless.push((path, Some(error))),
        }
    }
    let position = |section: &Section| (section.header.created, section.header.ordinal);
    sections.sort_by_key(|section| std::cmp::Reverse(position(section)));
    Ok((sections, useless))
}

/// Reads a section; a last line that was cut off by a crash is as if it had not been begun.
fn read(path: &Path) -> Result<Option<Section>, MachineError> {
    let broken = |what: String| MachineError::Conflict(format!("journal {} {what}", path.display()));
    // What no later try reads better is broken; any other failure to read may pass.
    let bytes = std::fs::read(path).map_err(|e| match e.kind() {
        ErrorKind::IsADirectory => broken(format!("cannot be read: {e}")),
        _ => file_error("read", path, e),
    })?;
    // Before it is taken for text: a line may have been cut off within a character.
    let end = bytes.iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
    let whole = str::from_utf8(bytes.get(..end).unwrap_or_default());
    let mut lines = whole.map_err(|e| broken(format!("cannot be read: {e}")))?.lines();
    let Some(first) = lines.next() else { return Ok(None) };
    let header: Header = serde_json::from_slice(first.as_bytes())
        .map_err(|e| broken(format!("has no header that we understand: {e}")))?;
    let mut old = match header.version {
        VERSION => None,
        v1::VERSION => Some(v1::Reader::default()),
        other => return Err(broken(format!("is of version {other}, ours is {VERSION}"))),
    };
    let mut section = Section { header, steps: Vec::new(), report: None, path: path.to_owned() };
    let mut intent = Vec::new();
    for line in lines {
        let read = match &mut old {
            None => record::read(line.as_bytes()),
            Some(old) => old.line(line.as_bytes()),
        };
        match read.map_err(|e| broken(format!("has a line that we do not understand: {e}")))? {
            record::Read::Intent(read) => {
                section.steps.push(Step { intent: read.iter().flatten().cloned().collect(), effects: None });
                intent = read;
            }
            record::Read::Effect(effects) => match section.steps.last_mut() {
                Some(step) => step.effects = Some(record::of_readable(&intent, effects)),
                None => return Err(broken("has an effect without a step".to_owned())),
            },
            record::Read::Complete(report) => section.report = Some(report),
        }
    }
    Ok(Some(section))
}

pub(super) fn file_error(verb: &str, path: &Path, source: std::io::Error) -> MachineError {
    MachineError::File { what: format!("failed to {verb} {}", path.display()), source }
}

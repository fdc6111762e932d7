//! The journal: a record of what a plan is about to change and what it changed, so that undo does not need the plugin.
//!
//! `STATE-DIR/KEY/PLUGIN.ORDINAL` is the section of one plugin of one attachment. It consists of lines of JSON, which
//! are only appended. The state directory is on a tmpfs: like the kernel state that the journal describes, it is lost
//! at reboot, so the journal is never synced to disk.

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

use super::processes::Process;
use crate::action::record::{Before, Effect};
use crate::machine::MachineError;
use crate::machine::netns::NetnsId;
use crate::plan::{Entry, Journalled};
use crate::value::LinkIdentity;
use crate::value::{Attachment, Netns, PluginName, Report};
use nix::fcntl::Flock;
pub(super) use record::Inherited;
use record::Record;
use serde::{Deserialize, Serialize};
use std::fs::{DirEntry, File, OpenOptions};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The version of the format. Version 1 can be read too. A section of another version is moved aside.
pub const VERSION: u32 = 2;

/// The extension of the locks of nested verbs.
const LOCK: &str = "lock";

/// The first line of a section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// [`VERSION`].
    pub version: u32,
    /// The attachment: container, interface and network.
    pub attachment: Attachment,
    /// The plugin of the chain.
    pub plugin: PluginName,
    /// The position among plugins of the same type in the chain, counted from 0.
    pub ordinal: u32,
    /// The number of plugins of ours above the plugin that hold the lock of the attachment, see [`Journal`].
    #[serde(default, skip_serializing_if = "is_outermost")]
    pub level: u32,
    /// `CNI_NETNS` as the runtime passed it.
    pub netns: String,
    /// The identity of that namespace. Undo does not enter another namespace at the same path. None if an IPAM plugin
    /// was called without a namespace.
    pub netns_id: Option<NetnsId>,
    /// The plugins that recorded the plan, with the SHA-256 digests of their components.
    pub plugins: Vec<(String, String)>,
    /// The parent of an IPAM plugin that a native plugin executed: it asks for the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asker: Option<Process>,
    /// Nanoseconds since 1970. Sections are undone in the reverse order of creation.
    pub created: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_outermost(level: &u32) -> bool {
    *level == 0
}

/// A step in the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The intended actions, each with the state before it.
    pub intent: Vec<(Entry, Before)>,
    /// The effects. None if the process ended before it wrote them.
    pub effects: Option<Vec<Option<Effect>>>,
}

/// A section that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// The first line.
    pub header: Header,
    pub(crate) steps: Vec<Step>,
    /// The result that the runtime got. None if the ADD failed or was killed.
    pub report: Option<Report>,
    path: PathBuf,
}

impl Journalled for Section {
    fn entries(&self) -> impl Iterator<Item = &Entry> {
        Section::entries(self)
    }
}

impl Section {
    /// Every action that was done, or may have been.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.steps.iter().flat_map(|step| step.intent.iter().map(|(entry, _)| entry))
    }

    /// The steps, in the order in which they were done. Only this crate adds one: from a checked plan or from a file.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Changes the effect of an action to an inherited one. An action that was not done stays so.
    pub(super) fn inherit(&mut self, inherited: &Inherited) {
        let Some(step) = self.steps.get_mut(inherited.step) else { return };
        let effects = step.effects.get_or_insert_with(|| vec![Some(Effect::Unclear); step.intent.len()]);
        if let Some(Some(effect)) = effects.get_mut(inherited.action) {
            *effect = inherited.effect.clone();
        }
    }

    /// Takes an action as not done, in this copy of the section.
    pub(super) fn dismiss(&mut self, step: usize, action: usize) {
        let Some(step) = self.steps.get_mut(step) else { return };
        let effects = step.effects.get_or_insert_with(|| vec![Some(Effect::Unclear); step.intent.len()]);
        if let Some(effect) = effects.get_mut(action) {
            *effect = None;
        }
    }

    /// The section with what was written into its file since it was read.
    pub(super) fn refreshed(&self) -> Section {
        let mut section = self.clone();
        if let Ok(lines) = read_inherited(&self.path) {
            lines.iter().for_each(|inherited| section.inherit(inherited));
        }
        section
    }

    /// Writes an inherited effect into the section's file, and into this copy of it.
    pub(super) fn bequeath(&mut self, inherited: Inherited) -> Result<(), MachineError> {
        let path = &self.path;
        let append = || {
            let mut file = OpenOptions::new().read(true).append(true).open(path)?;
            let mut last = [0];
            file.read_exact_at(&mut last, file.metadata()?.len().saturating_sub(1))?;
            // A crash cut the last line off. With this line behind it, the section could not be read.
            if last != [b'\n'] {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            let line = serde_json::to_string(&Record::Inherit(inherited.clone()))?;
            file.write_all(format!("{line}\n").as_bytes())
        };
        append().map_err(|e| file_error("write", path, e))?;
        self.inherit(&inherited);
        Ok(())
    }

    /// Every action that was done, with its effect.
    pub fn done(&self) -> impl Iterator<Item = (&Entry, &Effect)> {
        self.steps.iter().flat_map(|step| {
            let effects = step.effects.as_deref().unwrap_or_default();
            step.intent.iter().zip(effects).filter_map(|((entry, _), effect)| Some((entry, effect.as_ref()?)))
        })
    }

    /// The link that was created in the container, if any.
    pub fn container_link(&self) -> Option<&LinkIdentity> {
        let created_links = self.done().filter_map(|(_, effect)| match effect {
            Effect::CreatedLinks(links) => Some(links),
            Effect::Created | Effect::AlreadyThere | Effect::Unclear | Effect::Replaced(_) => None,
        });
        created_links.flatten().find(|identity| identity.link.netns == Netns::Container)
    }
}

/// The journal of one attachment, locked for one verb.
///
/// A native plugin that a verb executes may execute plugins of ours for the same attachment. Such a nested verb has the
/// next level, with a lock of its own. It reads and undoes only the sections of its level and of the levels below it.
#[derive(Debug)]
pub struct Journal {
    pub(super) directory: PathBuf,
    pub(super) level: u32,
    pub(super) lock: Flock<File>,
}

/// A section that is being written.
#[derive(Debug)]
pub struct Writer {
    file: File,
    section: Section,
    /// The time that the waits of the stages so far took.
    pub(super) waited: Duration,
}

impl AsFd for Journal {
    /// The lock of the attachment.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.lock.as_fd()
    }
}

impl Journal {
    /// The number of verbs of the same attachment that wait for this one. 0 for the verb of a runtime.
    pub fn level(&self) -> u32 {
        self.level
    }

    /// The lock of a level above 0.
    pub(super) fn lock_path(directory: &Path, level: u32) -> PathBuf {
        directory.join(format!("{level}.{LOCK}"))
    }

    /// The latest section of a plugin: one of this level, or else of the levels below.
    ///
    /// # Errors
    ///
    /// As [`Journal::sections`].
    pub fn section_of(&self, plugin: &PluginName) -> Result<Option<Section>, MachineError> {
        let sections = self.sections()?.into_iter().filter(|section| section.header.plugin == *plugin);
        Ok(sections.min_by_key(|section| section.header.level))
    }

    /// The sections, the latest first. A section that is invalid or of a newer version is moved aside, with a warning.
    ///
    /// # Errors
    ///
    /// Fails if a section cannot be read now, but may be readable later.
    pub fn sections(&self) -> Result<Vec<Section>, MachineError> {
        let read = read_directory(&self.directory);
        let (mut sections, useless) = read.map_err(|e| file_error("read", &self.directory, e))?;
        sections.retain(|section| section.header.level >= self.level);
        for (path, error) in useless {
            // The process was killed after it created the file and before it wrote the first line. At that point it had
            // changed nothing.
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

    /// Creates the section of a plugin.
    pub fn begin(&self, header: &Header) -> Result<Writer, MachineError> {
        let Header { plugin, ordinal, level, .. } = header;
        let name = match level {
            0 => format!("{plugin}.{ordinal}"),
            level => format!("{plugin}.{ordinal}.{level}"),
        };
        let path = self.directory.join(name);
        let file = OpenOptions::new().create_new(true).append(true).mode(0o600).open(&path);
        let file = file.map_err(|e| file_error("make", &path, e))?;
        let section = Section { header: header.clone(), steps: Vec::new(), report: None, path };
        let mut writer = Writer { file, section, waited: Duration::ZERO };
        if let Err(error) = writer.line(header) {
            // A section without a first line describes nothing.
            let _ = std::fs::remove_file(&writer.section.path);
            return Err(error);
        }
        Ok(writer)
    }

    /// Removes a section, after everything in it was undone.
    pub fn forget(&self, section: &Section) -> Result<(), MachineError> {
        match std::fs::remove_file(&section.path) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(file_error("remove", &section.path, e)),
            _ => Ok(()),
        }
    }
}

impl Drop for Journal {
    /// Removes the directory together with its last section, while the lock is still held. If there are other sections,
    /// `rmdir` fails, and the directory stays. A nested verb leaves the directory to the verb that waits for it.
    fn drop(&mut self) {
        let _ = match self.level {
            0 => std::fs::remove_dir(&self.directory),
            level => std::fs::remove_file(Journal::lock_path(&self.directory, level)),
        };
    }
}

impl Writer {
    /// Writes the intended actions of a step, and the state before them.
    pub(crate) fn intent(&mut self, step: &[(Entry, Before)]) -> Result<(), MachineError> {
        self.line(&Record::Intent(step.to_vec()))?;
        self.section.steps.push(Step { intent: step.to_vec(), effects: None });
        Ok(())
    }

    /// Writes the effects of a step. If writing fails, [`Writer::section`] still contains them.
    pub(crate) fn effect(&mut self, effects: &[Option<Effect>]) -> Result<(), MachineError> {
        if let Some(step) = self.section.steps.last_mut() {
            step.effects = Some(effects.to_vec());
        }
        self.line(&Record::Effect(effects.to_vec()))
    }

    /// Writes that the ADD is complete, and the result for the runtime.
    pub fn complete(&mut self, report: &Report) -> Result<(), MachineError> {
        self.line(&Record::Complete(report.clone()))
    }

    /// The section as written so far.
    pub fn section(&self) -> &Section {
        &self.section
    }

    fn line(&mut self, value: &impl Serialize) -> Result<(), MachineError> {
        let path = &self.section.path;
        let line = serde_json::to_string(value).map_err(|e| file_error("write", path, e.into()))?;
        self.file.write_all(format!("{line}\n").as_bytes()).map_err(|e| file_error("write", path, e))
    }
}

/// A section that cannot be used, with the reason. No reason means that it is empty.
pub(super) type Useless = (PathBuf, Option<MachineError>);

/// The entries of a directory. Empty if it does not exist.
pub(super) fn entries(directory: &Path) -> std::io::Result<Vec<DirEntry>> {
    match std::fs::read_dir(directory) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        listed => listed?.collect(),
    }
}

/// All sections of an attachment, the latest first, and the paths of the unusable ones with the reasons.
///
/// If the caller does not hold the attachment's lock, another process may still be writing a section. Such a section
/// counts as unusable, and the caller must not change it.
pub(super) fn read_directory(directory: &Path) -> std::io::Result<(Vec<Section>, Vec<Useless>)> {
    let (mut sections, mut useless) = (Vec::new(), Vec::new());
    for entry in entries(directory)? {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "unreadable" || extension == LOCK) {
            continue;
        }
        match read(&path) {
            Ok(Some(section)) => sections.push(section),
            Ok(None) => useless.push((path, None)),
            // A DEL has removed the section since the directory was listed.
            Err(MachineError::File { source, .. }) if source.kind() == ErrorKind::NotFound => {}
            Err(error) => useless.push((path, Some(error))),
        }
    }
    let position = |section: &Section| (section.header.created, section.header.ordinal);
    sections.sort_by_key(|section| std::cmp::Reverse(position(section)));
    Ok((sections, useless))
}

/// The header of a section, without the rest. None if it cannot be read.
pub(super) fn read_header(path: &Path) -> Option<Header> {
    let mut line = Vec::new();
    BufReader::new(File::open(path).ok()?).read_until(b'\n', &mut line).ok()?;
    serde_json::from_slice(&line).ok()
}

/// Reads a section. If a crash cut off the last line, the line is ignored.
pub(super) fn read(path: &Path) -> Result<Option<Section>, MachineError> {
    let broken = |what: String| MachineError::Conflict(format!("journal {} {what}", path.display()));
    // A section is broken if reading it again cannot help. Any other read error may be temporary.
    let bytes = std::fs::read(path).map_err(|e| match e.kind() {
        ErrorKind::IsADirectory => broken(format!("cannot be read: {e}")),
        _ => file_error("read", path, e),
    })?;
    // The last line is removed before the bytes are decoded as UTF-8: a crash may have cut it off within a character.
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
    let (mut intent, mut inherited) = (Vec::new(), Vec::new());
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
            record::Read::Inherit(line) => inherited.extend(line),
        }
    }
    // Such a line may come before the effect of its own step.
    inherited.iter().for_each(|inherited| section.inherit(inherited));
    Ok(Some(section))
}

/// The inherited effects in a section that another process may be writing.
fn read_inherited(path: &Path) -> std::io::Result<Vec<Inherited>> {
    let text = std::fs::read(path)?;
    let lines = text.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"{\"inherit\""));
    let read = |line: &[u8]| match record::read(line) {
        Ok(record::Read::Inherit(inherited)) => inherited,
        _ => None,
    };
    Ok(lines.filter_map(read).collect())
}

pub(super) fn file_error(verb: &str, path: &Path, source: std::io::Error) -> MachineError {
    MachineError::File { what: format!("failed to {verb} {}", path.display()), source }
}

//! The journal: what is about to be done and what was done, so that it can be undone without the plugin.
//!
//! `STATE-DIR/KEY/PLUGIN.ORDINAL` is the section of one plugin of one attachment: lines of JSON, appended. It lives on
//! a tmpfs that lasts as long as the kernel state that it describes, so nothing is flushed (design rule 7).

use super::lock;
use crate::kernel::netns::NetnsId;
use crate::kernel::{Before, Effect, KernelError};
use crate::plan::{Attachment, Entry, PluginName, Report, derive};
use nix::fcntl::Flock;
use serde::{Deserialize, Serialize};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The version of the format; a section of another one is kept aside.
pub const VERSION: u32 = 1;

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

/// Any other line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Record {
    /// Written before a step.
    Intent(Vec<(Entry, Before)>),
    /// Written after it: an effect per action, none for one that failed or was not tried.
    Effect(Vec<Option<Effect>>),
    /// Written last: what the runtime was told.
    Complete(Report),
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
}

/// The directory of all journals.
#[derive(Debug, Clone)]
pub struct StateDir {
    path: PathBuf,
}

/// The journal of one attachment, locked for one verb.
#[derive(Debug)]
pub struct Journal {
    directory: PathBuf,
    _lock: Flock<File>,
}

/// A section that is being written.
#[derive(Debug)]
pub struct Writer {
    file: File,
    path: PathBuf,
}

impl StateDir {
    /// Below `path` (`/run/wasm-cni`, or `WASM_CNI_STATE_DIR`); nothing is made yet.
    pub fn new(path: PathBuf) -> Self {
        StateDir { path }
    }

    /// Locks an attachment, making its directory: two verbs on one attachment wait for each other.
    pub fn lock(&self, attachment: &Attachment) -> Result<Journal, KernelError> {
        let directory = self.attachments().join(derive::key(attachment));
        let what = format!("attachment {} of container {}", attachment.interface, attachment.container);
        loop {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(&directory);
            made.map_err(|e| file_error("make", &directory, e))?;
            let file = match File::open(&directory) {
                Err(e) if e.kind() == ErrorKind::NotFound => continue,
                opened => opened.map_err(|e| file_error("open", &directory, e))?,
            };
            let inode = file.metadata().map_err(|e| file_error("read", &directory, e))?.ino();
            let lock = lock::exclusive(file, &what)?;
            // A DEL that held the lock before us removed the directory with it.
            if std::fs::metadata(&directory).is_ok_and(|now| now.ino() == inode) {
                return Ok(Journal { directory, _lock: lock });
            }
        }
    }

    /// Locks what attachments share (bridges, forwarding) against other applying and undoing processes.
    pub fn lock_shared(&self) -> Result<Flock<File>, KernelError> {
        let path = self.path.join("shared.lock");
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.path)
            .map_err(|e| file_error("make", &self.path, e))?;
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
        lock::exclusive(file.map_err(|e| file_error("open", &path, e))?, "the lock of shared objects")
    }

    /// All sections of all attachments but those of `except`; what cannot be read is left out.
    pub fn sections(&self, except: Option<&Attachment>) -> Vec<Section> {
        let except = except.map(derive::key);
        let keys = std::fs::read_dir(self.attachments()).into_iter().flatten().flatten();
        keys.filter(|entry| Some(entry.file_name().to_string_lossy().as_ref()) != except.as_deref())
            .flat_map(|entry| read_directory(&entry.path()).0)
            .collect()
    }

    /// The sections of an attachment as they are now, without its lock: for looking, not for undoing.
    pub fn sections_of(&self, attachment: &Attachment) -> Vec<Section> {
        read_directory(&self.attachments().join(derive::key(attachment))).0
    }

    /// Where the indexes of lease stores are kept, beside the journals.
    pub fn lease_indexes(&self) -> PathBuf {
        self.path.join("leases")
    }

    fn attachments(&self) -> PathBuf {
        self.path.join("attachments")
    }
}

impl Journal {
    /// The sections, the latest first. One that cannot be read, or of a newer version, is moved aside and reported.
    pub fn sections(&self) -> Vec<Section> {
        let (sections, useless) = read_directory(&self.directory);
        for (path, error) in useless {
            // Nothing was done yet by who was killed between making the file and its first line.
            let Some(error) = error else {
                drop(std::fs::remove_file(&path));
                continue;
            };
            tracing::warn!(path = %path.display(), %error, "journal is kept aside and not used");
            let _ = std::fs::rename(&path, path.with_added_extension("unreadable"));
        }
        sections
    }

    /// Begins the section of a plugin.
    pub fn begin(&self, header: &Header) -> Result<Writer, KernelError> {
        let path = self.directory.join(format!("{}.{}", header.plugin, header.ordinal));
        let file = OpenOptions::new().create_new(true).append(true).mode(0o600).open(&path);
        let mut writer = Writer { file: file.map_err(|e| file_error("make", &path, e))?, path };
        writer.line(header)?;
        Ok(writer)
    }

    /// Forgets a section: what it describes is undone.
    pub fn forget(&self, section: &Section) -> Result<(), KernelError> {
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
    pub fn intent(&mut self, step: &[(Entry, Before)]) -> Result<(), KernelError> {
        self.line(&Record::Intent(step.to_vec()))
    }

    /// Notes what was done.
    pub fn effect(&mut self, effects: &[Option<Effect>]) -> Result<(), KernelError> {
        self.line(&Record::Effect(effects.to_vec()))
    }

    /// Notes that all was done, and what the runtime is told.
    pub fn complete(&mut self, report: &Report) -> Result<(), KernelError> {
        self.line(&Record::Complete(report.clone()))
    }

    /// Reads back what was written so far.
    pub fn section(&self) -> Result<Option<Section>, KernelError> {
        read(&self.path)
    }

    fn line(&mut self, value: &impl Serialize) -> Result<(), KernelError> {
        let line = serde_json::to_string(value).map_err(|e| file_error("write", &self.path, e.into()))?;
        self.file.write_all(format!("{line}\n").as_bytes()).map_err(|e| file_error("write", &self.path, e))
    }
}

/// All sections of an attachment, the latest first, and the paths of those that cannot be used, with the reason.
///
/// Without the attachment's lock a section may be half written: then it is left out, and must not be touched.
fn read_directory(directory: &Path) -> (Vec<Section>, Vec<(PathBuf, Option<KernelError>)>) {
    let (mut sections, mut useless) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "unreadable") {
            continue;
        }
        match read(&path) {
            Ok(Some(section)) => sections.push(section),
            Ok(None) => useless.push((path, None)),
            Err(error) => useless.push((path, Some(error))),
        }
    }
    let position = |section: &Section| (section.header.created, section.header.ordinal);
    sections.sort_by_key(|section| std::cmp::Reverse(position(section)));
    (sections, useless)
}

/// Reads a section; a last line that was cut off by a crash is as if it had not been begun.
fn read(path: &Path) -> Result<Option<Section>, KernelError> {
    let text = std::fs::read_to_string(path).map_err(|e| file_error("read", path, e))?;
    let broken = |what: String| KernelError::Conflict(format!("journal {} {what}", path.display()));
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let mut lines = whole.lines();
    let Some(first) = lines.next() else { return Ok(None) };
    let header: Header =
        serde_json::from_str(first).map_err(|e| broken(format!("has no header that we understand: {e}")))?;
    if header.version != VERSION {
        return Err(broken(format!("is of version {}, ours is {VERSION}", header.version)));
    }
    let mut section = Section { header, steps: Vec::new(), report: None, path: path.to_owned() };
    for line in lines {
        match serde_json::from_str(line)
            .map_err(|e| broken(format!("has a line that we do not understand: {e}")))?
        {
            Record::Intent(intent) => section.steps.push(Step { intent, effects: None }),
            Record::Effect(effects) => match section.steps.last_mut() {
                Some(step) => step.effects = Some(effects),
                None => return Err(broken("has an effect without a step".to_owned())),
            },
            Record::Complete(report) => section.report = Some(report),
        }
    }
    Ok(Some(section))
}

fn file_error(verb: &str, path: &Path, source: std::io::Error) -> KernelError {
    KernelError::File { what: format!("failed to {verb} {}", path.display()), source }
}

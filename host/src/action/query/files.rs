//! Queries for the contents of files.

use super::{Answer, Question};
use crate::action::context::ReadContext;
use crate::machine::MachineError;
use crate::machine::errno::as_go;
use crate::policy::{Capability, Grants, Refusal, Resource, Rules};
use crate::value::Fact;
use crate::value::fact::MAX_FILE_BYTES;
use std::io;
use std::path::Path;

/// See [`Query::File`](super::Query::File) and [`Query::FileBelow`](super::Query::FileBelow).
#[derive(Debug, Clone, Copy)]
pub struct File<'a> {
    /// The path of the file.
    pub path: &'a Path,
    /// The directory that policy names. If set, no symbolic link may lead out of it.
    pub below: Option<&'a Path>,
}

impl Question for File<'_> {
    fn capability(&self, _grants: &Grants) -> Option<Capability> {
        Some(Capability::Observe)
    }

    /// Paths are compared as text: another spelling of the same path is not granted.
    fn refuse(&self, grants: &Grants, rules: &Rules<'_>) -> Vec<Refusal> {
        if self.below.is_some() {
            return vec![Refusal::never("a plugin names a file, and policy the directory")];
        }
        let is_named = grants.own.files.iter().any(|file| file.as_os_str() == self.path.as_os_str());
        let rule = || "the configuration names no such file as `resolvConf` of `ipam`".to_owned();
        rules.refuse(&Resource::File(self.path), is_named, rule)
    }

    fn describe(&self) -> String {
        format!("read {}", self.path.display())
    }

    fn subject(&self) -> String {
        format!("file {}", self.path.display())
    }

    /// The contents of the file. A missing file is an answer, not an error.
    fn answer(&self, cx: &mut ReadContext<'_>) -> Result<Answer, MachineError> {
        match cx.look.file(self.path, self.below, MAX_FILE_BYTES) {
            Ok(bytes) => Ok(Answer::File(Fact::Known(bytes))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Answer::File(Fact::Absent)),
            Err(error) => Err(failed_read(self.path, error)),
        }
    }

    fn hidden(&self) -> Answer {
        Answer::File(Fact::Unreadable)
    }

    fn nothing(&self) -> Answer {
        Answer::File(Fact::Known(Vec::new()))
    }
}

/// The error in the wording of the reference: `open PATH` if the file cannot be opened, `read PATH` if it is not a
/// regular file.
// The port does not report whether the file was opened, so the kind of the error has to show it.
fn failed_read(path: &Path, source: io::Error) -> MachineError {
    let is_opened = source.raw_os_error().is_none() && source.kind() == io::ErrorKind::InvalidInput;
    let verb = if is_opened { "read" } else { "open" };
    MachineError::File { what: format!("{verb} {}", path.display()), source: as_go(source) }
}

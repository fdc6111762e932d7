//! The audit log. Each plan that was applied, refused or undone is one line of JSON (`docs/security.md`, S16;
//! `docs/policy.md`).

use crate::cni::{CniError, ErrorKind, Request, code};
use crate::policy::{AuditLog, Violation};
use crate::printable::printable;
use crate::timings::{self, Phases};
use crate::value::{Attachment, NetworkName, PluginName};
use serde::Serialize;
use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Instant, SystemTime};

/// The operation that writes a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Audited {
    /// The verb ADD.
    Add,
    /// The verb DEL.
    Del,
    /// The verb GC, and the command `wasm-cni gc`.
    Gc,
    /// The command `wasm-cni repair`, for one attachment.
    Repair,
}

/// The network, plugin and attachment that a line describes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Subject<'a> {
    /// The network. `None` means all networks.
    pub network: Option<&'a NetworkName>,
    /// The plugin. `None` means that the operation is not about one plugin.
    pub plugin: Option<&'a PluginName>,
    /// The attachment. `None` means that the operation is not about one attachment.
    pub attachment: Option<&'a Attachment>,
}

impl<'a> From<&'a Request> for Subject<'a> {
    fn from(request: &'a Request) -> Self {
        let Request { plugin, attachment, .. } = request;
        Subject { network: Some(&attachment.network), plugin: Some(plugin), attachment: Some(attachment) }
    }
}

/// The outcome of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Outcome {
    /// The host applied every action.
    Applied,
    /// Policy refused the plan, and the host changed nothing.
    Refused,
    /// The planner produced no plan, or the host applied no action of it.
    Failed,
    /// An action failed, and the host undid all actions before it.
    RolledBack,
    /// DEL or GC undid the recorded actions.
    Undone,
    /// The host could not undo at least one action.
    Stuck,
    /// A repair failed halfway. The repaired actions stay applied.
    Incomplete,
}

/// One line of the log.
#[derive(Debug, Serialize)]
struct Line<'a> {
    /// RFC 3339, UTC, with microseconds.
    time: String,
    verb: Audited,
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    container: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interface: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plugin: Option<&'a str>,
    /// The components that took part.
    components: Vec<Component<'a>>,
    /// SHA-256 of the plan, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<&'a str>,
    outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a CniError>,
    /// The violations that policy reports but does not enforce, because it is in audit mode.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    tolerated: &'a [String],
    duration_us: u64,
    /// The phases of the call until this line was written, in microseconds.
    phases_us: Phases,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Component<'a> {
    plugin: &'a str,
    sha256: &'a str,
}

/// The log entry of one call, collected while the call runs.
#[derive(Debug)]
pub struct Record<'a> {
    log: Option<&'a AuditLog>,
    trace_id: Option<&'a str>,
    begun: Instant,
    /// The phases of earlier calls of this process.
    before: Phases,
    verb: Audited,
    subject: Subject<'a>,
    components: RefCell<Vec<(String, String)>>,
    plan: Option<String>,
    tolerated: Vec<String>,
    is_begun: Cell<bool>,
    is_written: bool,
}

impl<'a> Record<'a> {
    /// Starts the record of a verb. Without a `log`, the record writes nothing.
    ///
    /// `traceparent` is the header that the runtime passed (W3C Trace Context).
    pub fn begin(
        log: Option<&'a AuditLog>,
        traceparent: &'a str,
        verb: Audited,
        subject: Subject<'a>,
    ) -> Self {
        let begun = Instant::now();
        // Whatever came before does not count for this call.
        timings::ended("request");
        Record {
            log,
            trace_id: trace_id(traceparent),
            begun,
            before: timings::phases(),
            verb,
            subject,
            components: RefCell::default(),
            plan: None,
            tolerated: Vec::new(),
            is_begun: Cell::new(false),
            is_written: false,
        }
    }

    /// Records the components that took part so far: the plugin that the runtime called, and its delegates.
    pub fn took_part(&self, components: &[(String, String)]) {
        if self.log.is_some() {
            *self.components.borrow_mut() = components.to_vec();
        }
    }

    /// Records the digest of the plan. Without a log, `digest` is not called.
    pub fn plan(&mut self, digest: impl FnOnce() -> String) {
        self.plan = self.log.map(|_| digest());
    }

    /// Records the violations that only audit mode allows, and logs a warning for each.
    pub fn tolerate(&mut self, violations: &[Violation]) {
        for violation in violations {
            let text = violation.text();
            tracing::warn!("policy would refuse, were it not in audit mode: {text}");
            self.tolerated.push(text);
        }
    }

    /// Records that the host changes the machine from now on.
    ///
    /// Fails with `IO_FAILURE` when policy requires the log and the log cannot be opened.
    pub fn begin_applying(&self) -> Result<(), CniError> {
        if let Some(log) = self.log.filter(|log| log.required && !self.is_begun.get()) {
            open(&log.file).map_err(|error| required(log, &error))?;
        }
        self.is_begun.set(true);
        Ok(())
    }

    /// Writes that the plan was applied. The caller writes the result to the runtime only after that.
    ///
    /// Fails with `IO_FAILURE` when policy requires the log and the log cannot be written.
    pub fn applied(&mut self) -> Result<(), CniError> {
        let written = self.write(Outcome::Applied, None);
        match (written, self.log) {
            (Err(error), Some(log)) if log.required => Err(required(log, &error)),
            _ => Ok(()),
        }
    }

    /// Writes the outcome of the call. After [`Record::applied`] it writes a second line only if the call failed, so
    /// that the ADD was undone.
    pub fn end<T>(mut self, result: &Result<T, CniError>) {
        if self.is_written && result.is_ok() {
            return;
        }
        let outcome = match result {
            Ok(_) if matches!(self.verb, Audited::Add | Audited::Repair) => Outcome::Applied,
            Ok(_) => Outcome::Undone,
            // The kind, because a plugin chooses the code of its own error.
            Err(error) => match error.kind().map(|kind| kind.entry().code) {
                Some(code::DENIED) => Outcome::Refused,
                Some(code::STUCK) => Outcome::Stuck,
                _ if self.is_begun.get() && self.verb == Audited::Repair => Outcome::Incomplete,
                _ if self.is_begun.get() => Outcome::RolledBack,
                _ => Outcome::Failed,
            },
        };
        // `write` already logs a failure on stderr. The verb is finished, so its outcome does not change.
        let _ = self.write(outcome, result.as_ref().err());
    }

    fn write(&mut self, outcome: Outcome, error: Option<&CniError>) -> io::Result<()> {
        let Some(log) = self.log else { return Ok(()) };
        let components = self.components.borrow();
        let line = Line {
            time: humantime::format_rfc3339_micros(SystemTime::now()).to_string(),
            verb: self.verb,
            network: self.subject.network.map(NetworkName::as_str),
            container: self.subject.attachment.map(|attachment| attachment.container.as_str()),
            interface: self.subject.attachment.map(|attachment| attachment.interface.as_str()),
            plugin: self.subject.plugin.map(PluginName::as_str),
            components: components.iter().map(|(plugin, sha256)| Component { plugin, sha256 }).collect(),
            plan: self.plan.as_deref(),
            outcome,
            error,
            tolerated: &self.tolerated,
            duration_us: u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX),
            phases_us: timings::phases().since(&self.before),
            trace_id: self.trace_id,
        };
        let appended = serde_json::to_string(&line)
            .map_err(Into::into)
            .and_then(|line| append(&log.file, &printable(&line)));
        match &appended {
            Ok(()) => self.is_written = true,
            Err(error) => tracing::warn!("the audit log {} cannot be written: {error}", log.file.display()),
        }
        appended
    }
}

fn required(log: &AuditLog, error: &io::Error) -> CniError {
    let msg = format!("the audit log {} cannot be written, and policy requires it", log.file.display());
    CniError::new(ErrorKind::AuditNotWritten, msg).with_details(error.to_string())
}

/// Opens the log. Every line opens the file again, so that log rotation by rename works. After the rename, only lines
/// that are being written still go into the old file.
fn open(path: &Path) -> io::Result<File> {
    let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK | nix::libc::O_NOCTTY;
    let mut options = File::options();
    let file = options.create(true).append(true).read(true).mode(0o600).custom_flags(flags).open(path)?;
    let kind = file.metadata()?.file_type();
    if kind.is_file() {
        return Ok(file);
    }
    let what = if kind.is_fifo() { "a pipe" } else { "no regular file" };
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("it is {what}")))
}

/// Appends a line with one write(2), so that lines of concurrent calls do not mix.
fn append(path: &Path, line: &str) -> io::Result<()> {
    let file = open(path)?;
    let mut last = [b'\n'];
    let length = file.metadata()?.len();
    if let Some(end) = length.checked_sub(1) {
        file.read_exact_at(&mut last, end)?;
    }
    // A full disk may have truncated the last line. A line break keeps it apart from the new line.
    let text = if last == [b'\n'] { format!("{line}\n") } else { format!("\n{line}\n") };
    match (&file).write(text.as_bytes())? {
        written if written == text.len() => Ok(()),
        written => Err(io::Error::new(
            io::ErrorKind::WriteZero,
            format!("{written} of {} bytes were written: the disk is full", text.len()),
        )),
    }
}

/// The trace ID of a `traceparent` header, `00-TRACE-PARENT-FLAGS`. `None` when the header is invalid (W3C Trace
/// Context, section 3.2).
fn trace_id(traceparent: &str) -> Option<&str> {
    let hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let mut parts = traceparent.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let ended = parts.next().is_none() || version != "00";
    let valid = hex(version, 2) && version != "ff" && hex(trace, 32) && hex(parent, 16) && hex(flags, 2);
    let zeros = |text: &str| text.bytes().all(|b| b == b'0');
    (valid && ended && !zeros(trace) && !zeros(parent)).then_some(trace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_valid_header_gives_a_trace_id() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let header = |version: &str, trace: &str, rest: &str| format!("{version}-{trace}-{rest}");
        let rest = "00f067aa0ba902b7-01";
        assert_eq!(trace_id(&header("00", trace, rest)), Some(trace));
        assert_eq!(trace_id(&header("cc", trace, &format!("{rest}-more"))), Some(trace), "a later version");
        for (wrong, why) in [
            (header("00", trace, &format!("{rest}-more")), "too long"),
            (header("ff", trace, rest), "no version"),
            (header("00", &trace.to_uppercase(), rest), "upper case"),
            (header("00", &"0".repeat(32), rest), "no trace"),
            (header("00", trace, "0000000000000000-01"), "no parent"),
            (header("00", &trace[1..], rest), "too short"),
            (String::new(), "none"),
            ("\n\"".to_owned(), "no header"),
        ] {
            assert_eq!(trace_id(&wrong), None, "{why}");
        }
    }

    #[test]
    fn a_truncated_line_keeps_its_own_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        append(&path, "one").unwrap();
        std::fs::write(&path, "one\ntw").unwrap();
        append(&path, "three").unwrap();
        append(&path, "four").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntw\nthree\nfour\n");
    }

    #[test]
    fn append_refuses_a_path_that_is_no_regular_file_without_waiting() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        nix::unistd::mkfifo(&path("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        std::os::unix::fs::symlink("elsewhere", path("link")).unwrap();
        for name in ["fifo", "link", "missing/log"] {
            assert!(append(&path(name), "line").is_err(), "{name}");
        }
        assert!(!path("elsewhere").exists());
    }
}

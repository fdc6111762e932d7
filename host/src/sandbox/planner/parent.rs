//! The parent side of the planner: answers queries, sends code, and forwards the log. It trusts no message of the
//! planner.

use super::frame::{self, FrameError};
use super::message::{Message, Reply};
use super::{Delegated, Planner, Service, Services, verify};
use crate::cni::{CniError, ErrorKind, code};
use crate::plan::DraftPlan;
use crate::sandbox::recorder::Level;
use crate::sandbox::{limits, lower};
use crate::value::PluginName;
use nix::sys::signal::Signal;
use nix::sys::wait::WaitStatus;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// The bytes that the planner may add to its log for notes about dropped lines.
const NOTE_BYTES: usize = 1 << 10;

/// The counts of what the planner sent. A correct planner stays below the limits, so more means that it was taken
/// over.
#[derive(Default)]
struct Said {
    questions: usize,
    loads: usize,
    delegations: usize,
    log_bytes: usize,
    plugins: Vec<PluginName>,
    /// The errors that the planner got instead of a delegate.
    refused: Vec<CniError>,
}

impl Said {
    /// The reply with an error, which the planner may send back.
    fn refuse(&mut self, error: CniError) -> Reply {
        self.refused.push(error.clone());
        Reply::Refused(error)
    }
}

impl Planner {
    /// Serves the planner until it sends a plan. The time that the services take does not count as the planner's.
    /// After the plan, nothing more is read from it.
    pub fn serve(&mut self, services: &mut dyn Services) -> Result<DraftPlan, CniError> {
        let mut said = Said { plugins: vec![self.request.plugin.clone()], ..Said::default() };
        let mut left = limits::PLANNER_TIME;
        loop {
            let (message, took) = self.receive(left)?;
            left = left.saturating_sub(took);
            let reply = match message {
                Message::Ask(asks, query) => {
                    said.questions += 1;
                    if said.questions > limits::QUESTIONS {
                        return Err(self.lied(format!("more than {} questions", limits::QUESTIONS)));
                    }
                    if !said.plugins.contains(&asks) {
                        return Err(self.lied(format!("a question of plugin {asks}, which did not run")));
                    }
                    (Reply::Answer(services.ask(&asks, &query)), None)
                }
                Message::Load(caller, plugin) => {
                    if !said.plugins.contains(&caller) {
                        return Err(self.lied(format!("a delegation by plugin {caller}, which did not run")));
                    }
                    said.loads += 1;
                    if said.loads > limits::DELEGATIONS {
                        return Err(self.lied(format!("more than {} delegates", limits::DELEGATIONS)));
                    }
                    let loaded = services.load(&caller, &plugin);
                    if loaded.is_ok() && !said.plugins.contains(&plugin) {
                        said.plugins.push(plugin);
                    }
                    match loaded {
                        Ok(Service::Component(code)) => (Reply::Code, Some(code.file)),
                        Ok(Service::Native) => (Reply::Native, None),
                        Err(error) => (said.refuse(error), None),
                    }
                }
                Message::Delegate(plugin, stage) => {
                    said.delegations += 1;
                    if said.delegations > limits::DELEGATIONS {
                        return Err(self.lied(format!("more than {} delegations", limits::DELEGATIONS)));
                    }
                    if let Err(lie) = verify::check(&stage, &self.request, &said.plugins, &self.limits) {
                        return Err(self.lied(lie));
                    }
                    match services.delegate(&plugin, stage)? {
                        Delegated::Answered(report) => (Reply::Answered(report), None),
                        Delegated::Refused(error) => (said.refuse(error), None),
                        Delegated::Ended(plan) => return Ok(plan),
                    }
                }
                Message::Log { plugin, level, text } => {
                    // A correct planner adds a note that the rest is dropped.
                    said.log_bytes = said.log_bytes.saturating_add(text.len().max(limits::LOG_LINE_BYTES));
                    if said.log_bytes > limits::LOG_BYTES + NOTE_BYTES {
                        return Err(self.lied("an endless log".to_owned()));
                    }
                    if !said.plugins.contains(&plugin) {
                        return Err(self.lied(format!("a line of plugin {plugin}, which did not run")));
                    }
                    log(&plugin, level, &text);
                    continue;
                }
                Message::Plan(plan) => {
                    return match verify::check(&plan, &self.request, &said.plugins, &self.limits) {
                        Ok(()) => Ok(plan),
                        Err(lie) => Err(self.lied(lie)),
                    };
                }
                Message::Failed(mut error) => {
                    lower::cut(&mut error.msg, limits::ERROR_MSG_BYTES);
                    lower::cut(&mut error.details, limits::ERROR_DETAILS_BYTES);
                    // A plugin passes on the error of a delegate that it did not get.
                    let is_same = |sent: &&CniError| (sent.code, &sent.msg) == (error.code, &error.msg);
                    if let Some(sent) = said.refused.iter().find(is_same) {
                        return Err(sent.clone());
                    }
                    // The planner makes no such error: nothing is left on the machine while the plan is recorded, and
                    // the policy is not its own. A user who sees such a code does what the table says about it.
                    if [code::DENIED, code::STUCK, code::DIFFERS, code::DRY_RUN].contains(&error.code) {
                        error.code = code::INTERNAL;
                    }
                    return Err(error);
                }
            };
            let (reply, descriptor) = reply;
            // A planner that does not read its socket uses up its own time.
            let begun = Instant::now();
            frame::send(&self.socket, &reply, descriptor.as_ref().map(AsFd::as_fd), Some(begun + left))
                .map_err(|error| self.broken(error))?;
            left = left.saturating_sub(begun.elapsed());
        }
    }

    /// Receives the next message. Returns it with the time that it took to arrive.
    fn receive(&mut self, left: Duration) -> Result<(Message, Duration), CniError> {
        let begun = Instant::now();
        match frame::receive(&self.socket, begun + left) {
            Ok(message) => Ok((message, begun.elapsed())),
            Err(error) => Err(self.broken(error)),
        }
    }

    /// The error for a planner whose connection failed.
    pub(super) fn broken(&mut self, error: FrameError) -> CniError {
        let how = match error {
            FrameError::Deadline => {
                self.process.end();
                return limits::exceeded(
                    "time of the planner",
                    format!("{} ms", limits::PLANNER_TIME.as_millis()),
                );
            }
            FrameError::Ended(ended) => {
                self.process.end();
                return CniError::new(ErrorKind::Ended, ended.to_string())
                    .with_details("the plugin was still planning; nothing was changed");
            }
            FrameError::Closed => self.post_mortem(),
            FrameError::Socket(source) => format!("the socket failed: {source}"),
            other => other.to_string(),
        };
        self.lied(how)
    }

    /// Kills a planner that sent a message which no correct planner can send. Returns the error.
    fn lied(&mut self, how: String) -> CniError {
        self.process.end();
        CniError::new(
            ErrorKind::PlannerFailed,
            format!("the planner of plugin {} failed", self.request.plugin),
        )
        .with_details(how)
    }

    /// Finds out how the planner died after it closed its socket. The kernel takes a moment to report it.
    fn post_mortem(&mut self) -> String {
        let begun = Instant::now();
        loop {
            let status =
                nix::sys::wait::waitpid(self.process.pid, Some(nix::sys::wait::WaitPidFlag::WNOHANG));
            match status {
                Ok(WaitStatus::StillAlive) if begun.elapsed() < Duration::from_millis(100) => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Ok(WaitStatus::Signaled(_, signal, _)) => {
                    self.process.reaped = true;
                    return match signal {
                        Signal::SIGSYS => {
                            format!("it was ended by {signal}: it made a system call that it may not")
                        }
                        _ => format!("it was ended by {signal}"),
                    };
                }
                Ok(WaitStatus::Exited(_, status)) => {
                    self.process.reaped = true;
                    return format!("it exited with status {status} without a plan");
                }
                _ => return "it closed its connection".to_owned(),
            }
        }
    }
}

/// Writes a plugin's line to the host's log. Control characters are replaced, because they could control the
/// terminal.
fn log(plugin: &PluginName, level: Level, text: &str) {
    let plain: String =
        text.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect();
    match level {
        Level::Debug => tracing::debug!(target: "plugin", "{plugin}: {plain}"),
        Level::Info => tracing::info!(target: "plugin", "{plugin}: {plain}"),
        Level::Warn => tracing::warn!(target: "plugin", "{plugin}: {plain}"),
        Level::Error => tracing::error!(target: "plugin", "{plugin}: {plain}"),
    }
}

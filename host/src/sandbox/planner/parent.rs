//! The parent's side: answers, hands out code, passes on the log, and believes nothing.

use super::frame::{self, FrameError};
use super::message::{Message, Reply};
use super::{Delegated, Planner, Service, Services, verify};
use crate::cni::{CniError, code};
use crate::plan::{DraftPlan, PluginName};
use crate::sandbox::limits;
use crate::sandbox::recorder::Level;
use nix::sys::wait::WaitStatus;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// What an honest planner can say: more is a lie, and ends it.
#[derive(Default)]
struct Said {
    questions: usize,
    delegations: usize,
    lines: usize,
    plugins: Vec<PluginName>,
}

impl Planner {
    /// Serves the planner until it has a plan. The time of the services does not count as the planner's.
    pub fn serve(mut self, services: &mut dyn Services) -> Result<DraftPlan, CniError> {
        let mut said = Said { plugins: vec![self.request.plugin.clone()], ..Said::default() };
        let mut left = limits::PLANNER_TIME;
        loop {
            let (message, took) = self.receive(left)?;
            left = left.saturating_sub(took);
            let reply = match message {
                Message::Ask(query) => {
                    said.questions += 1;
                    if said.questions > limits::QUESTIONS {
                        return Err(self.lied(format!("more than {} questions", limits::QUESTIONS)));
                    }
                    (Reply::Answer(services.ask(&query)), None)
                }
                Message::Load(plugin) => {
                    if said.plugins.len() > limits::HANDLES {
                        return Err(self.lied(format!("more than {} delegates", limits::HANDLES)));
                    }
                    let loaded = services.load(&plugin);
                    said.plugins.push(plugin);
                    match loaded {
                        Ok(Service::Component(code)) => (Reply::Code, Some(code.file)),
                        Ok(Service::Native) => (Reply::Native, None),
                        Err(error) => (Reply::Refused(error), None),
                    }
                }
                Message::Delegate(plugin, stage) => {
                    said.delegations += 1;
                    if said.delegations > limits::HANDLES {
                        return Err(self.lied(format!("more than {} delegations", limits::HANDLES)));
                    }
                    if let Err(lie) = verify::check(&stage, &said.plugins) {
                        return Err(self.lied(lie));
                    }
                    match services.delegate(&plugin, stage)? {
                        Delegated::Answered(report) => (Reply::Answered(report), None),
                        Delegated::Refused(error) => (Reply::Refused(error), None),
                        Delegated::Ended(plan) => return Ok(plan),
                    }
                }
                Message::Log { plugin, level, text } => {
                    said.lines += 1;
                    if said.lines > 2 * limits::LOG_BYTES {
                        return Err(self.lied("an endless log".to_owned()));
                    }
                    log(&plugin, level, &text);
                    continue;
                }
                Message::Plan(plan) => {
                    return match verify::check(&plan, &said.plugins) {
                        Ok(()) => Ok(plan),
                        Err(lie) => Err(self.lied(lie)),
                    };
                }
                Message::Failed(error) => return Err(error),
            };
            let (reply, descriptor) = reply;
            let deadline = Some(Instant::now() + left);
            frame::send(&self.socket, &reply, descriptor.as_ref().map(AsFd::as_fd), deadline)
                .map_err(|error| self.broken(error))?;
        }
    }

    /// The next message, and how long it took to come.
    fn receive(&mut self, left: Duration) -> Result<(Message, Duration), CniError> {
        let begun = Instant::now();
        match frame::receive(&self.socket, Some(begun + left)) {
            Ok((message, _)) => Ok((message, begun.elapsed())),
            Err(error) => Err(self.broken(error)),
        }
    }

    /// The error for a planner that stopped talking.
    fn broken(&mut self, error: FrameError) -> CniError {
        let how = match error {
            FrameError::Deadline => {
                self.end();
                return limits::exceeded(
                    "time of the planner",
                    format!("{} ms", limits::PLANNER_TIME.as_millis()),
                );
            }
            FrameError::Closed => self.post_mortem(),
            FrameError::Socket(source) => format!("the socket failed: {source}"),
            other => other.to_string(),
        };
        self.lied(how)
    }

    /// The error for a planner that said what it cannot have to say; it is ended.
    fn lied(&mut self, how: String) -> CniError {
        self.end();
        CniError::new(code::TRAPPED, format!("the planner of plugin {} failed", self.request.plugin))
            .with_details(how)
    }

    /// How a planner died that closed its socket: it takes a moment until the kernel says so.
    fn post_mortem(&mut self) -> String {
        let begun = Instant::now();
        loop {
            let status = nix::sys::wait::waitpid(self.process, Some(nix::sys::wait::WaitPidFlag::WNOHANG));
            match status {
                Ok(WaitStatus::StillAlive) if begun.elapsed() < Duration::from_millis(100) => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Ok(WaitStatus::Signaled(_, signal, _)) => {
                    self.reaped = true;
                    return format!("it was ended by {signal}");
                }
                Ok(WaitStatus::Exited(_, status)) => {
                    self.reaped = true;
                    return format!("it exited with status {status} without a plan");
                }
                _ => return "it closed its connection".to_owned(),
            }
        }
    }
}

/// Passes a plugin's line on to our log, without what would move a terminal's cursor.
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

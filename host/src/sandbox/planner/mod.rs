//! The planner: a forked child that runs guests. The parent, which has the privileges, never runs guest code.

mod child;
mod clock;
mod frame;
mod message;
mod parent;
mod services;
#[cfg(test)]
mod test;
mod verify;

#[cfg(test)]
pub use child::SYSTEM_CALLS;
pub use services::{Components, Delegated, Service, Services};

use super::cache::Code;
use super::limits::{self, Limits};
use crate::cni::{CniError, Request, code};
use crate::plan::{Action, DraftPlan, Facts, PluginName};
use message::Begin;
use nix::sched::{sched_getaffinity, sched_getcpu, sched_setaffinity};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, getpid};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Instant;

/// A planner process; when it is dropped, that is killed and reaped.
#[derive(Debug)]
pub struct Planner {
    request: Request,
    limits: Limits,
    process: Pid,
    reaped: bool,
    socket: UnixStream,
}

/// Runs the plugin of a request and gives its plan; see [`Planner::spawn`] and [`Planner::serve`].
pub fn plan(
    request: &Request,
    code: Code,
    earlier: Vec<Action>,
    facts: &mut dyn Facts,
    load: &mut dyn FnMut(&PluginName) -> Result<Code, CniError>,
) -> Result<DraftPlan, CniError> {
    let mut planner = Planner::spawn(request)?;
    planner.begin(Limits::default(), code, earlier)?;
    planner.serve(&mut Components { facts, load })
}

impl Planner {
    /// Starts a process for a request, which gives up what it may and waits for [`Planner::begin`]: meanwhile the caller looks its plugin up.
    #[expect(unsafe_code, reason = "fork")]
    pub fn spawn(request: &Request) -> Result<Self, CniError> {
        let failed =
            |e: std::io::Error| CniError::new(code::INTERNAL, "no planner").with_details(e.to_string());
        let (ours, theirs) = UnixStream::pair().map_err(failed)?;
        let parent = getpid();
        // SAFETY: this process has one thread (it starts none before it is done), so that the child finds no lock held
        // by a thread that it lacks.
        match unsafe { fork() }.map_err(|e| failed(e.into()))? {
            ForkResult::Child => child::run(request.clone(), theirs, parent),
            ForkResult::Parent { child } => {
                let _ = elsewhere(child);
                Ok(Planner {
                    request: request.clone(),
                    limits: Limits::default(),
                    process: child,
                    reaped: false,
                    socket: ours,
                })
            }
        }
    }

    /// Has it run a plugin. It begins at once, so the caller can prepare other things before it serves it.
    ///
    /// `earlier` are actions that it takes as done: in the dry run of a chain, those of the plugins before it.
    pub fn begin(&mut self, limits: Limits, code: Code, earlier: Vec<Action>) -> Result<(), CniError> {
        self.limits = limits;
        let begin = Begin { limits, earlier };
        let deadline = Instant::now() + limits::PLANNER_TIME;
        frame::send(&self.socket, &begin, Some(code.file.as_fd()), Some(deadline))
            .map_err(|error| self.broken(error))
    }

    /// A planner that somebody else runs, at the other end of `socket`; nobody is ended or reaped.
    pub fn at(request: &Request, limits: Limits, socket: UnixStream) -> Self {
        // No process has this number: it is above PID_MAX_LIMIT.
        let process = Pid::from_raw(i32::MAX);
        Planner { request: request.clone(), limits, process, reaped: true, socket }
    }

    /// Ends the planner and tells how it had ended by itself.
    fn end(&mut self) -> Option<WaitStatus> {
        if self.reaped {
            return None;
        }
        let status = match waitpid(self.process, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => {
                // It has not been reaped, so the number is still its own. Root without CAP_KILL may not, and does not wait for it.
                if kill(self.process, Signal::SIGKILL).is_ok() {
                    let _ = waitpid(self.process, None);
                }
                None
            }
            Ok(status) => Some(status),
            Err(_) => None,
        };
        self.reaped = true;
        status
    }
}

/// Puts a process that has not run yet on another processor than this one, where it begins at once. The scheduler may move it again.
///
/// By itself it mostly waits here until we sleep.
fn elsewhere(process: Pid) -> nix::Result<()> {
    let all = sched_getaffinity(Pid::from_raw(0))?;
    let mut others = all;
    others.unset(sched_getcpu()?)?;
    sched_setaffinity(process, &others)?;
    sched_setaffinity(process, &all)
}

impl Drop for Planner {
    fn drop(&mut self) {
        self.end();
    }
}

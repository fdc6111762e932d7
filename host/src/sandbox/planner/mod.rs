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
use crate::action::{Action, Facts};
use crate::cni::{CniError, ErrorKind, Request};
use crate::plan::DraftPlan;
use crate::value::PluginName;
use frame::FrameError;
use message::{Begin, Reply};
use nix::sched::{sched_getaffinity, sched_getcpu, sched_setaffinity};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, getpid};
use serde::Serialize;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Instant;

/// A child process; when it is dropped, it is killed and reaped.
#[derive(Debug)]
struct Process {
    pid: Pid,
    reaped: bool,
}

/// A planner process that has given up what it may, and waits for a request.
#[derive(Debug)]
pub struct Waiting {
    process: Process,
    socket: UnixStream,
}

/// A planner process that runs the plugin of a request.
#[derive(Debug)]
pub struct Planner {
    request: Request,
    limits: Limits,
    process: Process,
    socket: UnixStream,
}

/// Runs the plugin of a request and gives its plan; see [`Waiting::spawn`] and [`Planner::serve`].
pub fn plan(
    request: &Request,
    code: Code,
    earlier: Vec<Action>,
    facts: &mut dyn Facts,
    load: &mut dyn FnMut(&PluginName) -> Result<Code, CniError>,
) -> Result<DraftPlan, CniError> {
    let mut planner = Waiting::spawn()?.begin(request.clone(), Limits::default(), code, earlier)?;
    planner.serve(&mut Components { facts, load })
}

impl Waiting {
    /// Starts a process. The earlier the better: it has less of ours to copy, and what it gives up it gives up while its plugin is looked up.
    #[expect(unsafe_code, reason = "fork")]
    pub fn spawn() -> Result<Self, CniError> {
        let failed = |e: std::io::Error| {
            CniError::new(ErrorKind::SandboxNotStarted, "failed to start the planner")
                .with_details(e.to_string())
        };
        let (ours, theirs) = UnixStream::pair().map_err(failed)?;
        let parent = getpid();
        // SAFETY: this process has one thread (it starts none before it is done), so that the child finds no lock held
        // by a thread that it lacks.
        match unsafe { fork() }.map_err(|e| failed(e.into()))? {
            ForkResult::Child => child::run(theirs, parent),
            ForkResult::Parent { child } => {
                let _ = start_on_other_cpu(child);
                Ok(Waiting { process: Process { pid: child, reaped: false }, socket: ours })
            }
        }
    }

    /// Has it run the plugin of a request. It begins at once, so the caller can prepare other things before it serves it.
    ///
    /// `earlier` are actions that it takes as done: in the dry run of a chain, those of the plugins before it.
    pub fn begin(
        self,
        request: Request,
        limits: Limits,
        code: Code,
        earlier: Vec<Action>,
    ) -> Result<Planner, CniError> {
        let Waiting { process, socket } = self;
        let mut planner = Planner { request: request.clone(), limits, process, socket };
        planner.give(&Begin { request, limits, earlier }, &code)?;
        Ok(planner)
    }
}

impl Planner {
    /// Gives it the code of a plugin to which the first will probably delegate.
    pub fn preload(&mut self, plugin: &PluginName, code: &Code) -> Result<(), CniError> {
        self.give(&Reply::Preload(plugin.clone()), code)
    }

    fn give(&mut self, message: &impl Serialize, code: &Code) -> Result<(), CniError> {
        let deadline = Instant::now() + limits::PLANNER_TIME;
        match frame::send(&self.socket, message, Some(code.file.as_fd()), Some(deadline)) {
            // One that has ended already has said why, which is yet to be read.
            Ok(()) | Err(FrameError::Closed) => Ok(()),
            Err(error) => Err(self.broken(error)),
        }
    }

    /// A planner that somebody else runs, at the other end of `socket`; nobody is ended or reaped.
    pub fn at(request: &Request, limits: Limits, socket: UnixStream) -> Self {
        // No process has this number: it is above PID_MAX_LIMIT.
        let process = Process { pid: Pid::from_raw(i32::MAX), reaped: true };
        Planner { request: request.clone(), limits, process, socket }
    }
}

impl Process {
    /// Ends it and tells how it had ended by itself.
    fn end(&mut self) -> Option<WaitStatus> {
        if self.reaped {
            return None;
        }
        let status = match waitpid(self.pid, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => {
                // It has not been reaped, so the number is still its own. Root without CAP_KILL may not, and does not wait for it.
                if kill(self.pid, Signal::SIGKILL).is_ok() {
                    let _ = waitpid(self.pid, None);
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
/// By itself it may wait here until we sleep. Where the kernel has put it elsewhere already, it stays: that is not ours to know better.
fn start_on_other_cpu(process: Pid) -> nix::Result<()> {
    let all = sched_getaffinity(Pid::from_raw(0))?;
    let mut others = all;
    others.unset(sched_getcpu()?)?;
    sched_setaffinity(process, &others)?;
    sched_setaffinity(process, &all)
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

//! The planner: a forked child process that runs guests. The parent has the privileges and never runs guest code.

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

/// A child process. Dropping the value kills and reaps it.
#[derive(Debug)]
struct Process {
    pid: Pid,
    reaped: bool,
}

/// A planner process that has given up its privileges and waits for a request.
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

/// Runs the plugin of a request and returns its plan. See [`Waiting::spawn`] and [`Planner::serve`].
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
    /// Forks a planner process. Call it early: then there is less memory to copy, and the child gives up its
    /// privileges while the parent looks the plugin up.
    #[expect(unsafe_code, reason = "fork")]
    pub fn spawn() -> Result<Self, CniError> {
        let failed = |e: std::io::Error| {
            CniError::new(ErrorKind::SandboxNotStarted, "failed to start the planner")
                .with_details(e.to_string())
        };
        let (ours, theirs) = UnixStream::pair().map_err(failed)?;
        let parent = getpid();
        // SAFETY: this process has only one thread until the planner is done. So no other thread can hold a lock that
        // the child would wait for.
        match unsafe { fork() }.map_err(|e| failed(e.into()))? {
            ForkResult::Child => child::run(theirs, parent),
            ForkResult::Parent { child } => {
                let _ = start_on_other_cpu(child);
                Ok(Waiting { process: Process { pid: child, reaped: false }, socket: ours })
            }
        }
    }

    /// Sends the request. The planner starts to run the plugin at once, so the caller can prepare other things before
    /// it calls [`Planner::serve`].
    ///
    /// `earlier` are actions that the planner treats as applied. In the dry run of a chain, they are those of the
    /// earlier plugins.
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
    /// Sends the code of a plugin to which a delegation is likely.
    pub fn preload(&mut self, plugin: &PluginName, code: &Code) -> Result<(), CniError> {
        self.give(&Reply::Preload(plugin.clone()), code)
    }

    fn give(&mut self, message: &impl Serialize, code: &Code) -> Result<(), CniError> {
        let deadline = Instant::now() + limits::PLANNER_TIME;
        match frame::send(&self.socket, message, Some(code.file.as_fd()), Some(deadline)) {
            // A planner that has ended already has sent an error, which `serve` reads later.
            Ok(()) | Err(FrameError::Closed) => Ok(()),
            Err(error) => Err(self.broken(error)),
        }
    }

    /// A planner that another process runs, at the other end of `socket`. Dropping it kills and reaps nothing.
    pub fn at(request: &Request, limits: Limits, socket: UnixStream) -> Self {
        // No process has this ID: it is above PID_MAX_LIMIT (include/linux/threads.h).
        let process = Process { pid: Pid::from_raw(i32::MAX), reaped: true };
        Planner { request: request.clone(), limits, process, socket }
    }
}

impl Process {
    /// Kills the process. Returns its status if it had already ended by itself.
    fn end(&mut self) -> Option<WaitStatus> {
        if self.reaped {
            return None;
        }
        let status = match waitpid(self.pid, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => {
                // The process is not reaped, so its ID is not reused. Root without CAP_KILL may not kill it, and must
                // not wait for it.
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

/// Moves a process that has not run yet to another processor, where it starts at once. The scheduler may move it
/// again.
///
/// Otherwise the child may wait on this processor until the parent sleeps. If the kernel already placed it elsewhere,
/// it stays there.
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

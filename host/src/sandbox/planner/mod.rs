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

pub use services::{Components, Delegated, Service, Services};

use super::cache::Code;
use crate::cni::{CniError, Request, code};
use crate::plan::{Action, DraftPlan, Facts, PluginName};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, getpid};
use std::os::unix::net::UnixStream;

/// A running planner. Dropped, it is killed and reaped.
#[derive(Debug)]
pub struct Planner {
    request: Request,
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
    Planner::spawn(request, code, earlier)?.serve(&mut Components { facts, load })
}

impl Planner {
    /// Starts a planner on a request. It begins at once, so the caller can prepare other things before it serves it.
    ///
    /// `earlier` are actions that it takes as done: in the dry run of a chain, those of the plugins before it.
    #[expect(unsafe_code, reason = "fork")]
    pub fn spawn(request: &Request, code: Code, earlier: Vec<Action>) -> Result<Self, CniError> {
        let failed =
            |e: std::io::Error| CniError::new(code::INTERNAL, "no planner").with_details(e.to_string());
        let (ours, theirs) = UnixStream::pair().map_err(failed)?;
        let parent = getpid();
        // SAFETY: this process has one thread (it starts none before it is done), so that the child finds no lock held
        // by a thread that it lacks.
        match unsafe { fork() }.map_err(|e| failed(e.into()))? {
            ForkResult::Child => child::run(request.clone(), earlier, code.file, theirs, parent),
            ForkResult::Parent { child } => {
                Ok(Planner { request: request.clone(), process: child, reaped: false, socket: ours })
            }
        }
    }

    /// Ends the planner and tells how it had ended by itself.
    fn end(&mut self) -> Option<WaitStatus> {
        if self.reaped {
            return None;
        }
        let status = match waitpid(self.process, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => {
                // It has not been reaped, so the number is still its own.
                let _ = kill(self.process, Signal::SIGKILL);
                let _ = waitpid(self.process, None);
                None
            }
            Ok(status) => Some(status),
            Err(_) => None,
        };
        self.reaped = true;
        status
    }
}

impl Drop for Planner {
    fn drop(&mut self) {
        self.end();
    }
}

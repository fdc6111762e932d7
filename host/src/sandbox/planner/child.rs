//! The planner's side: runs guests, asks, and says what they recorded. It never returns to what forked it.

use super::clock::Clock;
use super::frame::{self, FrameError};
use super::message::{Message, Reply};
use crate::cni::{CniError, Command, Request, code};
use crate::plan::{Action, Answer, DraftPlan, Facts, PluginName, Query, Report};
use crate::sandbox::engine::Verb;
use crate::sandbox::guest::Guest;
use crate::sandbox::recorder::{Level, Loaded, Recorder, Upstream};
use crate::sandbox::{engine, limits};
use nix::errno::Errno;
use nix::libc;
use nix::sys::prctl;
use nix::sys::signal::{SigHandler, SigSet, Signal, signal};
use nix::unistd::{Pid, getppid};
use std::fs::File;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

/// Runs the plugin of a request and exits.
pub fn run(request: Request, earlier: Vec<Action>, code: File, socket: UnixStream, parent: Pid) -> ! {
    // A panic would unwind into the parent's code, in the wrong process.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        isolate(&[socket.as_raw_fd(), code.as_raw_fd()], parent);
        let Ok(sender) = socket.try_clone() else { exit(1) };
        let result = match plan(request, earlier, code, socket) {
            Ok(plan) => Message::Plan(plan),
            Err(error) => Message::Failed(error),
        };
        match frame::send(&sender, &result, None, None) {
            Ok(()) => exit(0),
            Err(FrameError::TooLarge(_)) => {
                let error =
                    limits::exceeded("size of the plan", format!("{} MiB", limits::FRAME_BYTES >> 20));
                let _ = frame::send(&sender, &Message::Failed(error), None, None);
                exit(0)
            }
            // Nobody is left to tell.
            Err(_) => exit(1),
        }
    }));
    exit(1)
}

/// Makes this process the planner: nothing of the parent's but its memory, the socket and the code.
fn isolate(kept: &[RawFd], parent: Pid) {
    if prctl::set_pdeathsig(Signal::SIGKILL).is_err() || getppid() != parent {
        exit(1);
    }
    default_signals();
    close_all_but(kept);
    // Here capabilities, groups and the user are going to be given up, and a filter of system calls set: machine code is
    // opened through its descriptor alone, which needs no rights.
    if prctl::set_no_new_privs().is_err() {
        exit(1);
    }
}

#[expect(unsafe_code, reason = "signal dispositions")]
fn default_signals() {
    for of_parent in Signal::iterator() {
        // SAFETY: the default disposition runs no code. SIGKILL and SIGSTOP refuse, as they should.
        let _ = unsafe { signal(of_parent, SigHandler::SigDfl) };
    }
    // A parent that blocked a signal did so for itself.
    let _ = SigSet::empty().thread_set_mask();
}

#[expect(unsafe_code, reason = "close_range is not in nix")]
fn close_all_but(kept: &[RawFd]) {
    let mut kept: Vec<libc::c_uint> = kept.iter().filter_map(|fd| libc::c_uint::try_from(*fd).ok()).collect();
    kept.sort_unstable();
    let mut first = 0;
    for (end, next) in kept.iter().map(|fd| (Some(*fd), fd + 1)).chain([(None, 0)]) {
        let last = match end {
            Some(fd) => fd.checked_sub(1),
            None => Some(libc::c_uint::MAX),
        };
        if let Some(last) = last.filter(|last| *last >= first) {
            // SAFETY: what else owns a descriptor in this process is the parent's copy and never used again; its
            // destructors do not run.
            let closed = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
            if Errno::result(closed).is_err() {
                exit(1);
            }
        }
        first = next;
    }
}

/// Ends the process without destructors or exit handlers, which are the parent's.
#[expect(unsafe_code, reason = "_exit")]
fn exit(status: i32) -> ! {
    // SAFETY: it does not return, and runs nothing.
    unsafe { libc::_exit(status) }
}

fn plan(
    request: Request,
    earlier: Vec<Action>,
    code: File,
    socket: UnixStream,
) -> Result<DraftPlan, CniError> {
    // The standard library of a guest prints through wasmtime-wasi, which would start threads without a runtime of ours.
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime =
        runtime.map_err(|e| CniError::new(code::INTERNAL, "no runtime").with_details(e.to_string()))?;
    let _entered = runtime.enter();
    let engine = engine::new()?;
    let clock = Clock::start(&engine)?;
    let plugin = request.plugin.clone();
    let verb = if request.command == Command::Status { Verb::Status } else { Verb::Add };
    let recorder = Arc::new(Mutex::new(Recorder::new(request, earlier, Box::new(Parent { socket, clock }))));
    let report = engine::run(&code, Guest::new(plugin, 0, engine, Arc::clone(&recorder)), verb)?;
    Ok(recorder.lock().unwrap_or_else(PoisonError::into_inner).finish(report))
}

/// The parent, as a recorder sees it.
struct Parent {
    socket: UnixStream,
    clock: Clock,
}

impl Parent {
    /// Asks and waits, with the clock stopped. A planner without a parent has no reason to go on.
    fn ask_parent(&mut self, message: &Message) -> (Reply, Option<File>) {
        let socket = &self.socket;
        let reply = self.clock.stopped(|| {
            frame::send(socket, message, None, None)?;
            frame::receive(socket, None)
        });
        match reply {
            Ok((reply, descriptor)) => (reply, descriptor.map(File::from)),
            Err(_) => exit(1),
        }
    }
}

impl Facts for Parent {
    fn ask(&mut self, query: &Query) -> Answer {
        match self.ask_parent(&Message::Ask(query.clone())) {
            (Reply::Answer(answer), _) => answer,
            _ => exit(1),
        }
    }
}

impl Upstream for Parent {
    fn load(&mut self, plugin: &PluginName) -> Result<Loaded, CniError> {
        match self.ask_parent(&Message::Load(plugin.clone())) {
            (Reply::Code, Some(file)) => Ok(Loaded::Code(file)),
            (Reply::Native, _) => Ok(Loaded::Native),
            (Reply::Refused(error), _) => Err(error),
            _ => exit(1),
        }
    }

    fn delegate(&mut self, plugin: &PluginName, stage: DraftPlan) -> Result<Report, CniError> {
        match self.ask_parent(&Message::Delegate(plugin.clone(), stage)) {
            (Reply::Answered(report), _) => Ok(report),
            (Reply::Refused(error), _) => Err(error),
            _ => exit(1),
        }
    }

    fn log(&mut self, plugin: &PluginName, level: Level, text: &str) {
        let message = Message::Log { plugin: plugin.clone(), level, text: text.to_owned() };
        if frame::send(&self.socket, &message, None, None).is_err() {
            exit(1);
        }
    }
}

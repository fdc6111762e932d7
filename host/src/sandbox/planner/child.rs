//! The child side of the planner: runs guests, sends queries to the parent, and returns the recorded plan. It exits
//! and never returns into the code of the parent.

use super::clock::Clock;
use super::frame::{self, FrameError};
use super::message::{Begin, Message, Reply};
use crate::action::{Answer, Query};
use crate::cni::{CniError, Command, ErrorKind};
use crate::panic;
use crate::plan::DraftPlan;
use crate::sandbox::confine::{self, User};
use crate::sandbox::engine;
use crate::sandbox::engine::Verb;
use crate::sandbox::guest::Guest;
use crate::sandbox::limits;
use crate::sandbox::linked::Linked;
use crate::sandbox::recorder::{Level, Loaded, Recorder, Upstream};
use crate::value::{PluginName, Report};
use nix::errno::Errno;
use nix::libc;
use nix::sys::prctl;
use nix::sys::signal::{SigHandler, SigSet, Signal, signal};
use nix::unistd::{Pid, getppid};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};
use wasmtime::Engine;

/// Waits for a request, runs its plugin and exits.
pub fn run(socket: UnixStream, parent: Pid) -> ! {
    let socket = Arc::new(socket);
    panic::silence();
    // A panic would unwind into the parent's code in this process.
    let planned = panic::caught(|| {
        isolate(socket.as_raw_fd(), parent)?;
        plan(Arc::clone(&socket))
    });
    let result = match planned.flatten() {
        Ok(plan) => Message::Plan(plan),
        Err(error) => Message::Failed(error),
    };
    match frame::send(&socket, &result, None, None) {
        Ok(()) => exit(0),
        Err(FrameError::TooLarge(_)) => {
            let error = limits::exceeded("size of the plan", format!("{} MiB", limits::FRAME_BYTES >> 20));
            let _ = frame::send(&socket, &Message::Failed(error), None, None);
            exit(0)
        }
        // The parent does not read any more, so the error cannot be reported.
        Err(_) => exit(1),
    }
}

/// Separates this process from the parent (`docs/security.md`, S8): it keeps only its memory and the socket. The
/// seccomp filter of [`confine`] follows later, when everything that guests need is set up.
fn isolate(kept: RawFd, parent: Pid) -> Result<(), CniError> {
    let step = |what: &'static str| {
        move |errno: Errno| {
            CniError::new(ErrorKind::SandboxNotStarted, "failed to confine the planner")
                .with_details(format!("{what}: {errno}"))
        }
    };
    confine::limit(&limits::PLANNER).map_err(step("limits"))?;
    if confine::give_up().map_err(step("user and capabilities"))? == User::Unchanged {
        tracing::debug!("the planner keeps its user: there is no other that it could become");
    }
    // After the change of user, because that clears the setting (prctl(2), PR_SET_PDEATHSIG).
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(step("end with the parent"))?;
    if getppid() != parent {
        exit(1);
    }
    default_signals();
    close_all_but(kept);
    Ok(())
}

#[expect(unsafe_code, reason = "signal dispositions")]
fn default_signals() {
    for of_parent in Signal::iterator() {
        // SAFETY: the default disposition runs no code. SIGKILL and SIGSTOP refuse the change, as expected.
        let _ = unsafe { signal(of_parent, SigHandler::SigDfl) };
    }
    // The signal mask of the parent is not meant for this process.
    let _ = SigSet::empty().thread_set_mask();
}

#[expect(unsafe_code, reason = "close_range is not in nix")]
fn close_all_but(kept: RawFd) {
    let kept = libc::c_uint::try_from(kept).unwrap_or_default();
    for (first, last) in [(Some(0), kept.checked_sub(1)), (kept.checked_add(1), Some(libc::c_uint::MAX))] {
        if let (Some(first), Some(last)) = (first, last) {
            // SAFETY: the other owners of these descriptors are copies of the parent's objects. This process never
            // uses them or runs their destructors.
            let closed = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
            if Errno::result(closed).is_err() {
                exit(1);
            }
        }
    }
}

/// Ends the process without running destructors and exit handlers, because those belong to the parent.
#[expect(unsafe_code, reason = "_exit")]
fn exit(status: i32) -> ! {
    // SAFETY: the call does not return and runs no code of this process.
    unsafe { libc::_exit(status) }
}

/// The system calls of a planner in addition to those of every process. They query the parent, let it work, stop and
/// set the clock, and map code.
pub const SYSTEM_CALLS: [libc::c_long; 6] = [
    libc::SYS_sendmsg,
    libc::SYS_recvmsg,
    libc::SYS_sched_yield,
    libc::SYS_timer_settime,
    libc::SYS_timer_delete,
    libc::SYS_fstat,
];

fn plan(socket: Arc<UnixStream>) -> Result<DraftPlan, CniError> {
    let internal = |what: &'static str| {
        move |e: io::Error| CniError::new(ErrorKind::SandboxNotStarted, what).with_details(e.to_string())
    };
    let engine = engine::new()?;
    let clock = Clock::new(&engine)?;
    confine::filter(&SYSTEM_CALLS, true).map_err(internal("failed to confine the planner"))?;
    let Ok((Begin { request, limits, earlier }, Some(code))) = frame::receive_with_descriptor(&socket) else {
        // The parent did not find the plugin.
        exit(1)
    };
    let code = File::from(code);
    let clock = clock.start(limits.time)?;
    let plugin = request.plugin.clone();
    let verb = if request.command == Command::Status { Verb::Status } else { Verb::Add };
    let linked = Arc::new(Mutex::new(Linked::new(&engine)));
    let upstream = Box::new(Parent { socket, clock, engine: engine.clone(), linked: Arc::clone(&linked) });
    let recorder = Arc::new(Mutex::new(Recorder::new(request, limits, earlier, upstream)));
    let report = engine::run(&code, Guest::with(plugin, 0, engine, linked, Arc::clone(&recorder)), verb)?;
    recorder.lock().unwrap_or_else(PoisonError::into_inner).finish(report)
}

/// The connection to the parent, for the recorder.
struct Parent {
    socket: Arc<UnixStream>,
    clock: Clock,
    engine: Engine,
    linked: Arc<Mutex<Linked<Guest>>>,
}

impl Parent {
    /// Sends a query and waits for the answer, with the clock stopped. Without a parent, the process exits.
    fn ask_parent(&mut self, message: &Message) -> (Reply, Option<File>) {
        let socket = &self.socket;
        let mut received = self.clock.stopped(|| {
            frame::send(socket, message, None, None)?;
            frame::receive_with_descriptor(socket)
        });
        loop {
            match received.map(|(reply, descriptor)| (reply, descriptor.map(File::from))) {
                Ok((Reply::Preload(plugin), Some(code))) => self.preload(plugin, &code),
                Ok(reply) => return reply,
                Err(_) => exit(1),
            }
            received = self.clock.stopped(|| frame::receive_with_descriptor(&self.socket));
        }
    }

    /// Loads a delegate in advance. If that fails, the delegation reports the error.
    fn preload(&self, plugin: PluginName, code: &File) {
        if let Ok(component) = engine::load(&self.engine, code) {
            self.linked.lock().unwrap_or_else(PoisonError::into_inner).keep(plugin, component);
        }
    }
}

impl Upstream for Parent {
    fn ask(&mut self, asks: &PluginName, query: &Query) -> Answer {
        match self.ask_parent(&Message::Ask(asks.clone(), query.clone())) {
            (Reply::Answer(answer), _) => answer,
            _ => exit(1),
        }
    }

    fn load(&mut self, caller: &PluginName, plugin: &PluginName) -> Result<Loaded, CniError> {
        match self.ask_parent(&Message::Load(caller.clone(), plugin.clone())) {
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

//! Runs a plugin as the sandbox runs a component.

use crate::Error;
use std::any::Any;
use std::cell::RefCell;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use wasm_cni::cni::{CniError, ErrorKind, Request};
use wasm_cni::plan::DraftPlan;
use wasm_cni::sandbox::guest::Guest;
use wasm_cni::sandbox::limits::Limits;
use wasm_cni::sandbox::recorder::{Recorder, Upstream};
use wasm_cni::value::{PluginName, Report};
use wasmtime::{Config, Engine};

thread_local! {
    /// The plugin that runs, and below it those that wait for it.
    static RUNNING: RefCell<Vec<Guest>> = const { RefCell::new(Vec::new()) };
}

/// How a plugin ends one of whose calls the host refused: it gets no second try, as in WebAssembly.
struct Trap(CniError);

/// Runs the plugin of a request and gives its plan.
///
/// `upstream` has to know each plugin that the first may delegate to; whatever code it gives for one, it is ours that is run.
///
/// # Panics
/// As the plugin does.
pub fn run(request: &Request, upstream: Box<dyn Upstream>) -> Result<DraftPlan, CniError> {
    let engine = Engine::new(&Config::new())
        .map_err(|e| CniError::new(ErrorKind::SandboxNotStarted, e.to_string()))?;
    let recorder = Recorder::new(request.clone(), Limits::default(), Vec::new(), upstream);
    let recorder = Arc::new(Mutex::new(recorder));
    let report = run_guest(Guest::new(request.plugin.clone(), 0, engine, Arc::clone(&recorder)))?;
    recorder.lock().unwrap_or_else(PoisonError::into_inner).finish(report)
}

fn run_guest(guest: Guest) -> Result<Report, CniError> {
    let add = add_of(&guest.plugin)?;
    RUNNING.with_borrow_mut(|running| running.push(guest));
    let ended = catch_unwind(AssertUnwindSafe(add));
    let guest = pop();
    match ended {
        Ok(Ok(())) => guest.report.finish(),
        Ok(Err(Error { code, msg, details })) => Err(CniError::of_plugin(code, msg, details)),
        Err(payload) => Err(refusal(payload)),
    }
}

fn add_of(plugin: &PluginName) -> Result<fn() -> Result<(), Error>, CniError> {
    let verbs = match plugin.as_str() {
        "bandwidth" => crate::bandwidth::VERBS,
        "bridge" => crate::bridge::VERBS,
        "firewall" => crate::firewall::VERBS,
        "host-local" => crate::host_local::VERBS,
        "dummy" => crate::dummy::VERBS,
        "loopback" => crate::loopback::VERBS,
        "portmap" => crate::portmap::VERBS,
        "static" => crate::static_::VERBS,
        "tuning" => crate::tuning::VERBS,
        _ => &[],
    };
    let add = verbs.first().copied();
    add.ok_or_else(|| CniError::new(ErrorKind::PluginNotFound, format!("there is no plugin {plugin} here")))
}

/// The error of a call that was refused; any other panic goes on.
fn refusal(payload: Box<dyn Any + Send>) -> CniError {
    match payload.downcast::<Trap>() {
        Ok(trap) => trap.0,
        Err(panic) => resume_unwind(panic),
    }
}

/// Calls a function of the host on behalf of the plugin that runs.
pub(crate) fn call<T>(function: impl FnOnce(&mut Guest) -> wasmtime::Result<T>) -> T {
    let mut guest = pop();
    let called = function(&mut guest);
    RUNNING.with_borrow_mut(|running| running.push(guest));
    called.unwrap_or_else(|error| {
        let error = error.downcast::<CniError>();
        let error = error.unwrap_or_else(|error| CniError::new(ErrorKind::Trapped, format!("{error:#}")));
        resume_unwind(Box::new(Trap(error)))
    })
}

/// Runs a delegate, for [`Guest::add_delegate`]: its code is here, not in the file.
pub(crate) fn run_delegate(_: &File, delegate: Guest) -> Result<Report, CniError> {
    run_guest(delegate)
}

/// Takes the plugin that runs from its place, while it is dealt with.
fn pop() -> Guest {
    let guest = RUNNING.with_borrow_mut(Vec::pop);
    guest.unwrap_or_else(|| unreachable!("a plugin calls while none runs"))
}

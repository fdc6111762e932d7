//! Runs one component: maps its code, links its imports, calls a verb, and turns the outcome into a report or an
//! error.

use super::bindings::wasm_cni::plugin::types;
use super::guest::Guest;
use super::limits::Limits;
use super::recorder::Level;
use super::{imports, limits, lower, mapping, tunables};
use crate::cni::{CniError, ErrorKind, code};
use crate::value::Report;
use std::fs::File;
use wasmtime::component::{Component, Instance, TypedFunc};
use wasmtime::{Engine, Store, Trap};

/// The number of stderr lines of a plugin that the error of a trap contains, the last ones.
const LAST_LINES: usize = 10;

/// Creates an engine for code that `wasm-cni-compile` made.
pub fn new() -> Result<Engine, CniError> {
    let mut config = tunables::config();
    mapping::configure(&mut config);
    Engine::new(&config).map_err(|e| internal("the WebAssembly engine does not start", &e))
}

/// The function of a verb that a component exports.
type Function = TypedFunc<(), (Result<(), types::Error>,)>;

/// A verb that a component can export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// `add`. Every plugin has it.
    Add,
    /// `status`. It is optional.
    Status,
}

/// Runs a verb of a plugin and returns its report. The recorded actions are in the guest's recorder. A preloaded
/// component is used instead of `code`.
pub fn run(code: &File, guest: Guest, verb: Verb) -> Result<Report, CniError> {
    let plugin = guest.plugin.clone();
    let engine = guest.engine.clone();
    let limits = guest.recorder().limits;
    let kept = guest.linked().kept(&plugin);
    let component = kept
        .map_or_else(|| load(&engine, code), Ok)
        .map_err(|e| internal(&format!("{plugin}: its machine code does not load"), &e))?;

    let prepared = {
        let mut linked = guest.linked();
        linked.link(&component, imports::link).map_err(|e| internal("the contract does not link", &e))?;
        linked.prepare(&component)
    };

    let depth = guest.depth;
    let mut store = Store::new(&engine, guest);
    store.limiter(|guest| &mut guest.memory);
    store.set_hostcall_fuel(limits::CALL_BYTES);
    // At the end of the time limit, the clock increments the epoch of the engine, and that ends the guest.
    store.set_epoch_deadline(1);

    let returned = prepared
        .and_then(|prepared| prepared.instantiate(&mut store))
        .map_err(|e| match ended(&e, &limits) {
            Some(error) => error,
            None if e.is::<Trap>() => trapped(&e),
            None => not_a_plugin(&plugin.to_string(), &e),
        })
        .and_then(|instance| {
            let function = export(&mut store, &instance, verb);
            function.map_err(|e| not_a_plugin(&plugin.to_string(), &e))
        })
        .and_then(|function| match function.call(&mut store, ()) {
            Ok((returned,)) => Ok(returned),
            Err(e) => Err(ended(&e, &limits).unwrap_or_else(|| trapped(&e))),
        });

    let guest = store.data_mut();
    let output = guest.wasi.output();
    guest.recorder().log(&guest.plugin, Level::Warn, &output);
    let report = std::mem::take(&mut guest.report);
    let returned = returned.map(|returned| {
        returned.map_err(|error| lower::error(error, |code| guest.recorder().has_raised(code)))
    });
    if depth == 0 || guest.memory.is_small() {
        // The process exits soon, and freeing the memory before takes time.
        std::mem::forget((store, component));
    }
    match returned {
        Ok(Ok(())) => report.finish(),
        Ok(Err(error)) => Err(error),
        Err(error) if error.code == code::TRAPPED => {
            let lines: Vec<&str> = output.lines().collect();
            let last = lines.get(lines.len().saturating_sub(LAST_LINES)..).unwrap_or_default().join("\n");
            let mut details =
                if last.is_empty() { error.details } else { format!("{}\n{last}", error.details) };
            lower::cut(&mut details, limits::ERROR_DETAILS_BYTES);
            Err(CniError { msg: format!("plugin {plugin} {}", error.msg), details, ..error })
        }
        Err(error) => Err(error),
    }
}

/// The exported function of a verb. Each verb is an interface with one function of the same name.
fn export(store: &mut Store<Guest>, instance: &Instance, verb: Verb) -> wasmtime::Result<Function> {
    let name = match verb {
        Verb::Add => "add",
        Verb::Status => "status",
    };
    let interface = format!("wasm-cni:plugin/{name}@0.1.0");
    let missing = || wasmtime::format_err!("it exports no {interface}");
    let found = instance.get_export_index(&mut *store, None, interface.as_str()).ok_or_else(missing)?;
    let function = instance.get_export_index(&mut *store, Some(&found), name).ok_or_else(missing)?;
    instance.get_typed_func(store, function)
}

/// Maps machine code into memory.
#[expect(unsafe_code, reason = "machine code is executed as it is")]
pub fn load(engine: &Engine, code: &File) -> wasmtime::Result<Component> {
    let memory = mapping::code(code)?;
    // SAFETY: the parent passes only descriptors that the cache checked. Our compiler wrote the file with the same
    // engine settings, only root or this user could have changed it, and its digest is the recorded one. The file is
    // never written in place and never unmapped, so the mapping does not change.
    unsafe { Component::deserialize_raw(engine, memory) }
}

/// The error of a run that the host ended: a host function refused a call, or the guest exceeded a limit.
fn ended(error: &wasmtime::Error, limits: &Limits) -> Option<CniError> {
    if let Some(error) = error.downcast_ref::<CniError>() {
        return Some(error.clone());
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => return Some(limits.too_long()),
        Some(Trap::StackOverflow) => return Some(limits::exceeded("depth of calls", "512 KiB of stack")),
        _ => {}
    }
    // wasmtime has no error types for these limits.
    let cause = error.root_cause().to_string();
    if let Some(counted) = cause.strip_prefix("resource limit exceeded: ") {
        let most = if counted.starts_with("memory") { limits::MEMORIES } else { limits::INSTANCES };
        let what = counted.split(" count").next().unwrap_or_default();
        return Some(limits::exceeded(&format!("{what} count"), most));
    }
    cause
        .contains("fuel allocated for hostcalls")
        .then(|| limits::exceeded("size of a call's arguments", format!("{} MiB", limits::CALL_BYTES >> 20)))
}

/// The error of a run that trapped or exited.
fn trapped(error: &wasmtime::Error) -> CniError {
    if let Some(exit) = error.downcast_ref::<wasmtime_wasi::I32Exit>() {
        return CniError::new(ErrorKind::Trapped, format!("exited with status {}", exit.0));
    }
    CniError::new(ErrorKind::Trapped, format!("trapped: {}", error.root_cause()))
        .with_details(format!("{error:#}"))
}

fn not_a_plugin(plugin: &str, error: &wasmtime::Error) -> CniError {
    CniError::new(
        ErrorKind::NotAPlugin,
        format!("plugin {plugin} does not fit this host: {}", error.root_cause()),
    )
    .with_details(format!("{error:#}"))
}

fn internal(what: &str, error: &wasmtime::Error) -> CniError {
    CniError::new(ErrorKind::SandboxNotStarted, what).with_details(format!("{error:#}"))
}

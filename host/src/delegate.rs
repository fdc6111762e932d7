//! Native plugins: how the host executes them and reads their output (SPEC, section 4).
//!
//! A component delegates to a native plugin, or a network list names one. The rules for errors are those of
//! `pkg/invoke/raw_exec.go` in containernetworking/cni.

use crate::action::Delegate;
use crate::cni::{CniError, Config, ErrorKind, Request, code, previous};
use crate::machine::native;
use crate::machine::port::Machine;
use crate::printable::printable;
use crate::sandbox::lookup::{self, Found};
use crate::signal::Ended;
use crate::stderr::Stderr;
use crate::value::{PluginName, Report};
use serde_json::Value;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::Output;

/// The parameters for executing a native plugin on behalf of a request.
pub fn of(request: &Request, plugin: &PluginName, program: &Path) -> Delegate {
    let path: Vec<String> = request.path.iter().map(|dir| dir.display().to_string()).collect();
    Delegate {
        plugin: plugin.clone(),
        program: program.to_owned(),
        owner: request.attachment.owner(),
        netns: request.netns.clone(),
        args: request.args.clone(),
        path: path.join(":"),
        config: request.config.clone(),
    }
}

/// The configuration's IPAM plugin. `None` if the configuration names none, or if the IPAM plugin is not native.
pub fn of_ipam(request: &Request, config: &Config) -> Option<Delegate> {
    let ipam = PluginName::parse(config.ipam_type()?).ok()?;
    match lookup::find(&request.path, &ipam) {
        Ok(Found::Native(program)) => Some(of(request, &ipam, &program)),
        Ok(Found::Component(..)) | Err(_) => None,
    }
}

/// Executes the plugin for ADD and reads its result. When ADD fails, executes the plugin for DEL too, as the SPEC
/// asks.
pub fn add(delegate: &Delegate, cni_version: &str, machine: &mut dyn Machine) -> Result<Report, CniError> {
    let mut call = |verb| answer(delegate, machine.run(&delegate.call(verb, &delegate.netns)));
    let added = call("ADD")
        .and_then(|stdout| result(&stdout))
        .and_then(|value| previous::of_delegate(&value, cni_version));
    if added.is_err()
        && let Err(error) = call("DEL")
    {
        tracing::info!(plugin = %delegate.plugin, msg = error.msg, "DEL after a failed ADD failed too");
    }
    added
}

/// Parses what a plugin printed on stdout for ADD. JSON `null` counts as an empty result.
pub fn result(stdout: &[u8]) -> Result<Value, CniError> {
    match serde_json::from_slice(stdout) {
        Ok(Value::Null) => Ok(Value::Object(serde_json::Map::new())),
        Ok(value) => Ok(value),
        Err(error) => Err(CniError::new(
            ErrorKind::InvalidNativeResult,
            format!("failed to unmarshal raw result: {error}"),
        )),
    }
}

/// Executes the plugin for a verb without a result: DEL or CHECK.
pub fn forward(verb: &'static str, delegate: &Delegate) -> Result<(), CniError> {
    call(verb, delegate).map(drop)
}

/// Executes the plugin for GC or STATUS. An old plugin may not know these verbs: such an error counts as success.
pub fn offer(verb: &'static str, delegate: &Delegate) -> Result<(), CniError> {
    match call(verb, delegate) {
        Err(error) if is_unknown_verb(&error) => Ok(()),
        called => called.map(drop),
    }
}

fn is_unknown_verb(error: &CniError) -> bool {
    let is_unknown = error.code == code::INVALID_ENVIRONMENT && error.msg.starts_with("unknown CNI_COMMAND");
    // Some old plugins check the container ID before the verb, and GC and STATUS have none. Others check the version
    // first.
    is_unknown || error.msg == "missing containerID" || error.code == code::INCOMPATIBLE_VERSION
}

/// Executes the plugin. Returns what it printed on stdout, or the CNI error that it reported.
pub fn call(verb: &'static str, delegate: &Delegate) -> Result<Vec<u8>, CniError> {
    answer(delegate, native::run(&delegate.call(verb, &delegate.netns)))
}

/// Turns the exit status and the output of a native plugin into its stdout or a CNI error.
fn answer(delegate: &Delegate, ended: io::Result<Output>) -> Result<Vec<u8>, CniError> {
    let Output { status, stdout, stderr } = ended.map_err(|error| {
        let ended = error.get_ref().is_some_and(|cause| cause.is::<Ended>());
        let kind = if ended { ErrorKind::Ended } else { ErrorKind::NativeNotExecuted };
        CniError::new(kind, format!("failed to execute {}: {error}", delegate.program.display()))
    })?;
    if status.success() {
        // The write fails only when our own stderr is closed. Then there is no way to report it.
        let said = printable(&String::from_utf8_lossy(&stderr));
        let _ = Stderr.write_all(said.as_bytes());
        return Ok(stdout);
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Err(match (stdout.is_empty(), stderr.is_empty()) {
        (false, _) => match serde_json::from_slice(&stdout) {
            Ok(value) => relayed(&value),
            Err(error) => {
                let said = text(&stdout);
                let msg =
                    format!("netplugin failed but error parsing its diagnostic message {said:?}: {error}");
                CniError::new(ErrorKind::NativeWithoutError, msg)
            }
        },
        (true, false) => {
            CniError::new(ErrorKind::NativeWithoutError, format!("netplugin failed: {:?}", text(&stderr)))
        }
        (true, true) => {
            let status = status.to_string().replace("exit status: ", "exit status ");
            CniError::new(
                ErrorKind::NativeWithoutError,
                format!("netplugin failed with no error message: {status}"),
            )
        }
    })
}

/// The CNI error that a native plugin printed, unchanged.
fn relayed(value: &Value) -> CniError {
    let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let code = value.get("code").and_then(Value::as_u64).and_then(|code| u32::try_from(code).ok());
    CniError::of_plugin(code.unwrap_or(code::UNKNOWN), text("msg"), text("details"))
}

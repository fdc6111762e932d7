//! Native plugins, to which a component delegates or which a list names: how they are called and what their answers mean (SPEC, section 4;
//! cni-behaviours, section 1.13).

use crate::action::Delegate;
use crate::cni::{CniError, Config, ErrorKind, Request, code, previous};
use crate::machine::native;
use crate::machine::port::Machine;
use crate::sandbox::lookup::{self, Found};
use crate::signal::Ended;
use crate::value::{PluginName, Report};
use serde_json::Value;
use std::io::{self, Write};
use std::path::Path;
use std::process::Output;

/// The call of a native plugin on behalf of a request.
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

/// The configuration's IPAM plugin, if it is native.
pub fn of_ipam(request: &Request, config: &Config) -> Option<Delegate> {
    let ipam = PluginName::parse(config.ipam_type()?).ok()?;
    match lookup::find(&request.path, &ipam) {
        Ok(Found::Native(program)) => Some(of(request, &ipam, &program)),
        Ok(Found::Component(..)) | Err(_) => None,
    }
}

/// Executes it on a machine for ADD and reads its result. When it fails it is executed for DEL too, as the SPEC asks.
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

/// What a plugin printed on ADD.
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

/// Executes it for a verb that has no result: DEL, CHECK.
pub fn forward(verb: &'static str, delegate: &Delegate) -> Result<(), CniError> {
    call(verb, delegate).map(drop)
}

/// Executes it for a verb that it may be too old to know: GC, STATUS.
pub fn offer(verb: &'static str, delegate: &Delegate) -> Result<(), CniError> {
    match call(verb, delegate) {
        Err(error) if is_unknown_verb(&error) => Ok(()),
        called => called.map(drop),
    }
}

fn is_unknown_verb(error: &CniError) -> bool {
    let is_unknown = error.code == code::INVALID_ENVIRONMENT && error.msg.starts_with("unknown CNI_COMMAND");
    // Before the verb they look at the container, which these verbs have not; or at the version.
    is_unknown || error.msg == "missing containerID" || error.code == code::INCOMPATIBLE_VERSION
}

/// Executes it; gives what it printed, or the error that it told.
pub fn call(verb: &'static str, delegate: &Delegate) -> Result<Vec<u8>, CniError> {
    answer(delegate, native::run(&delegate.call(verb, &delegate.netns)))
}

/// What came of its execution.
fn answer(delegate: &Delegate, ended: io::Result<Output>) -> Result<Vec<u8>, CniError> {
    let Output { status, stdout, stderr } = ended.map_err(|error| {
        let ended = error.get_ref().is_some_and(|cause| cause.is::<Ended>());
        let kind = if ended { ErrorKind::Ended } else { ErrorKind::NativeNotExecuted };
        CniError::new(kind, format!("failed to execute {}: {error}", delegate.program.display()))
    })?;
    if status.success() {
        // Nobody is left to tell when our own stderr is closed.
        let _ = io::stderr().write_all(&stderr);
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

/// A CNI error as it was told.
fn relayed(value: &Value) -> CniError {
    let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let code = value.get("code").and_then(Value::as_u64).and_then(|code| u32::try_from(code).ok());
    CniError { code: code.unwrap_or(code::UNKNOWN), msg: text("msg"), details: text("details") }
}

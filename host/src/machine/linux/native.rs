//! Execution of native plugins: delegates that are not components (SPEC, section 4; reference: pkg/invoke/raw_exec.go
//! in containernetworking/cni).

use super::process::{self, Bounds};
use crate::machine::port::ProgramCall;
use crate::patience;
use nix::errno::Errno;
use std::io;
use std::path::Path;
use std::process::{Command, Output};
use std::thread::sleep;
use std::time::Duration;

/// The number of retries if the executable is being written (`ETXTBSY`). They are one second apart, as in the
/// reference.
const BUSY_RETRIES: u32 = 5;

/// The time limit of a plugin in seconds, unless `WASM_CNI_DELEGATE_SECONDS` is set. It allows for the retries of
/// `dhcp`, and is shorter than the kubelet's limit of two minutes.
const SECONDS: u64 = 100;

/// The limit of a plugin's output, in bytes. No result is that large.
const OUTPUT_BYTES: usize = 1 << 20;

/// Executes a plugin in our own environment and with its variables. See [`execute`].
pub fn run(call: &ProgramCall) -> io::Result<Output> {
    let variables: Vec<(&str, &str)> =
        call.variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    execute(&call.program, call.verb, &variables, &call.input)
}

/// Executes a plugin for a verb and waits for it. Its environment is our own, with `CNI_COMMAND` and `variables`.
/// `input` is its standard input.
///
/// # Errors
///
/// [`io::ErrorKind::TimedOut`] if it ran too long. [`io::ErrorKind::Other`] if its output was too large, or if a signal
/// asked this process to end during an ADD; in the latter case the error's source is [`crate::signal::Ended`].
pub fn execute(program: &Path, verb: &str, variables: &[(&str, &str)], input: &str) -> io::Result<Output> {
    let mut retries = 0;
    loop {
        let mut command = Command::new(program);
        command.env("CNI_COMMAND", verb).envs(variables.iter().copied());
        match patience::without(|| process::run(&mut command, input, bounds(verb))) {
            Err(error) if error.raw_os_error() == Some(Errno::ETXTBSY as i32) && retries < BUSY_RETRIES => {
                retries += 1;
                sleep(Duration::from_secs(1));
            }
            ended => return ended,
        }
    }
}

/// A signal to this process interrupts an ADD. Other verbs continue, because they remove things.
fn bounds(verb: &str) -> Bounds {
    let given = std::env::var("WASM_CNI_DELEGATE_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    let time = Duration::from_secs(given.unwrap_or(SECONDS));
    Bounds { time, bytes: OUTPUT_BYTES, interrupted: verb == "ADD" }
}

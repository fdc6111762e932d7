//! Executing a native plugin: a delegate that is no component (SPEC, section 4; cni-behaviours, section 1.13).

use super::process::{self, Bounds};
use crate::machine::port::ProgramCall;
use nix::errno::Errno;
use std::io;
use std::path::Path;
use std::process::{Command, Output};
use std::thread::sleep;
use std::time::Duration;

/// How often an executable that is being written is tried again, a second apart, as in the reference.
const BUSY_RETRIES: u32 = 5;

/// The time of a plugin in seconds, unless `WASM_CNI_DELEGATE_SECONDS` gives another: `dhcp` tries several times, and the kubelet gives up after two
/// minutes.
const SECONDS: u64 = 100;

/// The most output of a plugin, in bytes: more than any result.
const OUTPUT_BYTES: usize = 1 << 20;

/// Executes a plugin in our own environment with its variables, and waits for it. See [`execute`].
pub fn run(call: &ProgramCall) -> io::Result<Output> {
    let variables: Vec<(&str, &str)> =
        call.variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    execute(&call.program, call.verb, &variables, &call.input)
}

/// Executes a plugin for a verb, in our own environment with `CNI_COMMAND` and these variables, with `input` as its standard input.
///
/// [`io::ErrorKind::TimedOut`] when it took too long; [`io::ErrorKind::Other`] when its output is too large, or when a signal asked us to end during an
/// ADD: then the error's source is [`crate::signal::Ended`].
pub fn execute(program: &Path, verb: &str, variables: &[(&str, &str)], input: &str) -> io::Result<Output> {
    let mut retries = 0;
    loop {
        let mut command = Command::new(program);
        command.env("CNI_COMMAND", verb).envs(variables.iter().copied());
        match process::run(&mut command, input, bounds(verb)) {
            Err(error) if error.raw_os_error() == Some(Errno::ETXTBSY as i32) && retries < BUSY_RETRIES => {
                retries += 1;
                sleep(Duration::from_secs(1));
            }
            ended => return ended,
        }
    }
}

/// A signal to us ends an ADD; a verb that removes something goes on.
fn bounds(verb: &str) -> Bounds {
    let given = std::env::var("WASM_CNI_DELEGATE_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    let time = Duration::from_secs(given.unwrap_or(SECONDS));
    Bounds { time, bytes: OUTPUT_BYTES, interrupted: verb == "ADD" }
}

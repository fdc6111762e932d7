//! Executing a native plugin: a delegate that is no component (SPEC, section 4; cni-behaviours, section 1.13).

use super::process::{self, Bounds};
use super::{MachineError, Undone};
use crate::action::Delegate;
use nix::errno::Errno;
use std::io;
use std::process::{Command, Output};
use std::thread::sleep;
use std::time::Duration;

/// An executable that is being written is tried again so often, a second apart, as in the reference.
const BUSY_RETRIES: u32 = 5;

/// A plugin may take so long, in seconds, unless `WASM_CNI_DELEGATE_SECONDS` says otherwise: `dhcp` tries several times, and
/// the kubelet gives up after two minutes.
const SECONDS: u64 = 100;

/// More than any result.
const OUTPUT_BYTES: usize = 1 << 20;

/// Executes the plugin for a verb, in our own environment with its variables, and waits for it. `netns` is `CNI_NETNS`.
pub fn execute(verb: &str, delegate: &Delegate, netns: &str) -> io::Result<Output> {
    let Delegate { owner, .. } = delegate;
    // As a runtime does: these verbs are about no attachment.
    let (container, interface, netns) = match verb {
        "GC" | "STATUS" => ("", "", ""),
        _ => (owner.container.as_str(), owner.interface.as_str(), netns),
    };
    let mut retries = 0;
    loop {
        let mut command = Command::new(&delegate.program);
        command
            .env("CNI_COMMAND", verb)
            .env("CNI_CONTAINERID", container)
            .env("CNI_IFNAME", interface)
            .env("CNI_NETNS", netns)
            .env("CNI_ARGS", &delegate.args)
            .env("CNI_PATH", &delegate.path);
        match process::run(&mut command, &delegate.config, bounds(verb)) {
            Err(error) if error.raw_os_error() == Some(Errno::ETXTBSY as i32) && retries < BUSY_RETRIES => {
                retries += 1;
                sleep(Duration::from_secs(1));
            }
            ended => return ended,
        }
    }
}

/// An ADD is worth nothing once we are told to end; what takes something back goes on.
fn bounds(verb: &str) -> Bounds {
    let given = std::env::var("WASM_CNI_DELEGATE_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    let time = Duration::from_secs(given.unwrap_or(SECONDS));
    Bounds { time, bytes: OUTPUT_BYTES, interrupted: verb == "ADD" }
}

/// Executes the plugin for DEL; without its namespace, as a runtime does when that is gone.
pub fn end(delegate: &Delegate, has_netns: bool) -> Undone {
    let netns = if has_netns { delegate.netns.as_str() } else { "" };
    let failed = |message: String| {
        let what = format!("CNI_COMMAND=DEL {}", delegate.program.display());
        Undone::Failed(MachineError::Tool { what, message })
    };
    match execute("DEL", delegate, netns) {
        Ok(output) if output.status.success() => Undone::Done,
        Ok(output) => {
            let said = [output.stdout, output.stderr].concat();
            failed(format!("{}: {}", output.status, String::from_utf8_lossy(&said).trim()))
        }
        Err(error) => failed(error.to_string()),
    }
}

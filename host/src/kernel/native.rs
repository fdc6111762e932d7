//! Executing a native plugin: a delegate that is no component (SPEC, section 4; cni-behaviours, section 1.13).

use super::{KernelError, Undone};
use crate::plan::action::Delegate;
use nix::errno::Errno;
use nix::sys::memfd::{MFdFlags, memfd_create};
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// An executable that is being written is tried again so often, a second apart, as in the reference.
const BUSY_RETRIES: u32 = 5;

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
        let child = Command::new(&delegate.program)
            .env("CNI_COMMAND", verb)
            .env("CNI_CONTAINERID", container)
            .env("CNI_IFNAME", interface)
            .env("CNI_NETNS", netns)
            .env("CNI_ARGS", &delegate.args)
            .env("CNI_PATH", &delegate.path)
            .stdin(input(&delegate.config)?)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        match child {
            Ok(child) => return child.wait_with_output(),
            Err(error) if error.raw_os_error() == Some(Errno::ETXTBSY as i32) && retries < BUSY_RETRIES => {
                retries += 1;
                sleep(Duration::from_secs(1));
            }
            Err(error) => return Err(error),
        }
    }
}

/// Executes the plugin for DEL; without its namespace, as a runtime does when that is gone.
pub fn end(delegate: &Delegate, has_netns: bool) -> Undone {
    let netns = if has_netns { delegate.netns.as_str() } else { "" };
    let failed = |message: String| {
        let what = format!("CNI_COMMAND=DEL {}", delegate.program.display());
        Undone::Failed(KernelError::Tool { what, message })
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

/// All of standard input at once: a plugin that does not read it blocks nobody.
fn input(config: &str) -> io::Result<Stdio> {
    let mut file = File::from(memfd_create("config", MFdFlags::MFD_CLOEXEC)?);
    file.write_all(config.as_bytes())?;
    file.seek(SeekFrom::Start(0))?;
    Ok(file.into())
}

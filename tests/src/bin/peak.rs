//! `peak PROGRAM…`: runs a program and exits with its status. The last line on stderr is the peak memory of its largest
//! process, in KiB.

use nix::sys::resource::{UsageWho, getrusage};
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    let status = Command::new(words.next().expect("a program")).args(words).status().expect("it starts");
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("a process may ask what its children took");
    eprintln!("{}", usage.max_rss());
    ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX))
}

//! Programs that the host executes: `iptables`, `nft`, native plugins. Each is killed when this process dies, and after
//! a time limit.

use crate::{patience, signal};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::sched_yield;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::prctl;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, dup, getpid, getppid};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The interval of the checks for signals to this process, and for the end of a program whose output another process
/// keeps open.
const TICK: Duration = Duration::from_millis(50);

/// Most programs that have closed their output end within this time.
const SOON: Duration = Duration::from_millis(1);

/// A copy of a lock's descriptor, which new processes inherit until it is dropped.
pub fn inherited(lock: Option<&OwnedFd>) -> Option<OwnedFd> {
    // If no descriptor is left, the lock is not passed on.
    lock.and_then(|lock| dup(lock).ok())
}

/// The limits of a program.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The longest run time.
    pub time: Duration,
    /// The limit for standard output and for standard error, in bytes each.
    pub bytes: usize,
    /// Whether a signal to this process interrupts the program. Otherwise, the program runs to its end.
    pub interrupted: bool,
}

/// The limits of tools that list and change rules. A tool runs to its end and reports the result itself, unless the verb
/// may not wait any longer. The time is longer than the legacy `iptables` waits for its lock, and no ruleset is larger
/// than the output limit.
pub fn tool() -> Bounds {
    let time = patience::left_or_reserve(Duration::from_secs(30));
    Bounds { time, bytes: 256 << 20, interrupted: false }
}

/// Runs a program in the environment of `command`, with `input` as its standard input.
///
/// The kernel kills the program when this process dies, so that after a killed ADD nothing changes any more once its
/// lock is free. The program has its own process group, so a signal to our process group does not reach it. If it
/// exceeds a limit, it is killed together with all processes that it started.
pub fn run(command: &mut Command, input: &str, bounds: Bounds) -> io::Result<Output> {
    // The input is a file, so a program that does not read it, or that prints first, blocks nobody.
    let input = if input.is_empty() { Stdio::null() } else { file(input)? };
    start(command, input, bounds)?.finish()
}

fn start(command: &mut Command, input: Stdio, bounds: Bounds) -> io::Result<Started> {
    command.process_group(0).stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
    die_with_us(command);
    Ok(Started { child: command.spawn()?, bounds, is_reaped: false })
}

/// A running program. If it is dropped before [`Started::finish`], it is killed with all processes that it started.
#[derive(Debug)]
struct Started {
    child: Child,
    bounds: Bounds,
    is_reaped: bool,
}

impl Started {
    /// Waits for the end of the program.
    fn finish(mut self) -> io::Result<Output> {
        let output = collect(&mut self.child, self.bounds)?;
        self.is_reaped = true;
        Ok(output)
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if self.is_reaped {
            return;
        }
        // The program was not reaped, so its process ID is not reused yet.
        if let Ok(group) = i32::try_from(self.child.id()).map(Pid::from_raw) {
            let _ = killpg(group, Signal::SIGKILL);
        }
        let _ = self.child.wait();
    }
}

/// A text as an anonymous file.
fn file(text: &str) -> io::Result<Stdio> {
    let mut file = File::from(memfd_create("input", MFdFlags::MFD_CLOEXEC)?);
    file.write_all(text.as_bytes())?;
    file.seek(SeekFrom::Start(0))?;
    Ok(file.into())
}

#[expect(unsafe_code, reason = "Command::pre_exec")]
fn die_with_us(command: &mut Command) {
    let parent = getpid();
    let in_child = move || {
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        if getppid() == parent { Ok(()) } else { Err(Errno::ESRCH.into()) }
    };
    // SAFETY: the closure makes two system calls. It does not allocate, lock or panic, as code between fork and exec
    // must not.
    unsafe { command.pre_exec(in_child) };
}

/// Waits for the end of the program, and reads its output.
fn collect(child: &mut Child, bounds: Bounds) -> io::Result<Output> {
    let deadline = Instant::now() + bounds.time;
    let (mut stdout, mut stderr) = (child.stdout.take(), child.stderr.take());
    let (mut out, mut err) = (Vec::new(), Vec::new());
    while stdout.is_some() || stderr.is_some() {
        check(deadline, bounds)?;
        let mut waited: Vec<PollFd<'_>> = Vec::with_capacity(2);
        waited.extend(stdout.as_ref().map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)));
        waited.extend(stderr.as_ref().map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)));
        match poll(&mut waited, PollTimeout::try_from(TICK).unwrap_or(PollTimeout::ZERO)) {
            // The program may have ended, while a process that it left running keeps its output open.
            Ok(0) => {
                if let Some(status) = child.try_wait()? {
                    return Ok(Output { status, stdout: out, stderr: err });
                }
                continue;
            }
            Ok(_) => {}
            Err(Errno::EINTR) => continue,
            Err(errno) => return Err(errno.into()),
        }
        let mut ready = waited.iter().map(|fd| fd.any().unwrap_or(false));
        let stdout_ready = stdout.is_some() && ready.next().unwrap_or(false);
        let stderr_ready = stderr.is_some() && ready.next().unwrap_or(false);
        if stdout_ready {
            read(&mut stdout, &mut out, bounds.bytes)?;
        }
        if stderr_ready {
            read(&mut stderr, &mut err, bounds.bytes)?;
        }
    }
    let status = wait(child, deadline, bounds)?;
    Ok(Output { status, stdout: out, stderr: err })
}

/// Reads what is available. Closes the pipe at the end of the output.
fn read<T: Read>(pipe: &mut Option<T>, into: &mut Vec<u8>, limit: usize) -> io::Result<()> {
    let Some(open) = pipe else { return Ok(()) };
    let mut buffer = [0; 16 << 10];
    match open.read(&mut buffer) {
        Ok(0) => *pipe = None,
        Ok(length) => into.extend_from_slice(buffer.get(..length).unwrap_or_default()),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
        Err(error) => return Err(error),
    }
    if into.len() > limit {
        return Err(io::Error::other(format!("it printed more than {} KiB", limit >> 10)));
    }
    Ok(())
}

/// Waits for the end of a program that has closed its output.
fn wait(child: &mut Child, deadline: Instant, bounds: Bounds) -> io::Result<ExitStatus> {
    let mut pause = Duration::from_micros(100);
    let closed = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        check(deadline, bounds)?;
        // A sleep would last longer than most programs still run.
        if closed.elapsed() < SOON {
            sched_yield()?;
        } else {
            sleep(pause);
            pause = (pause * 2).min(TICK);
        }
    }
}

fn check(deadline: Instant, bounds: Bounds) -> io::Result<()> {
    if bounds.interrupted {
        signal::check().map_err(io::Error::other)?;
    }
    if Instant::now() < deadline {
        return Ok(());
    }
    let text = format!("it did not end within {} s", bounds.time.as_secs());
    Err(io::Error::new(io::ErrorKind::TimedOut, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { time: Duration::from_secs(20), bytes: 64 << 10, interrupted: false };

    fn sh(script: &str, input: &str, bounds: Bounds) -> io::Result<Output> {
        run(Command::new("sh").args(["-c", script]), input, bounds)
    }

    #[test]
    fn a_program_gets_its_input_and_both_outputs_are_read() {
        let output = sh("cat; echo woe >&2; exit 3", "text", BOUNDS).unwrap();
        let texts = (output.stdout.as_slice(), output.stderr.as_slice());
        assert_eq!((texts, output.status.code()), ((b"text".as_slice(), b"woe\n".as_slice()), Some(3)));
        // The input is larger than a pipe's buffer. The program does not read it, and neither side blocks.
        let long = "x".repeat(1 << 20);
        assert!(sh("exit 0", &long, BOUNDS).unwrap().status.success());
    }

    #[test]
    fn a_program_over_its_limits_is_killed_with_its_children() {
        let dir = tempfile::tempdir().unwrap();
        let mark = dir.path().join("late");
        let script = format!("(sleep 2; touch {}) & sleep 1000", mark.display());
        let error = sh(&script, "", Bounds { time: Duration::from_secs(1), ..BOUNDS }).unwrap_err();
        assert_eq!(error.to_string(), "it did not end within 1 s");
        assert_eq!(sh("yes", "", BOUNDS).unwrap_err().to_string(), "it printed more than 64 KiB");
        sleep(Duration::from_secs(3));
        assert!(!mark.exists(), "its children were killed too");
    }

    #[test]
    fn a_process_that_a_program_leaves_running_is_not_waited_for() {
        let output = sh("sleep 5 & echo done", "", BOUNDS).unwrap();
        assert_eq!(output.stdout, b"done\n");
        let closed = sh("exec >&- 2>&-; sleep 1000", "", Bounds { time: Duration::from_secs(1), ..BOUNDS });
        assert_eq!(closed.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}

//! Finds the functions that a process and its forks execute, each once, with a breakpoint at the start of each
//! function.

use super::map::Function;
use anyhow::{Context, Result, bail};
use nix::sys::ptrace::{self, Event, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// `int3`.
const BREAKPOINT: u8 = 0xcc;

/// A function that was executed.
#[derive(Debug, Clone, Copy)]
pub struct Hit {
    /// Its index among the functions.
    pub function: usize,
    /// Whether a fork executed it first.
    pub in_planner: bool,
}

/// Runs a process to its end; returns its stdout, and the functions that it and its forks executed, in the order of
/// their first call.
///
/// It detaches from a process that calls exec. An error unless the process succeeds.
#[expect(unsafe_code, reason = "before exec")]
pub fn executed(process: &mut Command, functions: &[Function]) -> Result<(String, Vec<Hit>)> {
    process.stdout(Stdio::piped());
    // SAFETY: a single system call.
    unsafe { process.pre_exec(|| Ok(ptrace::traceme()?)) };
    let mut child = process.spawn().context("failed to start what is traced")?;
    let first = Pid::from_raw(i32::try_from(child.id())?);
    waitpid(first, None).context("it does not stop")?;
    let options = Options::PTRACE_O_TRACEFORK | Options::PTRACE_O_TRACEVFORK | Options::PTRACE_O_TRACECLONE;
    ptrace::setoptions(first, options | Options::PTRACE_O_TRACEEXEC | Options::PTRACE_O_EXITKILL)?;
    let breakpoints = Breakpoints::set(first, functions)?;
    let hits = breakpoints.follow(first)?;
    let mut written = String::new();
    child.stdout.take().context("no stdout")?.read_to_string(&mut written)?;
    Ok((written, hits))
}

/// The breakpoints of a process.
struct Breakpoints {
    /// By address in that process: the function's index, and the original byte.
    set: BTreeMap<u64, (usize, u8)>,
}

impl Breakpoints {
    fn set(process: Pid, functions: &[Function]) -> Result<Breakpoints> {
        let base = base(process)?;
        let memory = memory(process)?;
        let mut set = BTreeMap::new();
        for (number, function) in functions.iter().enumerate() {
            let address = base + function.address;
            // The linker may merge identical functions into one, which then has its breakpoint already.
            if let Entry::Vacant(place) = set.entry(address) {
                let mut byte = [0];
                memory.read_exact_at(&mut byte, address)?;
                memory.write_all_at(&[BREAKPOINT], address)?;
                place.insert((number, byte[0]));
            }
        }
        Ok(Breakpoints { set })
    }

    /// Continues until all processes have ended.
    fn follow(&self, first: Pid) -> Result<Vec<Hit>> {
        let mut hits: Vec<Hit> = Vec::new();
        ptrace::cont(first, None)?;
        loop {
            match waitpid(None, Some(WaitPidFlag::__WALL))? {
                WaitStatus::Exited(process, 0) if process == first => return Ok(hits),
                WaitStatus::Exited(process, status) if process == first => bail!("it failed: {status}"),
                WaitStatus::Signaled(process, signal, _) if process == first => bail!("{signal} ended it"),
                WaitStatus::PtraceEvent(process, _, event) if event == Event::PTRACE_EVENT_EXEC as i32 => {
                    ptrace::detach(process, None)?;
                }
                WaitStatus::PtraceEvent(process, ..) => ptrace::cont(process, None)?,
                WaitStatus::Stopped(process, Signal::SIGTRAP) => {
                    let function = self.pass(process)?;
                    if !hits.iter().any(|hit| hit.function == function) {
                        hits.push(Hit { function, in_planner: process != first });
                    }
                    ptrace::cont(process, None)?;
                }
                // A fork starts with this stop.
                WaitStatus::Stopped(process, Signal::SIGSTOP) => ptrace::cont(process, None)?,
                WaitStatus::Stopped(process, signal) => ptrace::cont(process, Some(signal))?,
                _ => {}
            }
        }
    }

    /// Removes the breakpoint that a process has reached; returns the function.
    fn pass(&self, process: Pid) -> Result<usize> {
        let mut registers = ptrace::getregs(process)?;
        let at = registers.rip - 1;
        let Some((function, byte)) = self.set.get(&at) else {
            bail!("a breakpoint that nobody set: {at:#x}");
        };
        memory(process)?.write_all_at(&[*byte], at)?;
        registers.rip = at;
        ptrace::setregs(process, registers)?;
        Ok(*function)
    }
}

/// The load address: 0 for a binary with a fixed address, otherwise the first mapping.
fn base(process: Pid) -> Result<u64> {
    const ET_EXEC: u16 = 2;
    let mut header = [0; 18];
    File::open(format!("/proc/{process}/exe"))?.read_exact(&mut header)?;
    if u16::from_ne_bytes([header[16], header[17]]) == ET_EXEC {
        return Ok(0);
    }
    let maps = fs::read_to_string(format!("/proc/{process}/maps"))?;
    let start = maps.split('-').next().and_then(|start| u64::from_str_radix(start, 16).ok());
    start.context("/proc/PID/maps has another form")
}

/// The memory of a process, code included.
fn memory(process: Pid) -> Result<File> {
    let path = format!("/proc/{process}/mem");
    OpenOptions::new().read(true).write(true).open(&path).with_context(|| format!("failed to open {path}"))
}

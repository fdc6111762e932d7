//! Runs `wasm-cni-compile`, which trusts nobody and is trusted by nobody: no environment, no descriptor but four, no
//! privileges, no time beyond ten seconds of a processor.

use super::CodeError;
use crate::sandbox::confine;
use crate::sandbox::manifest::Manifest;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::libc;
use nix::sys::memfd::{MFdFlags, memfd_create};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

/// Compiling takes less than a second, and may take ten of processor time; this is for busy machines.
const DEADLINE: Duration = Duration::from_secs(30);

/// The compiler says one line.
const MESSAGE_BYTES: u64 = 8 << 10;

/// A manifest lists functions, at most a few hundred.
const MANIFEST_BYTES: u64 = 1 << 20;

/// A file without a name, in memory.
pub fn memory(name: &str) -> io::Result<File> {
    Ok(memfd_create(name, MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?.into())
}

/// Makes a file of [`memory`] unchangeable.
pub fn seal(file: &File) -> io::Result<()> {
    fcntl(file, FcntlArg::F_ADD_SEALS(SealFlag::all()))?;
    Ok(())
}

/// Compiles `wasm` into `code` and tells the manifest.
pub fn run(compiler: &Path, wasm: &File, code: &File) -> Result<Manifest, CodeError> {
    let failed = |source| CodeError::Execute { path: compiler.to_owned(), source };
    let binary = File::options().read(true).open(compiler).map_err(failed)?;
    let binary = above_three(&binary).map_err(failed)?;
    let mut messages = memory("wasm-cni messages").map_err(CodeError::Write)?;
    (&mut &*wasm).seek(SeekFrom::Start(0)).map_err(CodeError::Read)?;
    // Last: with this many descriptors open, number 3 is taken, so that the pipe over which `Command` learns of a failed
    // exec is not the one that `prepare` replaces.
    let mut manifest = memory("wasm-cni manifest").map_err(CodeError::Write)?;

    // By its descriptor, because the compiler is to run as nobody, who may not even see the directory where it is.
    let mut command = Command::new(format!("/proc/self/fd/{}", binary.as_raw_fd()));
    command
        .arg0("wasm-cni-compile")
        .env_clear()
        .current_dir("/")
        .stdin(wasm.try_clone().map_err(CodeError::Read)?)
        .stdout(code.try_clone().map_err(CodeError::Write)?)
        .stderr(messages.try_clone().map_err(CodeError::Write)?);
    before_exec(&mut command, manifest.as_raw_fd());
    let child = command.spawn().map_err(failed)?;
    let status = wait(child, DEADLINE).map_err(failed)?;
    let status = status.ok_or_else(|| CodeError::Limit(format!("time ({} s)", DEADLINE.as_secs())))?;

    if !status.success() {
        let message = text(&mut messages, MESSAGE_BYTES).map_err(CodeError::Read)?;
        return Err(failure(status, message.trim_end().to_owned()));
    }
    let manifest = text(&mut manifest, MANIFEST_BYTES).map_err(CodeError::Read)?;
    serde_json::from_slice(manifest.as_bytes())
        .map_err(|e| CodeError::Compiler { status: "wrote no manifest".to_owned(), message: e.to_string() })
}

/// Why the compiler ended without success; its own limits are where its `main` is.
fn failure(status: ExitStatus, message: String) -> CodeError {
    match (status.code(), status.signal()) {
        (Some(2 | 3), _) => CodeError::NotAPlugin(message),
        (_, Some(libc::SIGXCPU)) => CodeError::Limit("processor time".to_owned()),
        (_, Some(libc::SIGXFSZ)) => CodeError::Limit("size of the code".to_owned()),
        // What Rust says before it aborts.
        _ if message.starts_with("memory allocation of ") => CodeError::Limit(format!("memory ({message})")),
        _ => CodeError::Compiler { status: format!("ended with {status}"), message },
    }
}

/// Another descriptor of a file, whose number `prepare` leaves alone.
#[expect(unsafe_code, reason = "a descriptor by its number")]
fn above_three(file: &File) -> io::Result<OwnedFd> {
    let number = fcntl(file, FcntlArg::F_DUPFD_CLOEXEC(10))?;
    // SAFETY: the kernel just made it for us, and nobody else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Has [`prepare`] run in the new process.
#[expect(unsafe_code, reason = "Command::pre_exec")]
fn before_exec(command: &mut Command, manifest: RawFd) {
    // SAFETY: `prepare` makes system calls only: it does not allocate, lock or panic, which is all that is asked of code
    // between fork and exec.
    unsafe { command.pre_exec(move || prepare(manifest)) };
}

/// In the child: the manifest's file as descriptor 3, nothing else open, nobody's rights.
#[expect(unsafe_code, reason = "system calls that nix does not wrap with raw descriptors")]
fn prepare(manifest: RawFd) -> io::Result<()> {
    // SAFETY: no memory is involved, and whatever descriptor 3 was, this process does not use it after exec.
    Errno::result(unsafe {
        if manifest == 3 { libc::fcntl(3, libc::F_SETFD, 0) } else { libc::dup2(manifest, 3) }
    })?;
    // SAFETY: no memory is involved. Closed on exec rather than now: `Command` needs its pipe until then. A kernel before
    // 5.11 does not know the flag; there, what std opened is closed on exec anyway.
    let closed =
        unsafe { libc::syscall(libc::SYS_close_range, 4, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    match Errno::result(closed) {
        Ok(_) | Err(Errno::ENOSYS | Errno::EINVAL) => {}
        Err(errno) => return Err(errno.into()),
    }
    confine::give_up()?;
    // Last: a change of user clears it.
    nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)?;
    Ok(())
}

/// Waits for a process; none: it took too long and was killed.
fn wait(mut child: Child, deadline: Duration) -> io::Result<Option<ExitStatus>> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if begun.elapsed() > deadline {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn text(file: &mut File, bytes: u64) -> io::Result<String> {
    file.seek(SeekFrom::Start(0))?;
    let mut text = Vec::new();
    file.take(bytes).read_to_end(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

//! Executes `wasm-cni-compile`. The compiler does not trust its input, and the host does not trust the compiler. So
//! the compiler has no environment, no privileges, four descriptors, and at most ten seconds of processor time.

use super::CodeError;
use crate::sandbox::confine;
use crate::sandbox::manifest::Manifest;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::libc;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// The time that a compiler process may exist. Compiling takes less than a second and is limited to ten seconds of
/// processor time; a busy machine takes longer.
const DEADLINE: Duration = Duration::from_secs(30);

/// The processor time at which a component is too expensive, if the compiler takes longer than [`DEADLINE`]: several
/// times that of any plugin. With less, the machine was too busy.
const EXPENSIVE: Duration = Duration::from_secs(3);

/// The maximum length of the compiler's message on stderr, which is one line.
const MESSAGE_BYTES: u64 = 8 << 10;

/// The maximum length of a manifest. It lists functions, at most a few hundred.
const MANIFEST_BYTES: u64 = 1 << 20;

/// Creates an anonymous file in memory.
pub fn memory(name: &str) -> io::Result<File> {
    Ok(memfd_create(name, MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?.into())
}

/// Seals a file of [`memory`], so that nobody can change it.
pub fn seal(file: &File) -> io::Result<()> {
    fcntl(file, FcntlArg::F_ADD_SEALS(SealFlag::all()))?;
    Ok(())
}

/// Compiles `wasm` into `code`, and returns the manifest.
pub fn run(compiler: &Path, wasm: &File, code: &File) -> Result<Manifest, CodeError> {
    let code = code.try_clone().map_err(CodeError::Write)?;
    execute(compiler, &[], wasm, code.into())
}

/// Reads the manifest of `wasm` without compiling it. The same program does so, with the same confinement.
pub fn manifest(compiler: &Path, wasm: &File) -> Result<Manifest, CodeError> {
    execute(compiler, &["--manifest"], wasm, Stdio::null())
}

fn execute(compiler: &Path, arguments: &[&str], wasm: &File, code: Stdio) -> Result<Manifest, CodeError> {
    let failed = |source| CodeError::Execute { path: compiler.to_owned(), source };
    let binary = File::options().read(true).open(compiler).map_err(failed)?;
    let binary = above_three(&binary).map_err(failed)?;
    let mut messages = memory("wasm-cni messages").map_err(CodeError::Write)?;
    (&mut &*wasm).seek(SeekFrom::Start(0)).map_err(CodeError::Read)?;
    // Create this file last. Then descriptor 3 is already in use, so that `Command` does not use it for the pipe on
    // which it reports a failed exec. `prepare` replaces descriptor 3.
    let mut manifest = memory("wasm-cni manifest").map_err(CodeError::Write)?;

    // Execute the compiler by its descriptor: it runs as the user nobody, who may not have access to its directory.
    let mut command = Command::new(format!("/proc/self/fd/{}", binary.as_raw_fd()));
    command
        .arg0("wasm-cni-compile")
        .args(arguments)
        .env_clear()
        .current_dir("/")
        .stdin(wasm.try_clone().map_err(CodeError::Read)?)
        .stdout(code)
        .stderr(messages.try_clone().map_err(CodeError::Write)?);
    before_exec(&mut command, manifest.as_raw_fd());
    let before = children_time();
    let child = command.spawn().map_err(failed)?;
    let status = wait(child, DEADLINE).map_err(failed)?;
    let status = status.ok_or_else(|| too_long(children_time().saturating_sub(before)))?;

    if !status.success() {
        let message = text(&mut messages, MESSAGE_BYTES).map_err(CodeError::Read)?;
        return Err(failure(status, message.trim_end().to_owned()));
    }
    let manifest = text(&mut manifest, MANIFEST_BYTES).map_err(CodeError::Read)?;
    serde_json::from_slice(manifest.as_bytes())
        .map_err(|e| CodeError::Compiler { status: "wrote no manifest".to_owned(), message: e.to_string() })
}

/// The error of a compiler that took longer than [`DEADLINE`], by the processor time that it had.
fn too_long(used: Duration) -> CodeError {
    let seconds = DEADLINE.as_secs();
    if used < EXPENSIVE {
        CodeError::TooLong(seconds)
    } else {
        CodeError::Limit(format!("time ({seconds} s)"))
    }
}

/// The processor time of all children that have ended.
fn children_time() -> Duration {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_CHILDREN) else { return Duration::ZERO };
    let time =
        |time: TimeVal| Duration::from_micros(u64::try_from(time.num_microseconds()).unwrap_or_default());
    time(usage.user_time()) + time(usage.system_time())
}

/// The exit code of a Rust program that panicked.
const PANICKED: i32 = 101;

/// The error of a compiler that failed. `host/compile/src/main.rs` sets the limits.
fn failure(status: ExitStatus, message: String) -> CodeError {
    match (status.code(), status.signal()) {
        (Some(2 | 3), _) => CodeError::NotAPlugin(message),
        (_, Some(libc::SIGXCPU)) => CodeError::Limit("processor time".to_owned()),
        (_, Some(libc::SIGXFSZ)) => CodeError::Limit("size of the code".to_owned()),
        // The message of the Rust runtime when an allocation fails, before it aborts.
        _ if message.starts_with("memory allocation of ") => CodeError::Limit(format!("memory ({message})")),
        // A panic, or a signal that the compiler caused itself. Another process, or the kernel for lack of memory, sends
        // SIGKILL.
        (Some(PANICKED), _)
        | (
            _,
            Some(
                libc::SIGABRT
                | libc::SIGBUS
                | libc::SIGFPE
                | libc::SIGILL
                | libc::SIGSEGV
                | libc::SIGSYS
                | libc::SIGTRAP,
            ),
        ) => CodeError::Crashed { status: format!("ended with {status}"), message },
        _ => CodeError::Compiler { status: format!("ended with {status}"), message },
    }
}

/// Duplicates a descriptor to a number of 10 or more, so that `prepare` does not replace it.
#[expect(unsafe_code, reason = "a descriptor by its number")]
fn above_three(file: &File) -> io::Result<OwnedFd> {
    let number = fcntl(file, FcntlArg::F_DUPFD_CLOEXEC(10))?;
    // SAFETY: the kernel just created this descriptor, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Runs [`prepare`] in the child, before exec.
#[expect(unsafe_code, reason = "Command::pre_exec")]
fn before_exec(command: &mut Command, manifest: RawFd) {
    // SAFETY: `prepare` only makes system calls. It does not allocate, lock or panic, as code between fork and exec
    // must not.
    unsafe { command.pre_exec(move || prepare(manifest)) };
}

/// Runs in the child: makes the manifest's file descriptor 3, closes all other descriptors on exec, and gives up
/// privileges.
#[expect(unsafe_code, reason = "system calls that nix does not wrap with raw descriptors")]
fn prepare(manifest: RawFd) -> io::Result<()> {
    // SAFETY: the call uses no memory of this process. This process does not use the old descriptor 3 after exec.
    Errno::result(unsafe {
        if manifest == 3 { libc::fcntl(3, libc::F_SETFD, 0) } else { libc::dup2(manifest, 3) }
    })?;
    // SAFETY: the call uses no memory of this process.
    //
    // The descriptors are closed on exec and not now, because `Command` needs its pipe until then. A kernel before
    // 5.11 does not know the flag. There, descriptors that std opened are closed on exec anyway.
    let closed =
        unsafe { libc::syscall(libc::SYS_close_range, 4, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    match Errno::result(closed) {
        Ok(_) | Err(Errno::ENOSYS | Errno::EINVAL) => {}
        Err(errno) => return Err(errno.into()),
    }
    confine::give_up()?;
    // After the change of user, because that clears the setting (prctl(2), PR_SET_PDEATHSIG).
    nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)?;
    Ok(())
}

/// Waits for a process. Returns `None` if it took too long; then it was killed.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cni::code;

    /// The error of a compiler with this wait status (wait(2)), and whether it is kept.
    fn failed(status: i32, message: &str) -> (crate::cni::CniError, bool) {
        let error = failure(ExitStatus::from_raw(status), message.to_owned());
        (error.to_cni(Path::new("/p/x.wasm")), error.is_lasting())
    }

    #[test]
    fn the_words_of_a_compiler_that_crashed_are_the_details() {
        let words = "thread 'main' (7) panicked at src/x.rs:1:1:\nno such register";
        for status in [101 << 8, libc::SIGABRT, libc::SIGSEGV, libc::SIGSYS, libc::SIGILL] {
            let (error, is_lasting) = failed(status, words);
            assert!(error.msg.starts_with("/p/x.wasm: the compiler ended with "), "{}", error.msg);
            assert_eq!((error.code, error.details.as_str(), is_lasting), (code::INTERNAL, words, true));
        }
        // Without words, the details are the hint for this kind of error.
        assert!(!failed(libc::SIGSYS, "").0.details.is_empty());
    }

    #[test]
    fn only_errors_of_the_component_last() {
        for (status, message, code, is_lasting) in [
            (2 << 8, "a core module", code::NOT_A_PLUGIN, true),
            (3 << 8, "another contract", code::NOT_A_PLUGIN, true),
            (libc::SIGXCPU, "", code::LIMIT, true),
            (libc::SIGXFSZ, "", code::LIMIT, true),
            (libc::SIGABRT, "memory allocation of 9 bytes failed", code::LIMIT, true),
            (1 << 8, "writing the code: no space left on device", code::INTERNAL, false),
            (libc::SIGKILL, "", code::INTERNAL, false),
            (libc::SIGTERM, "", code::INTERNAL, false),
        ] {
            let (error, lasts) = failed(status, message);
            assert_eq!((error.code, lasts), (code, is_lasting), "{status} {message}");
        }
        for (used, is_lasting) in [(0, false), (2999, false), (3000, true), (9999, true)] {
            let error = too_long(Duration::from_millis(used));
            assert_eq!(error.is_lasting(), is_lasting, "{used} ms");
            let error = error.to_cni(Path::new("/p/x.wasm"));
            let msg = "/p/x.wasm: compiling it exceeded a limit: time (30 s)";
            assert_eq!((error.code, error.msg.as_str()), (code::LIMIT, msg));
        }
    }
}

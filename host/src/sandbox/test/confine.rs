//! The seccomp filter: which system calls it allows, tried in a process that has it.

use super::super::confine;
use super::super::planner::SYSTEM_CALLS;
use nix::libc;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use std::os::fd::AsRawFd;

/// Makes a system call in a child process with the planner's filter. Returns the signal that ends the child, if any.
#[expect(unsafe_code, reason = "fork, and system calls that are not to succeed")]
fn ended_by(number: libc::c_long, arguments: [usize; 6]) -> Result<(), Signal> {
    let filter = confine::program(&SYSTEM_CALLS, true).unwrap();
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: the child only makes system calls until it ends.
    let status = match unsafe { fork() }.unwrap() {
        // SAFETY: the arguments are numbers, or ask for a new mapping that nothing uses.
        ForkResult::Child => unsafe {
            let set = seccompiler::apply_filter(&filter).is_ok();
            libc::syscall(number, a, b, c, d, e, f);
            libc::_exit(if set { 0 } else { 1 })
        },
        ForkResult::Parent { child } => waitpid(child, None).unwrap(),
    };
    match status {
        WaitStatus::Exited(_, 0) => Ok(()),
        WaitStatus::Signaled(_, signal, _) => Err(signal),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_planner_that_makes_a_forbidden_system_call_dies() {
    for (name, number) in [
        ("openat", libc::SYS_openat),
        ("read", libc::SYS_read),
        ("write", libc::SYS_write),
        ("socket", libc::SYS_socket),
        ("connect", libc::SYS_connect),
        ("clone", libc::SYS_clone),
        ("execve", libc::SYS_execve),
        ("ioctl", libc::SYS_ioctl),
        ("ptrace", libc::SYS_ptrace),
        ("process_vm_writev", libc::SYS_process_vm_writev),
        ("kill", libc::SYS_kill),
        ("tgkill", libc::SYS_tgkill),
        ("prctl", libc::SYS_prctl),
        ("setns", libc::SYS_setns),
        ("unshare", libc::SYS_unshare),
        ("mount", libc::SYS_mount),
        ("bpf", libc::SYS_bpf),
        ("keyctl", libc::SYS_keyctl),
        ("io_uring_setup", libc::SYS_io_uring_setup),
        ("memfd_create", libc::SYS_memfd_create),
        ("shmat", libc::SYS_shmat),
        ("personality", libc::SYS_personality),
        ("pkey_mprotect", libc::SYS_pkey_mprotect),
        ("remap_file_pages", libc::SYS_remap_file_pages),
        // A number that does not exist, and one of another system call table (x32).
        ("none", 100_000),
        ("x32 getpid", 0x4000_0027),
    ] {
        assert_eq!(ended_by(number, [0; 6]), Err(Signal::SIGSYS), "{name}");
    }
}

/// A panic prints the thread's ID, also the compiler's, which has these system calls too.
#[test]
fn the_system_calls_of_every_process_are_allowed() {
    for (name, number) in
        [("gettid", libc::SYS_gettid), ("clock_gettime", libc::SYS_clock_gettime), ("brk", libc::SYS_brk)]
    {
        assert_eq!(ended_by(number, [0; 6]), Ok(()), "{name}");
    }
}

#[test]
fn nothing_that_a_planner_writes_becomes_code() {
    let file = std::fs::File::open("/proc/self/exe").unwrap();
    let (fd, none) = (usize::try_from(file.as_raw_fd()).unwrap(), usize::MAX);
    let [read, write, execute] =
        [libc::PROT_READ, libc::PROT_WRITE, libc::PROT_EXEC].map(|p| usize::try_from(p).unwrap());
    let [private, anonymous, shared, fixed] =
        [libc::MAP_PRIVATE, libc::MAP_ANONYMOUS, libc::MAP_SHARED, libc::MAP_FIXED]
            .map(|flag| usize::try_from(flag).unwrap());
    let mmap = |protection, flags, fd| ended_by(libc::SYS_mmap, [0, 4096, protection, flags, fd, 0]);
    assert_eq!(mmap(read | write, private | anonymous, none), Ok(()));
    assert_eq!(mmap(read | execute, private, fd), Ok(()), "a file as it is");
    for (protection, flags, fd) in [
        (read | execute, private | anonymous, none),
        (execute, private | anonymous, none),
        (read | write | execute, private | anonymous, none),
        (read | write | execute, private, fd),
        (read | execute, shared, fd),
        (read | execute, private | fixed, fd),
    ] {
        assert_eq!(mmap(protection, flags, fd), Err(Signal::SIGSYS), "{protection} {flags} {fd}");
    }
    assert_eq!(ended_by(libc::SYS_mprotect, [0, 4096, read | write, 0, 0, 0]), Ok(()));
    for protection in [execute, read | execute, read | write | execute] {
        assert_eq!(ended_by(libc::SYS_mprotect, [0, 4096, protection, 0, 0, 0]), Err(Signal::SIGSYS));
    }
}

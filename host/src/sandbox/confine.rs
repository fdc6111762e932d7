//! Removes the privileges of a process (`docs/security.md`, S8 and S10). The planner does so before it runs a guest.
//! `wasm-cni-compile`, which includes this file by its path, does so before it reads a component.

use nix::errno::Errno;
use nix::libc;
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::unistd::{Gid, Uid, geteuid, setgroups, setresgid, setresuid};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    apply_filter,
};
use std::io;

/// A user and group ID that no account has: outside the ranges that Linux distributions, systemd and container
/// runtimes assign or map.
const UNMAPPED: u32 = 0xffff_0000;

/// The user and group `nobody` of Debian and Fedora. Used in a user namespace that does not map [`UNMAPPED`].
const NOBODY: u32 = 65534;

/// The number of capabilities that two 32-bit words can hold. The kernel refuses those above the highest that exists.
const CAPABILITIES: libc::c_ulong = 64;

/// The user of the process after [`give_up`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum User {
    /// A user without any rights.
    Nobody,
    /// The same user as before: not root, or root of a user namespace that maps no other user.
    Unchanged,
}

/// Gives up user, groups and capabilities. Forbids ptrace and every gain of privileges by `exec`.
///
/// It only makes system calls, so it may run between fork and exec.
pub fn give_up() -> nix::Result<User> {
    // Drop the bounding set first, because that needs a capability.
    bounding_set()?;
    let user = user()?;
    capabilities()?;
    prctl::set_dumpable(false)?;
    prctl::set_no_new_privs()?;
    Ok(user)
}

/// Empties the bounding set, so that executing a file cannot restore a capability.
#[expect(unsafe_code, reason = "PR_CAPBSET_DROP is not in nix")]
fn bounding_set() -> nix::Result<()> {
    for capability in 0..CAPABILITIES {
        // SAFETY: the call uses no memory of this process.
        match Errno::result(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) }) {
            Ok(_) => {}
            // EINVAL: the capability is above the highest that exists. EPERM: the process lacks CAP_SETPCAP, so it
            // has few rights to lose.
            Err(Errno::EINVAL | Errno::EPERM) => break,
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

fn user() -> nix::Result<User> {
    if !geteuid().is_root() {
        return Ok(User::Unchanged);
    }
    match setgroups(&[]) {
        // A user namespace may forbid setgroups(2).
        Ok(()) | Err(Errno::EPERM) => {}
        Err(errno) => return Err(errno),
    }
    for id in [UNMAPPED, NOBODY] {
        let (user, group) = (Uid::from_raw(id), Gid::from_raw(id));
        match setresgid(group, group, group).and_then(|()| setresuid(user, user, user)) {
            Ok(()) => return Ok(User::Nobody),
            // The user namespace does not map the ID, or this is a root user without CAP_SETUID.
            Err(Errno::EINVAL | Errno::EPERM) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(User::Unchanged)
}

/// Clears the effective, permitted and inheritable sets. That clears the ambient set too.
#[expect(unsafe_code, reason = "capset is not in nix")]
fn capabilities() -> nix::Result<()> {
    /// `_LINUX_CAPABILITY_VERSION_3`, for this process.
    const HEADER: [u32; 2] = [0x2008_0522, 0];
    const NONE: [u32; 6] = [0; 6];
    // SAFETY: both arrays have the layout of the structures in `linux/capability.h`, and the kernel only reads them.
    let set = unsafe { libc::syscall(libc::SYS_capset, HEADER.as_ptr(), NONE.as_ptr()) };
    Errno::result(set).map(drop)
}

/// Sets resource limits, soft and hard. The hard limit of processor time is one second higher. So the process gets
/// SIGXCPU before SIGKILL, and its exit status shows which limit it exceeded.
pub fn limit(limits: &[(Resource, u64)]) -> nix::Result<()> {
    limits.iter().try_for_each(|(resource, limit)| {
        let grace = u64::from(*resource == Resource::RLIMIT_CPU);
        setrlimit(*resource, *limit, limit + grace)
    })
}

/// The system calls of every process: memory without code, signals to itself, time, random numbers, exit. A panic prints
/// the thread's ID with its message.
const ANY_PROCESS: [libc::c_long; 16] = [
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_futex,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_restart_syscall,
    libc::SYS_sigaltstack,
    libc::SYS_clock_gettime,
    libc::SYS_getrandom,
    libc::SYS_gettid,
    libc::SYS_close,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// Installs a seccomp filter. From then on, every system call except `calls` and [`ANY_PROCESS`] ends the process
/// with SIGSYS.
///
/// With `code`, the process may map files as executable, but not as writable. So nothing that it wrote can become
/// code.
pub fn filter(calls: &[libc::c_long], code: bool) -> io::Result<()> {
    let failed = io::Error::other::<seccompiler::Error>;
    apply_filter(&program(calls, code).map_err(|e| failed(e.into()))?).map_err(failed)
}

/// Compiles the filter that [`filter`] installs.
pub fn program(calls: &[libc::c_long], code: bool) -> Result<BpfProgram, seccompiler::BackendError> {
    use SeccompCmpArgLen::Qword;
    let protection = |protection: libc::c_int, mask: libc::c_int| {
        SeccompCondition::new(2, Qword, SeccompCmpOp::MaskedEq(bits(mask)), bits(protection))
    };
    let data = SeccompRule::new(vec![protection(0, libc::PROT_EXEC)?])?;
    let mut mmap = vec![data.clone()];
    if code {
        let private = SeccompCondition::new(
            3,
            Qword,
            SeccompCmpOp::MaskedEq(bits(!libc::MAP_POPULATE)),
            bits(libc::MAP_PRIVATE),
        )?;
        mmap.push(SeccompRule::new(vec![protection(libc::PROT_READ | libc::PROT_EXEC, !0)?, private])?);
    }
    let always = ANY_PROCESS.iter().chain(calls).map(|call| (*call, Vec::new()));
    let rules = always.chain([(libc::SYS_mmap, mmap), (libc::SYS_mprotect, vec![data])]).collect();
    let architecture = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, SeccompAction::KillProcess, SeccompAction::Allow, architecture)?.try_into()
}

/// An `int` as the value of a 64-bit register.
fn bits(value: libc::c_int) -> u64 {
    u64::from(value.cast_unsigned())
}

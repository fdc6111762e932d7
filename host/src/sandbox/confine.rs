//! Takes from a process whatever it could do harm with (`docs/security.md`, S8 and S10): the planner before it runs a guest, and
//! `wasm-cni-compile`, which includes this file by its path, before it reads a component.

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

/// A user and group that nobody is: outside what Linux distributions, systemd and container runtimes hand out or map.
const UNMAPPED: u32 = 0xffff_0000;

/// The user and group `nobody`, as Debian and Fedora number them: in a user namespace that lacks [`UNMAPPED`].
const NOBODY: u32 = 65534;

/// Capabilities are bits of two words; the highest that exists is found by asking.
const CAPABILITIES: libc::c_ulong = 64;

/// Who the process is after [`give_up`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum User {
    /// Nobody.
    Nobody,
    /// Who it was: not root, or root of a user namespace that has no other user.
    Unchanged,
}

/// Gives up user, groups, capabilities, being attached to, and whatever `exec` could bring back.
///
/// System calls only: it may stand between fork and exec.
pub fn give_up() -> nix::Result<User> {
    // First, because it takes a capability itself.
    bounding_set()?;
    let user = user()?;
    capabilities()?;
    prctl::set_dumpable(false)?;
    prctl::set_no_new_privs()?;
    Ok(user)
}

/// No capability comes back by executing a file.
#[expect(unsafe_code, reason = "PR_CAPBSET_DROP is not in nix")]
fn bounding_set() -> nix::Result<()> {
    for capability in 0..CAPABILITIES {
        // SAFETY: no memory is involved.
        match Errno::result(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) }) {
            Ok(_) => {}
            // Beyond the last one; or we may not, and have little to lose.
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
        // A user namespace may forbid it.
        Ok(()) | Err(Errno::EPERM) => {}
        Err(errno) => return Err(errno),
    }
    for id in [UNMAPPED, NOBODY] {
        let (user, group) = (Uid::from_raw(id), Gid::from_raw(id));
        match setresgid(group, group, group).and_then(|()| setresuid(user, user, user)) {
            Ok(()) => return Ok(User::Nobody),
            // The user namespace does not have it, or we are root without the capability.
            Err(Errno::EINVAL | Errno::EPERM) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(User::Unchanged)
}

/// Empties the effective, permitted and inheritable set, and with them the ambient one.
#[expect(unsafe_code, reason = "capset is not in nix")]
fn capabilities() -> nix::Result<()> {
    /// `_LINUX_CAPABILITY_VERSION_3`, of ourselves.
    const HEADER: [u32; 2] = [0x2008_0522, 0];
    const NONE: [u32; 6] = [0; 6];
    // SAFETY: both have the layout of the structures in `linux/capability.h`, and the kernel only reads them.
    let set = unsafe { libc::syscall(libc::SYS_capset, HEADER.as_ptr(), NONE.as_ptr()) };
    Errno::result(set).map(drop)
}

/// Sets limits, which nobody raises again. That of processor time has a second more until SIGKILL: SIGXCPU tells which limit it was.
pub fn limit(limits: &[(Resource, u64)]) -> nix::Result<()> {
    limits.iter().try_for_each(|(resource, limit)| {
        let grace = u64::from(*resource == Resource::RLIMIT_CPU);
        setrlimit(*resource, *limit, limit + grace)
    })
}

/// Memory that holds no code, signals to oneself, the time, chance, and an end.
const ANY_PROCESS: [libc::c_long; 15] = [
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
    libc::SYS_close,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// From now on, any system call but these and those of any process ends the process with SIGSYS.
///
/// `code`: files may be mapped as code, and only as they are; nothing that was written here ever becomes code.
pub fn filter(calls: &[libc::c_long], code: bool) -> io::Result<()> {
    let failed = io::Error::other::<seccompiler::Error>;
    apply_filter(&program(calls, code).map_err(|e| failed(e.into()))?).map_err(failed)
}

/// The filter of [`filter`].
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

/// An `int` as it is in a register.
fn bits(value: libc::c_int) -> u64 {
    u64::from(value.cast_unsigned())
}

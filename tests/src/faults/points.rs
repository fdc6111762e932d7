//! Every point of a call that can fail.

use super::{Fault, Trace, What, Who};
use std::collections::BTreeMap;

/// The errors of a system call that the kernel or a confinement can really return.
pub fn errors(syscall: &str) -> &'static [&'static str] {
    match syscall {
        "sendto" | "sendmsg" => &["EPERM", "EBUSY", "ENOBUFS", "EINTR"],
        "open" | "openat" => &["EACCES", "EMFILE", "EIO", "EINTR"],
        "write" | "pwrite64" | "writev" => &["ENOSPC", "EIO", "EINTR"],
        "fork" | "vfork" | "clone" | "clone3" => &["EAGAIN", "ENOMEM"],
        "execve" => &["ENOENT", "EACCES", "ENOMEM"],
        // Not EROFS: a DEL succeeds on a read-only `/run`, and leaves its journal.
        _ => &["ENOSPC", "EIO"],
    }
}

/// Faults of each kind at each point: in the plugin with its forks, and in each firewall process.
pub fn all(trace: &Trace) -> Vec<Fault> {
    let mut most: BTreeMap<(Who, &str), usize> = BTreeMap::new();
    let mut tools = 0;
    for (number, process) in trace.processes.iter().enumerate() {
        if number > 0 && !process.program.is_empty() && !process.is_tool() {
            // An executed delegate reports its own failures.
            continue;
        }
        let who = if process.is_tool() {
            tools += 1;
            Who::Tool(tools)
        } else {
            Who::All
        };
        for (syscall, count) in process.counts() {
            let most = most.entry((who, syscall)).or_default();
            *most = count.max(*most);
        }
    }
    // The first `execve` of each process is the program that it executes after a fork. strace does not count the
    // plugin's own.
    most.insert((Who::All, "execve"), 1);
    let mut faults = Vec::new();
    for ((who, syscall), count) in most {
        for at in 1..=count {
            let mut push = |what| faults.push(Fault { who, syscall: syscall.to_owned(), at, what });
            errors(syscall).iter().for_each(|errno| push(What::Fails(errno)));
            // This would kill each process at its start, and so every undo; another row covers that.
            if syscall != "execve" {
                push(What::Killed);
            }
        }
    }
    faults
}

//! Every place of a call where something can fail.

use super::{Fault, Trace, What, Who};
use std::collections::BTreeMap;

/// What a system call fails with: what it may really be told, by the kernel or by a confinement.
pub fn errors(syscall: &str) -> &'static [&'static str] {
    match syscall {
        "sendto" | "sendmsg" => &["EPERM", "EBUSY", "ENOBUFS", "EINTR"],
        "open" | "openat" => &["EACCES", "EMFILE", "EIO", "EINTR"],
        "write" | "pwrite64" | "writev" => &["ENOSPC", "EIO", "EINTR"],
        "fork" | "vfork" | "clone" | "clone3" => &["EAGAIN", "ENOMEM"],
        "execve" => &["ENOENT", "EACCES", "ENOMEM"],
        // Not EROFS: a DEL succeeds on a `/run` that cannot be written, and leaves its journal.
        _ => &["ENOSPC", "EIO"],
    }
}

/// Faults of each kind at each place: in the plugin with what it forks, and in each process of a firewall.
pub fn all(trace: &Trace) -> Vec<Fault> {
    let mut most: BTreeMap<(Who, &str), usize> = BTreeMap::new();
    let mut tools = 0;
    for (number, process) in trace.processes.iter().enumerate() {
        if number > 0 && !process.program.is_empty() && !process.is_tool() {
            // A delegate that is executed: what it fails with is the delegate's own.
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
    // The first of each process: what it executes after a fork. The plugin's own is not counted by strace.
    most.insert((Who::All, "execve"), 1);
    let mut faults = Vec::new();
    for ((who, syscall), count) in most {
        for at in 1..=count {
            let mut push = |what| faults.push(Fault { who, syscall: syscall.to_owned(), at, what });
            errors(syscall).iter().for_each(|errno| push(What::Fails(errno)));
            // Each process that is started would be killed at its start: that is every undo with it, which has a row of its own.
            if syscall != "execve" {
                push(What::Killed);
            }
        }
    }
    faults
}

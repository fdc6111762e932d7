//! The system calls of a successful call: the points where faults are possible.

use super::fault::TOOLS;
use crate::{Call, Machine, Reply};
use std::collections::BTreeMap;

/// The calls that can fail: send, open, write, rename, link, unlink, mkdir, fork and exec. A question mark means: if
/// the architecture has it.
const SYSCALLS: &str = "sendto,sendmsg,?open,openat,write,pwrite64,writev,?rename,renameat,renameat2,?link,linkat,?unlink,\
                        unlinkat,?mkdir,mkdirat,?fork,?vfork,clone,clone3,execve";

/// A process or thread, and its calls since it executed its program.
#[derive(Debug, Clone, Default)]
pub struct Process {
    /// The program, if it executed one.
    pub program: String,
    /// Name and arguments.
    pub calls: Vec<(String, String)>,
}

/// The processes of a call, in the order in which they started.
#[derive(Debug, Clone)]
pub struct Trace {
    /// The first one is the plugin's own.
    pub processes: Vec<Process>,
}

impl Process {
    /// Whether it is a firewall process.
    pub fn is_tool(&self) -> bool {
        TOOLS.contains(&self.program.as_str())
    }

    /// The number of calls of each system call.
    pub fn counts(&self) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        self.calls.iter().for_each(|(name, _)| *counts.entry(name.as_str()).or_default() += 1);
        counts
    }
}

impl Trace {
    /// Makes a call and traces all its processes; descriptors appear with their paths.
    pub fn of(call: &Call, machine: &Machine) -> (Reply, Trace) {
        let path = machine.files().join("trace");
        let trace = format!("trace={SYSCALLS}");
        let file = path.display().to_string();
        let strace =
            ["strace", "-f", "-y", "-qqq", "-s", "200", "-e", "signal=none", "-o", &file, "-e", &trace];
        let reply = call.clone().under(&strace.map(str::to_owned)).run(machine);
        let text = std::fs::read(&path).expect("strace writes its file");
        (reply, Trace::parse(&String::from_utf8_lossy(&text)))
    }

    fn parse(text: &str) -> Trace {
        let mut order: Vec<&str> = Vec::new();
        let mut processes: BTreeMap<&str, Process> = BTreeMap::new();
        for line in text.lines() {
            let Some((pid, rest)) = line.split_once(' ') else { continue };
            let Some((name, arguments)) = rest.trim_start().split_once('(') else { continue };
            // The second half of a call whose first half was printed before.
            if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
                continue;
            }
            // The kernel starts the call again by itself: `write` to a parameter of a link while another process holds the
            // lock of rtnetlink (`restart_syscall` in net/ipv4/devinet.c), up to thousands of times on a busy machine.
            if arguments.contains(" = ? ERESTART") {
                continue;
            }
            if !order.contains(&pid) {
                order.push(pid);
            }
            let process = processes.entry(pid).or_default();
            if name == "execve" && !arguments.contains(" = -1 ") {
                let path = arguments.trim_start_matches('"').split('"').next().unwrap_or_default();
                process.program = path.rsplit('/').next().unwrap_or_default().to_owned();
                process.calls.clear();
            } else {
                process.calls.push((name.to_owned(), arguments.to_owned()));
            }
        }
        Trace { processes: order.iter().filter_map(|pid| processes.remove(pid)).collect() }
    }
}

//! One fault, and the arguments of `strace` for it.

use crate::{Call, Machine, Reply};
use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// The firewall programs that plugins execute.
pub const TOOLS: [&str; 7] = [
    "iptables",
    "iptables-restore",
    "iptables-save",
    "ip6tables",
    "ip6tables-restore",
    "ip6tables-save",
    "nft",
];

/// Which process of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// The plugin's own process, each process that it forks, and each of their threads; each counts separately.
    All,
    /// Only the plugin's own process.
    Plugin,
    /// The N-th process of a firewall tool, from 1.
    Tool(usize),
}

/// The effect of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// The call fails with this error and has no effect.
    Fails(&'static str),
    /// So do all later calls.
    FailsFromThere(&'static str),
    /// The process is killed instead.
    Killed,
}

/// The `at`-th call, from 1, of a system call.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// In which process.
    pub who: Who,
    /// The system call's name.
    pub syscall: String,
    /// The number of the call.
    pub at: usize,
    /// The effect.
    pub what: What,
}

impl Fault {
    /// Whether the process dies, so that it cannot report an error.
    pub fn kills(&self) -> bool {
        self.what == What::Killed
    }

    fn expression(&self) -> String {
        let Fault { syscall, at, .. } = self;
        match self.what {
            What::Fails(errno) => format!("inject={syscall}:error={errno}:when={at}"),
            What::FailsFromThere(errno) => format!("inject={syscall}:error={errno}:when={at}+"),
            What::Killed => format!("inject={syscall}:signal=KILL:when={at}"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fault { syscall, at, .. } = self;
        match self.who {
            Who::All => write!(f, "{syscall} {at}")?,
            Who::Plugin => write!(f, "{syscall} {at} of the plugin")?,
            Who::Tool(tool) => write!(f, "{syscall} {at} of firewall process {tool}")?,
        }
        match self.what {
            What::Fails(errno) => write!(f, ": {errno}"),
            What::FailsFromThere(errno) => write!(f, " and all after it: {errno}"),
            What::Killed => f.write_str(": killed"),
        }
    }
}

/// Makes a call with faults; all of them are in the same process.
pub fn inject(call: &Call, faults: &[Fault], machine: &Machine) -> Reply {
    let Some(first) = faults.first() else { return call.run(machine) };
    assert!(faults.iter().all(|fault| fault.who == first.who), "{faults:?}");
    let log = log(machine).display().to_string();
    let mut strace: Vec<String> = ["strace", "-qqq", "-o", &log].map(str::to_owned).to_vec();
    if first.who != Who::Plugin {
        strace.push("-f".to_owned());
    }
    if first.who == Who::All && first.syscall != "execve" {
        // strace detaches from programs that the process executes. Otherwise the fault would hit each firewall process
        // at the same time; those have their own faults.
        strace.extend(["-b", "execve"].map(str::to_owned));
    }
    let names: Vec<&str> = faults.iter().map(|fault| fault.syscall.as_str()).collect();
    strace.extend(["-e".to_owned(), format!("trace={}", names.join(","))]);
    faults.iter().for_each(|fault| strace.extend(["-e".to_owned(), fault.expression()]));
    match first.who {
        Who::All | Who::Plugin => call.clone().under(&strace).run(machine),
        Who::Tool(number) => {
            call.clone().env("PATH", &tools(machine, number, &strace.join(" "))).run(machine)
        }
    }
}

/// The trace of the last [`inject`].
fn log(machine: &Machine) -> PathBuf {
    machine.files().join("strace")
}

/// Whether a fault of the last [`inject`] hit the answer itself: the write failed, or the process died with it. The
/// number of calls may differ from run to run (in a wait, or when a cache is renewed), so a fault may hit another call
/// than intended.
pub fn struck_the_answer(machine: &Machine) -> bool {
    let seen = std::fs::read(log(machine)).unwrap_or_default();
    String::from_utf8_lossy(&seen).lines().any(|line| {
        let is_answer = line.contains("write(") && line.contains(r#""{\n    \"c"#);
        is_answer && (line.contains("(INJECTED)") || line.ends_with("= ?"))
    })
}

/// Firewall tools that count their starts and run one of them under `strace`; returns a `PATH` that begins with them.
fn tools(machine: &Machine, number: usize, strace: &str) -> String {
    let directory = machine.files().join("faulty-tools");
    std::fs::create_dir_all(&directory).expect("a directory for tools");
    let count = directory.join("count");
    // The reference's plugins never run several of them at once, so a file is enough.
    std::fs::write(&count, "0").expect("a counter");
    for tool in TOOLS {
        // The program's name selects its variant.
        let path = directory.join(format!("{tool}-nft"));
        let script = format!(
            "#!/bin/sh\nn=$(($(cat {0}) + 1)); echo $n > {0}\n[ $n != {number} ] || exec {strace} /usr/sbin/{tool} \"$@\"\n\
             exec /usr/sbin/{tool} \"$@\"\n",
            count.display()
        );
        std::fs::write(&path, script).expect("the tool is written");
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&path, executable).expect("the tool is executable");
        let link = directory.join(tool);
        let _ = std::fs::remove_file(&link);
        std::os::unix::fs::symlink(&path, &link).expect("the tool is linked");
    }
    format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", directory.display())
}

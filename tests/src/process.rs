//! Processes, as `/proc` shows them, and background processes of a test.

use crate::Machine;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Child;
use std::time::{Duration, Instant};

/// A process by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process(pub u32);

impl Process {
    /// The only child of a process, as soon as `found` accepts it; panics after a time limit.
    pub fn child_of(parent: u32, found: impl Fn(&Process) -> bool) -> Process {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(20) {
            let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
            let children = children.unwrap_or_default();
            let mut children = children.split_whitespace().filter_map(|pid| pid.parse().ok()).map(Process);
            if let Some(child) = children.find(|child| found(child)) {
                return child;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("process {parent} has no such child");
    }

    /// A file about it in `/proc`, as text.
    pub fn read(&self, file: &str) -> String {
        fs::read(self.path(file))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// A line of its `status`, without the name: `CapEff`.
    pub fn status(&self, name: &str) -> String {
        let text = self.read("status");
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_default().trim().to_owned()
    }

    /// Its soft and hard limit of that name: `Max open files`.
    pub fn limit(&self, name: &str) -> [String; 2] {
        let text = self.read("limits");
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        let mut words = line.split_whitespace().map(str::to_owned);
        [words.next().unwrap_or_default(), words.next().unwrap_or_default()]
    }

    /// The targets of its descriptors, sorted.
    pub fn descriptors(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("fd")).expect("root may look");
        let target =
            |entry: fs::DirEntry| fs::read_link(entry.path()).unwrap_or_default().display().to_string();
        let mut descriptors: Vec<String> = entries.flatten().map(target).collect();
        descriptors.sort();
        descriptors
    }

    /// The confinement of every process of ours that handles untrusted data: an unprivileged user, no privileges, no
    /// debugger may attach.
    pub fn assert_confined(&self) {
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(self.status(set), "0000000000000000", "{set}");
        }
        assert_eq!((self.status("NoNewPrivs"), self.status("Seccomp")), ("1".into(), "2".into()));
        let us = nix::unistd::Uid::effective();
        if us.is_root() {
            assert_eq!(self.status("Uid"), "4294901760\t4294901760\t4294901760\t4294901760");
            assert_eq!(self.status("Gid"), "4294901760\t4294901760\t4294901760\t4294901760");
            assert_eq!(self.status("Groups"), "");
        }
        // `/proc` files of a process that a debugger may attach to belong to its own user; of others, to root.
        assert_eq!(fs::metadata(self.path("environ")).expect("it is there").uid(), us.as_raw());
        for (name, most) in [("Max core file size", "0"), ("Max processes", "0")] {
            assert_eq!(self.limit(name), [most, most], "{name}");
        }
    }

    /// The path of a `/proc` file about it.
    pub fn path(&self, file: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{file}", self.0))
    }
}

/// A shell script that runs in the background until this value is dropped.
#[derive(Debug)]
pub struct Background(Child);

impl Background {
    /// Starts `script` on a machine.
    pub fn start(machine: &Machine, script: &str) -> Self {
        let mut command = machine.command("sh");
        Background(command.args(["-c", script]).process_group(0).spawn().expect("sh starts"))
    }

    /// A process that holds a lock; returns when it does.
    pub fn holding(machine: &Machine, path: &str) -> Self {
        let holder = Background::start(machine, &format!("exec flock --no-fork {path} sleep 1000"));
        machine.sh(&format!(
            "for i in $(seq 200); do flock --nonblock {path} true || exit 0; sleep 0.05; done; exit 1"
        ));
        holder
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Ok(group) = i32::try_from(self.0.id()) {
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
        let _ = self.0.wait();
    }
}

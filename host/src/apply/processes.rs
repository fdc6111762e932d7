//! Other processes, as `/proc` shows them (proc(5)): who holds a lock, who is an ancestor, who has ended.
//!
//! A plugin that a native plugin of ours executes finds the lock of its attachment taken by an ancestor. No descriptor and
//! no variable says so: a daemon would keep a descriptor, and `sudo` or `env -i` drop a variable.

use nix::sys::stat::{major, minor};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::process;
use std::str::FromStr;

/// A longer chain of processes is none that a runtime makes.
const MOST_ANCESTORS: usize = 256;

/// A process. Its number alone may belong to another process later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    pid: u32,
    /// The time of its start, in clock ticks since the boot.
    started: u64,
}

impl Process {
    /// The parent of this process. None if it cannot be seen.
    pub fn parent() -> Option<Self> {
        Process::of(parent_in(&stat(process::id())?)?)
    }

    fn of(pid: u32) -> Option<Self> {
        Some(Process { pid, started: field_in(&stat(pid)?, STARTED)? })
    }

    /// Whether the process does not exist any more.
    pub fn has_ended(&self) -> bool {
        Process::of(self.pid) != Some(*self)
    }
}

/// The process that holds an exclusive flock(2) on the file. None if this process cannot see it, for example because the
/// holder is in another PID namespace.
pub fn holder(file: &File) -> Option<u32> {
    let metadata = file.metadata().ok()?;
    let inode = format!("{:02x}:{:02x}:{}", major(metadata.dev()), minor(metadata.dev()), metadata.ino());
    holder_in(&fs::read_to_string("/proc/locks").ok()?, &inode)
}

/// The holder in the lines of `/proc/locks`. A line with `->` is of a process that waits.
fn holder_in(locks: &str, inode: &str) -> Option<u32> {
    locks.lines().find_map(|line| {
        let mut words = line.split_ascii_whitespace().skip(1);
        let [kind, _, access, process, of] =
            [words.next()?, words.next()?, words.next()?, words.next()?, words.next()?];
        (kind == "FLOCK" && access == "WRITE" && of == inode).then(|| process.parse().ok())?
    })
}

/// Whether the process is the parent of this process, or an ancestor of it.
pub fn is_ancestor(process: u32) -> bool {
    let parent = |process: &u32| parent_in(&stat(*process)?);
    std::iter::successors(parent(&process::id()), parent).take(MOST_ANCESTORS).any(|one| one == process)
}

fn stat(process: u32) -> Option<String> {
    fs::read_to_string(format!("/proc/{process}/stat")).ok()
}

/// The positions of the parent and of the start time in `/proc/PID/stat`, counted from 1.
const PARENT: usize = 4;
const STARTED: usize = 22;

fn parent_in(stat: &str) -> Option<u32> {
    field_in(stat, PARENT).filter(|parent| *parent != 0)
}

/// A field of `/proc/PID/stat` behind the second one. That is the name, which may contain blanks and parentheses.
fn field_in<T: FromStr>(stat: &str, position: usize) -> Option<T> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(position.checked_sub(3)?)?.parse().ok()
}

/// The name of a program that the process executes now. The planner of the process is no other program.
pub fn program_of(process: u32) -> Option<String> {
    let own = fs::read_link(format!("/proc/{process}/exe")).ok()?;
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).ok()?;
    let mut others = children.split_ascii_whitespace().filter_map(|child| {
        let program = fs::read_link(format!("/proc/{child}/exe")).ok().filter(|program| *program != own)?;
        Some(program.file_name()?.to_string_lossy().into_owned())
    });
    others.next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::fcntl::{Flock, FlockArg};

    #[test]
    fn the_holder_of_a_lock_is_found_and_one_who_waits_is_not() {
        let file = tempfile::tempfile().unwrap();
        assert_eq!(holder(&file), None);
        let lock = Flock::lock(file, FlockArg::LockExclusive).unwrap();
        assert_eq!(holder(&lock), Some(process::id()));
        let locks = "1: -> FLOCK  ADVISORY  WRITE 7 00:1a:99 0 EOF\n2: POSIX  ADVISORY  WRITE 8 00:1a:99 0 EOF\n\
            3: FLOCK  ADVISORY  READ 9 00:1a:99 0 EOF\n4: FLOCK  ADVISORY  WRITE 10 00:1a:99 0 EOF\n";
        assert_eq!(holder_in(locks, "00:1a:99"), Some(10));
        assert_eq!(holder_in(locks, "00:1a:9"), None);
    }

    #[test]
    fn an_ancestor_is_above_this_process() {
        assert!(is_ancestor(std::os::unix::process::parent_id()));
        assert!(!is_ancestor(process::id()), "nobody is an ancestor of itself");
        assert_eq!(parent_in("12 (a) b (c) S 34 5 6"), Some(34));
        assert_eq!(parent_in("1 (init) S 0 1 1"), None);
    }

    #[test]
    fn a_process_that_has_ended_is_known_by_its_number_and_its_start() {
        let parent = Process::parent().unwrap();
        assert!(!parent.has_ended());
        assert!(
            Process { started: parent.started + 1, ..parent }.has_ended(),
            "another process has its number"
        );
        let mut child = process::Command::new("sleep").arg("60").spawn().unwrap();
        let process = Process::of(child.id()).unwrap();
        assert!(!process.has_ended());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(process.has_ended());
    }
}

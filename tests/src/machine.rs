//! A throw-away machine.

use crate::snapshot;
use nix::unistd::Uid;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// Namespaces that live as long as this value.
#[derive(Debug)]
pub struct Machine {
    holder: Child,
    /// Whether its processes have their own PID namespace.
    contained: bool,
    files: tempfile::TempDir,
}

/// Makes the private directories of a fresh machine, and waits until its input ends.
const HOLD: &str = r#"set -eu
mount --make-rprivate /
for dir in /run /var/lib /var/cache; do mount -t tmpfs tmpfs $dir; done
mkdir -p /run/netns
ip link set lo up
echo ready
read -r end || true"#;

impl Machine {
    /// A fresh machine.
    pub fn new() -> Self {
        Machine::start(false)
    }

    /// A machine whose processes end with it, daemons and containers too.
    pub fn contained() -> Self {
        Machine::start(true)
    }

    fn start(contained: bool) -> Self {
        let mut unshare = Command::new("unshare");
        unshare.args(["--net", "--mount"]);
        if contained {
            unshare.args(["--pid", "--fork", "--kill-child", "--mount-proc"]);
        }
        if !Uid::effective().is_root() {
            unshare.arg("--map-root-user");
        }
        unshare.args(["sh", "-c", HOLD]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut holder = unshare.spawn().expect("unshare starts");
        let mut line = String::new();
        let stdout = holder.stdout.take().expect("stdout is piped");
        BufReader::new(stdout).read_line(&mut line).expect("the holder speaks");
        assert_eq!(line, "ready\n", "no namespaces: are user namespaces allowed here?");
        Machine { holder, contained, files: tempfile::tempdir().expect("a temporary directory") }
    }

    /// A directory outside of the namespaces' private directories, for plugins and files.
    pub fn files(&self) -> &Path {
        self.files.path()
    }

    /// A program inside, before it gets its arguments.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--target={}", self.holder.id())).args(["--net", "--mount"]);
        if !Uid::effective().is_root() {
            command.args(["--user", "--preserve-credentials"]);
        }
        if self.contained {
            command.arg(format!("--pid=/proc/{}/ns/pid_for_children", self.holder.id()));
        }
        command.arg("--").arg(program);
        command
    }

    /// Runs a shell command inside.
    pub fn try_sh(&self, script: &str) -> Output {
        self.command("sh").args(["-c", script]).output().expect("sh starts")
    }

    /// Runs a shell command inside that must succeed; returns its stdout.
    pub fn sh(&self, script: &str) -> String {
        let output = self.try_sh(script);
        let (stdout, stderr) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "`{script}`: {}\n{stdout}{stderr}", output.status);
        stdout.into_owned()
    }

    /// Whether netfilter sees bridged packets: the kernel has `br_netfilter`.
    pub fn filters_bridged(&self) -> bool {
        self.sh("cat /proc/sys/net/bridge/bridge-nf-call-iptables 2>/dev/null || echo 0").trim() != "0"
    }

    /// Makes a container's namespace; returns its path.
    pub fn netns(&self, name: &str) -> String {
        self.sh(&format!("ip netns add {name}"));
        format!("/var/run/netns/{name}")
    }

    /// Everything that a plugin may change, as text: see [`snapshot::take`].
    pub fn snapshot(&self) -> String {
        snapshot::take(self)
    }

    /// The lines in which the machine differs from an earlier snapshot.
    pub fn changes(&self, before: &str) -> Vec<String> {
        let after = self.snapshot();
        let mut counts: BTreeMap<&str, isize> = BTreeMap::new();
        before.lines().for_each(|line| *counts.entry(line).or_default() -= 1);
        after.lines().for_each(|line| *counts.entry(line).or_default() += 1);
        let changed = counts.into_iter().filter(|(_, count)| *count != 0);
        changed.map(|(line, count)| format!("{} {line}", if count < 0 { '-' } else { '+' })).collect()
    }

    /// Replaces `iptables-restore` by `script`; returns a `PATH` that begins with it.
    pub fn with_iptables(&self, script: &str) -> String {
        self.with_tool("iptables-restore", script)
    }

    /// Replaces a program by `script`; returns a `PATH` that begins with it.
    pub fn with_tool(&self, name: &str, script: &str) -> String {
        let dir = self.files.path().join("tools");
        std::fs::create_dir_all(&dir).expect("a directory for tools");
        let tool = dir.join(name);
        std::fs::write(&tool, format!("#!/bin/sh\n{script}\n")).expect("the tool is written");
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&tool, executable).expect("the tool is executable");
        format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", dir.display())
    }

    /// Waits for the processes of a killed call: its tools hold the attachment's lock until they end.
    pub fn wait_for_locks(&self) {
        self.sh("for path in /run/wasm-cni/attachments/*; do flock --wait 10 \"$path\" true || exit 1; done");
    }

    /// A copy of the installed tree that a test may change.
    pub fn plugins(&self) -> PathBuf {
        let dir = self.files.path().join("plugins");
        let status = Command::new("cp").arg("-a").arg(crate::dist()).arg(&dir).status().expect("cp starts");
        assert!(status.success());
        dir
    }
}

impl Default for Machine {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Some(mut stdin) = self.holder.stdin.take() {
            let _ = stdin.write_all(b"\n");
        }
        let _ = self.holder.wait();
    }
}

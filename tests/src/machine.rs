//! A throw-away machine.

use nix::unistd::Uid;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// Namespaces that live as long as this value.
#[derive(Debug)]
pub struct Machine {
    holder: Child,
    files: tempfile::TempDir,
}

/// Makes what a fresh machine has, in private places, and waits until its input ends.
const HOLD: &str = r#"set -eu
mount --make-rprivate /
for dir in /run /var/lib /var/cache; do mount -t tmpfs tmpfs $dir; done
mkdir -p /run/netns
ip link set lo up
echo ready
read -r end || true"#;

impl Machine {
    /// A fresh one.
    pub fn new() -> Self {
        let mut unshare = Command::new("unshare");
        unshare.args(["--net", "--mount"]);
        if !Uid::effective().is_root() {
            unshare.arg("--map-root-user");
        }
        unshare.args(["sh", "-c", HOLD]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut holder = unshare.spawn().expect("unshare starts");
        let mut line = String::new();
        let stdout = holder.stdout.take().expect("stdout is piped");
        BufReader::new(stdout).read_line(&mut line).expect("the holder speaks");
        assert_eq!(line, "ready\n", "no namespaces: are user namespaces allowed here?");
        Machine { holder, files: tempfile::tempdir().expect("a temporary directory") }
    }

    /// A directory outside the namespaces' private places, for plugin directories and files.
    pub fn files(&self) -> &Path {
        self.files.path()
    }

    /// A program inside, ready to be given arguments.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--target={}", self.holder.id())).args(["--net", "--mount"]);
        if !Uid::effective().is_root() {
            command.args(["--user", "--preserve-credentials"]);
        }
        command.arg("--").arg(program);
        command
    }

    /// Runs a shell command inside.
    pub fn try_sh(&self, script: &str) -> Output {
        self.command("sh").args(["-c", script]).output().expect("sh starts")
    }

    /// Runs a shell command inside that must succeed; gives its stdout.
    pub fn sh(&self, script: &str) -> String {
        let output = self.try_sh(script);
        let (stdout, stderr) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "`{script}`: {}\n{stdout}{stderr}", output.status);
        stdout.into_owned()
    }

    /// A container's namespace; gives its path.
    pub fn netns(&self, name: &str) -> String {
        self.sh(&format!("ip netns add {name}"));
        format!("/var/run/netns/{name}")
    }

    /// Everything that a plugin may change, as text: links, addresses, routes, rules, forwarding and files, of the host
    /// and of every named namespace.
    ///
    /// Left out is what changes by itself (counters, timers, carrier, link-local addresses on their way), what the
    /// reference leaves too (an empty store with its lock), and what only saves time: indexes of lease stores.
    pub fn snapshot(&self) -> String {
        self.sh(SNAPSHOT)
    }

    /// The lines by which the machine differs from an earlier snapshot.
    pub fn changes(&self, before: &str) -> Vec<String> {
        let after = self.snapshot();
        let lacks = |text: &str, line: &str| text.lines().filter(|l| *l == line).count();
        let mut changes: Vec<String> = Vec::new();
        for (sign, one, other) in [("-", before, after.as_str()), ("+", after.as_str(), before)] {
            for line in one.lines().filter(|line| lacks(one, line) > lacks(other, line)) {
                changes.push(format!("{sign} {line}"));
            }
        }
        changes
    }

    /// An `iptables-restore` that does `script` in place of the real one; gives a `PATH` that begins with it.
    pub fn with_iptables(&self, script: &str) -> String {
        let dir = self.files.path().join("tools");
        std::fs::create_dir_all(&dir).expect("a directory for tools");
        let tool = dir.join("iptables-restore");
        std::fs::write(&tool, format!("#!/bin/sh\n{script}\n")).expect("the tool is written");
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&tool, executable).expect("the tool is executable");
        format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", dir.display())
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

const SNAPSHOT: &str = r#"
links() {
  "$@" ip -details -oneline link | tr -d '\\' | sed -E 's/^[0-9]+: /link /; s/@[^:]*:/:/; s/ link-netns(id)? [^ ]+//; s/NO-CARRIER,|,LOWER_UP|,M-DOWN//g
    s/ state [A-Z]+//; s/(hello_timer|tcn_timer|topology_change_timer|gc_timer|hold_timer|message_age_timer|forward_delay_timer) +[0-9.]+//g
    s/(bridge_id|designated_[a-z]+|port_id|port_no|root_port|root_path_cost|topology_change[a-z_]*|cost|state|config_pending) [^ ]+//g; s/promiscuity.*gro_max_size [0-9]+//'
}
state() {
  links "$@"
  "$@" ip -oneline address | sed -E 's/^[0-9]+: /address /; s/\\.*//; /inet6 fe80/d'
  { "$@" ip route show table all; "$@" ip -6 route show table all; } | grep -v 'fe80\|ff00::' | sed 's/ linkdown//; s/^/route /'
  for save in iptables-save ip6tables-save; do
    "$@" $save 2>/dev/null | grep '^-A\|^:CNI' | sed 's/ \[.*//' || true
  done
  for table in 'inet cni_plugins_masquerade' 'bridge nat'; do
    "$@" nft list table $table 2>/dev/null | sed 's/^/nft /' || true
  done
  "$@" sysctl net.ipv4.ip_forward net.ipv6.conf.all.forwarding
}
echo "host"; state env | sort
for name in $(ls /run/netns); do state ip netns exec $name | sed "s/^/netns $name: /" | sort; done
find /run /var/lib/cni -type f ! -path '/run/netns/*' ! -path '/run/wasm-cni/leases/*' ! -name lock ! -name xtables.lock ! -name shared.lock 2>/dev/null | sort | while read -r f; do echo "$f: $(cat "$f" | tr '\r\n' '  ')"; done
find /run/wasm-cni -mindepth 2 -type d 2>/dev/null | sort
"#;

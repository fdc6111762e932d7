//! A machine that runs containers.

use crate::image::{self, TALK};
use serde_json::Value;
use std::ops::Deref;
use wasm_cni_tests::{Machine, dist, target};

/// A machine with a root file system for containers, a second namespace "outside" on a wire, and runtimes that find
/// only our plugins.
#[derive(Debug)]
pub struct Node {
    machine: Machine,
    /// The cgroups of its containers, which outlive the processes.
    cgroup: String,
}

/// The node's address on the wire to the outside.
pub const NODE: &str = "192.0.2.1";
/// The address of the outside.
pub const OUTSIDE: &str = "192.0.2.2";
/// The node's address in the other family.
pub const NODE6: &str = "2001:db8::1";
/// The outside's address in the other family.
pub const OUTSIDE6: &str = "2001:db8::2";

/// The directory in which runtimes look for plugins.
const PLUGINS: &str = "/run/cni/bin";

impl Node {
    /// A fresh node; `talk` is the path of that program.
    pub fn new(talk: &str) -> Self {
        let machine = Machine::contained();
        let cgroup = format!("wasm-cni-{}", machine.files().file_name().unwrap_or_default().display());
        let node = Node { machine, cgroup: cgroup.replace('.', "") };
        node.netns("outside");
        // The outside has no route to containers.
        node.sh(&format!(
            "ip link add wan type veth peer name eth0 netns outside; ip link set wan up; ip -n outside link set eth0 up; \
             ip -n outside link set lo up; sysctl -qw net.ipv6.conf.wan.accept_dad=0; \
             ip netns exec outside sysctl -qw net.ipv6.conf.eth0.accept_dad=0; \
             ip address add {NODE}/24 dev wan; ip -n outside address add {OUTSIDE}/24 dev eth0; \
             ip address add {NODE6}/64 dev wan nodad; ip -n outside address add {OUTSIDE6}/64 dev eth0 nodad; \
             mkdir -p /run/etc/cni /run/containers; mount -t tmpfs tmpfs /run/containers"
        ));
        // All nodes share one cache of compiled components.
        let (dist, cache) = (dist(), target().join("test-cache"));
        node.sh(&format!(
            "mkdir -p {cache} /var/cache/wasm-cni; mount --bind {cache} /var/cache/wasm-cni; mkdir -p {PLUGINS}; \
             {dist}/wasm-cni install --dir {PLUGINS}",
            dist = dist.display(),
            cache = cache.display()
        ));
        image::make(&node, talk);
        node
    }

    /// The directory of the plugins.
    pub fn plugins(&self) -> &str {
        PLUGINS
    }

    /// The parent of its containers' cgroups.
    pub fn cgroup(&self) -> &str {
        &self.cgroup
    }

    /// Writes a file below `/run/etc`; gives its path.
    pub fn configure(&self, name: &str, text: &str) -> String {
        let path = format!("/run/etc/{name}");
        self.sh(&format!("mkdir -p $(dirname {path}); cat > {path} <<'END'\n{text}\nEND"));
        path
    }

    /// The output of a command as JSON.
    pub fn json(&self, script: &str) -> Value {
        let text = self.sh(script);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("`{script}`: {error}\n{text}"))
    }

    /// The lines in which the node differs, without the runtimes' own files and the last allocated address, which the
    /// reference leaves too.
    pub fn left(&self, before: &str) -> Vec<String> {
        let own = ["/containers/", "/libpod/", "/containerd/", "/runc/", "/run/log/", "last_reserved_ip"];
        let mut changes = self.changes(before);
        changes.retain(|line| !own.iter().any(|part| line.contains(part)));
        changes
    }

    /// What `address:port` answers to a client over `protocol` (`tcp`, `udp`) in a namespace, or on the node: the name
    /// of the container, and the client's address as the container sees it.
    pub fn ask(&self, netns: Option<&str>, protocol: &str, address: &str) -> Option<(String, String)> {
        let enter = netns.map(|name| format!("ip netns exec {name} ")).unwrap_or_default();
        let output = self.try_sh(&format!("{enter}{TALK} ask {protocol} {address}"));
        let answer = String::from_utf8_lossy(&output.stdout).into_owned();
        let (name, peer) = answer.trim().split_once(' ')?;
        Some((name.to_owned(), peer.to_owned()))
    }

    /// The name of the container that answers there.
    pub fn who(&self, netns: Option<&str>, protocol: &str, address: &str) -> String {
        self.ask(netns, protocol, address).map(|(name, _)| name).unwrap_or_default()
    }
}

impl Deref for Node {
    type Target = Machine;

    fn deref(&self) -> &Machine {
        &self.machine
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let cgroup = &self.cgroup;
        // After the processes, which end first.
        let script = format!(
            "for pid in $(cat /sys/fs/cgroup/*/{cgroup}/cgroup.procs /sys/fs/cgroup/*/{cgroup}/*/cgroup.procs 2>/dev/null | sort -u); \
             do kill -KILL $pid; done; for i in $(seq 50); do \
             find /sys/fs/cgroup -depth -type d -path '*/{cgroup}*' -exec rmdir {{}} + 2>/dev/null; \
             [ -n \"$(find /sys/fs/cgroup -maxdepth 2 -name '{cgroup}*' 2>/dev/null)\" ] || exit 0; sleep 0.1; done"
        );
        let _ = self.machine.try_sh(&script);
    }
}

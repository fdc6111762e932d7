//! podman 4 with the CNI backend.

use crate::{Node, image};
use serde_json::Value;
use std::process::Output;

/// podman on a node.
#[derive(Debug)]
pub struct Podman<'a> {
    node: &'a Node,
    conf: String,
    storage: String,
}

impl<'a> Podman<'a> {
    /// podman with only our plugins and the image imported.
    pub fn new(node: &'a Node) -> Self {
        let plugins = node.plugins();
        let conf = format!(
            r#"[containers]
cgroups = "enabled"
default_ulimits = ["nofile=1024:4096", "nproc=1024:2048"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "none"
[network]
network_backend = "cni"
cni_plugin_dirs = ["{plugins}"]
network_config_dir = "/run/etc/cni"
"#
        );
        let storage = "[storage]\ndriver = \"vfs\"\ngraphroot = \"/var/lib/containers/storage\"\nrunroot = \"/run/containers/storage\"\n";
        let (conf, storage) =
            (node.configure("containers.conf", &conf), node.configure("storage.conf", storage));
        let podman = Podman { node, conf, storage };
        let root = image::ROOT;
        node.sh(&format!("tar -C {root} -cf /run/image.tar ."));
        podman.ok("import --quiet /run/image.tar image");
        podman
    }

    /// Runs a podman command.
    pub fn run(&self, line: &str) -> Output {
        let (conf, storage) = (&self.conf, &self.storage);
        self.node.try_sh(&format!("CONTAINERS_CONF={conf} CONTAINERS_STORAGE_CONF={storage} podman {line}"))
    }

    /// A command that is killed after a while, with all its children.
    pub fn killed(&self, line: &str, milliseconds: u64) {
        let (conf, storage) = (&self.conf, &self.storage);
        let seconds = milliseconds as f64 / 1000.0;
        self.node.try_sh(&format!(
            "CONTAINERS_CONF={conf} CONTAINERS_STORAGE_CONF={storage} timeout --signal KILL {seconds} podman {line}"
        ));
    }

    /// A command that is killed, with all its children, as soon as a file exists; `pattern` is a shell pattern. Returns
    /// whether it ever existed. A cleanup that podman started elsewhere may have removed it by now.
    pub fn killed_at(&self, line: &str, pattern: &str) -> bool {
        let (conf, storage) = (&self.conf, &self.storage);
        let output = self.node.try_sh(&format!(
            "CONTAINERS_CONF={conf} CONTAINERS_STORAGE_CONF={storage} setsid podman {line} > /dev/null & \
             while kill -0 $!; do if ls {pattern}; then seen=yes; break; fi; done > /dev/null 2>&1; pkill -KILL -g $!; wait $!; echo $seen"
        ));
        output.stdout.trim_ascii() == b"yes"
    }

    /// A command that must succeed; returns its output.
    pub fn ok(&self, line: &str) -> String {
        let output = self.run(line);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        assert!(output.status.success(), "podman {line}: {}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    }

    /// Starts a container that answers with its name.
    pub fn serve(&self, name: &str, options: &str) {
        let parent = self.node.cgroup();
        self.ok(&format!(
            "run --detach --cgroup-parent /{parent} --name {name} --hostname {name} {options} image talk serve {name}"
        ));
    }

    /// The name of the container that answers, asked from a container.
    pub fn who(&self, from: &str, protocol: &str, address: &str) -> String {
        let answer = self.ok(&format!("exec {from} talk ask {protocol} {address}"));
        answer.split(' ').next().unwrap_or_default().to_owned()
    }

    /// podman's own information about a container.
    pub fn inspect(&self, name: &str) -> Value {
        let text = self.ok(&format!("inspect {name}"));
        let mut all: Value = serde_json::from_str(&text).unwrap_or_default();
        all[0].take()
    }
}

//! containerd 1.6 over CRI, as a kubelet uses it.

use crate::cri::Cri;
use crate::{Node, image};
use std::path::PathBuf;
use std::time::Duration;
use wasm_cni_tests::Background;

/// containerd on a node.
#[derive(Debug)]
pub struct Containerd<'a> {
    node: &'a Node,
    socket: PathBuf,
    conf: String,
    daemon: Option<Background>,
}

impl<'a> Containerd<'a> {
    /// containerd with only our plugins, this network, and the image imported.
    pub fn new(node: &'a Node, conflist: &str) -> Self {
        let socket = node.files().join("containerd.sock");
        let (address, plugins) = (socket.display(), node.plugins());
        let conf = format!(
            r#"version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs"]
[grpc]
address = "{address}"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "localhost/image:latest"
restrict_oom_score_adj = true
disable_apparmor = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{plugins}"
conf_dir = "/run/etc/cni"
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "native"
"#
        );
        node.configure("cni/10-pods.conflist", conflist);
        let conf = node.configure("containerd.toml", &conf);
        let mut containerd = Containerd { node, socket, conf, daemon: None };
        containerd.start();
        image::archive(node);
        let socket = containerd.socket.display();
        node.sh(&format!(
            "ctr --address {socket} --namespace k8s.io images import --snapshotter native {}",
            image::ARCHIVE
        ));
        containerd
    }

    /// Starts the daemon.
    pub fn start(&mut self) {
        let script = format!("exec containerd --config {} 2>>/run/containerd.log", self.conf);
        self.daemon = Some(Background::start(self.node, &script));
        for _ in 0..300 {
            if self.cri().and_then(|mut cri| cri.version()).is_some() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("containerd does not start: {}", self.log());
    }

    /// Kills the daemon; the containers continue.
    pub fn kill(&mut self) {
        self.node.sh("pkill -KILL -x containerd");
        self.daemon = None;
    }

    /// A connection.
    pub fn cri(&self) -> Option<Cri> {
        Cri::connect(&self.socket, self.node.cgroup())
    }

    /// What it logged.
    pub fn log(&self) -> String {
        self.node.sh("tail -n 50 /run/containerd.log")
    }
}

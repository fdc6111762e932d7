//! Plans with the machine that they are applied to.

use wasm_cni::cni::{Command, Request, config};
use wasm_cni::plan::{self, CheckedPlan, DraftPlan};
use wasm_cni::policy::Grants;
use wasm_cni::reference::{self, Identity};
use wasm_cni::value::{Attachment, ContainerId, IfName, NetworkName, PluginName};

/// A plan, the configuration that allows it, and the machine that it is applied to.
#[derive(Debug)]
pub struct Scene {
    plan: &'static str,
    config: &'static str,
    /// Shell commands that build the machine.
    pub start: &'static str,
}

/// A typical network, on a machine without any configuration.
pub const WALKTHROUGH: Scene = Scene {
    plan: include_str!("../walkthrough.json"),
    config: r#"{"cniVersion": "1.0.0", "name": "mybridge", "type": "bridge", "bridge": "cni_bridge0", "isGateway": true, "ipMasq": true,
        "ipam": {"type": "host-local", "subnet": "10.15.20.0/24", "dataDir": "/run/networks"}}"#,
    start: "true",
};

/// Every kind of action, on a bridge of the operator whose addresses have to be replaced.
pub const EVERYTHING: Scene = Scene {
    plan: include_str!("../everything.json"),
    config: r#"{"cniVersion": "1.0.0", "name": "mybridge", "type": "bridge", "bridge": "cni_bridge0", "forceAddress": true,
        "isGateway": true, "ipMasq": true, "mtu": 1400, "promiscMode": true, "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.15.20.0/24"}], [{"subnet": "fd00:15::/64"}]],
                 "dataDir": "/run/networks"}}"#,
    start: "ip link add cni_bridge0 type bridge; ip link set cni_bridge0 up
        ip link add own type veth peer name far; ip link set own master cni_bridge0 up; ip link set far up
        ip addr add 10.9.9.1/24 dev cni_bridge0 label cni_bridge0:o; ip addr add 10.9.9.2/24 dev cni_bridge0
        ip addr add fd00:15::9/64 dev cni_bridge0 nodad; ip addr add fd00:77::1/64 dev cni_bridge0 nodad",
};

impl Scene {
    /// The call of the runtime.
    ///
    /// # Panics
    /// If a name is not valid.
    pub fn request(&self) -> Request {
        Request {
            command: Command::Add,
            plugin: PluginName::parse("bridge").unwrap(),
            attachment: Attachment {
                network: NetworkName::parse("mybridge").unwrap(),
                container: ContainerId::parse("c").unwrap(),
                interface: IfName::parse("eth0").unwrap(),
            },
            netns: "/run/netns/c".to_owned(),
            path: Vec::new(),
            args: String::new(),
            config: self.config.to_owned(),
            cni_version: "1.0.0".to_owned(),
        }
    }

    /// The plan.
    ///
    /// # Panics
    /// If it is not valid.
    pub fn draft(&self) -> DraftPlan {
        serde_json::from_str(self.plan).unwrap()
    }

    /// What policy grants because of the configuration.
    ///
    /// # Panics
    /// If the configuration is not valid.
    pub fn grants(&self) -> Grants {
        let config = config::decode(self.config.as_bytes()).unwrap();
        let (request, policy) = (self.request(), Default::default());
        reference::grants(&request, &config, None, &policy, &Identity::named(&request.plugin))
    }

    /// The plan, checked by policy.
    ///
    /// # Panics
    /// If policy refuses it.
    pub fn checked(&self) -> CheckedPlan {
        plan::check(self.draft(), &[], &self.grants(), &[]).unwrap()
    }
}

//! The machine on which attacks are tried.

use super::{Attack, PATIENCE, Role, Site};
use crate::guest::install;
use crate::native::REFERENCE;
use crate::{Call, Machine, NOTHING, Reply, dist, walkthrough};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The host before an attack: an interface of its own, a bridge and chains of others, and a container with a lease on
/// the network. The operator has an address on the network's bridge, too.
const OTHERS: &str = "ip link add eth0 type veth peer name uplink && ip address add 192.0.2.1/24 dev eth0 && \
    ip link set eth0 up && ip link set uplink up && ip route add default via 192.0.2.254 && \
    ip link add docker0 type bridge && ip address add 172.17.0.1/16 dev docker0 && ip link set docker0 up && \
    iptables -t nat -N DOCKER && iptables -t nat -A DOCKER -i docker0 -j RETURN && \
    iptables -t nat -N KUBE-SERVICES && iptables -t nat -A PREROUTING -j KUBE-SERVICES";

/// In the container of a chained plugin: a link of another network, which prevResult does not have.
const ANOTHER_LINK: &str =
    "ip -n 1234567890 link add net1 type veth peer name net2 && ip -n 1234567890 link set net1 up";

/// The result of an attack.
#[derive(Debug)]
pub struct Verdict {
    /// The name of the attack.
    pub attack: String,
    /// What is wrong with the answer.
    pub answer: Vec<String>,
    /// How the machine differs.
    pub changes: Vec<String>,
}

impl Verdict {
    /// Whether the host refused the attack with the expected error.
    pub fn is_refused(&self) -> bool {
        self.answer.is_empty()
    }

    /// Whether the machine is byte for byte as before.
    pub fn is_unchanged(&self) -> bool {
        self.changes == NOTHING
    }
}

/// A machine for all attacks of one site, because no attack changes it.
#[derive(Debug)]
pub struct Ground {
    site: Site,
    machine: Machine,
    plugins: PathBuf,
    /// The result of the honest plugin that ran before, for a chained plugin.
    previous: Value,
    before: String,
}

impl Ground {
    /// A machine with another container and its neighbours, and a container for the attacks. Where chained plugins
    /// attack, the container has an interface of an honest bridge.
    pub fn new(site: Site) -> Self {
        let machine = Machine::new();
        let plugins = machine.plugins();
        if site == Site::Native {
            std::fs::remove_file(plugins.join("bridge.wasm")).expect("the installed tree is whole");
            std::fs::remove_file(plugins.join("bridge")).expect("the installed tree is whole");
            let reference = Path::new(REFERENCE).join("bridge");
            std::os::unix::fs::symlink(reference, plugins.join("bridge")).expect("a link to the plugin");
        }
        machine.sh(OTHERS);
        machine.netns("other");
        honest(&plugins, site, "ADD").container("other").ok(&machine);
        machine.sh("ip address add 10.200.0.1/24 dev cni_bridge0");
        machine.netns("1234567890");
        let previous = match site {
            Site::Chained => {
                machine.sh(ANOTHER_LINK);
                let result = honest(&plugins, site, "ADD").ok(&machine);
                serde_json::from_str(&result).expect("a result")
            }
            Site::First | Site::Native => Value::Null,
        };
        let before = machine.snapshot();
        Ground { site, machine, plugins, previous, before }
    }

    /// Runs an attack.
    pub fn attack(&mut self, attack: &Attack) -> Verdict {
        install(&self.plugins, &attack.plugin, &attack.component);
        let called = if attack.role() == Role::Ipam { "bridge" } else { &*attack.plugin };
        let config = attack.config(&self.previous).to_string();
        let call = |verb: &str| Call::new(&self.plugins, called, verb, &config).env("CNI_ARGS", &attack.args);
        let run = call(&attack.verb);
        let (mut reply, mut answer) = self.answer(attack, &run);
        for _ in 0..5 {
            // On a busy machine, another time limit may end the attack before the expected limit does.
            if !answer.is_empty() && reply.stdout.contains("the plugin exceeded a limit: time") {
                (reply, answer) = self.answer(attack, &run);
            }
        }
        if attack.is_twice && run.run(&self.machine).stdout != reply.stdout {
            answer.push("another answer the second time".to_owned());
        }
        let honest = format!("{}.wasm", attack.plugin);
        std::fs::copy(dist().join(&honest), self.plugins.join(&honest)).expect("the plugin is put back");
        if self.site == Site::Native {
            // The reference leaves its veth pair after an error: the runtime's DEL removes it.
            call("DEL").ok(&self.machine);
        }
        let changes = self.machine.changes(&self.before);
        if !answer.is_empty() || !changes.is_empty() {
            *self = Ground::new(self.site);
        }
        Verdict { attack: attack.name.clone(), answer, changes }
    }

    fn answer(&self, attack: &Attack, call: &Call) -> (Reply, Vec<String>) {
        let begun = Instant::now();
        let reply = call.run(&self.machine);
        let took = begun.elapsed();
        let mut faults = attack.faults(&reply);
        if took > PATIENCE {
            faults.push(format!("it took {took:?}"));
        }
        (reply, faults)
    }

    /// Whether the network still works: another container's journal is complete, and addresses are left.
    pub fn assert_well(&self) {
        let call = |verb: &str| honest(&self.plugins, self.site, verb);
        let next = match self.site {
            Site::First | Site::Native => "10.15.20.3/24",
            Site::Chained => {
                call("DEL").ok(&self.machine);
                self.machine.sh("ip -n 1234567890 link delete net1");
                "10.15.20.4/24"
            }
        };
        assert!(call("ADD").ok(&self.machine).contains(next), "the next address, not a later one");
        call("DEL").ok(&self.machine);
        call("DEL").container("other").ok(&self.machine);
        assert_eq!(self.machine.sh("ls /run/wasm-cni/attachments"), "");
        assert!(!self.machine.sh("iptables-save -t nat; ip link").contains("CNI-"));
    }
}

/// A call of the plugin of the walkthrough, with honest components.
fn honest(plugins: &Path, site: Site, verb: &str) -> Call {
    Call::new(plugins, "bridge", verb, &walkthrough(site.version()))
}

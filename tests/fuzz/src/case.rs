//! An input for [`crate::plan`], as text: what the machine was like and what the runtime says, one thing a line, then the
//! configuration from the first line that begins with `{`.
//!
//! ```text
//! args IgnoreUnknown=1;IP=10.1.2.9
//! bridge br0 10.1.2.1/24 fd00::1/64
//! lease 10.1.2.2
//! veth eth0 veth0
//! fail 7
//! {"cniVersion": "1.0.0", "name": "net", "type": "bridge", …
//! ```
//!
//! A line that makes no sense says nothing: every input is one.

use crate::world::PLUGINS;
use ipnetwork::IpNetwork;
use std::net::IpAddr;
use wasm_cni::cni::{Command, Config, Request, config};
use wasm_cni::reference::host_local;
use wasm_cni::value::{
    Attachment, ContainerId, IfName, LinkFact, Mac, Netns, Owner, PluginName, StoreRef, SysctlKey,
};
use wasm_cni_fake::FakeMachine;

/// What `tuning` reads.
const ALLOWLIST: &str = "/etc/cni/tuning/allowlist.conf";

/// See the module.
pub struct Case {
    /// ADD, under the name of the plugin that the configuration is of.
    pub request: Request,
    /// Its configuration.
    pub config: Config,
    /// The machine.
    pub before: FakeMachine,
    /// So many changes and looks at tables are done, and the next one is refused.
    pub fails: Option<usize>,
}

impl Case {
    /// Reads an input; none, if the host refuses the configuration before it looks for a plugin.
    pub fn parse(data: &[u8]) -> Option<Case> {
        let text = String::from_utf8_lossy(data);
        let start = if text.starts_with('{') { 0 } else { text.find("\n{")? + 1 };
        let (head, json) = text.split_at(start);
        let config = config::decode(json.as_bytes()).ok()?;
        // It runs only where it is meant: what finds it running uses it.
        let before = match config.get("backend").and_then(|backend| backend.as_str()) {
            Some("firewalld") => FakeMachine::new().with_firewalld(),
            _ => FakeMachine::new(),
        };
        let mut case = Case { request: request(&config)?, before, fails: None, config };
        head.lines().for_each(|line| case.say(line));
        Some(case)
    }

    /// Reads a line before the configuration.
    pub fn say(&mut self, line: &str) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let before = self.before.clone();
        let after = match word {
            "args" => {
                self.request.args = rest.to_owned();
                None
            }
            "fail" => {
                self.fails = rest.parse().ok();
                None
            }
            "bridge" => link(Netns::Host, "bridge", rest).and_then(|fact| before.with_link(fact).ok()),
            "link" => link(Netns::Host, "dummy", rest).and_then(|fact| before.with_link(fact).ok()),
            "inside" => link(Netns::Container, "dummy", rest).and_then(|fact| before.with_link(fact).ok()),
            "veth" => rest.split_once(' ').and_then(|(inside, host)| {
                let inside = link(Netns::Container, "veth", inside)?;
                before.with_pair(inside, link(Netns::Host, "veth", host)?).ok()
            }),
            "lease" => owner("other", "eth0").and_then(|owner| self.leased(before, rest, &owner)),
            "held" => self.leased(before, rest, &self.request.attachment.owner()),
            "last" => rest.parse::<IpAddr>().ok().map(|address| {
                before.with_lease_file(&self.store(), "last_reserved_ip.0", &address.to_string())
            }),
            "file" => self.config.resolv_conf().map(|path| before.with_file(path, rest.as_bytes())),
            "allowlist" => Some(before.with_file(ALLOWLIST, rest.as_bytes())),
            "sysctl" => rest.split_once('=').and_then(|(key, value)| {
                Some(before.with_sysctl(Netns::Host, &SysctlKey::parse(key).ok()?, value))
            }),
            _ => None,
        };
        if let Some(after) = after {
            self.before = after;
        }
    }

    /// The network's store.
    fn store(&self) -> StoreRef {
        host_local::store(&self.config)
    }

    fn leased(&self, before: FakeMachine, address: &str, owner: &Owner) -> Option<FakeMachine> {
        let content = format!("{}\r\n{}", owner.container, owner.interface);
        address
            .parse::<IpAddr>()
            .ok()
            .map(|address| before.with_lease_file(&self.store(), &address.to_string(), &content))
    }
}

fn owner(container: &str, interface: &str) -> Option<Owner> {
    Some(Owner { container: ContainerId::parse(container).ok()?, interface: IfName::parse(interface).ok()? })
}

/// `NAME ADDRESS…`, up.
fn link(netns: Netns, kind: &str, text: &str) -> Option<LinkFact> {
    let mut words = text.split(' ');
    let name = IfName::parse(words.next()?).ok()?;
    let addresses: Vec<IpNetwork> = words.filter_map(|word| word.parse().ok()).collect();
    Some(LinkFact {
        netns,
        name,
        index: 0,
        kind: kind.to_owned(),
        mac: Mac([2, 0, 0, 0, 0, 9]),
        mtu: 1500,
        up: true,
        alias: None,
        master: None,
        addresses,
    })
}

/// The ADD of a configuration for `eth0` of container `c`.
pub fn request(config: &Config) -> Option<Request> {
    let kind = config.get("type").and_then(|value| value.as_str());
    let plugin = kind.filter(|kind| PLUGINS.contains(kind)).unwrap_or("bridge");
    Some(Request {
        command: Command::Add,
        plugin: PluginName::parse(plugin).ok()?,
        attachment: Attachment {
            network: config.name.clone(),
            container: ContainerId::parse("c").ok()?,
            interface: IfName::parse("eth0").ok()?,
        },
        netns: "/run/netns/c".to_owned(),
        path: Vec::new(),
        args: String::new(),
        config: config.text.clone(),
        cni_version: config.cni_version.clone(),
    })
}

//! A machine on which others are attached, with their plans.

use super::others::Others;
use super::scene::{Scene, demands};
use crate::machine::{header, seen};
use crate::world::{Shared, World};
use ipnetwork::IpNetwork;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};
use tempfile::TempDir;
use wasm_cni::action::{AddAddress, CreateVeth, EnsureBridge, ReserveLease};
use wasm_cni::apply::{self, StateDir};
use wasm_cni::cni::{Command, Config, Request, config};
use wasm_cni::machine::port;
use wasm_cni::machine::rules::iptables::{self, Family, Table};
use wasm_cni::machine::rules::{Listing, TableId};
use wasm_cni::plan::{self, CheckedPlan, DraftPlan, Entry};
use wasm_cni::policy::Grants;
use wasm_cni::reference::{self, Identity};
use wasm_cni::result;
use wasm_cni::value::{
    Attachment, IfName, LinkFact, LinkRef, Mac, Netns, PluginName, Report, Route, Subnet, SysctlKey,
};
use wasm_cni_fake::FakeMachine;
use wasm_cni_plans::play;

/// A machine while others are attached to it.
pub struct Neighbours {
    machine: FakeMachine,
    state: StateDir,
    /// The plans that were made and applied.
    pub plans: Vec<DraftPlan>,
}

impl Neighbours {
    /// A host with an uplink, and with the bridge and the rules of another engine.
    pub fn new(state: &TempDir) -> Self {
        let link = |text: &str, kind: &str, last: u8, addresses: &[&str]| LinkFact {
            netns: Netns::Host,
            name: name(text),
            index: 0,
            kind: kind.to_owned(),
            mac: Mac([2, 0, 0, 0, 9, last]),
            mtu: 1500,
            up: true,
            alias: None,
            master: None,
            addresses: addresses.iter().map(|address| network(address)).collect(),
        };
        let links = [
            link("eth0", "dummy", 1, &["192.0.2.10/24", "2001:db8::10/64"]),
            link("docker0", "bridge", 2, &["172.17.0.1/16"]),
            link("br-second", "bridge", 3, &["10.77.0.1/24", "fd77::1/64"]),
        ];
        let machine = links
            .into_iter()
            .fold(FakeMachine::new(), |machine, link| machine.with_link(link).expect("a link"));
        let nat = "-N DOCKER\n-N KUBE-MARK-MASQ\n-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\n\
            -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE\n-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000";
        let filter = "-N ADMIN\n-A FORWARD -j ADMIN\n-A ADMIN -s 203.0.113.0/24 -j DROP\n-A INPUT -i eth0 -p tcp --dport 22 -j ACCEPT";
        let table = |machine: FakeMachine, table, text| {
            machine.with_table(
                TableId::Iptables(table, Family::V4),
                Listing::Iptables(iptables::Listing::parse(text)),
            )
        };
        let machine = table(table(machine, Table::Nat, nat), Table::Filter, filter);
        let key = |text: &str| SysctlKey::parse(text).expect("a key");
        let mut machine = machine
            .with_sysctl(Netns::Host, &key("net/ipv4/conf/all/rp_filter"), "1")
            .with_sysctl(Netns::Host, &key("net/ipv6/conf/eth0/accept_ra"), "2")
            .with_file("/run/cni/tuning/other", b"{}");
        let uplink = LinkRef { netns: Netns::Host, name: name("eth0") };
        let index = play::index(&mut machine, &uplink);
        for (dst, gateway) in [("0.0.0.0/0", "192.0.2.1"), ("::/0", "2001:db8::1")] {
            let route = Route { gw: gateway.parse().ok(), ..Route::to(network(dst)) };
            play::send(&mut machine, Netns::Host, port::Request::AddRoute { link: index, route });
        }
        let state = StateDir::new(state.path().to_owned());
        Neighbours { machine, state, plans: Vec::new() }
    }

    /// Attaches a container to the network and the bridge of a plan, and one to another network.
    pub fn beside(&mut self, config: &Config, grants: &Grants, earlier: &[Entry]) {
        let of_type = |found: &str| config.get("type").and_then(Value::as_str) == Some(found);
        let bridges = earlier.iter().filter_map(|entry| <&EnsureBridge>::try_from(&entry.action).ok());
        let bridge = bridges.map(|bridge| bridge.name.to_string()).next().unwrap_or_else(|| "br0".to_owned());
        let mut same = match (of_type("bridge"), serde_json::from_str(&config.text)) {
            (true, Ok(Value::Object(config))) => config,
            _ => Map::from_iter([("type".to_owned(), json!("bridge")), ("bridge".to_owned(), json!(bridge))]),
        };
        [
            "cniVersion",
            "args",
            "runtimeConfig",
            "prevResult",
            "dns",
            "forceAddress",
            "promiscMode",
            "disableContainerInterface",
            "isDefaultGateway",
        ]
        .iter()
        .for_each(|key| drop(same.remove(*key)));
        let ranges = ranges(grants.subnets());
        // Where the configuration makes the host no gateway, nothing has switched forwarding on.
        let is_gateway = !of_type("bridge") || config.link("").is_gateway;
        same.insert("isGateway".to_owned(), json!(is_gateway && !ranges.is_empty()));
        let mut ipam = json!({"type": "host-local", "ranges": ranges});
        if let Some(dir) = config.data_dir() {
            ipam["dataDir"] = json!(dir);
        }
        same.remove("ipam");
        if !ranges.is_empty() {
            same.insert("ipam".to_owned(), ipam);
        }
        let network = config.name.as_str().to_owned();
        self.attach(&attachment(&network, "neighbour"), Value::Object(same), 8081);
        let second = json!({"type": "bridge", "bridge": "br-second", "ipMasq": true,
            "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.77.0.0/24"}], [{"subnet": "fd77::/64"}]]}});
        self.attach(&attachment("second", "second"), second, 8082);
    }

    /// Attaches a container with a whole chain; `port` of the host is mapped to it.
    fn attach(&mut self, own: &Attachment, main: Value, port: u16) {
        let has_addresses = main.get("ipam").is_some();
        let mut previous = Some(self.attach_one(own, main, None));
        let mapping = |protocol: &str| json!({"hostPort": port, "containerPort": 80, "protocol": protocol});
        let chained = [
            json!({"type": "tuning", "mtu": 1300}),
            json!({"type": "portmap", "runtimeConfig": {"portMappings": [mapping("tcp"), mapping("udp")]}}),
            json!({"type": "firewall", "backend": "iptables"}),
            json!({"type": "bandwidth", "ingressRate": 8000, "ingressBurst": 16000, "egressRate": 8000, "egressBurst": 16000}),
        ];
        for config in chained.into_iter().filter(|_| has_addresses) {
            previous = Some(self.attach_one(own, config, previous));
        }
        drop(previous);
        self.machine = self.machine.clone().with_another_container();
        self.machine.next_verb();
    }

    /// Runs one plugin, and returns its result.
    pub fn attach_one(&mut self, own: &Attachment, config: Value, previous: Option<Value>) -> Value {
        let (request, config, grants) = asked(own, config, previous);
        let (draft, grants) = self.plan(&request, grants);
        let demands = demands(&request, &config, &grants);
        let plan = plan::check(draft.clone(), &[], &grants, &demands).expect("an honest plan");
        self.apply(&request, &plan, &draft.report);
        let text =
            result::text(&draft.report, &request, &request.cni_version, &mut self.machine).expect("a result");
        self.plans.push(draft);
        serde_json::from_str(&text).expect("a result")
    }

    /// The plan of a plugin on this machine, and what its questions grant.
    pub fn plan(&self, request: &Request, grants: Grants) -> (DraftPlan, Grants) {
        let shared = Shared::new(World::new(self.machine.clone(), grants));
        let planned = wasm_cni_native_guests::run(request, Box::new(shared.clone()));
        let draft = planned.unwrap_or_else(|error| panic!("{error:?}: {}", request.config));
        let grants = shared.world().grants.clone();
        (draft, grants)
    }

    /// Applies a plan, with its journal.
    pub fn apply(&mut self, request: &Request, plan: &CheckedPlan, report: &Report) {
        let journal = self.state.lock(&request.attachment).expect("the lock is free");
        let mut writer = journal.begin(&header(request)).expect("a section is begun");
        if let Err(error) = apply::execute(plan, &mut writer, &self.state, &mut self.machine) {
            panic!("{error:?}: {}", request.config);
        }
        self.machine.next_verb();
        writer.complete(report).expect("the section is completed");
    }

    /// The machine as the scene of a plan.
    pub fn scene(
        mut self,
        request: Request,
        config: Config,
        grants: Grants,
        draft: DraftPlan,
        state: TempDir,
    ) -> Scene {
        let before = self.machine.clone();
        let checked = plan::check(draft.clone(), &[], &grants, &demands(&request, &config, &grants));
        let checked = checked.unwrap_or_else(|refused| panic!("{refused:?}: {}", request.config));
        // The journal of the trial is not one of the others.
        let trial = TempDir::new().expect("a folder for journals");
        copy(&state, trial.path());
        self.state = StateDir::new(trial.path().to_owned());
        self.apply(&request, &checked, &draft.report);
        let others =
            Others::new(&grants, &config, &draft, &seen(&before), &seen(&self.machine), &self.foreign());
        let as_json = |plan: &DraftPlan| serde_json::to_value(plan).expect("JSON");
        let (plan, of_others) = (as_json(&draft), self.plans.iter().map(as_json).collect());
        Scene { request, config, grants, plan, before, of_others, others, state }
    }

    /// The addresses and Ethernet addresses of others.
    fn foreign(&self) -> (BTreeSet<IpAddr>, BTreeSet<Mac>) {
        let (mut addresses, mut macs) = (BTreeSet::new(), BTreeSet::new());
        for entry in self.plans.iter().flat_map(|plan| &plan.entries) {
            if let Ok(veth) = <&CreateVeth>::try_from(&entry.action) {
                macs.extend([veth.mac, veth.peer.mac]);
            }
            if let Ok(add) = <&AddAddress>::try_from(&entry.action) {
                addresses.insert(add.address.ip());
            }
            if let Ok(lease) = <&ReserveLease>::try_from(&entry.action) {
                addresses.insert(lease.address);
            }
        }
        (addresses, macs)
    }
}

/// The ADD of a configuration.
pub fn asked(own: &Attachment, mut config: Value, previous: Option<Value>) -> (Request, Config, Grants) {
    let version = config.get("cniVersion").cloned().unwrap_or_else(|| json!("1.0.0"));
    config["cniVersion"] = version;
    config["name"] = json!(own.network);
    if let Some(previous) = previous {
        config["prevResult"] = previous;
    }
    let plugin = config["type"].as_str().expect("a type").to_owned();
    let config = config::decode(config.to_string().as_bytes()).expect("a configuration");
    let request = Request {
        command: Command::Add,
        plugin: self::plugin(&plugin),
        attachment: own.clone(),
        netns: format!("/run/netns/{}-{}", own.network, own.container),
        path: Vec::new(),
        args: String::new(),
        config: config.text.clone(),
        cni_version: config.cni_version.clone(),
    };
    let previous = config.previous().expect("a prevResult");
    let identity = Identity::named(&request.plugin);
    let grants = reference::grants(&request, &config, previous.as_ref(), &Default::default(), &identity);
    (request, config, grants)
}

/// A range set at the end of the first network of each family: a neighbour's addresses are not those of the plan.
fn ranges(subnets: impl Iterator<Item = Subnet>) -> Vec<Value> {
    let mut seen = BTreeSet::new();
    let range = |subnet: Subnet| {
        let net = IpNetwork::new(subnet.address.network(), subnet.address.prefix()).ok()?;
        let start = match net.network() {
            IpAddr::V4(first) => {
                IpAddr::from((u32::from(first) + (1 << (32 - net.prefix())) - 12).to_be_bytes())
            }
            IpAddr::V6(first) => IpAddr::from(Ipv6Addr::from(u128::from(first) + 0xbeef)),
        };
        let is_new = net.contains(start) && seen.insert(net.is_ipv4());
        is_new.then(|| json!([{"subnet": net, "rangeStart": start, "gateway": subnet.gateway()}]))
    };
    subnets.filter_map(range).collect()
}

/// An attachment of `eth0`.
pub fn attachment(network: &str, container: &str) -> Attachment {
    let text = json!({"network": network, "container": container, "interface": "eth0"});
    serde_json::from_value(text).expect("an attachment")
}

fn name(text: &str) -> IfName {
    IfName::parse(text).expect("a name")
}

/// The name of a plugin.
pub fn plugin(text: &str) -> PluginName {
    PluginName::parse(text).expect("a name")
}

fn network(text: &str) -> IpNetwork {
    text.parse().expect("an address")
}

/// Copies the journals of a state directory: a folder for each attachment.
pub fn copy(from: &TempDir, to: &std::path::Path) {
    let above = from.path().join("attachments");
    for directory in
        std::fs::read_dir(&above).into_iter().flatten().map(|entry| entry.expect("an entry").path())
    {
        let target = to.join("attachments").join(directory.file_name().expect("a name"));
        std::fs::create_dir_all(&target).expect("a folder");
        for file in
            std::fs::read_dir(&directory).into_iter().flatten().map(|entry| entry.expect("an entry").path())
        {
            std::fs::copy(&file, target.join(file.file_name().expect("a name"))).expect("a copy");
        }
    }
}

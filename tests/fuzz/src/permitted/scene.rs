//! Honest plans, each with its configuration and a machine on which others have something.

use super::neighbours::{Neighbours, asked, attachment, copy, plugin};
use super::others::Others;
use serde_json::Value;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use tempfile::TempDir;
use wasm_cni::apply::StateDir;
use wasm_cni::cni::{Config, Request, config};
use wasm_cni::plan::{self, DraftPlan, Entry};
use wasm_cni::policy::Grants;
use wasm_cni::reference::{self, Identity};
use wasm_cni::value::Report;
use wasm_cni_fake::FakeMachine;
use wasm_cni_plans::scene::{EVERYTHING, Scene as Fixed, WALKTHROUGH};
use wasm_cni_plans::{Plan, again};

/// Chains that no recorded plan has: each with the plugins before it, as configurations.
const CHAINS: [(&str, &[&str]); 7] = [
    (
        "vlan",
        &[
            r#"{"type": "bridge", "bridge": "br0", "isGateway": true, "vlan": 100, "ipMasq": true, "macspoofchk": true, "portIsolation": true,
                "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "fd00:1::/64"}]]}}"#,
        ],
    ),
    (
        "trunk",
        &[
            r#"{"type": "bridge", "bridge": "br0", "mtu": 1400, "vlanTrunk": [{"id": 7}, {"minID": 100, "maxID": 110}], "hairpinMode": true,
                "ipam": {"type": "static", "addresses": [{"address": "10.1.2.5/24"}, {"address": "fd00:1::5/64"}]}}"#,
        ],
    ),
    (
        "several-ranges",
        &[
            r#"{"type": "bridge", "bridge": "br0", "isDefaultGateway": true, "ipMasq": true, "ipMasqBackend": "nftables", "forceAddress": true,
                "ipam": {"type": "host-local", "dataDir": "/run/networks", "ranges": [
                    [{"subnet": "10.1.2.0/24", "rangeStart": "10.1.2.10", "rangeEnd": "10.1.2.20", "gateway": "10.1.2.254"}, {"subnet": "10.1.3.0/24"}],
                    [{"subnet": "fd00:1::/64"}]]}}"#,
        ],
    ),
    (
        "port-maps",
        &[
            r#"{"type": "bridge", "bridge": "br0", "isGateway": true, "ipMasq": true,
                "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "fd00:1::/64"}]]}}"#,
            r#"{"type": "portmap", "snat": true, "backend": "iptables", "conditionsV4": ["!", "-d", "192.0.2.0/24"], "runtimeConfig": {"portMappings": [
                {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}, {"hostPort": 53, "containerPort": 5353, "protocol": "udp", "hostIP": "127.0.0.1"}]}}"#,
        ],
    ),
    (
        "port-maps-nft",
        &[
            r#"{"type": "bridge", "bridge": "br0", "isGateway": true,
                "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "fd00:1::/64"}]]}}"#,
            r#"{"type": "portmap", "backend": "nftables", "runtimeConfig": {"portMappings": [
                {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}, {"hostPort": 53, "containerPort": 5353, "protocol": "udp"}]}}"#,
        ],
    ),
    (
        "isolated",
        &[
            r#"{"type": "bridge", "bridge": "br0", "isGateway": true, "ipam": {"type": "host-local", "subnet": "10.1.2.0/24"}}"#,
            r#"{"type": "firewall", "backend": "iptables", "ingressPolicy": "same-bridge"}"#,
        ],
    ),
    (
        "tuned",
        &[
            r#"{"type": "bridge", "bridge": "br0", "isGateway": true, "ipam": {"type": "host-local", "subnet": "10.1.2.0/24"}}"#,
            r#"{"type": "tuning", "mac": "0a:11:22:33:44:55", "mtu": 1400, "promisc": true, "sysctl": {"net.ipv4.conf.IFNAME.arp_filter": "1"}}"#,
        ],
    ),
];

/// An honest plan, and what it is planned for.
pub struct Scene {
    /// The ADD.
    pub request: Request,
    /// Its configuration.
    pub config: Config,
    /// What policy grants.
    pub grants: Grants,
    /// The plan, as JSON.
    pub plan: Value,
    /// The machine before the ADD.
    pub before: FakeMachine,
    /// The plans of others, as JSON.
    pub of_others: Vec<Value>,
    /// What others have.
    pub others: Others,
    /// Their journals.
    pub state: TempDir,
}

/// An honest plan without its machine.
struct Honest {
    request: Request,
    grants: Grants,
    draft: DraftPlan,
    earlier: Vec<Entry>,
}

thread_local! {
    static BUILT: RefCell<BTreeMap<String, Option<Rc<Scene>>>> = const { RefCell::new(BTreeMap::new()) };
}

/// The names of all scenes.
pub fn names() -> Vec<String> {
    let recorded = Plan::all();
    let recorded =
        recorded.iter().filter_map(|plan| Some(format!("{}:{}", plan.name, plan.recorded()?.step)));
    let written = ["the-walkthrough", "everything"].map(str::to_owned);
    recorded.chain(written).chain(CHAINS.map(|(name, _)| name.to_owned())).collect()
}

/// The scene with this name, if there is one.
pub fn find(name: &str) -> Option<Rc<Scene>> {
    if let Some(built) = BUILT.with_borrow(|built| built.get(name).cloned()) {
        return built;
    }
    let built = build(name).map(Rc::new);
    BUILT.with_borrow_mut(|all| all.insert(name.to_owned(), built.clone()));
    built
}

fn build(name: &str) -> Option<Scene> {
    if let Some((_, configs)) = CHAINS.iter().find(|(chain, _)| *chain == name) {
        return Some(of_chain(configs));
    }
    let fixed = |fixed: &Fixed| Honest {
        request: fixed.request(),
        grants: fixed.grants(),
        draft: fixed.draft(),
        earlier: Vec::new(),
    };
    let honest = match name {
        "the-walkthrough" => fixed(&WALKTHROUGH),
        "everything" => fixed(&EVERYTHING),
        _ => recorded(name)?,
    };
    Some(of_plan(honest))
}

fn recorded(name: &str) -> Option<Honest> {
    let is_it =
        |plan: &Plan| plan.recorded().is_some_and(|found| name == format!("{}:{}", plan.name, found.step));
    let plan = Plan::all().into_iter().find(is_it)?;
    let recorded = plan.recorded()?;
    let draft =
        DraftPlan { entries: plan.entries.clone(), report: recorded.report.clone(), unreadable: Vec::new() };
    Some(Honest {
        request: recorded.request(),
        grants: recorded.grants(),
        draft,
        earlier: plan.earlier.clone(),
    })
}

/// A plan that was made elsewhere.
fn of_plan(honest: Honest) -> Scene {
    let Honest { request, grants, draft, earlier } = honest;
    let state = TempDir::new().expect("a folder for journals");
    let config = config::decode(request.config.as_bytes()).expect("a configuration");
    let mut neighbours = Neighbours::new(&state);
    neighbours.beside(&config, &grants, &earlier);
    neighbours.apply(
        &Request { plugin: plugin("earlier"), ..request.clone() },
        &again::checked(&earlier),
        &Report::default(),
    );
    neighbours.scene(request, config, grants, draft, state)
}

/// The plan that the last plugin of a chain makes.
fn of_chain(configs: &[&str]) -> Scene {
    let state = TempDir::new().expect("a folder for journals");
    let configs: Vec<Value> =
        configs.iter().map(|text| serde_json::from_str(text).expect("a configuration")).collect();
    let (own, mut neighbours) = (attachment("net", "c1"), Neighbours::new(&state));
    let (_, config, grants) = asked(&own, configs[0].clone(), None);
    neighbours.beside(&config, &grants, &[]);
    let of_others = neighbours.plans.len();
    let (last, before) = configs.split_last().expect("a plugin");
    let mut previous = None;
    for config in before {
        previous = Some(neighbours.attach_one(&own, config.clone(), previous));
    }
    neighbours.plans.truncate(of_others);
    let (request, config, grants) = asked(&own, last.clone(), previous);
    let (draft, grants) = neighbours.plan(&request, grants);
    neighbours.scene(request, config, grants, draft, state)
}

impl Scene {
    /// Puts the journals of others into a state directory.
    pub fn copy_journals(&self, to: &StateDir) {
        copy(&self.state, to.lease_indexes().parent().expect("a folder"));
    }

    /// What the configuration demands.
    pub fn demands(&self) -> Vec<plan::Demand> {
        demands(&self.request, &self.config, &self.grants)
    }
}

/// What a configuration demands.
pub fn demands(request: &Request, config: &Config, grants: &Grants) -> Vec<plan::Demand> {
    let previous = config.previous().unwrap_or_default();
    reference::demands(grants, config, previous.as_ref(), &Identity::named(&request.plugin))
}

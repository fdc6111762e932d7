//! What plans say, and what no honest plan says: material for changes.

use super::scene;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use wasm_cni_plans::Plan;

/// What plans say, by key, and their entries.
pub struct Words {
    /// By the last key of the path.
    pub values: BTreeMap<String, Vec<Value>>,
    /// Of plans, and those that were written by hand.
    pub entries: Vec<Value>,
    /// See [`scene::names`].
    pub names: Vec<String>,
}

impl Words {
    /// Builds every scene.
    pub fn new() -> Self {
        let names = scene::names();
        let mut plans: Vec<Value> = Vec::new();
        for scene in names.iter().filter_map(|name| scene::find(name)) {
            plans.push(scene.plan.clone());
            plans.extend(scene.of_others.iter().cloned());
        }
        let by_hand = Plan::all().into_iter().filter(|plan| plan.recorded().is_none());
        plans.extend(by_hand.map(|plan| json!({"entries": plan.entries})));
        let mut values: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        plans.iter().for_each(|plan| collect(plan, "", &mut values));
        for (key, words) in more() {
            values.entry(key.to_owned()).or_default().extend(words);
        }
        let entries: BTreeSet<String> = plans
            .iter()
            .flat_map(|plan| plan["entries"].as_array().into_iter().flatten())
            .map(Value::to_string)
            .collect();
        let parsed = |texts: BTreeSet<String>| {
            texts.iter().filter_map(|text| serde_json::from_str(text).ok()).collect()
        };
        Words {
            values: values.into_iter().map(|(key, texts)| (key, parsed(texts))).collect(),
            entries: parsed(entries),
            names,
        }
    }
}

/// Every value, by the last key of its path.
pub fn collect(value: &Value, key: &str, into: &mut BTreeMap<String, BTreeSet<String>>) {
    if !matches!(key, "" | "entries" | "report") {
        into.entry(key.to_owned()).or_default().insert(value.to_string());
    }
    match value {
        Value::Object(object) => object.iter().for_each(|(key, value)| collect(value, key, into)),
        Value::Array(list) => list.iter().for_each(|value| collect(value, "", into)),
        _ => {}
    }
}

/// What no honest plan says.
fn more() -> Vec<(&'static str, Vec<String>)> {
    let quoted = |words: &[&str]| words.iter().map(|word| json!(word).to_string()).collect::<Vec<_>>();
    let links = ["eth0", "docker0", "br-second", "br0", "cni_bridge0", "lo", "all", "default"];
    let parameters = [
        "accept_ra",
        "forwarding",
        "route_localnet",
        "proxy_arp",
        "rp_filter",
        "disable_ipv6",
        "accept_redirects",
    ];
    let keys = links.iter().flat_map(|link| {
        ["ipv4", "ipv6"]
            .iter()
            .flat_map(move |family| parameters.map(|name| format!("\"net/{family}/conf/{link}/{name}\"")))
    });
    let more = ["\"net/ipv4/ip_forward\"", "\"net/core/somaxconn\"", "\"net/netfilter/nf_hooks_lwtunnel\""]
        .map(str::to_owned);
    vec![
        ("key", keys.chain(more).collect()),
        ("value", quoted(&["0", "1", "2", "-1"])),
        ("name", quoted(&links)),
        ("bridge", quoted(&links)),
        ("master", quoted(&links)),
        ("dst", quoted(&["0.0.0.0/0", "::/0", "10.77.0.0/24", "8.8.8.8/32", "10.1.2.0/25", "fd77::/64"])),
        ("gw", quoted(&["10.77.0.1", "192.0.2.1", "fd77::1"])),
        ("mtu", ["68", "1279", "1280", "1400", "9000", "65535"].map(str::to_owned).into()),
        ("priority", ["0", "1", "512"].map(str::to_owned).into()),
        ("table", ["0", "100", "255"].map(str::to_owned).into()),
        ("host_port", ["22", "8081", "8082", "8080"].map(str::to_owned).into()),
        ("host_ip", quoted(&["192.0.2.10", "192.0.2.77", "127.0.0.1", "::1"])),
        ("data_dir", quoted(&["/var/lib/cni/networks", "/run/networks", "/etc"])),
        ("network", quoted(&["second", "net"])),
        ("container", quoted(&["neighbour", "c1"])),
        ("interface", quoted(&["eth0", "eth1"])),
        ("plugin", quoted(&["bridge", "host-local", "static", "portmap", "firewall", "tuning"])),
        ("lifetime", quoted(&["attachment", "shared", "node"])),
        ("admin_chain", quoted(&["ADMIN", "CNI-ADMIN"])),
        ("zone", quoted(&["trusted", "public"])),
        ("chain", quoted(&["DOCKER", "KUBE-MARK-MASQ", "CNI-HOSTPORT-DNAT"])),
        ("path", quoted(&["/run/cni/tuning/other"])),
        ("within", quoted(&["subnet", "bridge"])),
    ]
}

//! DEL and GC of what we made, when the journal is gone or unreadable: nothing of any type stays.

use serde_json::{Value, json};
use wasm_cni_tests::chained::{after, call};
use wasm_cni_tests::{Call, Machine, NOTHING};

/// The plugins of each network. Together they have every type that we ship, except `dummy`, which few kernels have: its
/// link ends with the container.
fn networks() -> Vec<Vec<Value>> {
    let of = |mut plugin: Value| {
        plugin["cniVersion"] = "1.1.0".into();
        plugin["name"] = "net".into();
        plugin
    };
    let ranges =
        json!({"type": "host-local", "ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "fd00:1::/64"}]]});
    let bridge = |more: Value| {
        let mut bridge = json!({"type": "bridge", "bridge": "br0", "isGateway": true, "ipam": ranges});
        bridge.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        bridge
    };
    let ports = json!([{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]);
    let portmap = |backend: &str| {
        json!({"type": "portmap", "backend": backend, "capabilities": {"portMappings": true},
            "runtimeConfig": {"portMappings": ports}})
    };
    let rates = json!({"type": "bandwidth", "ingressRate": 8_000_000, "ingressBurst": 80_000,
        "egressRate": 16_000_000, "egressBurst": 160_000});
    let fixed = json!({"type": "static", "addresses": [{"address": "10.9.9.2/24"}]});
    [
        vec![
            bridge(json!({"ipMasq": true, "macspoofchk": true})),
            json!({"type": "tuning", "mtu": 1400, "mac": "c2:b0:57:49:47:f1"}),
            portmap("iptables"),
            json!({"type": "firewall", "backend": "iptables"}),
            rates,
        ],
        vec![bridge(json!({"ipMasq": true, "ipMasqBackend": "nftables"}))],
        vec![bridge(json!({})), portmap("nftables")],
        vec![bridge(json!({"ipam": fixed, "ipMasq": true}))],
        vec![json!({"type": "loopback"})],
    ]
    .map(|plugins| plugins.into_iter().map(of).collect())
    .to_vec()
}

/// Adds a chain, and returns what DEL gets of each plugin: the configuration with the result of the chain.
fn add(machine: &Machine, plugins: &[Value]) -> Vec<Value> {
    let mut result: Option<String> = None;
    for plugin in plugins {
        let config = result.as_deref().map_or_else(|| plugin.clone(), |result| after(plugin, result));
        result = Some(call("ADD", &config, "c").ok(machine));
    }
    plugins.iter().map(|plugin| after(plugin, result.as_deref().unwrap())).collect()
}

fn del(machine: &Machine, configs: &[Value]) {
    configs.iter().rev().for_each(|config| drop(call("DEL", config, "c").ok(machine)));
}

fn gc(machine: &Machine, plugins: &[Value]) {
    for plugin in plugins {
        let mut config = plugin.clone();
        config["cni.dev/valid-attachments"] = json!([]);
        let name = config["type"].as_str().unwrap();
        let call = Call::new(&wasm_cni_tests::dist(), name, "GC", &config.to_string());
        call.env("CNI_CONTAINERID", "").env("CNI_NETNS", "").env("CNI_IFNAME", "").ok(machine);
    }
}

const LOSSES: [&str; 2] = [
    "rm -r /run/wasm-cni/attachments/*",
    "for f in $(find /run/wasm-cni/attachments -type f); do echo garbage > $f; done",
];

/// What differs from a machine on which an ADD and a DEL with their journal ran before. A journal that cannot be read is
/// put aside.
fn left(machine: &Machine, before: &str, is_container: bool) -> Vec<String> {
    let changes = machine.changes(before).into_iter().filter(|line| !line.contains("/wasm-cni/attachments/"));
    changes
        .filter(|line| (is_container || !line[2..].starts_with("c: ")) && !line.contains("last_reserved_ip"))
        .collect()
}

#[test]
fn del_without_a_journal_leaves_nothing_of_any_type() {
    for plugins in networks() {
        for loss in LOSSES {
            let machine = Machine::new();
            machine.netns("c");
            del(&machine, &add(&machine, &plugins));
            let before = machine.snapshot();
            let configs = add(&machine, &plugins);
            machine.sh(loss);
            del(&machine, &configs);
            assert_eq!(left(&machine, &before, true), NOTHING, "{loss}: {plugins:#?}");
        }
    }
}

#[test]
fn gc_without_a_journal_leaves_nothing_of_any_type_on_the_host() {
    for plugins in networks() {
        // Nothing on the machine shows the network of an address that IPAM keeps no lease of, and of ports in nftables.
        let text = json!(plugins).to_string();
        if text.contains("\"static\"") || text.contains("portmap") && text.contains("nftables") {
            continue;
        }
        for loss in LOSSES {
            let machine = Machine::new();
            machine.netns("c");
            del(&machine, &add(&machine, &plugins));
            let before = machine.snapshot();
            add(&machine, &plugins);
            machine.sh(loss);
            gc(&machine, &plugins);
            let mut left = left(&machine, &before, false);
            // As of the reference's tuning (docs/differences.md, "GC of files of tuning").
            left.retain(|line| !line.contains("/run/cni/tuning/"));
            assert_eq!(left, NOTHING, "{loss}: {plugins:#?}");
        }
    }
}

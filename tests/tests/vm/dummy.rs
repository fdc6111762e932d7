//! The plugin `dummy`: a link in the container with the addresses of an IPAM plugin.

use serde_json::{Value, json};
use wasm_cni_tests::{Call, Machine, NOTHING, dist};

/// A machine with a container `a`.
fn machine() -> Machine {
    let machine = Machine::new();
    let probe = "ip link add probe type dummy && ip link delete probe";
    assert!(
        machine.try_sh(probe).status.success(),
        "this kernel has no dummy links: `cargo xtask vm` runs these tests under one that has"
    );
    machine.netns("a");
    machine
}

/// A network of both families, with additional `keys`.
fn network(keys: Value) -> String {
    let mut config = json!({
        "cniVersion": "1.0.0", "name": "net", "type": "dummy",
        "dns": {"nameservers": ["192.0.2.53"]},
        "ipam": {
            "type": "host-local",
            "ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "fd00:1::/64"}]],
            "routes": [{"dst": "10.9.0.0/16"}, {"dst": "fd00:9::/64", "gw": "fd00:1::7"}],
        },
    });
    for (key, value) in keys.as_object().unwrap() {
        config[key] = value.clone();
    }
    config.to_string()
}

fn call(verb: &str, config: &str) -> Call {
    Call::new(&dist(), "dummy", verb, config).container("a").env("CNI_IFNAME", "eth0")
}

fn add(machine: &Machine, config: &str) -> Value {
    serde_json::from_str(&call("ADD", config).ok(machine)).unwrap()
}

fn with_previous(config: &str, result: &Value) -> String {
    let mut config: Value = serde_json::from_str(config).unwrap();
    config["prevResult"] = result.clone();
    config.to_string()
}

/// `eth0` of the container, as `ip` prints it.
fn link(machine: &Machine) -> Value {
    let shown = machine.sh("ip -n a -json -details link show eth0");
    serde_json::from_str::<Value>(&shown).unwrap()[0].take()
}

/// The changes, without the last address of each range set, which stays as with the reference.
fn left(machine: &Machine, before: &str) -> Vec<String> {
    let changes = machine.changes(before).into_iter();
    changes.filter(|line| !line.contains("/last_reserved_ip.")).collect()
}

#[test]
fn add_gives_the_container_a_dummy_with_addresses_and_routes_and_del_leaves_nothing() {
    let machine = machine();
    let before = machine.snapshot();
    let config = network(json!({}));
    let result = add(&machine, &config);
    let found = link(&machine);
    assert_eq!(found["linkinfo"]["info_kind"], "dummy");
    assert!(found["flags"].as_array().unwrap().contains(&json!("UP")), "{found}");
    let interface = json!({"name": "eth0", "mac": found["address"], "sandbox": "/var/run/netns/a"});
    assert_eq!(result["interfaces"], json!([interface]));
    assert_eq!(
        result["ips"],
        json!([
            {"address": "10.1.2.2/24", "gateway": "10.1.2.1", "interface": 0},
            {"address": "fd00:1::2/64", "gateway": "fd00:1::1", "interface": 0},
        ])
    );
    assert_eq!(result["dns"]["nameservers"], Value::Null, "the network's own does not count");
    let routes = machine.sh("ip -n a route; ip -n a -6 route");
    for route in ["10.9.0.0/16 via 10.1.2.1 dev eth0", "fd00:9::/64 via fd00:1::7 dev eth0"] {
        assert!(routes.contains(route), "{route}: {routes}");
    }
    call("CHECK", &with_previous(&config, &result)).ok(&machine);
    call("DEL", &config).ok(&machine);
    assert_eq!(left(&machine, &before), NOTHING);
    call("DEL", &config).ok(&machine);
}

#[test]
fn without_ipam_or_with_a_taken_name_it_fails_and_nothing_changes() {
    let machine = machine();
    let (code, msg, _) = call("ADD", &network(json!({"ipam": {}}))).error(&machine);
    assert_eq!((code, msg.as_str()), (999, "dummy interface requires an IPAM configuration"));
    let (_, msg, _) = call("ADD", &network(json!({"ipam": 7}))).error(&machine);
    assert!(msg.contains("ipam"), "{msg}");
    for kind in ["dummy", "bridge"] {
        machine.sh(&format!("ip -n a link add eth0 type {kind}"));
        let before = machine.snapshot();
        let (_, msg, _) = call("ADD", &network(json!({}))).error(&machine);
        assert_eq!(msg, "failed to create dummy: file exists");
        assert_eq!(machine.changes(&before), NOTHING, "{kind}: nor is the other link touched");
        machine.sh("ip -n a link delete eth0");
    }
}

#[test]
fn check_names_what_differs() {
    let machine = machine();
    let config = network(json!({}));
    let result = add(&machine, &config);
    let check = with_previous(&config, &result);
    let (code, msg, _) = call("CHECK", &config).error(&machine);
    assert_eq!((code, msg.as_str()), (999, "dummy: Required prevResult missing"));
    let breaks = [
        ("ip -n a link set eth0 down", "link eth0 (container) is down"),
        ("ip -n a address delete 10.1.2.2/24 dev eth0", "10.1.2.2/24"),
        ("ip -n a link set eth0 address 0a:00:00:00:00:01", "MAC of eth0"),
        // An object that somebody made again is compared with `prevResult`.
        ("ip -n a link delete eth0; ip -n a link add eth0 type bridge", "MAC of eth0"),
        ("ip -n a link delete eth0", "link eth0 (container) is missing"),
    ];
    for (damage, said) in breaks {
        machine.sh(damage);
        let (code, msg, details) = call("CHECK", &check).error(&machine);
        assert_eq!(code, 106, "{damage}: {msg}");
        assert!(format!("{msg} {details}").contains(said), "{damage}: {msg} {details}");
    }
    call("DEL", &config).ok(&machine);
}

#[test]
fn del_without_a_journal_deletes_the_dummy_and_frees_its_addresses() {
    let machine = machine();
    let before = machine.snapshot();
    let config = network(json!({}));
    add(&machine, &config);
    machine.sh("rm -r /run/wasm-cni");
    call("DEL", &config).ok(&machine);
    let left = left(&machine, &before);
    assert!(left.iter().all(|line| line.contains("/run/wasm-cni")), "{left:?}");
    assert!(!machine.try_sh("ip -n a link show eth0").status.success());
}

#[test]
fn del_without_netns_leaves_nothing() {
    let machine = machine();
    let before = machine.snapshot();
    let config = network(json!({}));
    add(&machine, &config);
    call("DEL", &config).env("CNI_NETNS", "").ok(&machine);
    assert_eq!(left(&machine, &before), NOTHING);
}

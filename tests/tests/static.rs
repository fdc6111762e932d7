//! static, where a folder of `tests/differential` is not enough: under a native bridge, in the kernel, without a
//! journal.

use serde_json::{Value, json};
use std::path::Path;
use wasm_cni_tests::{Call, Machine, NOTHING, dist};

const REFERENCE: &str = "/usr/lib/cni";

fn call(dir: &Path, plugin: &str, command: &str, config: &Value, args: &str) -> Call {
    Call::new(dir, plugin, command, &config.to_string()).env("CNI_ARGS", args)
}

/// A configuration of bridge with these keys and this `ipam`.
fn bridge(version: &str, keys: Value, ipam: Value) -> Value {
    let config = json!({"cniVersion": version, "name": "fixed", "type": "bridge", "bridge": "br0"});
    with_ipam(with_keys(config, &keys), ipam)
}

/// A configuration of static as a plugin of its own.
fn alone(version: &str, ipam: Value) -> Value {
    with_ipam(json!({"cniVersion": version, "name": "fixed", "type": "static"}), ipam)
}

fn with_keys(mut config: Value, keys: &Value) -> Value {
    for (key, value) in keys.as_object().unwrap() {
        config[key] = value.clone();
    }
    config
}

fn with_ipam(mut config: Value, ipam: Value) -> Value {
    config["ipam"] = ipam;
    config["ipam"]["type"] = "static".into();
    config
}

fn with_result(config: &Value, stdout: &str) -> Value {
    let mut config = config.clone();
    config["prevResult"] = serde_json::from_str(stdout).unwrap();
    config
}

/// A result without random names and MACs, and without the `dns` that 1.1.1 writes even if it is empty.
fn comparable(stdout: &str) -> Value {
    let mut result: Value = serde_json::from_str(stdout).unwrap_or_else(|e| panic!("{e}: {stdout}"));
    for interface in result["interfaces"].as_array_mut().into_iter().flatten() {
        interface["mac"] = Value::Null;
        if interface["name"].as_str().is_some_and(|name| name.starts_with("veth")) {
            interface["name"] = "veth".into();
        }
    }
    let result = result.as_object_mut().unwrap();
    result.retain(|_, value| !value.is_null() && *value != json!({}));
    json!(result)
}

/// Addresses and routes of container and bridge, and rules.
fn network(machine: &Machine) -> String {
    machine.sh(r#"for run in env "ip netns exec 1234567890"; do
      $run ip -o address | sed -E 's/^[0-9]+: //; s/ +/ /g; s/valid_lft.*//; s/ tentative//' | grep -v 'inet6 fe80'
      { $run ip route; $run ip -6 route; } | grep -v fe80 | sed 's/ linkdown//; s/ *$//'
      $run iptables-save -t nat | grep '^-'; $run ip6tables-save -t nat | grep '^-'
    done | sort; sysctl net.ipv4.ip_forward net.ipv6.conf.all.forwarding"#)
}

#[test]
fn bridge_of_the_reference_works_with_our_static() {
    assert!(Path::new(REFERENCE).join("static").exists(), "Debian's plugins are not installed");
    let config = bridge(
        "1.0.0",
        json!({"isDefaultGateway": true, "ipMasq": true}),
        json!({"addresses": [{"address": "10.1.1.5/24", "gateway": "10.1.1.254"}, {"address": "fd00:1::5/64", "gateway": "fd00:1::fe"}],
            "routes": [{"dst": "172.16.0.0/12", "gw": "10.1.1.9"}]}),
    );
    let run = |path: String| {
        let machine = Machine::new();
        machine.netns("1234567890");
        let call = |command: &str, config: &Value| {
            call(Path::new(REFERENCE), "bridge", command, config, "").env("CNI_PATH", &path)
        };
        let result = call("ADD", &config).ok(&machine);
        let after_add = network(&machine);
        let is_ours = machine.try_sh("test -d /run/wasm-cni").status.success();
        call("CHECK", &with_result(&config, &result)).ok(&machine);
        call("DEL", &config).ok(&machine);
        assert_eq!(machine.sh("find /run/wasm-cni/attachments -mindepth 1 2>/dev/null || true"), "");
        (is_ours, comparable(&result), after_add)
    };
    let (ours, theirs) = (run(format!("{}:{REFERENCE}", dist().display())), run(REFERENCE.to_owned()));
    assert_eq!((ours.0, theirs.0), (true, false), "which static was run");
    assert_eq!((ours.1, ours.2), (theirs.1, theirs.2));
}

#[test]
fn routes_have_all_fields_in_the_kernel() {
    // The reference never sets mtu and advmss.
    let ipam = json!({"addresses": [{"address": "10.1.1.5/24"}], "routes": [
        {"dst": "10.9.0.0/16", "gw": "10.1.1.9", "mtu": 1400, "advmss": 1300, "priority": 5, "table": 100, "scope": 0}]});
    let machine = Machine::new();
    machine.netns("1234567890");
    call(&dist(), "bridge", "ADD", &bridge("1.1.0", json!({}), ipam), "").ok(&machine);
    let route = machine.sh("ip -n 1234567890 route show table 100");
    for part in ["10.9.0.0/16 via 10.1.1.9 dev eth12", "metric 5", "mtu 1400", "advmss 1300"] {
        assert!(route.contains(part), "{part:?} is not in {route}");
    }
}

#[test]
fn alone_it_changes_nothing_and_its_del_and_check_succeed() {
    let ipam = json!({"addresses": [{"address": "10.1.1.5/24", "gateway": "10.1.1.254"}], "routes": [{"dst": "0.0.0.0/0"}]});
    for version in ["0.4.0", "1.0.0", "1.1.0"] {
        let config = alone(version, ipam.clone());
        let machine = Machine::new();
        machine.netns("1234567890");
        let before = machine.snapshot();
        let call = |command: &str, config: &Value| call(&dist(), "static", command, config, "");
        assert_eq!(call("DEL", &config).ok(&machine), "", "before any ADD");
        let result = call("ADD", &config).ok(&machine);
        let checked = with_result(&config, &result);
        assert_eq!(call("CHECK", &checked).ok(&machine), "");
        assert_eq!(call("DEL", &config).ok(&machine), "");
        assert_eq!(call("DEL", &config).env("CNI_NETNS", "").ok(&machine), "");
        assert_eq!(machine.changes(&before), NOTHING);
        assert_eq!(machine.sh("ls /var/lib; find /run/wasm-cni/attachments -mindepth 1"), "");
        // Without a journal, there is nothing to compare.
        assert_eq!(call("CHECK", &checked).ok(&machine), "");
    }
}

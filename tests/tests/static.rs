//! static: under bridge and under its own link, beside Debian's reference.

use serde_json::{Value, json};
use std::path::Path;
use wasm_cni_tests::{Call, Machine, NOTHING, dist};

const REFERENCE: &str = "/usr/lib/cni";
const ARGS: &str = "IgnoreUnknown=1;IP=10.2.2.2/24,fd00:2::2/64;GATEWAY=10.2.2.1,fd00:2::1;K8S_POD_NAME=x";

/// Ours and theirs.
fn directories() -> [std::path::PathBuf; 2] {
    assert!(
        Path::new(REFERENCE).join("static").exists(),
        "Debian's containernetworking-plugins is not installed"
    );
    [dist(), REFERENCE.into()]
}

fn call(dir: &Path, plugin: &str, command: &str, config: &Value, args: &str) -> Call {
    Call::new(dir, plugin, command, &config.to_string()).env("CNI_ARGS", args)
}

/// A configuration of bridge with these keys and this `ipam`.
fn bridge(version: &str, keys: Value, ipam: Value) -> Value {
    let config = json!({"cniVersion": version, "name": "fixed", "type": "bridge", "bridge": "br0"});
    with_ipam(with_keys(config, &keys), ipam)
}

/// A configuration of static as its own plugin.
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

/// A result without random names and MACs, and without the `dns` that 1.1.1 writes even when it is empty.
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

/// Configurations with `CNI_ARGS`, each of which 1.1.1 understands as HEAD does.
fn configurations() -> Vec<(Value, &'static str)> {
    let both = json!([{"address": "10.1.1.5/24", "gateway": "10.1.1.254"}, {"address": "fd00:1::5/64", "gateway": "fd00:1::fe"}]);
    vec![
        (
            bridge(
                "0.2.0",
                json!({"isGateway": true, "ipMasq": true}),
                json!({"addresses": [{"address": "10.1.1.5/24", "gateway": "10.1.1.254"}],
                    // The last one is left out before 0.3.0: there is no address of its family.
                    "routes": [{"dst": "0.0.0.0/0"}, {"dst": "192.168.0.0/16", "gw": "10.1.1.9"}, {"dst": "fd00:9::/64"}]}),
            ),
            "",
        ),
        (
            bridge(
                "1.0.0",
                json!({"isDefaultGateway": true, "ipMasq": true}),
                json!({"addresses": both, "routes": [{"dst": "172.16.0.0/12", "gw": "10.1.1.9"}]}),
            ),
            "",
        ),
        // Nobody tells a gateway: the route is one of the link.
        (
            bridge(
                "0.4.0",
                json!({"dns": {"nameservers": ["10.1.1.1"]}}),
                json!({"addresses": [{"address": "10.1.1.5/24"}, {"address": "10.3.3.5/16"}],
                    "routes": [{"dst": "10.9.0.0/16"}], "dns": {"nameservers": ["10.1.1.53"]}}),
            ),
            "",
        ),
        // Bridge finds the gateway itself.
        (bridge("0.3.1", json!({"isGateway": true}), json!({"addresses": [{"address": "10.1.1.5/24"}]})), ""),
        (
            bridge(
                "0.3.0",
                json!({"isGateway": true}),
                json!({"routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]}),
            ),
            ARGS,
        ),
        (
            bridge(
                "1.0.0",
                json!({"args": {"cni": {"ips": ["10.4.4.4/24"]}}, "runtimeConfig": {"ips": ["10.5.5.5/24"]}}),
                json!({"addresses": both}),
            ),
            ARGS,
        ),
    ]
}

#[test]
fn bridge_with_static_gives_the_result_and_the_network_of_the_reference() {
    for (config, args) in configurations() {
        let [ours, theirs] = directories().map(|dir| {
            let machine = Machine::new();
            machine.netns("1234567890");
            let result = call(&dir, "bridge", "ADD", &config, args).ok(&machine);
            let after_add = network(&machine);
            call(&dir, "bridge", "DEL", &config, args).ok(&machine);
            assert_eq!(machine.sh("ls /var/lib"), "", "static keeps nothing");
            (comparable(&result), after_add, network(&machine))
        });
        assert_eq!(ours.0, theirs.0, "the result of {config}");
        assert_eq!(ours.1, theirs.1, "after ADD of {config}");
        assert_eq!(ours.2, theirs.2, "after DEL of {config}");
    }
}

#[test]
fn check_of_bridge_with_static_succeeds_on_both_sides_and_names_an_address_that_is_gone() {
    for (config, args) in configurations() {
        if ["0.2.0", "0.3.0", "0.3.1"].iter().any(|version| config["cniVersion"] == *version) {
            continue;
        }
        let machine = Machine::new();
        machine.netns("1234567890");
        let result = call(&dist(), "bridge", "ADD", &config, args).ok(&machine);
        let config = with_result(&config, &result);
        for dir in directories() {
            assert_eq!(call(&dir, "bridge", "CHECK", &config, args).ok(&machine), "");
        }
        let address = config["prevResult"]["ips"][0]["address"].as_str().unwrap();
        machine.sh(&format!("ip -n 1234567890 address delete {address} dev eth12"));
        let (code, _, details) = call(&dist(), "bridge", "CHECK", &config, args).error(&machine);
        assert_eq!(code, 106);
        assert!(details.contains(address), "{details}");
    }
}

#[test]
fn del_leaves_the_bridge_alone_and_succeeds_twice() {
    let config = bridge("1.0.0", json!({}), json!({"addresses": [{"address": "10.1.1.5/24"}]}));
    let machine = Machine::new();
    machine.netns("1234567890");
    machine.netns("other");
    call(&dist(), "bridge", "ADD", &config, "").container("other").ok(&machine);
    let before = machine.snapshot();
    // Nobody keeps account: the same address a second time is the user's affair, as in the reference.
    call(&dist(), "bridge", "ADD", &config, "").ok(&machine);
    for _ in 0..2 {
        assert_eq!(call(&dist(), "bridge", "DEL", &config, "").ok(&machine), "");
        assert_eq!(machine.changes(&before), NOTHING);
    }
}

#[test]
fn bridge_of_the_reference_works_with_our_static() {
    let (config, args) = configurations().swap_remove(1);
    let run = |path: String| {
        let machine = Machine::new();
        machine.netns("1234567890");
        let call = |command: &str, config: &Value| {
            call(Path::new(REFERENCE), "bridge", command, config, args).env("CNI_PATH", &path)
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
fn its_own_result_is_that_of_the_reference_in_every_version() {
    let ipam = json!({
        "addresses": [{"address": "10.1.1.5/24", "gateway": "10.1.1.254"}, {"address": "fd00:1::5/64"}],
        "routes": [{"dst": "0.0.0.0/0"}, {"dst": "10.9.1.1/16", "gw": "10.1.1.9"}, {"dst": "fd00:9::/64"}],
        "dns": {"nameservers": ["10.1.1.53"], "domain": "a<b>&c", "search": ["a", "b"], "options": ["ndots:1"]},
    });
    for version in ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0"] {
        let config = alone(version, ipam.clone());
        let machine = Machine::new();
        machine.netns("1234567890");
        let [ours, theirs] = directories().map(|dir| call(&dir, "static", "ADD", &config, "").ok(&machine));
        if version == "1.0.0" {
            // HEAD sorts the keys, 1.1.1 does not yet.
            assert_eq!(comparable(&ours), comparable(&theirs));
        } else {
            assert_eq!(ours, theirs, "{version}");
        }
    }
}

#[test]
fn routes_have_all_fields_in_the_result_and_in_the_kernel() {
    // What 1.1.1 does not know yet: by the text of HEAD.
    let ipam = json!({"addresses": [{"address": "10.1.1.5/24"}], "routes": [
        {"dst": "10.9.0.0/16", "gw": "10.1.1.9", "mtu": 1400, "advmss": 1300, "priority": 5, "table": 100, "scope": 0}]});
    let machine = Machine::new();
    machine.netns("1234567890");
    let stdout = call(&dist(), "static", "ADD", &alone("1.1.0", ipam.clone()), "").ok(&machine);
    let expected = r#"{
    "cniVersion": "1.1.0",
    "ips": [
        {
            "address": "10.1.1.5/24"
        }
    ],
    "routes": [
        {
            "advmss": 1300,
            "dst": "10.9.0.0/16",
            "gw": "10.1.1.9",
            "mtu": 1400,
            "priority": 5,
            "scope": 0,
            "table": 100
        }
    ]
}"#;
    assert_eq!(stdout, expected);
    call(&dist(), "bridge", "ADD", &bridge("1.1.0", json!({}), ipam), "").ok(&machine);
    let route = machine.sh("ip -n 1234567890 route show table 100");
    for part in ["10.9.0.0/16 via 10.1.1.9 dev eth12", "metric 5", "mtu 1400", "advmss 1300"] {
        assert!(route.contains(part), "{part:?} is not in {route}");
    }
}

#[test]
fn dns_of_static_is_in_the_result_of_bridge_unless_the_network_has_its_own() {
    // By the rule of HEAD: 1.1.1 forgets what the IPAM plugin said.
    let ipam = json!({"addresses": [{"address": "10.1.1.5/24"}], "dns": {"nameservers": ["10.1.1.53"], "search": ["a", "b"]}});
    let dns = |keys| {
        let machine = Machine::new();
        machine.netns("1234567890");
        let stdout = call(&dist(), "bridge", "ADD", &bridge("1.0.0", keys, ipam.clone()), "").ok(&machine);
        comparable(&stdout)["dns"].clone()
    };
    assert_eq!(dns(json!({})), json!({"nameservers": ["10.1.1.53"], "search": ["a", "b"]}));
    assert_eq!(dns(json!({"dns": {"domain": "example.com"}})), json!({"domain": "example.com"}));
    assert_eq!(dns(json!({"dns": {"search": []}})), Value::Null);
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
        // Without a record, there is nothing to compare.
        assert_eq!(call("CHECK", &checked).ok(&machine), "");
    }
}

#[test]
fn del_needs_no_valid_configuration() {
    let config = alone("1.0.0", json!({"addresses": [{"address": "x"}]}));
    for dir in directories() {
        assert_eq!(call(&dir, "static", "DEL", &config, "no pair").ok(&Machine::new()), "");
    }
}

#[test]
fn check_names_a_gateway_that_is_told_otherwise() {
    let config = alone("1.0.0", json!({"addresses": [{"address": "10.1.1.5/24", "gateway": "10.1.1.254"}]}));
    let machine = Machine::new();
    machine.netns("1234567890");
    let [ours, theirs] = directories().map(|dir| {
        let result = call(&dir, "static", "ADD", &config, "").ok(&machine);
        // Length and absence are no differences, the gateway is.
        for harmless in [result.replace("/24", "/16"), r#"{"cniVersion": "1.0.0"}"#.to_owned()] {
            call(&dir, "static", "CHECK", &with_result(&config, &harmless), "").ok(&machine);
        }
        let other = with_result(&config, &result.replace("10.1.1.254", "10.1.1.1"));
        call(&dir, "static", "CHECK", &other, "").error(&machine)
    });
    assert_eq!(theirs.1, "static: Failed to match addr 10.1.1.5 on interface eth12");
    assert_eq!(
        (ours.0, ours.2.as_str()),
        (106, "gateway of 10.1.1.5 is 10.1.1.1 in prevResult, not 10.1.1.254")
    );
    for dir in directories() {
        let (code, msg, _) = call(&dir, "static", "CHECK", &config, "").error(&machine);
        assert_eq!((code, msg.as_str()), (999, "Required prevResult missing"));
    }
}

#[test]
fn refusals_are_those_of_the_reference_whether_asked_directly_or_by_bridge() {
    let one = json!({"addresses": [{"address": "10.1.1.5/24"}]});
    let ips = |args: &str, runtime: &str| json!({"args": {"cni": {"ips": [args]}}, "runtimeConfig": {"ips": [runtime]}});
    let cases: Vec<(&str, Value, Value, &str)> = vec![
        ("1.0.0", json!({"addresses": [{"address": "10.1.1.5"}]}), json!({}), ""),
        ("1.0.0", json!({"addresses": [{}]}), json!({}), ""),
        ("1.0.0", one.clone(), json!({}), "IgnoreUnknown=1;IP=10.1.1.5/33"),
        ("1.0.0", one.clone(), json!({}), "IgnoreUnknown=1;IP=10.1.1.5/24, x "),
        ("1.0.0", one.clone(), json!({}), "IgnoreUnknown=1;GATEWAY= x ,y"),
        ("1.0.0", one.clone(), json!({}), "IgnoreUnknown=1;GATEWAY=10.1.1.1,"),
        ("1.0.0", one.clone(), json!({}), "MAC=x;IP=10.1.1.5/24;ip=x"),
        ("1.0.0", one.clone(), json!({}), "IP"),
        ("1.0.0", one.clone(), ips("x", "y"), ""),
        ("1.0.0", one.clone(), ips("10.1.1.5/24", "y"), ""),
        ("1.0.0", json!({}), json!({}), ""),
        ("0.2.0", json!({}), json!({}), ""),
        (
            "0.2.0",
            json!({"addresses": [{"address": "10.1.1.5/24"}, {"address": "10.1.1.6/24"}]}),
            json!({}),
            "",
        ),
        ("0.1.0", one, json!({}), "IgnoreUnknown=1;IP=10.1.1.6/24"),
    ];
    for (version, ipam, keys, args) in cases {
        for (plugin, config) in [
            ("static", with_keys(alone(version, ipam.clone()), &keys)),
            ("bridge", bridge(version, keys.clone(), ipam.clone())),
        ] {
            if plugin == "static" && version == "1.0.0" && ipam == json!({}) && args.is_empty() {
                // No address is no error of static itself.
                let machine = Machine::new();
                machine.netns("1234567890");
                let [ours, theirs] = directories()
                    .map(|dir| comparable(&call(&dir, plugin, "ADD", &config, args).ok(&machine)));
                assert_eq!(ours, theirs);
                continue;
            }
            let [ours, theirs] = directories().map(|dir| {
                let machine = Machine::new();
                machine.netns("1234567890");
                let before = machine.snapshot();
                let error = call(&dir, plugin, "ADD", &config, args).error(&machine);
                // The reference leaves its bridge.
                assert!(dir == Path::new(REFERENCE) || machine.changes(&before) == NOTHING, "{config}");
                error
            });
            assert_eq!(ours, theirs, "{plugin} with {config} and CNI_ARGS {args:?}");
        }
    }
    let [ours, theirs] = directories().map(|dir| {
        let machine = Machine::new();
        machine.netns("1234567890");
        let config = json!({"cniVersion": "1.0.0", "name": "fixed", "type": "static", "runtimeConfig": {"ips": ["10.1.1.5/24"]}});
        call(&dir, "static", "ADD", &config, "").error(&machine)
    });
    assert_eq!(ours, theirs);
}

#[test]
fn version_lists_what_the_component_supports() {
    let version = call(&dist(), "static", "VERSION", &json!(null), "").ok(&Machine::new());
    assert!(
        version.ends_with("\"0.1.0\",\"0.2.0\",\"0.3.0\",\"0.3.1\",\"0.4.0\",\"1.0.0\",\"1.1.0\"]}\n"),
        "{version}"
    );
}

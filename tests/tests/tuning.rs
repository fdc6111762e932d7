//! tuning in a chain after bridge: its settings work, and DEL restores the previous values.

use serde_json::{Value, json};
use std::path::Path;
use wasm_cni_tests::chained::after;
use wasm_cni_tests::{Call, Machine, NOTHING, dist};

const C: &str = "1234567890";

fn bridge() -> Value {
    json!({"cniVersion": "1.0.0", "name": "net", "type": "bridge", "bridge": "br0",
        "ipam": {"type": "host-local", "subnet": "10.1.2.0/24"}})
}

fn tuning(keys: Value) -> Value {
    let mut config = json!({"cniVersion": "1.0.0", "name": "net", "type": "tuning"});
    for (key, value) in keys.as_object().unwrap() {
        config[key] = value.clone();
    }
    config
}

fn call(command: &str, config: &Value) -> Call {
    let plugin = config["type"].as_str().unwrap();
    Call::new(&dist(), plugin, command, &config.to_string()).env("CNI_IFNAME", "eth0")
}

/// A container on a bridge, and the result of its ADD.
fn attached() -> (Machine, String) {
    let machine = Machine::new();
    machine.netns(C);
    let result = call("ADD", &bridge()).ok(&machine);
    (machine, result)
}

fn link(machine: &Machine) -> String {
    machine.sh(&format!("ip -n {C} -o link show eth0"))
}

fn sysctl(machine: &Machine, key: &str) -> String {
    machine.sh(&format!("ip netns exec {C} cat /proc/sys/{key}")).trim().to_owned()
}

#[test]
fn every_setting_works_is_checked_and_is_restored() {
    let (machine, result) = attached();
    let before = machine.snapshot();
    let config = tuning(json!({
        "mac": "0a:11:22:33:44:55", "mtu": 1400, "promisc": true, "allmulti": true, "txQLen": 7,
        "sysctl": {"net.ipv4.ip_local_port_range": "2000\t3000", "net.ipv4.conf.IFNAME.arp_ignore": "2"},
    }));
    let chained = after(&config, &result);
    let tuned: Value = serde_json::from_str(&call("ADD", &chained).ok(&machine)).unwrap();
    let inside = tuned["interfaces"].as_array().unwrap().iter().find(|i| i["name"] == "eth0").unwrap();
    assert_eq!(inside["mac"], "0a:11:22:33:44:55");
    assert_eq!(tuned["ips"], serde_json::from_str::<Value>(&result).unwrap()["ips"]);
    let shown = link(&machine);
    for part in ["PROMISC", "ALLMULTI", "mtu 1400", "qlen 7", "0a:11:22:33:44:55"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert_eq!(sysctl(&machine, "net/ipv4/ip_local_port_range"), "2000\t3000");
    assert_eq!(sysctl(&machine, "net/ipv4/conf/eth0/arp_ignore"), "2");
    let last = tuned.to_string();
    // Both plugins of the chain, each with the chain's last result, as libcni passes it.
    for config in [&config, &bridge()] {
        call("CHECK", &after(config, &last)).ok(&machine);
    }
    call("DEL", &after(&config, &last)).ok(&machine);
    assert_eq!(machine.changes(&before), NOTHING);
    assert_ne!(sysctl(&machine, "net/ipv4/ip_local_port_range"), "2000\t3000");
    call("DEL", &after(&config, &last)).ok(&machine);
    call("CHECK", &after(&bridge(), &result)).ok(&machine);
}

#[test]
fn check_names_each_thing_that_somebody_changed_and_repair_sets_it_again() {
    let (machine, result) = attached();
    let config = tuning(
        json!({"mac": "0a:11:22:33:44:55", "mtu": 1400, "promisc": true, "allmulti": true, "txQLen": 7,
        "sysctl": {"net.ipv4.conf.eth0.arp_ignore": "2"}}),
    );
    let last = call("ADD", &after(&config, &result)).ok(&machine);
    machine.sh(&format!(
        "ip -n {C} link set eth0 mtu 1300 promisc off allmulticast off txqueuelen 9 address 0a:11:22:33:44:56
         ip netns exec {C} sysctl -qw net.ipv4.conf.eth0.arp_ignore=1"
    ));
    let (code, _, details) = call("CHECK", &after(&config, &last)).error(&machine);
    let expected = [
        "sysctl net/ipv4/conf/eth0/arp_ignore is \"1\", not \"2\"",
        "MAC of eth0 (container) is 0a:11:22:33:44:56, not 0a:11:22:33:44:55",
        "link eth0 (container) is not promiscuous",
        "MTU of eth0 (container) is 1300, not 1400",
        "all-multicast mode of eth0 (container) is false, not true",
        "queue length of eth0 (container) is 9, not 7",
    ];
    assert_eq!(code, 106);
    assert_eq!(details.lines().take(6).collect::<Vec<_>>(), expected);
    machine.sh(&format!("{}/wasm-cni repair", dist().display()));
    call("CHECK", &after(&config, &last)).ok(&machine);
}

#[test]
fn what_another_tuning_of_the_chain_set_later_is_no_difference() {
    let (machine, result) = attached();
    let before = machine.snapshot();
    let (first, second) = (tuning(json!({"mtu": 1400})), tuning(json!({"mtu": 1300, "promisc": true})));
    let result = call("ADD", &after(&first, &result)).ok(&machine);
    let result = call("ADD", &after(&second, &result)).ok(&machine);
    call("CHECK", &after(&bridge(), &result)).ok(&machine);
    // Plugins of one type cannot be distinguished: CHECK applies to the last of them.
    call("CHECK", &after(&second, &result)).ok(&machine);
    call("DEL", &after(&second, &result)).ok(&machine);
    assert!(link(&machine).contains("mtu 1400"));
    call("DEL", &after(&first, &result)).ok(&machine);
    assert_eq!(machine.changes(&before), NOTHING);
}

#[test]
fn a_setting_that_the_kernel_refuses_leaves_all_as_before() {
    let (machine, result) = attached();
    let before = machine.snapshot();
    let all = json!({"mac": "0a:11:22:33:44:55", "promisc": true, "mtu": 1400, "allmulti": true,
        "sysctl": {"net.ipv4.conf.eth0.arp_ignore": "2"}});
    for (key, value, text) in [
        ("mtu", json!(60), r#"failed to set the MTU of "eth0" to 60: invalid argument"#),
        ("mac", json!("01:00:00:00:00:01"), "no link can have the MAC 01:00:00:00:00:01"),
        (
            "sysctl",
            json!({"net.ipv4.conf.eth0.arp_ignore": "2", "net.none": "1"}),
            r#"failed to set sysctl "net/none" to "1": no such file or directory"#,
        ),
    ] {
        let mut keys = all.clone();
        keys[key] = value;
        let (_, msg, _) = call("ADD", &after(&tuning(keys), &result)).error(&machine);
        assert_eq!(msg, text);
        assert_eq!(machine.changes(&before), NOTHING, "{key}");
    }
}

#[test]
fn the_administrators_list_of_parameters_bounds_those_of_the_configuration_and_of_args() {
    let (machine, result) = attached();
    // The machine's own /etc stays untouched.
    machine.sh("cp -a /etc /run/etc; mount --bind /run/etc /etc; mkdir -p /etc/cni/tuning
        printf '^net.ipv4.conf.IFNAME.\\n' > /etc/cni/tuning/allowlist.conf");
    let allowed = json!({"sysctl": {"net.ipv4.conf.IFNAME.arp_ignore": "2"}});
    call("ADD", &after(&tuning(allowed.clone()), &result)).ok(&machine);
    call("DEL", &tuning(allowed.clone())).ok(&machine);
    let before = machine.snapshot();
    let mut more = allowed;
    more["args"] = json!({"cni": {"sysctl": {"net.ipv4.ip_forward": "1"}}});
    let (code, text, _) = call("ADD", &after(&tuning(more), &result)).error(&machine);
    let expected = "Sysctl net.ipv4.ip_forward is not allowed. Only the following sysctls are allowed: [^net.ipv4.conf.IFNAME.]";
    assert_eq!((code, text.as_str()), (999, expected));
    assert_eq!(machine.changes(&before), NOTHING);
}

/// The file in which the reference records previous values: the reference can read ours, and we can read its.
#[test]
fn each_restores_what_the_other_changed() {
    let reference = Path::new("/usr/lib/cni");
    assert!(reference.join("tuning").exists(), "Debian's containernetworking-plugins is not installed");
    let config = tuning(json!({"mac": "0a:11:22:33:44:55", "mtu": 1400, "promisc": true, "allmulti": true,
        "dataDir": "/run/elsewhere"}));
    let theirs = |command: &str, config: &Value| {
        Call::new(reference, "tuning", command, &config.to_string()).env("CNI_IFNAME", "eth0")
    };
    for ours_adds in [true, false] {
        let (machine, result) = attached();
        let before = link(&machine);
        let chained = after(&config, &result);
        let (add, del) = match ours_adds {
            true => (call("ADD", &chained), theirs("DEL", &config)),
            false => (theirs("ADD", &chained), call("DEL", &config)),
        };
        add.ok(&machine);
        assert_ne!(link(&machine), before);
        assert_eq!(machine.sh("ls /run/elsewhere"), format!("{C}_eth0.json\n"));
        del.ok(&machine);
        assert_eq!(link(&machine), before, "ours adds: {ours_adds}");
        assert_eq!(machine.sh("ls /run/elsewhere"), "");
    }
}

#[test]
fn del_without_a_journal_leaves_the_link_and_the_lease_of_the_attachment() {
    let (machine, _) = attached();
    let before = machine.snapshot();
    call("DEL", &tuning(json!({"mtu": 1400}))).ok(&machine);
    assert_eq!(machine.changes(&before), NOTHING);
}

#[test]
fn settings_in_an_existing_namespace_are_restored_whatever_cni_netns_a_del_gets() {
    for netns in ["", "/var/run/netns/none", "/proc/self/ns/net"] {
        let (machine, result) = attached();
        let before = machine.snapshot();
        let chained =
            after(&tuning(json!({"mtu": 1400, "sysctl": {"net.ipv4.ip_default_ttl": "7"}})), &result);
        call("ADD", &chained).ok(&machine);
        assert!(link(&machine).contains("mtu 1400"));
        call("DEL", &chained).env("CNI_NETNS", netns).ok(&machine);
        assert_eq!(machine.changes(&before), NOTHING, "{netns:?}");
    }
}

//! `wasm-cni add`, `del`, `check`, `status`, `gc`: a runtime's work on networks with components and native plugins.

use serde_json::{Value, json};
use wasm_cni_tests::network::{NETNS, Networks, PASSES_ON, read, scripted, sent, with_scripts};
use wasm_cni_tests::{Machine, NOTHING, dist};

/// cnitool's default name for the container.
const CONTAINER: &str = "cnitool-77383ca0a0715733ca6f";

const CACHED: &str = "/var/lib/cni/results/net-cnitool-77383ca0a0715733ca6f-eth0";

const PORTS: &str = r#"{"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}], "mac": "02:00:00:00:00:05"}"#;

/// podman's default network, with our bridge.
fn list() -> Value {
    json!({
        "cniVersion": "0.4.0", "name": "net",
        "plugins": [
            {"type": "bridge", "bridge": "br0", "isGateway": true, "ipMasq": true,
             "ipam": {"type": "host-local", "subnet": "10.1.2.0/24", "routes": [{"dst": "0.0.0.0/0"}]}},
            {"type": "portmap", "capabilities": {"portMappings": true}},
            {"type": "firewall"},
            {"type": "tuning", "sysctl": {"net.core.somaxconn": "500"}},
        ],
    })
}

#[test]
fn a_chain_of_a_component_and_native_plugins_is_added_checked_and_deleted_without_a_trace() {
    let machine = Machine::new();
    machine.netns("testing");
    let networks = Networks::of_both(&machine);
    networks.write("net.conflist", &list().to_string());
    let env = [("CAP_ARGS", PORTS)];
    // The first container leaves only shared objects: the bridge, and the chains of portmap and firewall.
    networks.ok(&machine, &["add", "net", NETNS], &env);
    networks.ok(&machine, &["del", "net", NETNS], &env);
    let before = machine.snapshot();

    let result: Value = serde_json::from_str(&networks.ok(&machine, &["add", "net", NETNS], &env)).unwrap();
    assert_eq!(result["ips"][0]["address"], "10.1.2.3/24");
    assert_eq!(result["interfaces"][2]["sandbox"], NETNS);
    let rules = machine.sh("iptables-save");
    for rule in ["--dport 8080", "-d 10.1.2.3/32", "CNI-FORWARD", "MASQUERADE"] {
        assert!(rules.contains(rule), "{rule:?} is not in:\n{rules}");
    }
    assert_eq!(machine.sh("ip netns exec testing cat /proc/sys/net/core/somaxconn"), "500\n");
    // CHECK of Debian's portmap expects rules for IPv6 even if there is only IPv4, and fails.
    let mut checked = list();
    checked["plugins"].as_array_mut().unwrap().remove(1);
    networks.write("net.conflist", &checked.to_string());
    networks.ok(&machine, &["check", "net", NETNS], &[]);
    networks.ok(&machine, &["status", "net", NETNS], &[]);
    machine.sh("ip -n testing address flush dev eth0");
    let output = networks.error(&machine, &["check", "net", NETNS], &[]);
    assert!(output.contains("10.1.2.3/24"), "{output}");

    // With the ports of the ADD.
    networks.write("net.conflist", &list().to_string());
    assert_eq!(networks.ok(&machine, &["del", "net", NETNS], &[]), "");
    let left = machine.changes(&before);
    let expected = |line: &String| line.contains("last_reserved_ip") || line.contains("somaxconn");
    assert_eq!(left.into_iter().filter(|line| !expected(line)).collect::<Vec<_>>(), NOTHING);
    networks.ok(&machine, &["del", "net", NETNS], &env);
}

#[test]
fn the_cache_has_what_libcni_would_keep() {
    let machine = Machine::new();
    machine.netns("testing");
    let networks = Networks::of_both(&machine);
    let list = serde_json::to_string_pretty(&list()).unwrap();
    networks.write("net.conflist", &list);
    let env = [("CAP_ARGS", PORTS), ("CNI_ARGS", "IgnoreUnknown=1;K8S_POD_NAME=a")];
    let result = networks.ok(&machine, &["add", "net", "/var/run/netns/../netns//testing"], &env);
    let text = machine.sh(&format!("cat {CACHED}"));
    let cached: Value = serde_json::from_str(&text).unwrap();
    let expected = json!({
        "kind": "cniCacheV1", "containerId": CONTAINER, "ifName": "eth0", "networkName": "net", "netns": NETNS,
        "cniArgs": [["IgnoreUnknown", "1"], ["K8S_POD_NAME", "a"]],
        "capabilityArgs": serde_json::from_str::<Value>(PORTS).unwrap(),
        "result": serde_json::from_str::<Value>(&result).unwrap(),
        "config": cached["config"],
    });
    assert_eq!(cached, expected);
    assert_eq!(
        machine.sh(&format!("sed -E 's/.*\"config\":\"([^\"]*)\".*/\\1/' {CACHED} | base64 -d")),
        list
    );
    assert_eq!(machine.sh("stat -c %a /var/lib/cni/results /var/lib/cni/results/*"), "700\n600\n");
    networks.ok(&machine, &["del", "net", NETNS], &env);
    assert_eq!(machine.sh("ls -A /var/lib/cni/results"), "");
}

#[test]
fn each_plugin_gets_what_libcni_sends() {
    let machine = Machine::new();
    machine.netns("testing");
    let (networks, plugins) = scripted(&machine, "1.0.0", &[("one", PASSES_ON), ("two", PASSES_ON)]);
    let env = [("CAP_ARGS", PORTS), ("CNI_ARGS", "IgnoreUnknown=1;A=b"), ("CNI_IFNAME", "eth5")];
    let result: Value = serde_json::from_str(&networks.ok(&machine, &["add", "net", NETNS], &env)).unwrap();
    for verb in ["check", "del"] {
        networks.ok(&machine, &[verb, "net", NETNS], &env);
    }
    assert_eq!(read(&plugins, "order"), "one ADD\ntwo ADD\none CHECK\ntwo CHECK\ntwo DEL\none DEL\n");
    for call in ["one.ADD", "two.ADD", "one.CHECK", "one.DEL", "two.DEL"] {
        let (name, verb) = call.split_once('.').unwrap();
        let expected = json!({
            "cniVersion": "1.0.0", "name": "net", "type": name, "capabilities": {"portMappings": true, "mac": false},
            "runtimeConfig": {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]},
            "prevResult": result,
        });
        assert_eq!(sent(&plugins, call), expected, "{call}");
        let env = read(&plugins, &format!("{call}.env"));
        let path = plugins.path().display();
        assert_eq!(
            env,
            format!(
                "CNI_ARGS=IgnoreUnknown=1;A=b\nCNI_COMMAND={verb}\nCNI_CONTAINERID={CONTAINER}\nCNI_IFNAME=eth5\nCNI_NETNS={NETNS}\nCNI_PATH={path}\n"
            )
        );
    }
}

#[test]
fn before_0_4_0_there_is_no_check_and_del_gets_no_result() {
    let machine = Machine::new();
    machine.netns("testing");
    let (networks, plugins) = scripted(&machine, "0.3.1", &[("one", PASSES_ON)]);
    networks.ok(&machine, &["add", "net", NETNS], &[]);
    let output = networks.error(&machine, &["check", "net", NETNS], &[]);
    assert!(
        output.contains("configuration version \"0.3.1\" does not support the CHECK command"),
        "{output}"
    );
    networks.ok(&machine, &["del", "net", NETNS], &[]);
    assert_eq!(sent(&plugins, "one.DEL").get("prevResult"), None);
    // Its version does not have the verb, so no plugin is called.
    networks.ok(&machine, &["status", "net", NETNS], &[]);
    networks.ok(&machine, &["gc", "net", NETNS], &[]);
    assert_eq!(read(&plugins, "order"), "one ADD\none DEL\n");
}

#[test]
fn gc_deletes_what_is_cached_and_not_listed_and_asks_each_plugin() {
    let machine = Machine::new();
    let (networks, plugins) = scripted(&machine, "1.1.0", &[("one", PASSES_ON)]);
    let other = with_scripts("1.1.0", &[]).replace("\"net\"", "\"other\"");
    networks.write("other.conflist", &other);
    for name in ["a", "b"] {
        networks.ok(&machine, &["add", "net", &machine.netns(name), "--container-id", name], &[]);
    }
    networks.ok(
        &machine,
        &["add", "other", "/var/run/netns/a", "--container-id", "a", "--ifname", "eth1"],
        &[],
    );
    let valid = machine.files().join("valid");
    std::fs::write(&valid, r#"[{"containerID": "a", "ifname": "eth0"}]"#).unwrap();
    let valid = valid.display().to_string();

    let before = machine.snapshot();
    let output = networks.ok(&machine, &["gc", "net", NETNS, "--valid", &valid, "--dry-run"], &[]);
    for part in [
        "CNI_COMMAND=DEL",
        "interface eth0 of container b",
        "rm /var/lib/cni/networks/net/10.1.2.3",
        "CNI_COMMAND=GC",
    ] {
        assert!(output.contains(part), "{part:?} is not in:\n{output}");
    }
    assert_eq!(machine.changes(&before), NOTHING);
    networks.ok(&machine, &["gc", "net", NETNS, "--valid", &valid], &[]);
    assert_eq!(machine.sh("ls /var/lib/cni/results"), "net-a-eth0\nother-a-eth1\n");
    machine.sh("ip -n a link show eth0; ! ip -n b link show eth0 2>&1");
    let list = json!([{"containerID": "a", "ifname": "eth0"}]);
    let expected = json!({
        "cniVersion": "1.1.0", "name": "net", "type": "one", "capabilities": {"portMappings": true, "mac": false},
        "cni.dev/valid-attachments": list, "cni.dev/attachments": list,
    });
    assert_eq!(sent(&plugins, "one.GC"), expected);
    assert_eq!(sent(&plugins, "one.DEL")["prevResult"]["ips"][0]["address"], "10.1.2.3/24");

    // Without a list, as with cnitool: nothing of this network stays.
    let output = networks.error(&machine, &["gc", "net", NETNS], &[]);
    assert!(output.contains("failed to GC plugin bridge: "), "ours wants a list: {output}");
    assert_eq!(machine.sh("ls /var/lib/cni/results"), "other-a-eth1\n");
    machine.sh("! ip -n a link show eth0 2>&1; ip -n a link show eth1");
    networks.write(
        "net.conflist",
        &with_scripts("1.1.0", &["one"]).replace("\"name\"", "\"disableGC\":true,\"name\""),
    );
    networks.ok(&machine, &["gc", "net", NETNS], &[]);
}

#[test]
fn check_can_be_disabled_and_status_asks_from_1_1_0_on() {
    let machine = Machine::new();
    machine.netns("testing");
    let fails = r#"echo '{"code": 50, "msg": "not now"}'; exit 1"#;
    let (networks, plugins) = scripted(&machine, "1.1.0", &[("one", fails)]);
    assert_eq!(networks.error(&machine, &["status", "net", NETNS], &[]), "error: not now\n");
    assert_eq!(plugins.log(), ["STATUS"]);
    let output = networks.error(&machine, &["check", "net", NETNS], &[]);
    assert!(output.contains("Failed to find address"), "nothing is attached: {output}");
    networks.write(
        "net.conflist",
        &with_scripts("1.1.0", &["one"]).replace("\"name\"", "\"disableCheck\":\"true\",\"name\""),
    );
    networks.ok(&machine, &["check", "net", NETNS], &[]);
}

#[test]
fn a_dry_run_of_a_chain_shows_every_plan_up_to_a_native_plugin_and_says_so() {
    let machine = Machine::new();
    machine.netns("testing");
    let networks = Networks::of_both(&machine);
    networks.write("net.conflist", &list().to_string());
    let before = machine.snapshot();
    let shown = networks.ok(&machine, &["add", "net", NETNS, "--dry-run"], &[("CAP_ARGS", PORTS)]);
    for part in [
        "ip link add br0",
        "address 10.1.2.2/24 gateway 10.1.2.1",
        "the plan stops here: what ",
        "/portmap does is known when it was executed, since it is native; after it: firewall, tuning",
    ] {
        assert!(shown.contains(part), "{part:?} is not in:\n{shown}");
    }
    let undone = networks.ok(&machine, &["del", "net", NETNS, "--dry-run"], &[]);
    assert!(undone.starts_with("native plugin\n  CNI_COMMAND=DEL "), "{undone}");
    assert!(undone.find("/tuning\n") < undone.find("/portmap\n"), "in reverse:\n{undone}");
    assert_eq!(machine.changes(&before), NOTHING);
    assert_eq!(machine.sh("find /var/lib/cni /run/wasm-cni 2> /dev/null || true"), "");
}

#[test]
fn a_network_is_found_as_libcni_finds_it() {
    let machine = Machine::new();
    machine.netns("testing");
    let networks = Networks::of_both(&machine);
    let output = networks.error(&machine, &["add", "net", NETNS], &[]);
    assert!(output.contains("no net configurations found in "), "{output}");
    let single = |name: &str, bridge: &str| {
        json!({"cniVersion": "0.2.0", "name": name, "type": "bridge", "bridge": bridge,
            "ipam": {"type": "host-local", "subnet": "10.9.0.0/24"}})
        .to_string()
    };
    let several = |bridge: &str| {
        let plugin = single("x", bridge);
        format!(
            r#"{{"cniVersion": "0.2.0", "cniVersions": ["0.3.1", "1.1.0"], "name": "net", "plugins": [{plugin}]}}"#
        )
    };
    let bridge = || {
        let shown = networks.ok(&machine, &["add", "net", NETNS, "--dry-run"], &[]);
        shown.split("ip link add ").nth(1).unwrap().split(' ').next().unwrap().to_owned()
    };
    networks.write("10-other.conf", &single("other", "br-other"));
    networks.write("20-net.json", &single("net", "br-json"));
    assert_eq!(bridge(), "br-json");
    networks.write("11-net.conf", &single("net", "br-conf"));
    assert_eq!(bridge(), "br-conf");
    networks.write("99-net.conflist", &several("br-99"));
    assert_eq!(bridge(), "br-99", "lists come first");
    networks.write("50-net.conflist", &several("br-50"));
    assert_eq!(bridge(), "br-50", "in the order of their names");
    let result: Value = serde_json::from_str(&networks.ok(&machine, &["add", "net", NETNS], &[])).unwrap();
    assert_eq!(result["cniVersion"], "1.1.0");
    networks.ok(&machine, &["del", "net", NETNS], &[]);
    let output = networks.error(&machine, &["add", "nine", NETNS], &[]);
    assert!(
        output.contains("no net configuration with name \"nine\" in ") && output.contains("other"),
        "{output}"
    );
    // Plugins from the directory with the network's name.
    networks.write("50-net.conflist", r#"{"cniVersion": "1.0.0", "name": "net"}"#);
    networks.write("net/10-a.conf", &single("", "br-folder"));
    assert_eq!(bridge(), "br-folder");
    networks.write("00-bad.conflist", "{");
    let output = networks.error(&machine, &["add", "net", NETNS], &[]);
    assert!(output.contains("00-bad.conflist: error parsing configuration list: "), "{output}");
}

#[test]
fn del_needs_neither_component_nor_cache() {
    let machine = Machine::new();
    machine.netns("testing");
    let (networks, plugins) = scripted(&machine, "1.0.0", &[]);
    let mut before = String::new();
    // Without the cached result; with one that a crash left; without the component, by its link; without that.
    for harm in ["rm CACHED", ": > CACHED", "rm bridge.wasm", "rm bridge"] {
        networks.ok(&machine, &["add", "net", NETNS], &[]);
        machine.sh(&format!("cd {} && {}", plugins.path().display(), harm.replace("CACHED", CACHED)));
        networks.ok(&machine, &["del", "net", NETNS], &[]);
        assert_eq!(
            machine.sh("ls -A /var/lib/cni/results /run/wasm-cni/attachments | grep eth0 || true"),
            "",
            "{harm}"
        );
        assert_eq!(machine.sh("ip -n testing -o link | grep -c eth0 || true"), "0\n", "{harm}");
        std::fs::copy(dist().join("bridge.wasm"), plugins.path().join("bridge.wasm")).unwrap();
        before += harm;
    }
    assert!(!before.is_empty());
}

//! The effects of bridge's keys that need pings, faults or several attachments to test.

use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};
use wasm_cni_tests::guest::{component, install};
use wasm_cni_tests::{Call, Machine, NOTHING};

/// A network on `br0` with additional `keys`: by default 10.1.2.0/24 with masquerading.
fn network(keys: Value) -> String {
    let mut config = json!({
        "cniVersion": "1.0.0", "name": "net", "type": "bridge", "bridge": "br0", "isGateway": true, "ipMasq": true,
        "ipam": {"type": "host-local", "subnet": "10.1.2.0/24"},
    });
    for (key, value) in keys.as_object().unwrap() {
        config[key] = value.clone();
    }
    config.to_string()
}

/// A network without addresses.
fn layer_2(keys: Value) -> String {
    let mut config: Value = serde_json::from_str(&network(keys)).unwrap();
    config.as_object_mut().unwrap().remove("ipam");
    config.to_string()
}

fn machine(containers: &[&str]) -> Machine {
    let machine = Machine::new();
    for container in containers {
        machine.netns(container);
    }
    machine
}

fn call(command: &str, config: &str, container: &str) -> Call {
    Call::bridge(command, config).container(container).env("CNI_IFNAME", "eth0")
}

fn add(machine: &Machine, config: &str, container: &str) -> Value {
    serde_json::from_str(&call("ADD", config, container).ok(machine)).unwrap()
}

/// An ADD whose last step fails.
fn fail(machine: &Machine, config: &str, container: &str) {
    let path = machine.with_iptables("exit 1");
    call("ADD", config, container).env("PATH", &path).error(machine);
}

fn address(result: &Value) -> String {
    result["ips"][0]["address"].as_str().unwrap().split('/').next().unwrap().to_owned()
}

fn pings(machine: &Machine, container: &str, address: &str) -> bool {
    machine.try_sh(&format!("ip netns exec {container} ping -c 1 -W 1 {address}")).status.success()
}

/// The output that is the same whoever made the host's links.
fn links(machine: &Machine) -> String {
    let found: Value = serde_json::from_str(&machine.sh("ip -d -j link")).unwrap();
    let is_promiscuous =
        |link: &Value| link["flags"].as_array().unwrap().iter().any(|flag| flag == "PROMISC");
    let line = |link: &Value| {
        let info = &link["linkinfo"];
        let hairpin = &info["info_slave_data"]["hairpin"];
        format!(
            "{} {} {} {hairpin} {}\n",
            info["info_kind"],
            link["mtu"],
            is_promiscuous(link),
            link["master"]
        )
    };
    found.as_array().unwrap().iter().map(line).collect()
}

#[test]
fn keys_of_the_reference_have_the_same_effect() {
    let reference = Path::new("/usr/lib/cni");
    assert!(reference.join("bridge").exists(), "Debian's containernetworking-plugins is not installed");
    let mac = "c2:11:22:33:44:55";
    for keys in [
        json!({"promiscMode": true}),
        json!({"hairpinMode": true}),
        json!({"mtu": 1400}),
        json!({"args": {"cni": {"mac": mac}}, "runtimeConfig": {"mac": "c2:11:22:33:44:66"}}),
        json!({"args": {"cni": {"mac": mac}}}),
        json!({"enabledad": true}),
        json!({"bridge": "br1", "isGateway": false}),
    ] {
        let seen = [wasm_cni_tests::dist(), reference.to_owned()].map(|dir| {
            let machine = machine(&["a"]);
            let config = network(keys.clone());
            let call = |command: &str| {
                Call::new(&dir, "bridge", command, &config)
                    .container("a")
                    .env("CNI_IFNAME", "eth0")
                    .env("CNI_ARGS", "IgnoreUnknown=1;MAC=c2:11:22:33:44:77")
            };
            let result: Value = serde_json::from_str(&call("ADD").ok(&machine)).unwrap();
            let state = [
                links(&machine),
                machine.sh("ip -n a -o link show eth0 | sed 's/.*eth0//; s/if[0-9]*:.*mtu/mtu/; s/qdisc.*ether//; s/link-netns.*//'"),
                machine.sh("ip netns exec a sysctl net.ipv6.conf.eth0.accept_dad net.ipv6.conf.eth0.enhanced_dad"),
                result["interfaces"][2]["mac"].to_string(),
            ];
            call("DEL").ok(&machine);
            (state, links(&machine))
        });
        assert_eq!(seen[0], seen[1], "{keys}");
    }
}

#[test]
fn a_promiscuous_bridge_stays_so_after_del_and_not_after_a_failed_add() {
    let config = network(json!({"promiscMode": true}));
    for existing in [false, true] {
        let machine = machine(&["a", "b"]);
        if existing {
            machine.sh("ip link add br0 type bridge; ip link set br0 up");
        }
        let before = machine.snapshot();
        fail(&machine, &config, "a");
        assert_eq!(machine.changes(&before), NOTHING);
        let is_on = || machine.sh("ip link show br0").contains("PROMISC");
        add(&machine, &config, "a");
        assert!(is_on());
        fail(&machine, &config, "b");
        assert!(is_on(), "another attachment uses it");
        call("DEL", &config, "a").ok(&machine);
        assert!(is_on(), "as in the reference");
    }
}

/// A component that switches promiscuous mode of the container's `lo` off, and then does `more`.
fn not_promiscuous(more: &str) -> Vec<u8> {
    component(&format!(
        "(local $lo i32)
        (call $links.link.existing (i32.const 1) (text \"lo\") (i32.const 512))
        (local.set $lo (i32.load (i32.const 516)))
        (call $links.link.set-promiscuous (local.get $lo) (i32.const 0)) {more} (i32.const 0)"
    ))
}

#[test]
fn promiscuous_mode_that_a_plugin_ends_is_back_after_a_failed_add_and_after_del() {
    let config = network(json!({}));
    let machine = machine(&["a"]);
    let plugins = machine.plugins();
    machine.sh("ip -n a link set lo promisc on");
    let is_on = || machine.sh("ip -n a link show lo").contains("PROMISC");
    let call =
        |command| Call::new(&plugins, "bridge", command, &config).container("a").env("CNI_IFNAME", "eth0");
    // The link is down.
    install(&plugins, "bridge", &not_promiscuous("(call $links.link.settle (local.get $lo))"));
    let (_, msg, _) = call("ADD").error(&machine);
    assert!(msg.contains("link lo is down"), "{msg}");
    assert!(is_on());
    install(&plugins, "bridge", &not_promiscuous(""));
    call("ADD").ok(&machine);
    assert!(!is_on());
    call("DEL").ok(&machine);
    assert!(is_on());
}

#[test]
fn promiscuous_mode_of_a_bridge_that_others_use_is_not_a_plugin_s_to_end() {
    let machine = machine(&["a"]);
    let plugins = machine.plugins();
    machine.sh("ip link add br0 type bridge; ip link set br0 promisc on");
    let before = machine.snapshot();
    let off = "(call $links.link.set-promiscuous (call $links.link.bridge (text \"br0\")) (i32.const 0)) (i32.const 0)";
    install(&plugins, "bridge", &component(off));
    let call = Call::new(&plugins, "bridge", "ADD", &network(json!({}))).container("a");
    let (code, _, details) = call.env("CNI_IFNAME", "eth0").error(&machine);
    assert_eq!(code, 100, "{details}");
    assert!(details.contains("a link that others use keeps its attributes"), "{details}");
    assert_eq!(machine.changes(&before), NOTHING);
}

#[test]
fn a_conflicting_address_makes_room_when_forced_and_comes_back_when_the_add_fails() {
    let ranges = json!([[{"subnet": "10.1.2.0/24"}], [{"subnet": "fd00:1::/64"}]]);
    let ipam = json!({"type": "host-local", "ranges": ranges});
    let machine = machine(&["a", "b"]);
    machine
        .sh("ip link add br0 type bridge; ip link set br0 up; ip addr add 10.9.9.1/24 dev br0 label br0:old
         ip addr add fd00:9::1/64 dev br0 nodad; ip addr add fd00:1::9/48 dev br0 nodad");
    let before = machine.snapshot();
    let (code, msg, _) = call("ADD", &network(json!({"ipam": ipam})), "a").error(&machine);
    let text = "already has an IP address different from 10.1.2.1/24";
    assert!(code == 999 && msg.contains(text), "{msg}");
    assert_eq!(machine.changes(&before), NOTHING);

    let config = network(json!({"ipam": ipam, "forceAddress": true}));
    fail(&machine, &config, "a");
    assert_eq!(machine.changes(&before), NOTHING);
    add(&machine, &config, "a");
    let addresses = machine.sh("ip -o addr show br0 scope global | awk '{print $4}' | sort");
    assert_eq!(addresses, "10.1.2.1/24\nfd00:1::1/64\nfd00:9::1/64\n");
    assert!(pings(&machine, "a", "10.1.2.1"));

    // A network takes the bridge over and fails. The bridge then serves the container that used it again.
    let before = machine.snapshot();
    let other = network(json!({"name": "other", "forceAddress": true,
        "ipam": {"type": "host-local", "subnet": "10.7.7.0/24"}}));
    fail(&machine, &other, "b");
    assert_eq!(machine.changes(&before), NOTHING);
    assert!(pings(&machine, "a", "10.1.2.1"));
}

#[test]
fn isolated_containers_reach_the_gateway_and_not_each_other() {
    let machine = machine(&["a", "b", "c"]);
    let isolated = network(json!({"portIsolation": true}));
    let a = address(&add(&machine, &isolated, "a"));
    let b = address(&add(&machine, &isolated, "b"));
    let c = address(&add(&machine, &network(json!({})), "c"));
    assert!(pings(&machine, "a", "10.1.2.1") && pings(&machine, "b", "10.1.2.1"));
    assert!(!pings(&machine, "a", &b) && !pings(&machine, "b", &a));
    assert!(pings(&machine, "a", &c) && pings(&machine, "c", &b), "a port that is not isolated reaches all");
}

#[test]
fn a_duplicate_address_fails_the_add_and_nothing_is_left() {
    let machine = machine(&["a", "b"]);
    let config = network(json!({
        "enabledad": true, "ipMasq": false, "isGateway": true,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": "fd00:1::/64", "rangeStart": "fd00:1::5"}]]},
    }));
    machine.sh("ip link add br0 type bridge; ip link set br0 up; ip link add other type veth peer name port
        ip link set port master br0 up; ip link set other netns b
        ip -n b link set other up; ip -n b addr add fd00:1::5/64 dev other nodad");
    let before = machine.snapshot();
    let start = Instant::now();
    let (code, msg, _) = call("ADD", &config, "a").error(&machine);
    let text = "link eth0 has address fd00:1::5 in DADFAILED state";
    assert_eq!((code, msg), (999, format!("failed to settle addresses for \"eth0\": {text}")));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(machine.changes(&before), NOTHING);
    machine.sh("ip -n b addr del fd00:1::5/64 dev other");
    add(&machine, &config, "a");
    assert!(!machine.sh("ip -n a -6 addr show dev eth0 scope global").contains("tentative"));
}

/// The kernel takes one to two seconds for each. One after the other they would exceed the wait for locks.
#[test]
fn duplicate_address_detection_of_one_container_does_not_delay_another() {
    let names: Vec<String> = (0..24).map(|number| format!("c{number}")).collect();
    let machine = machine(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let config = network(json!({
        "enabledad": true, "isGateway": true,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": "fd00:1::/64"}]]},
    }));
    std::thread::scope(|scope| {
        for name in &names {
            scope.spawn(|| add(&machine, &config, name));
        }
    });
    for name in &names {
        let address = machine.sh(&format!("ip -n {name} -6 addr show dev eth0 scope global"));
        assert!(address.contains("fd00:1::") && !address.contains("tentative"), "{name}: {address}");
    }
}

#[test]
fn without_ipam_there_are_only_links() {
    let machine = machine(&["a", "b"]);
    for (container, down) in [("a", false), ("b", true)] {
        let before = machine.sh("iptables-save; sysctl net.ipv4.ip_forward");
        let result = add(&machine, &layer_2(json!({"disableContainerInterface": down})), container);
        assert_eq!(result["interfaces"].as_array().unwrap().len(), 3);
        assert_eq!(result.get("ips"), None);
        let is_up = machine.sh(&format!("ip -n {container} link show eth0")).contains(",UP");
        assert_eq!(is_up, !down, "{container}");
        assert_eq!(machine.sh("iptables-save; sysctl net.ipv4.ip_forward"), before);
        assert_eq!(machine.sh("ip -o -4 addr show br0"), "");
    }
    let config = network(json!({"disableContainerInterface": true}));
    let (code, msg, _) = call("ADD", &config, "a").env("CNI_IFNAME", "eth1").error(&machine);
    assert_eq!((code, msg.as_str()), (999, "cannot use IPAM when DisableContainerInterface flag is set"));
}

#[test]
fn several_addresses_are_all_masqueraded_and_all_released() {
    let machine = machine(&["a"]);
    let before = machine.snapshot();
    let ranges =
        json!([[{"subnet": "10.1.2.0/24"}], [{"subnet": "10.1.3.0/24"}], [{"subnet": "fd00:1::/64"}]]);
    // Two IPv4 gateways on one bridge conflict, as with the reference.
    let config = network(json!({"isGateway": false, "ipam": {"type": "host-local", "ranges": ranges}}));
    assert_eq!(add(&machine, &config, "a")["ips"].as_array().unwrap().len(), 3);
    let rules = machine.sh("iptables -t nat -S; ip6tables -t nat -S");
    for address in ["10.1.2.2/32", "10.1.3.2/32", "fd00:1::2/128"] {
        assert!(rules.contains(&format!("-s {address}")), "{rules}");
        assert!(machine.sh("ip -n a -o addr").contains(address.split('/').next().unwrap()));
    }
    call("DEL", &config, "a").ok(&machine);
    machine.sh("ip link del br0; rm /var/lib/cni/networks/net/last*");
    assert_eq!(machine.changes(&before), NOTHING);
}

#[test]
fn of_two_interfaces_on_one_network_each_goes_alone_in_either_order() {
    let config = network(json!({}));
    let both = ["eth0", "eth1"];
    for (first, second) in [(0, 1), (1, 0)] {
        let machine = machine(&["a"]);
        let verb = |verb: &str, interface| call(verb, &config, "a").env("CNI_IFNAME", interface).ok(&machine);
        let addresses =
            both.map(|interface| address(&serde_json::from_str(&verb("ADD", interface)).unwrap()));
        verb("DEL", both[first]);
        let rules = machine.sh("iptables -t nat -S");
        assert!(!rules.contains(&addresses[first]), "{rules}");
        assert!(rules.contains(&format!("-s {}/32", addresses[second])), "{rules}");
        assert!(rules.contains("MASQUERADE"), "{rules}");
        assert!(pings(&machine, "a", "10.1.2.1"));
        verb("DEL", both[second]);
        assert!(!machine.sh("iptables -t nat -S").contains("CNI-"));
        assert!(!machine.sh("ip -o link").contains("veth"));
    }
}

#[test]
fn a_bridge_of_the_operators_keeps_what_was_never_set() {
    for (mtu, own) in [
        (1500, "true"),
        (9000, "ip link set own mtu 9000"),
        (1500, "ip link del own; ip link del br0; ip link add br0 type bridge"),
    ] {
        let machine = machine(&["a", "b"]);
        machine.sh(&format!(
            "ip link add br0 type bridge; ip link add own type veth peer name far; ip link set own master br0 up
             ip link set far up; {own}; ip link set br0 up; ip addr add 192.0.2.1/24 dev br0"
        ));
        if !own.contains("del") {
            assert!(machine.sh("ip link show br0").contains(&format!("mtu {mtu}")));
        }
        // These differ by design: the gateway, and that the container gives the host no route.
        let seen = || {
            machine.sh("ip -o link show br0 | sed -E 's/NO-CARRIER,|,LOWER_UP//g; s/ state [A-Z]+//'
            ip -o addr show br0 scope global; ip -o link show master br0 | grep -c own || true")
        };
        let config = network(json!({"mtu": 1400, "isGateway": false}));
        let before = seen();
        let whole = machine.snapshot();
        fail(&machine, &config, "a");
        assert_eq!(machine.changes(&whole), NOTHING);
        for (verb, container) in [("ADD", "a"), ("ADD", "b"), ("DEL", "a"), ("DEL", "b")] {
            call(verb, &config, container).ok(&machine);
            assert_eq!(seen(), before, "after {verb} of {container}");
        }
    }
}

#[test]
fn a_gateway_without_an_address_is_refused_before_anything_is_done() {
    let machine = machine(&["a"]);
    let before = machine.snapshot();
    let ipam = json!({"type": "static", "addresses": [{"address": "10.1.2.2/24", "gateway": "0.0.0.0"}]});
    let (code, msg, _) = call("ADD", &network(json!({"isGateway": true, "ipam": ipam})), "a").error(&machine);
    assert_eq!(code, 999);
    assert!(msg.starts_with("gateway 0.0.0.0 of 10.1.2.2/24 cannot be an address of the bridge"), "{msg}");
    assert_eq!(machine.changes(&before), NOTHING);
}

/// The kernel of a container host may lack it.
#[test]
fn a_kernel_that_cannot_filter_by_vlan_is_named() {
    let machine = machine(&["a"]);
    if machine.try_sh("ip link add v0 type bridge vlan_filtering 1").status.success() {
        // The vm of `cargo xtask vm` has it: nothing is refused.
        return;
    }
    let (_, msg, _) = call("ADD", &network(json!({"vlan": 5, "isGateway": false})), "a").error(&machine);
    let expected = r#"could not add "br0": operation not supported: the kernel cannot filter by VLAN"#;
    assert!(msg.contains(expected), "{msg}");
}

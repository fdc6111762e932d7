//! firewall in a chain after bridge: what the host forwards, with iptables and with firewalld, and the isolation of
//! bridges.

use serde_json::{Value, json};
use wasm_cni_tests::chained::{after, call};
use wasm_cni_tests::{Background, Machine, NOTHING, dist};

fn bridge(name: &str, network: &str) -> Value {
    json!({"cniVersion": "1.0.0", "name": name, "type": "bridge", "bridge": name, "isDefaultGateway": true,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": network}]]}})
}

fn firewall(network: &str, keys: Value) -> Value {
    let mut config = json!({"cniVersion": "1.0.0", "name": network, "type": "firewall"});
    for (key, value) in keys.as_object().unwrap() {
        config[key] = value.clone();
    }
    config
}

fn machine(containers: &[&str]) -> Machine {
    let machine = Machine::new();
    for container in containers {
        machine.netns(container);
    }
    machine
}

/// Makes the chain's two ADDs; returns the last result.
fn add(machine: &Machine, bridge: &Value, config: &Value, container: &str) -> String {
    let result = call("ADD", bridge, container).ok(machine);
    call("ADD", &after(config, &result), container).ok(machine)
}

fn del(machine: &Machine, bridge: &Value, config: &Value, container: &str, result: &str) {
    call("DEL", &after(config, result), container).ok(machine);
    call("DEL", bridge, container).ok(machine);
}

/// A host that forwards nothing by default.
fn close(machine: &Machine) {
    machine.sh("iptables -P FORWARD DROP");
}

fn answers(machine: &Machine, from: &str, address: &str) -> bool {
    machine.try_sh(&format!("ip netns exec {from} ping -c 1 -W 1 {address}")).status.success()
}

/// A `PATH` with the programs of one family alone: those of the other begin with `missing`.
fn path_without(machine: &Machine, missing: &str) -> String {
    let dir = machine.files().join("path");
    std::fs::create_dir(&dir).unwrap();
    // The machine is entered by `nsenter`.
    for name in [
        "nsenter",
        "iptables",
        "iptables-restore",
        "iptables-save",
        "ip6tables",
        "ip6tables-restore",
        "ip6tables-save",
    ] {
        if !name.starts_with(missing) {
            let found = machine.sh(&format!("command -v {name}"));
            std::os::unix::fs::symlink(found.trim(), dir.join(name)).unwrap();
        }
    }
    dir.display().to_string()
}

#[test]
fn the_program_of_a_family_that_a_container_lacks_may_be_missing() {
    for (missing, network) in [("ip6tables", "10.1.2.0/24"), ("iptables", "fd00:1::/64")] {
        let machine = machine(&["c"]);
        let path = path_without(&machine, missing);
        let (bridge, config) = (bridge("br0", network), firewall("br0", json!({})));
        let result = call("ADD", &bridge, "c").ok(&machine);
        let config = after(&config, &result);
        for verb in ["ADD", "CHECK", "DEL"] {
            call(verb, &config, "c").env("PATH", &path).ok(&machine);
        }
    }
}

#[test]
fn a_container_reaches_the_outside_through_a_host_that_forwards_nothing() {
    let machine = machine(&["c", "outside"]);
    machine.sh("ip link add out0 type veth peer name eth0 netns outside; ip addr add 192.0.2.1/24 dev out0; ip link set out0 up
        ip -n outside addr add 192.0.2.9/24 dev eth0; ip -n outside link set eth0 up
        ip -n outside route add default via 192.0.2.1");
    close(&machine);
    let (bridge, config) = (bridge("br0", "10.1.2.0/24"), firewall("br0", json!({})));
    let result = add(&machine, &bridge, &config, "c");
    assert!(answers(&machine, "c", "192.0.2.9"));
    assert!(!answers(&machine, "outside", "10.1.2.2"), "nobody asked from inside");
    let checked = after(&config, &result);
    call("CHECK", &checked, "c").ok(&machine);
    del(&machine, &bridge, &config, "c", &result);
    assert!(!machine.sh("iptables -S CNI-FORWARD").contains("10.1.2.2"));
}

#[test]
fn ten_containers_keep_their_rules_while_an_eleventh_comes_and_goes() {
    let names: Vec<String> = (1..=11).map(|number| format!("c{number}")).collect();
    let machine = machine(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let bridge = bridge("br0", "10.1.2.0/24");
    let config = firewall("br0", json!({"ingressPolicy": "same-bridge"}));
    machine.sh("iptables -N CNI-ADMIN; iptables -A CNI-ADMIN -s 198.51.100.0/24 -j DROP");
    for name in &names[..10] {
        add(&machine, &bridge, &config, name);
    }
    let rules = || machine.sh("iptables -t filter -S");
    let before = rules();
    assert_eq!(before.lines().filter(|line| line.starts_with("-A CNI-FORWARD -s")).count(), 10);
    let result = add(&machine, &bridge, &config, "c11");
    let with = rules();
    assert!(before.lines().all(|line| with.contains(line)), "{with}");
    del(&machine, &bridge, &config, "c11", &result);
    assert_eq!(rules(), before);
    // An ADD whose last step fails does not remove it either.
    let failing =
        machine.with_iptables("case \"$*\" in *noflush*) exit 1; esac; exec /usr/sbin/iptables \"$@\"");
    let result = call("ADD", &bridge, "c11").ok(&machine);
    call("ADD", &after(&config, &result), "c11").env("PATH", &failing).error(&machine);
    assert_eq!(rules(), before);
}

#[test]
fn the_ingress_policy_isolates_bridges() {
    let machine = machine(&["a", "b", "other"]);
    let (first, second) = (bridge("br0", "10.1.2.0/24"), bridge("br1", "10.1.3.0/24"));
    for (policy, within) in [("same-bridge", true), ("isolated", !machine.filters_bridged())] {
        let (one, two) = (
            firewall("br0", json!({"ingressPolicy": policy})),
            firewall("br1", json!({"ingressPolicy": policy})),
        );
        let results = [
            add(&machine, &first, &one, "a"),
            add(&machine, &first, &one, "b"),
            add(&machine, &second, &two, "other"),
        ];
        let address = |result: &str| {
            let result: Value = serde_json::from_str(result).unwrap();
            result["ips"][0]["address"].as_str().unwrap().split('/').next().unwrap().to_owned()
        };
        // Frames within a bridge pass the host's rules only if br_netfilter is active.
        assert_eq!(answers(&machine, "a", &address(&results[1])), within, "{policy}");
        assert!(!answers(&machine, "other", &address(&results[0])), "{policy}");
        for ((bridge, config, name), result) in
            [(&first, &one, "a"), (&first, &one, "b"), (&second, &two, "other")].into_iter().zip(&results)
        {
            call("CHECK", &after(config, result), name).ok(&machine);
            del(&machine, bridge, config, name, result);
        }
    }
}

#[test]
fn check_names_flushed_rules_and_repair_restores_them() {
    let machine = machine(&["c"]);
    close(&machine);
    let (bridge, config) =
        (bridge("br0", "10.1.2.0/24"), firewall("br0", json!({"ingressPolicy": "same-bridge"})));
    let result = add(&machine, &bridge, &config, "c");
    let rules = machine.sh("iptables -t filter -S");
    machine.sh("iptables -F; iptables -X");
    let (_, _, details) = call("CHECK", &after(&config, &result), "c").error(&machine);
    assert!(details.contains("-j CNI-FORWARD") && details.contains("CNI-ISOLATION-STAGE-2"), "{details}");
    machine.sh(&format!("{}/wasm-cni repair br0", dist().display()));
    assert_eq!(machine.sh("iptables -t filter -S"), rules);
    call("CHECK", &after(&config, &result), "c").ok(&machine);
}

#[test]
fn an_unknown_policy_changes_nothing() {
    let machine = machine(&["c"]);
    let result = call("ADD", &bridge("br0", "10.1.2.0/24"), "c").ok(&machine);
    let before = machine.snapshot();
    for (keys, text) in [
        (json!({"ingressPolicy": "closed"}), "unknown ingress policy: \"closed\""),
        (
            json!({"iptablesAdminChainName": "FORWARD"}),
            "\"FORWARD\" is no name of a chain of the administrator's",
        ),
        (json!({"iptablesAdminChainName": "a b"}), "\"a b\" is no name of a chain of the administrator's"),
    ] {
        let (_, msg, _) = call("ADD", &after(&firewall("br0", keys), &result), "c").error(&machine);
        assert!(msg.contains(text), "{msg}");
        assert_eq!(machine.changes(&before), NOTHING);
    }
}

/// A system bus with a firewalld that records its zones' sources.
fn firewalld(machine: &Machine) -> [Background; 2] {
    machine.sh(
        "mkdir -p /run/dbus; cat > /run/dbus/system.conf <<'E'
<busconfig><type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen><auth>EXTERNAL</auth>
<policy context=\"default\"><allow send_destination=\"*\" eavesdrop=\"true\"/><allow eavesdrop=\"true\"/><allow own=\"*\"/></policy></busconfig>
E",
    );
    let bus = Background::start(
        machine,
        "exec dbus-daemon --config-file=/run/dbus/system.conf --nofork --nopidfile",
    );
    machine
        .sh("for i in $(seq 200); do [ -S /run/dbus/system_bus_socket ] && exit 0; sleep 0.05; done; exit 1");
    let service =
        Background::start(machine, &format!("exec {} /run/dbus/sources", env!("CARGO_BIN_EXE_firewalld")));
    machine.sh("for i in $(seq 200); do [ -e /run/dbus/sources ] && exit 0; sleep 0.05; done; exit 1");
    // The process owns the name a moment later.
    machine.sh(
        "for i in $(seq 200); do dbus-send --system --print-reply --dest=org.freedesktop.DBus /org/freedesktop/DBus \
         org.freedesktop.DBus.NameHasOwner string:org.fedoraproject.FirewallD1 | grep -q true && exit 0; sleep 0.05; done; exit 1",
    );
    [bus, service]
}

#[test]
fn a_running_firewalld_gets_a_source_and_loses_it_with_the_container() {
    let machine = machine(&["c"]);
    let _running = firewalld(&machine);
    let (bridge, config) = (bridge("br0", "10.1.2.0/24"), firewall("br0", json!({"firewalldZone": "home"})));
    let sources = || machine.sh("cat /run/dbus/sources");
    let result = add(&machine, &bridge, &config, "c");
    assert_eq!(sources().trim(), "home 10.1.2.2/32");
    assert!(!machine.sh("iptables -S").contains("CNI-FORWARD"), "firewalld alone");
    call("CHECK", &after(&config, &result), "c").ok(&machine);
    // A second ADD: the existing source is no error.
    call("ADD", &after(&config, &result), "c").ok(&machine);
    machine.sh(
        "dbus-send --system --print-reply --dest=org.fedoraproject.FirewallD1 /org/fedoraproject/FirewallD1 \
         org.fedoraproject.FirewallD1.zone.removeSource string:home string:10.1.2.2/32",
    );
    let (_, _, details) = call("CHECK", &after(&config, &result), "c").error(&machine);
    assert!(details.contains("10.1.2.2/32 is not in zone home"), "{details}");
    machine.sh(&format!("{}/wasm-cni repair br0", dist().display()));
    assert_eq!(sources().trim(), "home 10.1.2.2/32");
    del(&machine, &bridge, &config, "c", &result);
    assert_eq!(sources(), "");
    // With prevResult only, as for attachments of the reference.
    let result = add(&machine, &bridge, &config, "c");
    machine.sh("rm -r /run/wasm-cni/attachments/*/firewall.0");
    call("DEL", &after(&config, &result), "c").ok(&machine);
    assert_eq!(sources(), "");
}

#[test]
fn a_refusal_of_firewalld_is_reported_in_its_words_and_leaves_nothing() {
    let machine = machine(&["c"]);
    let _running = firewalld(&machine);
    let result = call("ADD", &bridge("br0", "10.1.2.0/24"), "c").ok(&machine);
    let before = machine.snapshot();
    let config = firewall("br0", json!({"firewalldZone": "stubborn", "ingressPolicy": "same-bridge"}));
    let (_, msg, _) = call("ADD", &after(&config, &result), "c").error(&machine);
    assert!(msg.contains("failed to add the address 10.1.2.2/32 to stubborn zone"), "{msg}");
    assert!(msg.contains("INVALID_ZONE: stubborn"), "{msg}");
    assert_eq!(machine.changes(&before), NOTHING);
}

#[test]
fn without_a_bus_add_with_firewalld_fails_and_del_succeeds() {
    let machine = machine(&["c"]);
    let result = call("ADD", &bridge("br0", "10.1.2.0/24"), "c").ok(&machine);
    let before = machine.snapshot();
    let config = after(&firewall("br0", json!({"backend": "firewalld"})), &result);
    let (_, msg, _) = call("ADD", &config, "c").error(&machine);
    assert!(msg.contains("the system bus cannot be reached"), "{msg}");
    assert_eq!(machine.changes(&before), NOTHING);
    call("DEL", &config, "c").ok(&machine);
}

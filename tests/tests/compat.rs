//! Components of an earlier build (`tests/compat`) in the current host: they behave as the current components, and DEL
//! leaves nothing.

use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use wasm_cni_tests::chained::after;
use wasm_cni_tests::{Call, Machine, NOTHING, repository, workers};

/// Every type of plugin.
const TYPES: [&str; 9] =
    ["bandwidth", "bridge", "dummy", "firewall", "host-local", "loopback", "portmap", "static", "tuning"];

/// The build of the components.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Built {
    Before,
    Now,
}

/// The directory of the components.
fn kept() -> PathBuf {
    repository().join("tests/compat")
}

/// The names of the components in a directory, sorted.
fn components(dir: &Path) -> Vec<String> {
    let names =
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".wasm")).collect();
    names.sort();
    names
}

/// The current host with these components only.
fn plugins(machine: &Machine, built: Built) -> PathBuf {
    let dir = machine.plugins();
    if built == Built::Before {
        components(&dir).iter().for_each(|name| std::fs::remove_file(dir.join(name)).unwrap());
        for name in components(&kept()) {
            std::fs::copy(kept().join(&name), dir.join(&name)).unwrap();
        }
    }
    dir
}

/// The machine as text. Of the journal only its existence, because its lines have times, digests and identities of
/// namespaces.
fn state(machine: &Machine) -> String {
    let snapshot = machine.snapshot();
    let line = |line: &str| match line.split_once(": ") {
        Some((path, _)) if path.starts_with("/run/wasm-cni/") => path.to_owned(),
        _ => line.to_owned(),
    };
    snapshot.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// The MACs that nobody asked for: the kernel chooses one for each ifb of bandwidth.
fn macs_by_kernel(machine: &Machine) -> Vec<String> {
    let links: Value = serde_json::from_str(&machine.sh("ip -json link show type ifb")).unwrap();
    let links = links.as_array().unwrap().iter();
    links.filter_map(|link| link["address"].as_str()).map(str::to_owned).collect()
}

/// The machine and the replies of a chain, step by step. Two containers are added and deleted; for the second one the
/// node is not fresh any more.
fn observed(chain: &[Value], interface: &str, built: Built) -> Vec<(String, String)> {
    let machine = Machine::new();
    let dir = plugins(&machine, built);
    let (mut steps, mut random) = (Vec::new(), Vec::new());
    let names = ["first", "second"];
    names.iter().for_each(|container| drop(machine.netns(container)));
    let call = |command: &str, config: &Value, container: &str| {
        let call = Call::new(&dir, config["type"].as_str().unwrap(), command, &config.to_string());
        call.container(container).env("CNI_IFNAME", interface)
    };
    for container in names {
        let before = machine.snapshot();
        let mut result: Option<String> = None;
        let previous = |config: &Value, result: &Option<String>| {
            result.as_ref().map_or_else(|| config.clone(), |result| after(config, result))
        };
        let mut step = |command: &str, config: &Value, said: &str| {
            steps.push((format!("{command} of {} for {container}", config["type"]), said.to_owned()));
        };
        for config in chain {
            for command in ["VERSION", "STATUS"] {
                step(command, config, &call(command, config, container).ok(&machine));
            }
            let added = call("ADD", &previous(config, &result), container).ok(&machine);
            step("ADD", config, &added);
            result = Some(added);
        }
        step("machine after ADD", &chain[0], &state(&machine));
        random.extend(macs_by_kernel(&machine));
        for config in chain {
            step("CHECK", config, &call("CHECK", &previous(config, &result), container).ok(&machine));
        }
        for config in chain.iter().rev() {
            step("DEL", config, &call("DEL", &previous(config, &result), container).ok(&machine));
        }
        step("machine after DEL", &chain[0], &state(&machine));
        // Shared objects exist since the first container, and host-local keeps the last lease in a file.
        if container == "second" || interface == "lo" {
            let mut left = machine.changes(&before);
            left.retain(|line| !line.contains("/last_reserved_ip."));
            assert_eq!(left, NOTHING, "left by components built {built:?}");
        }
    }
    let plain = |said: String| random.iter().fold(said, |said, mac| said.replace(mac, "RANDOM"));
    steps.into_iter().map(|(step, said)| (step, plain(said))).collect()
}

/// Old and current components, each on a machine of its own: every step must be equal.
fn compare(chain: &[Value], interface: &str) {
    let both = workers::map(&[Built::Before, Built::Now], |built| observed(chain, interface, *built));
    let [before, now] = both.as_slice() else { panic!("two runs") };
    assert_eq!(before.len(), now.len());
    for ((step, before), (_, now)) in before.iter().zip(now) {
        let missing = |of: &str, other: &str| -> Vec<String> {
            of.lines().filter(|line| !other.lines().any(|same| same == *line)).map(str::to_owned).collect()
        };
        assert!(
            before == now,
            "{step}\nbuilt before: {:#?}\nbuilt now: {:#?}",
            missing(before, now),
            missing(now, before)
        );
    }
}

/// The plan of a dry run, without the digests of the components.
fn planned(config: &Value, built: Built) -> String {
    let machine = Machine::new();
    let (dir, file) = (plugins(&machine, built), machine.files().join("net.conf"));
    std::fs::write(&file, config.to_string()).unwrap();
    machine.netns("first");
    let (dir, file) = (dir.display(), file.display());
    let attachment = "--netns /run/netns/first --container-id first --ifname eth0";
    let plan = machine.sh(&format!("{dir}/wasm-cni plan {file} --cni-path {dir} {attachment}"));
    plan.lines().filter(|line| !line.contains("sha256:")).collect::<Vec<_>>().join("\n")
}

/// A plugin of a network with these keys.
fn plugin(name: &str, keys: Value) -> Value {
    let mut config = json!({"cniVersion": "1.1.0", "name": "net", "type": name});
    config.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    config
}

/// A bridge with both families and masquerading.
fn bridge() -> Value {
    plugin(
        "bridge",
        json!({"bridge": "br0", "isDefaultGateway": true, "ipMasq": true, "hairpinMode": true, "ipam": {
            "type": "host-local", "ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "fd00:1::/64"}]],
            "routes": [{"dst": "192.0.2.0/24", "gw": "10.1.2.1", "mtu": 1400}]
        }}),
    )
}

fn portmap(keys: Value) -> Value {
    let mut config = plugin("portmap", keys);
    config["runtimeConfig"] = json!({"portMappings": [
        {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"},
        {"hostPort": 8053, "containerPort": 53, "protocol": "udp"},
    ]});
    config
}

fn tuning() -> Value {
    plugin(
        "tuning",
        json!({"mac": "0a:11:22:33:44:55", "mtu": 1400, "promisc": true, "allmulti": true, "txQLen": 7,
            "sysctl": {"net.ipv4.conf.IFNAME.arp_ignore": "2"}}),
    )
}

fn bandwidth() -> Value {
    plugin(
        "bandwidth",
        json!({"ingressRate": 8_000_000, "ingressBurst": 80_000, "egressRate": 16_000_000, "egressBurst": 160_000}),
    )
}

#[test]
fn the_components_of_the_earlier_build_are_unchanged() {
    assert_eq!(components(&kept()), TYPES.map(|name| format!("{name}.wasm")));
    let sums = std::fs::read_to_string(kept().join("SHA256SUMS")).unwrap();
    let named: Vec<&str> =
        sums.lines().filter_map(|line| line.split_once("  ")).map(|(_, name)| name).collect();
    assert_eq!(named, components(&kept()));
    let mut check = Command::new("sha256sum");
    let output = check.args(["--check", "--strict", "SHA256SUMS"]).current_dir(kept()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn bridge_and_host_local_built_before_do_as_today() {
    compare(&[bridge()], "eth0");
}

#[test]
fn bridge_with_nftables_built_before_does_as_today() {
    let mut config = bridge();
    config["ipMasqBackend"] = "nftables".into();
    config["macspoofchk"] = true.into();
    compare(&[config], "eth0");
}

#[test]
fn bridge_and_static_built_before_do_as_today() {
    let ipam = json!({"type": "static", "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}],
        "addresses": [{"address": "10.1.2.9/24", "gateway": "10.1.2.1"}, {"address": "fd00:1::9/64", "gateway": "fd00:1::1"}],
        "dns": {"nameservers": ["10.1.2.1"], "search": ["example.net"]}});
    compare(
        &[plugin("bridge", json!({"bridge": "br0", "isGateway": true, "mtu": 1400, "ipam": ipam}))],
        "eth0",
    );
}

#[test]
fn loopback_built_before_does_as_today() {
    compare(&[plugin("loopback", json!({}))], "lo");
}

/// Not every kernel has dummy links, so this case applies nothing.
#[test]
fn dummy_built_before_plans_as_today() {
    let ipam = json!({"type": "host-local", "ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "fd00:1::/64"}]],
        "routes": [{"dst": "10.9.0.0/16"}, {"dst": "fd00:9::/64", "gw": "fd00:1::7"}]});
    let config = plugin("dummy", json!({"ipam": ipam}));
    let [before, now] = [Built::Before, Built::Now].map(|built| planned(&config, built));
    assert!(now.contains("type dummy") && now.contains("fd00:9::/64"), "{now}");
    assert_eq!(before, now);
}

#[test]
fn portmap_built_before_does_as_today() {
    compare(&[bridge(), portmap(json!({"snat": true}))], "eth0");
    compare(&[bridge(), portmap(json!({"backend": "nftables"}))], "eth0");
}

#[test]
fn firewall_built_before_does_as_today() {
    compare(&[bridge(), plugin("firewall", json!({"ingressPolicy": "same-bridge"}))], "eth0");
}

#[test]
fn bandwidth_built_before_does_as_today() {
    compare(&[bridge(), bandwidth()], "eth0");
}

#[test]
fn tuning_built_before_does_as_today() {
    compare(&[bridge(), tuning()], "eth0");
}

#[test]
fn a_chain_of_all_types_built_before_does_as_today() {
    let firewall = plugin("firewall", json!({"backend": "iptables"}));
    compare(&[bridge(), tuning(), firewall, bandwidth(), portmap(json!({}))], "eth0");
}

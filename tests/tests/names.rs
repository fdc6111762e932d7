//! Names of links: which names a container's interface may have, and several interfaces at the same time.
#![expect(clippy::print_stdout, reason = "the seed, with which a failure can be repeated")]

use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use wasm_cni_tests::{Call, Machine, NOTHING, dist};

const NETNS: &str = "1234567890";

/// A dual-stack network with its own bridge: `10.N.0.0/24` and `fd00:N::/64`.
fn network(number: u8) -> String {
    json!({
        "cniVersion": "1.0.0", "name": format!("net{number}"), "type": "bridge", "bridge": format!("br{number}"),
        "isGateway": true, "ipMasq": true,
        "ipam": {"type": "host-local", "ranges": [
            [{"subnet": format!("10.{number}.0.0/24")}], [{"subnet": format!("fd00:{number}::/64")}],
        ]},
    })
    .to_string()
}

fn machine() -> Machine {
    let machine = Machine::new();
    machine.netns(NETNS);
    machine
}

fn call(verb: &str, config: &str, interface: &str) -> Call {
    Call::bridge(verb, config).env("CNI_IFNAME", interface)
}

fn links(machine: &Machine) -> Vec<String> {
    let found: Value = serde_json::from_str(&machine.sh(&format!("ip -n {NETNS} -j link"))).unwrap();
    found.as_array().unwrap().iter().map(|link| link["ifname"].as_str().unwrap().to_owned()).collect()
}

/// Whether the first packet is answered: addresses work when ADD returns.
fn pings(machine: &Machine, address: &str) -> bool {
    machine.try_sh(&format!("ping -c 1 -W 3 {address}")).status.success()
}

/// What a DEL leaves: bridges with their addresses, forwarding, the stores.
fn is_shared(line: &str) -> bool {
    ["br1", "br2", "forward", "accept_redirects", "last_reserved_ip"].iter().any(|part| line.contains(part))
}

#[test]
fn a_name_that_the_kernel_accepts_is_used_unchanged() {
    let names = [
        "a",
        "fifteen-bytes-x",
        "eth0.1",
        "eth0.100.200",
        "...",
        "eth0-mac",
        "-n",
        "--help",
        "*",
        "[a-z]?",
        "{a,b}",
        "$(reboot)",
        "`id`",
        "'",
        "\"",
        "\\",
        "a=b",
        "a#b",
        "a,b;c&d|e",
        "<>!@^~+",
        "ünïcödé",
        "日本語",
        "🦀",
        "net",
        "veth0",
        "br1",
    ];
    let machine = machine();
    let config = network(1);
    // The bridge and its objects.
    call("ADD", &config, "first").ok(&machine);
    call("DEL", &config, "first").ok(&machine);
    let before = machine.snapshot();
    for name in names {
        let stdout = call("ADD", &config, name).ok(&machine);
        let added: Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!(added["interfaces"][2]["name"], name, "{stdout}");
        assert_eq!(links(&machine), ["lo", name]);
        for key in ["ipv4/conf/@/arp_notify", "ipv6/conf/@/keep_addr_on_down"] {
            let path = format!("/proc/sys/net/{}", key.replace('@', name));
            let mut cat = machine.command("ip");
            let output = cat.args(["netns", "exec", NETNS, "cat", &path]).output().unwrap();
            assert_eq!(output.stdout, b"1\n", "{path}: {output:?}");
        }
        for ip in added["ips"].as_array().unwrap() {
            let address = ip["address"].as_str().unwrap().split('/').next().unwrap();
            assert!(pings(&machine, address), "{name}: {address}");
        }
        let check = config.replacen('{', &format!(r#"{{"prevResult": {stdout},"#), 1);
        call("CHECK", &check, name).ok(&machine);
        call("DEL", &config, name).ok(&machine);
        call("DEL", &config, name).ok(&machine);
        let left: Vec<String> =
            machine.changes(&before).into_iter().filter(|line| !is_shared(line)).collect();
        assert_eq!(left, NOTHING, "{name}");
    }
}

#[test]
fn a_name_that_no_link_can_have_is_refused_by_every_verb_before_anything_is_done() {
    let names = [
        ("sixteen-bytes-xx", "interface name is too long"),
        ("日本語日本語", "interface name is too long"),
        (".", "interface name is . or .."),
        ("..", "interface name is . or .."),
        ("../x", "interface name contains / or : or whitespace characters"),
        ("a/b", "interface name contains / or : or whitespace characters"),
        ("eth0:1", "interface name contains / or : or whitespace characters"),
        ("a b", "interface name contains / or : or whitespace characters"),
        ("a\nb", "interface name contains / or : or whitespace characters"),
        ("a\u{a0}b", "interface name contains / or : or whitespace characters"),
        ("eth%d", "interface name \"eth%d\" contains a control character or %"),
        ("%", "interface name \"%\" contains a control character or %"),
        ("a\u{7}", "interface name \"a\\u{7}\" contains a control character or %"),
        ("all", "interface name \"all\" stands for every link"),
        ("default", "interface name \"default\" stands for every link"),
    ];
    let machine = machine();
    let before = machine.snapshot();
    for (name, text) in names {
        for verb in ["ADD", "CHECK", "DEL"] {
            let (code, msg, _) = call(verb, &network(1), name).error(&machine);
            assert_eq!((code, msg.as_str()), (4, text), "{verb} {name:?}");
        }
    }
    assert_eq!(machine.changes(&before), NOTHING);
}

#[test]
fn a_name_that_is_not_utf_8_is_not_replaced_by_another() {
    let machine = machine();
    let wrapper = machine.files().join("bridge");
    let bridge = dist().join("bridge");
    let text = format!("#!/bin/sh\nCNI_IFNAME=$(printf 'a\\377') exec {}\n", bridge.display());
    std::fs::write(&wrapper, text).unwrap();
    std::fs::set_permissions(&wrapper, std::fs::Permissions::from_mode(0o755)).unwrap();
    let before = machine.snapshot();
    let call = Call::new(machine.files(), "bridge", "ADD", &network(1));
    let (code, msg, _) = call.env("CNI_PATH", &dist().display().to_string()).error(&machine);
    assert_eq!(code, 4);
    assert!(msg.ends_with("is not UTF-8"), "{msg}");
    assert_eq!(machine.changes(&before), NOTHING);
}

#[test]
fn a_link_that_has_the_name_already_stays_as_it_is() {
    let there = [
        // Another veth, in use.
        "ip link add eth12 mtu 1400 type veth peer name other; ip address add 192.0.2.1/24 dev eth12
         ip link set eth12 up; ip link set other up; ip route add 198.51.100.0/24 via 192.0.2.9",
        "ip link add eth12 type bridge; ip link set eth12 up",
        // The name is its alternative name.
        "ip link add long type veth peer name other; ip link property add dev long altname eth12",
    ];
    for make in there {
        let machine = machine();
        machine.sh(&format!("ip netns exec {NETNS} sh -e -c '{make}'"));
        // The kernel adds link-local addresses by itself.
        let show = format!("ip -n {NETNS} link; ip -n {NETNS} -4 address; ip -n {NETNS} route");
        let links = || machine.sh(&show);
        let (before, there) = (machine.snapshot(), links());
        let (code, msg, details) = call("ADD", &network(1), "eth12").error(&machine);
        assert_eq!(code, 999, "{make}: {msg}");
        assert!(msg.contains("eth12") && msg.contains("exists"), "{make}: {msg} {details}");
        assert_eq!(machine.changes(&before), NOTHING, "{make}");
        assert_eq!(links(), there, "{make}");
        // A runtime calls DEL after a failed ADD. DEL leaves what the ADD did not make.
        call("DEL", &network(1), "eth12").run(&machine);
    }
}

#[test]
fn the_containers_loopback_is_no_place_for_an_interface() {
    let machine = machine();
    machine.sh(&format!("ip -n {NETNS} link set lo up"));
    let before = machine.snapshot();
    let (code, msg, _) = call("ADD", &network(1), "lo").error(&machine);
    assert_eq!(code, 999);
    assert!(msg.contains("lo") && msg.contains("exists"), "{msg}");
    call("DEL", &network(1), "lo").ok(&machine);
    assert_eq!(machine.changes(&before), NOTHING);
}

/// Numbers that depend only on the seed (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }
}

#[test]
fn ten_interfaces_on_two_networks_work_and_each_goes_alone() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let seed = u64::from(now.subsec_nanos()) | 1;
    println!("seed {seed}");
    let machine = machine();
    // Each interface answers for its own address only.
    machine.sh(&format!("ip netns exec {NETNS} sysctl -qw net.ipv4.conf.all.arp_ignore=1"));
    let networks = [network(1), network(2)];
    let before = machine.snapshot();
    let mut there: Vec<(usize, String, Vec<String>)> = Vec::new();
    for number in 0..10 {
        let name = format!("eth{number}");
        let stdout = call("ADD", &networks[number % 2], &name).ok(&machine);
        let added: Value = serde_json::from_str(&stdout).unwrap();
        let addresses = added["ips"].as_array().unwrap().iter();
        let address = |ip: &Value| ip["address"].as_str().unwrap().split('/').next().unwrap().to_owned();
        there.push((number % 2, name, addresses.map(address).collect()));
    }
    let mut random = Random(seed);
    while !there.is_empty() {
        for (_, name, addresses) in &there {
            for address in addresses {
                assert!(pings(&machine, address), "seed {seed}, {} left: {name} {address}", there.len());
            }
        }
        let (network, name, addresses) = there.remove(random.below(there.len()));
        call("DEL", &networks[network], &name).ok(&machine);
        assert!(!pings(&machine, &addresses[0]), "seed {seed}: {name} is gone");
        let names: Vec<&str> =
            ["lo"].into_iter().chain(there.iter().map(|(_, name, _)| name.as_str())).collect();
        assert_eq!(links(&machine), names, "seed {seed}");
    }
    let left: Vec<String> = machine.changes(&before).into_iter().filter(|line| !is_shared(line)).collect();
    assert_eq!(left, NOTHING, "seed {seed}");
}

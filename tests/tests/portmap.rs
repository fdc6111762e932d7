//! portmap in a chain after bridge: published ports answer from everywhere they should, and DEL leaves nothing.

use serde_json::{Value, json};
use std::path::Path;
use wasm_cni_tests::chained::{after, call};
use wasm_cni_tests::{Call, Machine, NOTHING, dist};

/// Both families, with a gateway.
fn bridge() -> Value {
    json!({"cniVersion": "1.0.0", "name": "net", "type": "bridge", "bridge": "br0", "isDefaultGateway": true, "hairpinMode": true,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "fd00:1::/64"}]]}})
}

fn portmap(mappings: Value, keys: Value) -> Value {
    let mut config = json!({"cniVersion": "1.0.0", "name": "net", "type": "portmap",
        "capabilities": {"portMappings": true}, "runtimeConfig": {"portMappings": mappings}});
    for (key, value) in keys.as_object().unwrap() {
        config[key] = value.clone();
    }
    config
}

fn port(host: u16, container: u16, protocol: &str) -> Value {
    json!({"hostPort": host, "containerPort": container, "protocol": protocol})
}

/// A host with an outside network: namespace `outside` at 192.0.2.9 and fd00:9::9, the host at 192.0.2.1 and fd00:9::1.
fn machine(containers: &[&str]) -> Machine {
    let machine = Machine::new();
    machine.sh("ip netns add outside
        ip link add out0 type veth peer name eth0 netns outside
        ip addr add 192.0.2.1/24 dev out0; ip addr add fd00:9::1/64 dev out0 nodad; ip link set out0 up
        ip -n outside addr add 192.0.2.9/24 dev eth0; ip -n outside addr add fd00:9::9/64 dev eth0 nodad
        ip -n outside link set eth0 up; ip -n outside link set lo up
        ip -n outside route add default via 192.0.2.1; ip -n outside -6 route add default via fd00:9::1");
    for container in containers {
        machine.netns(container);
        machine.sh(&format!("ip -n {container} link set lo up"));
    }
    machine
}

/// Makes the chain's two ADDs; returns the last result.
fn add(machine: &Machine, config: &Value, container: &str) -> String {
    let result = call("ADD", &bridge(), container).ok(machine);
    call("ADD", &after(config, &result), container).ok(machine)
}

fn del(machine: &Machine, config: &Value, container: &str, result: &str) {
    call("DEL", &after(config, result), container).ok(machine);
    call("DEL", &after(&bridge(), result), container).ok(machine);
}

/// A server in a namespace that answers with a word; `address` is the family's unspecified address.
const SERVER: &str = r#"
import socket, sys, threading
word, family = sys.argv[1].encode(), socket.AF_INET6
def tcp(port):
    s = socket.socket(family); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("::", port)); s.listen(8)
    while True:
        c, peer = s.accept(); c.sendall(word + b" " + peer[0].encode()); c.close()
def udp(port):
    s = socket.socket(family, socket.SOCK_DGRAM); s.bind(("::", port))
    while True:
        _, peer = s.recvfrom(9); s.sendto(word, peer)
for kind, port in [("tcp", 80), ("tcp", 81), ("udp", 53)]:
    threading.Thread(target=tcp if kind == "tcp" else udp, args=(port,)).start()
"#;

/// Connects to a port from a namespace (`-` is the host) and prints the answer.
const CLIENT: &str = r#"
import socket, sys
kind, host, port, source = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
family = socket.AF_INET6 if ":" in host else socket.AF_INET
s = socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM); s.settimeout(3)
if source: s.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", source))
try:
    s.connect((host, port))
    if kind == "udp": s.send(b"?")
    print(s.recv(99).decode())
except OSError as error: print("no", type(error).__name__)
"#;

/// Servers that end when this value is dropped.
struct Servers(Vec<std::process::Child>);

impl Servers {
    fn start(machine: &Machine, containers: &[&str]) -> Self {
        std::fs::write(machine.files().join("server.py"), SERVER).unwrap();
        std::fs::write(machine.files().join("client.py"), CLIENT).unwrap();
        let start = |container: &&str| {
            let mut command = machine.command("ip");
            let script = machine.files().join("server.py").display().to_string();
            command.args(["netns", "exec", container, "python3", &script, container]);
            command.spawn().unwrap()
        };
        let servers = Servers(containers.iter().map(start).collect());
        for container in containers {
            machine.sh(&format!(
                "for i in $(seq 100); do [ $(ip netns exec {container} ss -Hlntu | wc -l) -ge 3 ] && exit; sleep 0.1; done; exit 1"
            ));
        }
        servers
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for server in &mut self.0 {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

fn ask(machine: &Machine, from: &str, kind: &str, host: &str, port: u16) -> String {
    ask_by(machine, from, kind, host, port, 0)
}

fn ask_by(machine: &Machine, from: &str, kind: &str, host: &str, port: u16, source: u16) -> String {
    let run = if from == "-" { String::new() } else { format!("ip netns exec {from} ") };
    let script = machine.files().join("client.py").display().to_string();
    let said = machine.sh(&format!("{run}python3 {script} {kind} {host} {port} {source}"));
    said.split_whitespace().next().unwrap().to_owned()
}

fn published(backend: &str) -> (Machine, Value) {
    let mappings = json!([port(8080, 80, "tcp"), port(8081, 81, "tcp"), port(5353, 53, "udp")]);
    (machine(&["c1", "c2"]), portmap(mappings, json!({ "backend": backend })))
}

fn answer_from_everywhere(backend: &str) {
    let (machine, config) = published(backend);
    let result = add(&machine, &config, "c1");
    call("ADD", &bridge(), "c2").ok(&machine);
    let _servers = Servers::start(&machine, &["c1"]);
    for (from, hosts) in [
        ("outside", vec!["192.0.2.1", "fd00:9::1"]),
        ("-", vec!["192.0.2.1", "fd00:9::1", "127.0.0.1", "10.1.2.1"]),
        // Another container, and the container itself, both through the host's address.
        ("c2", vec!["192.0.2.1", "fd00:9::1", "10.1.2.1"]),
        ("c1", vec!["192.0.2.1", "fd00:9::1"]),
    ] {
        // With `nftables`, the reference's rules do not masquerade other containers. The answer goes through the
        // bridge, where only netfilter can restore the address that the client used.
        let unreached = from == "c2" && backend == "nftables" && !machine.filters_bridged();
        let expected = if unreached { "no" } else { "c1" };
        for host in hosts {
            for (kind, number) in [("tcp", 8080), ("tcp", 8081), ("udp", 5353)] {
                // An IPv6 socket answers from another address than the client used; the plugin cannot change that.
                if kind == "udp" && from == "c1" {
                    continue;
                }
                assert_eq!(
                    ask(&machine, from, kind, host, number),
                    expected,
                    "{backend}: {from} asks {kind} {host} {number}"
                );
            }
        }
    }
    assert_eq!(ask(&machine, "outside", "tcp", "192.0.2.1", 8082), "no");
    call("CHECK", &after(&config, &result), "c1").ok(&machine);
    del(&machine, &config, "c1", &result);
    assert_eq!(ask(&machine, "outside", "tcp", "192.0.2.1", 8080), "no");
}

#[test]
fn ports_answer_from_outside_the_host_and_the_containers() {
    answer_from_everywhere("iptables");
}

#[test]
fn ports_answer_from_everywhere_with_nftables() {
    answer_from_everywhere("nftables");
}

/// Shared chains stay, as with the reference.
fn rules(machine: &Machine) -> String {
    machine.sh("iptables-save -t nat | grep ^-A; ip6tables-save -t nat | grep ^-A; nft list table ip cni_hostport 2>/dev/null | grep -v table; \
        nft list table ip6 cni_hostport 2>/dev/null; true")
}

#[test]
fn an_eleventh_container_comes_and_goes_and_the_rules_of_ten_stay() {
    for backend in ["iptables", "nftables"] {
        let names: Vec<String> = (0..11).map(|n| format!("c{n}")).collect();
        let machine = machine(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let config = |n: u16| {
            portmap(
                json!([port(9000 + n, 80, "tcp"), port(9500 + n, 53, "udp")]),
                json!({"backend": backend}),
            )
        };
        let results: Vec<String> =
            (0..10).map(|n| add(&machine, &config(n), &names[usize::from(n)])).collect();
        let before = rules(&machine);
        let result = add(&machine, &config(10), "c10");
        assert_ne!(rules(&machine), before);
        for (n, result) in (0..10).zip(&results) {
            call("CHECK", &after(&config(n), result), &names[usize::from(n)]).ok(&machine);
        }
        del(&machine, &config(10), "c10", &result);
        assert_eq!(rules(&machine), before, "{backend}");
        for (n, result) in (0..10).zip(&results) {
            del(&machine, &config(n), &names[usize::from(n)], result);
        }
        assert!(!rules(&machine).contains("10.1.2."), "{}", rules(&machine));
    }
}

#[test]
fn twenty_ports_take_no_more_processes_than_one() {
    let count = |ports: u16| {
        let machine = machine(&["c1"]);
        let mappings: Vec<Value> = (0..ports).map(|n| port(9000 + n, 80 + n, "tcp")).collect();
        let config = portmap(json!(mappings), json!({}));
        let result = call("ADD", &bridge(), "c1").ok(&machine);
        let log = machine.files().join("execs");
        let words =
            ["strace", "-f", "-qq", "-e", "trace=execve", "-o", log.to_str().unwrap()].map(str::to_owned);
        call("ADD", &after(&config, &result), "c1").under(&words).ok(&machine);
        std::fs::read_to_string(log)
            .unwrap()
            .lines()
            .filter(|line| line.contains("execve(") && line.ends_with("= 0"))
            .count()
    };
    let (one, twenty) = (count(1), count(20));
    assert_eq!(one, twenty);
    // The plugin, and for each family one process that lists and one that changes; and one more listing for each, to
    // find the owner of the port.
    assert!(one <= 7, "{one}");
}

#[test]
fn a_failed_add_leaves_no_rule_and_no_shared_chain() {
    for (backend, tool, script) in [
        ("iptables", "ip6tables-restore", "exit 1"),
        ("nftables", "nft", "case \"$*\" in *-f*) exit 1;; esac; exec /usr/sbin/nft \"$@\""),
    ] {
        let (machine, config) = published(backend);
        let result = call("ADD", &bridge(), "c1").ok(&machine);
        let before = machine.snapshot();
        let path = machine.with_iptables("exec /usr/sbin/iptables-restore \"$@\"");
        let dir = path.split(':').next().unwrap();
        machine.sh(&format!("printf '#!/bin/sh\\n%s\\n' '{script}' > {dir}/{tool}; chmod +x {dir}/{tool}"));
        let (code, _, details) =
            call("ADD", &after(&config, &result), "c1").env("PATH", &path).error(&machine);
        assert_eq!(code, 999, "{details}");
        let changes: Vec<String> =
            machine.changes(&before).into_iter().filter(|line| !line.contains("table ip")).collect();
        assert_eq!(changes, NOTHING, "{backend}");
    }
}

/// `iptables-restore` names the line of a script that nobody sees.
#[test]
fn a_rule_that_iptables_refuses_is_named() {
    let machine = machine(&["c1"]);
    let conditions = json!({"conditionsV4": ["-m", "set", "--match-set", "none", "dst"]});
    let config = portmap(json!([port(8080, 80, "tcp")]), conditions);
    let result = call("ADD", &bridge(), "c1").ok(&machine);
    let (code, msg, details) = call("ADD", &after(&config, &result), "c1").error(&machine);
    assert_eq!(code, 999, "{msg}");
    for text in [&msg, &details] {
        assert!(text.contains("`iptables -t nat -A CNI-") && text.contains("--match-set none dst"), "{text}");
    }
    assert!(!details.contains("-N "), "{details}");
}

#[test]
fn a_mapping_that_cannot_reach_the_container_is_a_warning() {
    let machine = machine(&["c1"]);
    let mut v4 = bridge();
    v4["ipam"]["ranges"] = json!([[{"subnet": "10.1.2.0/24"}]]);
    let result = call("ADD", &v4, "c1").ok(&machine);
    let at = |ip: &str| json!([{"hostPort": 8080, "containerPort": 80, "protocol": "tcp", "hostIP": ip}]);
    let warned = |config: &Value| {
        let reply = call("ADD", config, "c1").run(&machine);
        assert_eq!(reply.code, Some(0), "{}", reply.stdout);
        call("DEL", config, "c1").ok(&machine);
        reply.stderr
    };
    let chained = |ip: &str| after(&portmap(at(ip), json!({})), &result);
    assert!(warned(&chained("fd00:9::1")).contains("the container has no IPv6 address"));
    assert!(warned(&chained("::1")).contains("the container has no IPv6 address"));
    assert_eq!(warned(&chained("192.0.2.1")), "");
    // The address is that of the host's end.
    let mut elsewhere = chained("192.0.2.1");
    elsewhere["prevResult"]["ips"][0]["interface"] = json!(1);
    assert!(warned(&elsewhere).contains("the result has no address of the container's interface"));
}

#[test]
fn check_names_each_rule_that_is_gone_and_repair_adds_it_again() {
    for (backend, flush) in [
        (
            "iptables",
            "iptables -t nat -F CNI-HOSTPORT-DNAT; iptables -t nat -F PREROUTING; ip6tables -t nat -F; ip6tables -t nat -X",
        ),
        ("nftables", "nft flush chain ip cni_hostport hostports; nft delete table ip6 cni_hostport"),
    ] {
        let (machine, config) = published(backend);
        let result = add(&machine, &config, "c1");
        let before = rules(&machine);
        machine.sh(flush);
        let (code, _, details) = call("CHECK", &after(&config, &result), "c1").error(&machine);
        assert_eq!(code, 106);
        assert!(details.lines().count() >= 3 && details.contains("8080"), "{details}");
        machine.sh(&format!("{}/wasm-cni repair", dist().display()));
        call("CHECK", &after(&config, &result), "c1").ok(&machine);
        let sorted = |text: &str| {
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort_unstable();
            lines
        };
        assert_eq!(sorted(&rules(&machine)), sorted(&before), "{backend}");
    }
}

/// Of two rules for one port the first one counts, so the rule of a deleted container would always win.
#[test]
fn the_rules_of_a_dead_container_for_the_same_port_are_replaced() {
    for backend in ["iptables", "nftables"] {
        let (machine, config) = published(backend);
        add(&machine, &config, "c1");
        // The container was killed with its namespace, and nobody called DEL.
        machine.sh("ip netns delete c1");
        add(&machine, &config, "c2");
        let _servers = Servers::start(&machine, &["c2"]);
        assert_eq!(ask(&machine, "outside", "tcp", "192.0.2.1", 8080), "c2", "{backend}");
        assert_eq!(ask(&machine, "outside", "tcp", "fd00:9::1", 8080), "c2", "{backend}");
        assert!(!rules(&machine).contains("10.1.2.2:80"), "{}", rules(&machine));
    }
}

#[test]
fn the_rules_of_a_container_that_lives_are_left_alone() {
    let (machine, config) = published("iptables");
    add(&machine, &config, "c1");
    add(&machine, &config, "c2");
    let _servers = Servers::start(&machine, &["c1", "c2"]);
    assert_eq!(ask(&machine, "outside", "tcp", "192.0.2.1", 8080), "c1");
}

/// Attachments of the reference have no journal. Its address is leased to nobody, or already to this container.
#[test]
fn a_stale_rule_of_the_reference_goes_when_its_address_is_not_leased_to_it() {
    for (alive, answer) in [(false, "c2"), (true, "no")] {
        let (machine, config) = published("iptables");
        machine.sh("mkdir -p /var/lib/cni/networks/net
            iptables -t nat -N CNI-HOSTPORT-DNAT; iptables -t nat -N CNI-DN-000000000000000000000
            for hook in PREROUTING OUTPUT; do iptables -t nat -A $hook -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT; done
            iptables -t nat -A CNI-HOSTPORT-DNAT -m comment --comment 'dnat name: \"net\" id: \"old\"' -m multiport -p tcp --destination-ports 8080 -j CNI-DN-000000000000000000000
            iptables -t nat -A CNI-DN-000000000000000000000 -p tcp --dport 8080 -j DNAT --to-destination 10.1.2.99:80");
        if alive {
            machine.sh("printf 'old\\r\\neth0' > /var/lib/cni/networks/net/10.1.2.99");
        }
        add(&machine, &config, "c2");
        let _servers = Servers::start(&machine, &["c2"]);
        assert_eq!(ask(&machine, "outside", "tcp", "192.0.2.1", 8080), answer, "alive: {alive}");
    }
}

/// A UDP client that keeps its source port would get no answer, because the kernel tracks its old connection. So
/// mapping the port deletes the tracked connections.
#[test]
fn udp_clients_reach_the_container_that_comes_later() {
    let (machine, config) = published("iptables");
    let first = add(&machine, &config, "c1");
    let servers = Servers::start(&machine, &["c1"]);
    assert_eq!(ask_by(&machine, "outside", "udp", "192.0.2.1", 5353, 40000), "c1");
    del(&machine, &config, "c1", &first);
    drop(servers);
    // No container has the port, so the tracked connection leads to the host itself.
    assert_eq!(ask_by(&machine, "outside", "udp", "192.0.2.1", 5353, 40000), "no");
    add(&machine, &config, "c2");
    let _servers = Servers::start(&machine, &["c2"]);
    assert_eq!(ask_by(&machine, "outside", "udp", "192.0.2.1", 5353, 40000), "c2");
}

#[test]
fn either_deletes_what_the_other_mapped() {
    let reference = Path::new("/usr/lib/cni");
    assert!(reference.join("portmap").exists(), "Debian's containernetworking-plugins is not installed");
    let mappings = json!([port(8080, 80, "tcp"), port(5353, 53, "udp"), {"hostPort": 8443, "containerPort": 443, "protocol": "tcp", "hostIP": "192.0.2.1"}]);
    let config = portmap(mappings, json!({"conditionsV4": ["!", "-s", "198.51.100.0/24"]}));
    let theirs = |command: &str, config: &Value| {
        Call::new(reference, "portmap", command, &config.to_string())
            .container("c1")
            .env("CNI_IFNAME", "eth0")
    };
    let mut seen = Vec::new();
    for ours_adds in [true, false] {
        let machine = machine(&["c1"]);
        let result = call("ADD", &bridge(), "c1").ok(&machine);
        let chained = after(&config, &result);
        let (add, del) = match ours_adds {
            true => (call("ADD", &chained, "c1"), theirs("DEL", &chained)),
            false => (theirs("ADD", &chained), call("DEL", &chained, "c1")),
        };
        add.ok(&machine);
        seen.push(rules(&machine));
        del.ok(&machine);
        assert!(!rules(&machine).contains("CNI-DN-"), "ours adds: {ours_adds}: {}", rules(&machine));
    }
    assert_eq!(seen[0], seen[1]);
}

#[test]
fn del_needs_neither_mappings_nor_container_nor_journal() {
    for backend in ["iptables", "nftables"] {
        for forget in ["true", "rm -r /run/wasm-cni"] {
            let (machine, config) = published(backend);
            add(&machine, &config, "c1");
            machine.sh(&format!("ip netns delete c1; {forget}"));
            let bare = json!({"cniVersion": "1.0.0", "name": "net", "type": "portmap"});
            call("DEL", &bare, "c1").env("CNI_NETNS", "").ok(&machine);
            let left = rules(&machine);
            assert!(!left.contains("10.1.2.2") && !left.contains("CNI-DN-"), "{backend}, {forget}: {left}");
        }
    }
}

#[test]
fn only_packets_to_the_host_address_of_a_mapping_are_forwarded() {
    let machine = machine(&["c1"]);
    let at = |ip: &str, number: u16| json!({"hostPort": number, "containerPort": 80, "protocol": "tcp", "hostIP": ip});
    let config = portmap(
        json!([at("192.0.2.1", 8080), at("127.0.0.1", 8081), at("fd00:9::1", 8082), at("0.0.0.0", 8083)]),
        json!({}),
    );
    add(&machine, &config, "c1");
    let _servers = Servers::start(&machine, &["c1"]);
    assert_eq!(ask(&machine, "outside", "tcp", "192.0.2.1", 8080), "c1");
    assert_eq!(ask(&machine, "-", "tcp", "127.0.0.1", 8080), "no");
    assert_eq!(ask(&machine, "outside", "tcp", "192.0.2.1", 8081), "no");
    assert_eq!(ask(&machine, "-", "tcp", "127.0.0.1", 8081), "c1");
    assert_eq!(ask(&machine, "outside", "tcp", "fd00:9::1", 8082), "c1");
    assert_eq!(ask(&machine, "outside", "tcp", "192.0.2.1", 8082), "no");
    assert_eq!(ask(&machine, "outside", "tcp", "192.0.2.1", 8083), "c1");
    assert_eq!(ask(&machine, "outside", "tcp", "fd00:9::1", 8083), "no");
}

#[test]
fn ten_containers_keep_their_ports_while_an_eleventh_comes_and_goes() {
    let names: Vec<String> = (1..=11).map(|number| format!("c{number}")).collect();
    let machine = machine(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let config = |number: u16| {
        portmap(json!([port(8000 + number, 80, "tcp"), port(5000 + number, 53, "udp")]), json!({}))
    };
    for (number, name) in (1..=10).zip(&names) {
        add(&machine, &config(number), name);
    }
    let rules = || machine.sh("iptables -t nat -S; ip6tables -t nat -S");
    let before = rules();
    let result = add(&machine, &config(11), "c11");
    let with = rules();
    assert!(before.lines().all(|line| with.contains(line)) && with != before, "{with}");
    del(&machine, &config(11), "c11", &result);
    assert_eq!(rules(), before);
}

//! IPv6: addresses work at once, neighbours know them, packets get out and back.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use wasm_cni_tests::{Call, Machine};

const VERSIONS: [&str; 7] = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];

const V6: &str = "fd00:1::/64";
const V4: &str = "10.1.2.0/24";

fn network(subnets: &[&str], keys: &Value) -> String {
    let ranges: Vec<Value> = subnets.iter().map(|subnet| json!([{"subnet": subnet}])).collect();
    let routes: Vec<Value> = subnets
        .iter()
        .map(|subnet| json!({"dst": if subnet.contains(':') { "::/0" } else { "0.0.0.0/0" }}))
        .collect();
    let mut config = json!({
        "cniVersion": "1.0.0", "name": "net", "type": "bridge", "bridge": "br0", "isGateway": true,
        "ipam": {"type": "host-local", "ranges": ranges, "routes": routes},
    });
    config.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    config.to_string()
}

fn call(command: &str, config: &str, container: &str) -> Call {
    Call::bridge(command, config).container(container).env("CNI_IFNAME", "eth0")
}

fn add(machine: &Machine, config: &str, container: &str) -> Value {
    machine.netns(container);
    serde_json::from_str(&call("ADD", config, container).ok(machine)).unwrap()
}

/// From the host if `container` is empty.
fn ping(container: &str, to: &str, seconds: f32) -> String {
    let inside = if container.is_empty() { String::new() } else { format!("ip netns exec {container} ") };
    format!("{inside}ping -q -c 1 -W {seconds} {to}")
}

/// Milliseconds until the first packet is answered; the maximum if it is lost.
fn round_trip(machine: &Machine, container: &str, to: &str) -> f64 {
    let output = machine.try_sh(&ping(container, to, 5.0).replace(" -q", ""));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let time = text.split("time=").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok());
    time.unwrap_or(f64::INFINITY)
}

/// The packets of a link, one per line.
struct Capture {
    tcpdump: Child,
    lines: Receiver<String>,
}

impl Capture {
    fn start(machine: &Machine, netns: &str, filter: &str) -> Self {
        let mut command = machine.command("ip");
        command
            .args(["netns", "exec", netns, "tcpdump", "-Z", "root", "-i", "eth0", "-n", "-e", "-l", filter]);
        let mut tcpdump =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("tcpdump starts");
        let said = BufReader::new(tcpdump.stderr.take().unwrap());
        assert!(said.lines().any(|line| line.is_ok_and(|line| line.contains("listening on"))));
        let stdout = BufReader::new(tcpdump.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Capture { tcpdump, lines }
    }

    /// Waits for a packet whose line contains all of these texts.
    fn wait_for(&self, parts: &[&str]) {
        let mut seen = String::new();
        loop {
            let Ok(line) = self.lines.recv_timeout(Duration::from_secs(10)) else {
                panic!("no packet with {parts:?} in:\n{seen}");
            };
            if parts.iter().all(|part| line.contains(part)) {
                return;
            }
            seen += &format!("{line}\n");
        }
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let _ = self.tcpdump.kill();
        let _ = self.tcpdump.wait();
    }
}

/// The addresses of a result in any version, with their gateways.
fn addresses(result: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let ips = result["ips"].as_array().cloned().unwrap_or_default();
    let old = [&result["ip4"], &result["ip6"]].into_iter().filter(|ip| !ip.is_null());
    let mut addresses: Vec<_> = ips.iter().map(|ip| (text(&ip["address"]), text(&ip["gateway"]))).collect();
    addresses.extend(old.map(|ip| (text(&ip["ip"]), text(&ip["gateway"]))));
    addresses
}

#[test]
fn addresses_work_when_add_returns_in_every_version() {
    let of = |subnet: &str| match subnet {
        V6 => ("fd00:1::2/64".to_owned(), "fd00:1::1".to_owned()),
        _ => ("10.1.2.2/24".to_owned(), "10.1.2.1".to_owned()),
    };
    for version in VERSIONS {
        for subnets in [&[V6][..], &[V4, V6]] {
            let machine = Machine::new();
            let config = network(subnets, &json!({"cniVersion": version, "ipMasq": true}));
            machine.netns("a");
            let text = call("ADD", &config, "a").ok(&machine);
            // The first packet, with a time limit that is shorter than duplicate address detection.
            let pings = subnets.iter().flat_map(|subnet| {
                let (address, gateway) = of(subnet);
                let address = address.split('/').next().unwrap().to_owned();
                [
                    ping("a", &gateway, 0.5),
                    ping("", &address, 0.5),
                    ping("", &format!("-I {gateway} {address}"), 0.5),
                ]
            });
            machine.sh(&format!("set -e; {}", pings.collect::<Vec<_>>().join(";")));
            for space in ["", "-n a"] {
                let tentative = machine.sh(&format!("ip {space} -6 addr show scope global tentative"));
                assert_eq!(tentative, "", "{version}");
            }

            let result: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(result["cniVersion"], version);
            assert_eq!(
                addresses(&result),
                subnets.iter().map(|subnet| of(subnet)).collect::<Vec<_>>(),
                "{text}"
            );
            let is_old = matches!(version, "0.1.0" | "0.2.0");
            let last = subnets.len() - 1;
            let (routes, family) = if is_old {
                (&result["ip6"]["routes"], json!("6"))
            } else {
                (&result["routes"], result["ips"][last]["version"].clone())
            };
            assert!(routes.as_array().unwrap().contains(&json!({"dst": "::/0"})), "{text}");
            let has_family = is_old || version.starts_with("0.3") || version == "0.4.0";
            assert_eq!(family, if has_family { json!("6") } else { Value::Null }, "{text}");
            assert_eq!(result["ip4"].is_null(), !is_old || subnets.len() == 1, "{text}");
            if !is_old {
                assert_eq!(result["ips"][last]["interface"], 2);
            }
            if version >= "0.4.0" {
                let mut config: Value = serde_json::from_str(&config).unwrap();
                config["prevResult"] = result;
                call("CHECK", &config.to_string(), "a").ok(&machine);
            }
            call("DEL", &config, "a").ok(&machine);
            assert_eq!(machine.sh("ip -n a -o addr | grep -v ' lo ' || true"), "");
        }
    }
}

#[test]
fn new_addresses_of_both_families_are_announced_to_neighbours() {
    let machine = Machine::new();
    let config = network(&[V4, V6], &json!({}));
    add(&machine, &config, "peer");
    let packets = Capture::start(&machine, "peer", "arp or icmp6");
    let mac = add(&machine, &config, "a")["interfaces"][2]["mac"].as_str().unwrap().to_owned();
    packets.wait_for(&[&format!("{mac} > ff:ff:ff:ff:ff:ff"), "Request who-has 10.1.2.3 tell 10.1.2.3"]);
    packets.wait_for(&[&mac, "fd00:1::3 > ff02::1", "neighbor advertisement, tgt is fd00:1::3"]);
}

/// The neighbour entry of a node is that of the previous container.
#[test]
fn an_address_that_had_another_owner_is_reached_within_100_ms() {
    for (state, enabledad) in [("reachable", false), ("stale", false), ("delay", true)] {
        let machine = Machine::new();
        let config = network(&[V4, V6], &json!({"enabledad": enabledad}));
        add(&machine, &config, "peer");
        for (space, link) in [("", "br0"), ("-n peer", "eth0")] {
            for address in ["10.1.2.3", "fd00:1::3"] {
                machine.sh(&format!(
                    "ip {space} neigh replace {address} lladdr 02:00:00:00:00:bd dev {link} nud {state}"
                ));
            }
        }
        // The time on this machine, however slow, without neighbour discovery.
        let usual = [("", "10.1.2.2"), ("peer", "10.1.2.1")].map(|(from, to)| {
            round_trip(&machine, from, to);
            round_trip(&machine, from, to)
        });
        assert!(usual.iter().all(|time| time.is_finite()));
        machine.netns("a");
        call("ADD", &config, "a").ok(&machine);
        for address in ["10.1.2.3", "fd00:1::3"] {
            for (from, usual) in ["", "peer"].into_iter().zip(usual) {
                let time = round_trip(&machine, from, address);
                assert!(
                    time < 100.0 + 10.0 * usual,
                    "{time} ms from {from:?} to {address}, usually {usual} ms"
                );
            }
        }
    }
}

#[test]
fn addresses_outlast_a_link_that_goes_down() {
    let machine = Machine::new();
    add(&machine, &network(&[V4, V6], &json!({})), "a");
    machine.sh("ip -n a link set eth0 down; ip -n a link set eth0 up");
    let addresses = machine.sh("ip -n a -o addr show dev eth0 scope global");
    assert!(addresses.contains("10.1.2.2/24") && addresses.contains("fd00:1::2/64"), "{addresses}");
    machine.sh(&format!("{} && {}", ping("a", "10.1.2.1", 5.0), ping("a", "fd00:1::1", 5.0)));
}

/// A node beyond the host, without routes to the containers' subnets.
fn outside(machine: &Machine) {
    machine.netns("outside");
    machine.sh("ip link add up0 type veth peer name eth0 netns outside; ip link set up0 up
         ip -n outside link set eth0 up
         ip addr add 192.0.2.1/24 dev up0; ip addr add fd00:99::1/64 dev up0 nodad
         ip -n outside addr add 192.0.2.2/24 dev eth0; ip -n outside addr add fd00:99::2/64 dev eth0 nodad");
}

#[test]
fn packets_leave_with_the_hosts_address_and_are_answered() {
    for backend in ["iptables", "nftables"] {
        let machine = Machine::new();
        outside(&machine);
        let keys = json!({"ipMasq": true, "ipMasqBackend": backend, "isDefaultGateway": true});
        add(&machine, &network(&[V4, V6], &keys), "a");
        let packets = Capture::start(&machine, "outside", "icmp or icmp6");
        machine.sh(&ping("a", "192.0.2.2", 5.0));
        packets.wait_for(&["192.0.2.1 > 192.0.2.2", "echo request"]);
        machine.sh(&ping("a", "fd00:99::2", 5.0));
        packets.wait_for(&["fd00:99::1 > fd00:99::2", "echo request"]);
        // Within the subnet, addresses are not changed.
        add(&machine, &network(&[V4, V6], &keys), "b");
        let packets = Capture::start(&machine, "b", "icmp6");
        machine.sh(&ping("a", "fd00:1::3", 5.0));
        packets.wait_for(&["fd00:1::2 > fd00:1::3", "echo request"]);
    }
}

#[test]
fn the_host_forwards_without_masquerading_where_the_way_back_is_known() {
    let machine = Machine::new();
    outside(&machine);
    machine.sh("ip -n outside -6 route add fd00:1::/64 via fd00:99::1");
    add(&machine, &network(&[V6], &json!({})), "a");
    assert_eq!(machine.sh("sysctl -n net.ipv6.conf.all.forwarding net.ipv4.ip_forward").trim(), "1\n0");
    let packets = Capture::start(&machine, "outside", "icmp6");
    machine.sh(&ping("a", "fd00:99::2", 5.0));
    packets.wait_for(&["fd00:1::2 > fd00:99::2", "echo request"]);
    machine.sh(&ping("outside", "fd00:1::2", 5.0));
}

#[test]
fn ipv6_that_is_switched_off_is_switched_on_for_the_interface_alone() {
    let machine = Machine::new();
    machine.netns("c");
    let setting = |link: &str| format!("net.ipv6.conf.{link}.disable_ipv6");
    for link in ["default", "lo"] {
        machine.sh(&format!("ip netns exec c sysctl -qw {}=1", setting(link)));
    }
    call("ADD", &network(&[V6], &json!({})), "c").ok(&machine);
    let value =
        |link: &str| machine.sh(&format!("ip netns exec c sysctl -n {}", setting(link))).trim().to_owned();
    assert_eq!(["eth0", "lo"].map(value), ["0", "1"]);
}

//! A container cannot become a router: a flood of router advertisements during ADD has no effect (CVE-2020-10749).

use serde_json::{Value, json};
use std::process::Child;
use std::time::{Duration, Instant};
use wasm_cni_tests::{Call, Machine};

/// Stops when this value is dropped.
struct Flood(Child);

impl Flood {
    /// Sends router advertisements on a link; `netns` is a container, or empty for the host.
    fn start(machine: &Machine, netns: &str, link: &str) -> Self {
        let program = env!("CARGO_BIN_EXE_advertise");
        let mut command = if netns.is_empty() { machine.command(program) } else { machine.command("ip") };
        if !netns.is_empty() {
            command.args(["netns", "exec", netns, program]);
        }
        Flood(command.arg(link).spawn().expect("the flood starts"))
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn network(keys: &Value) -> String {
    let mut config = json!({"cniVersion": "1.0.0", "name": "net", "type": "bridge", "bridge": "br0"});
    config.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    config.to_string()
}

fn add(machine: &Machine, config: &str, container: &str) {
    machine.netns(container);
    Call::bridge("ADD", config).container(container).env("CNI_IFNAME", "eth0").ok(machine);
}

/// The addresses and routes of a namespace that come from the rogue router.
fn foreign(machine: &Machine, netns: &str) -> String {
    machine.sh(&format!(
        "{{ ip {netns} -o -6 addr; ip {netns} -6 route show table all; }} | grep 'fd66:\\|proto ra\\|dynamic' || true"
    ))
}

/// An interface on `br0` in a namespace of its own that accepts router advertisements.
fn listener(machine: &Machine, netns: &str) {
    machine.netns(netns);
    machine.sh(&format!(
        "ip link add port-{netns} type veth peer name eth0 netns {netns}
         ip netns exec {netns} sysctl -q -w net.ipv6.conf.eth0.accept_ra=1
         ip link set port-{netns} master br0 up; ip -n {netns} link set eth0 up"
    ));
}

/// Waits until the flood has reached this interface; otherwise the test would prove nothing.
fn wait_for_foreign(machine: &Machine, netns: &str) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !foreign(machine, netns).contains("fd66:") {
        assert!(Instant::now() < deadline, "no router advertisement reached {netns:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn accept_ra(machine: &Machine, netns: &str, link: &str) -> String {
    let inside = if netns.is_empty() { String::new() } else { format!("ip netns exec {netns} ") };
    machine.sh(&format!("{inside}sysctl -n net.ipv6.conf.{link}.accept_ra")).trim().to_owned()
}

#[test]
fn a_flood_during_add_leaves_no_address_and_no_route() {
    let (v4, v6) = (json!([{"subnet": "10.1.2.0/24"}]), json!([{"subnet": "fd00:1::/64"}]));
    for keys in [
        json!({"isGateway": true, "ipam": {"type": "host-local", "ranges": [v4]}}),
        json!({"isDefaultGateway": true, "ipMasq": true, "ipam": {"type": "host-local", "ranges": [v4, v6]}}),
        json!({"ipam": {"type": "host-local", "ranges": [v6]}}),
    ] {
        let machine = Machine::new();
        let config = network(&keys);
        // From the host, before the bridge exists; and from a container.
        let _host = Flood::start(&machine, "", "br0");
        add(&machine, &config, "rogue");
        let _rogue = Flood::start(&machine, "rogue", "eth0");
        listener(&machine, "listener");
        let containers: Vec<String> = (0..12).map(|number| format!("c{number}")).collect();
        for container in &containers {
            add(&machine, &config, container);
            assert_eq!(foreign(&machine, &format!("-n {container}")), "", "{keys}");
            assert_eq!(foreign(&machine, ""), "", "{keys}");
        }
        wait_for_foreign(&machine, "-n listener");
        for container in containers.iter().chain([&"rogue".to_owned()]) {
            assert_eq!(foreign(&machine, &format!("-n {container}")), "", "{container}: {keys}");
        }
        assert_eq!(foreign(&machine, ""), "", "{keys}");
        let ports =
            machine.sh("ip -o link show master br0 | sed 's/^[0-9]*: //; s/@.*//' | grep -v listener");
        assert_eq!(ports.lines().count(), containers.len() + 1);
        for port in ports.lines() {
            assert_eq!(accept_ra(&machine, "", port), "0", "{port}");
        }
    }
}

/// A network without addresses, or with IPv4 behind another gateway, may depend on SLAAC. So the container accepts router
/// advertisements there.
#[test]
fn a_container_whose_router_is_not_the_host_configures_itself_as_with_the_reference() {
    let addresses = json!([{"address": "10.1.2.9/24", "gateway": "10.1.2.1"}]);
    for keys in [json!({}), json!({"ipam": {}}), json!({"ipam": {"type": "static", "addresses": addresses}})]
    {
        let machine = Machine::new();
        add(&machine, &network(&keys), "a");
        listener(&machine, "router");
        let _router = Flood::start(&machine, "router", "eth0");
        wait_for_foreign(&machine, "-n a");
        assert!(foreign(&machine, "-n a").contains("default via fe80:"), "{keys}");
        assert_eq!(foreign(&machine, ""), "", "the host has no part in it: {keys}");
    }
}

#[test]
fn a_new_bridge_ignores_router_advertisements_and_an_existing_one_keeps_its_setting() {
    let config =
        network(&json!({"isGateway": true, "ipam": {"type": "host-local", "subnet": "10.1.2.0/24"}}));
    // A bridge of somebody else; a bridge of an ADD that was killed before the bridge was up.
    for (link, before, after) in [
        ("type bridge", "1", "1"),
        ("type bridge", "2", "2"),
        ("address 0a:58:0a:01:02:01 type bridge", "1", "0"),
    ] {
        let machine = Machine::new();
        machine.sh(&format!("ip link add br0 {link}; sysctl -q -w net.ipv6.conf.br0.accept_ra={before}"));
        add(&machine, &config, "a");
        assert_eq!(accept_ra(&machine, "", "br0"), after, "{link}");
    }
    let machine = Machine::new();
    add(&machine, &config, "a");
    assert_eq!(accept_ra(&machine, "", "br0"), "0");
    // A later setting of the operator stays.
    machine.sh("sysctl -q -w net.ipv6.conf.br0.accept_ra=2");
    add(&machine, &config, "b");
    assert_eq!(accept_ra(&machine, "", "br0"), "2");
}

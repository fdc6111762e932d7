//! Port maps in nftables.

use crate::rules::{self as on_host, actions, remove};
use wasm_cni::action::kind::Kind;
use wasm_cni::action::record::{Effect, Old, Outcome, Undone};
use wasm_cni::action::rules::port_map::nft::{owners, shared, table, there};
use wasm_cni::action::{Action, DeletePortMap, MapPorts, Mark, MasqueradePorts, PortMapping, RemovePorts};
use wasm_cni::machine::rules::Listing;
use wasm_cni::value::Backend;
use wasm_cni_privileged::{private, sh};

/// The name of the table.
const TABLE: &str = "cni_hostport";

fn mapping(host_port: u16, protocol: &str) -> PortMapping {
    PortMapping { protocol: protocol.to_owned(), host_port, container_port: 80, host_address: None }
}

fn ports(container: &str, address: &str, mappings: Vec<PortMapping>) -> MapPorts {
    MapPorts {
        backend: Backend::Nftables,
        address: address.parse().unwrap(),
        mappings,
        conditions: Vec::new(),
        masquerade: Some(MasqueradePorts { all: false, mark: Mark::Bit(13) }),
        chain: String::new(),
        comment: container.to_owned(),
    }
}

/// Adds a port map, and removes stale ones in the same transaction.
fn add(ports: &MapPorts, stale: &[&DeletePortMap]) -> Outcome {
    let stale = stale.iter().map(|&map| map.clone().into());
    let step: Vec<Action> = stale.chain([ports.clone().into()]).collect();
    on_host::add(&step).pop().unwrap()
}

fn effect(outcome: Outcome) -> Effect {
    wasm_cni_plans::play::done(outcome).unwrap()
}

fn delete(ports: &MapPorts, unmake: &[String]) -> Undone {
    remove(&[RemovePorts { ports: ports.clone(), unmake: unmake.to_vec() }.into()]).remove(0)
}

fn listed(is_ipv4: bool) -> Listing {
    on_host::listed(table(is_ipv4))
}

fn verify(ports: &MapPorts) -> Vec<String> {
    on_host::missing(&actions(&[ports]))
}

fn ruleset() -> String {
    sh("nft list ruleset")
}

fn print(ports: &MapPorts) {
    let commands = ports.commands();
    commands.iter().filter(|command| command.starts_with("nft ")).for_each(|command| drop(sh(command)));
}

#[test]
fn rules_are_listed_as_they_were_written_and_not_added_twice() {
    private(|| {
        let mut all = vec![mapping(8080, "tcp"), mapping(53, "udp"), mapping(54, "sctp")];
        all.push(PortMapping { host_address: Some("192.0.2.1".parse().unwrap()), ..mapping(443, "tcp") });
        all.push(PortMapping { host_address: Some("fd00::9".parse().unwrap()), ..mapping(444, "tcp") });
        for address in ["10.1.2.2/24", "fd00:1::2/64"] {
            for masquerade in [
                None,
                Some(MasqueradePorts { all: true, mark: Mark::Bit(13) }),
                Some(MasqueradePorts { all: false, mark: Mark::Bit(13) }),
            ] {
                let map = MapPorts { masquerade, ..ports("a", address, all.clone()) };
                assert_eq!(there(&map, &listed(map.address.is_ipv4())), [""; 0]);
                assert_eq!(effect(add(&map, &[])), Effect::Created);
                let before = ruleset();
                assert_eq!(verify(&map), [""; 0]);
                assert_eq!(there(&map, &listed(map.address.is_ipv4())), shared(&map));
                assert_eq!(effect(add(&map, &[])), Effect::AlreadyThere);
                assert_eq!(ruleset(), before);
                assert!(matches!(delete(&map, &[TABLE.to_owned()]), Undone::Done));
                assert_eq!(ruleset(), "");
                assert!(matches!(delete(&map, &[TABLE.to_owned()]), Undone::Gone));
                // The printed commands make the same ruleset.
                print(&map);
                assert_eq!(ruleset(), before);
                sh("nft flush ruleset");
            }
        }
    });
}

/// The rules of plugins/meta/portmap/portmap_nftables.go, in the format of `nft list ruleset`.
#[test]
fn the_rules_are_the_reference_s() {
    private(|| {
        let conditions = ["ip", "saddr", "!=", "198.51.100.0/24"].map(str::to_owned).to_vec();
        let map = MapPorts { conditions, ..ports("c1", "10.1.2.2/24", vec![mapping(8080, "tcp")]) };
        effect(add(&map, &[]));
        let shown = ruleset();
        for line in [
            "comment \"CNI portmap plugin\"",
            "type nat hook prerouting priority dstnat; policy accept;",
            "ip saddr != 198.51.100.0/24 fib daddr type local jump hostports_all",
            "type nat hook output priority -100; policy accept;",
            "jump hostip_hostports",
            "jump hostports",
            "tcp dport 8080 dnat to 10.1.2.2:80 comment \"c1\"",
            "ip saddr 10.1.2.2 ip daddr 10.1.2.2 masquerade comment \"c1\"",
            "ip saddr 127.0.0.1 ip daddr 10.1.2.2 masquerade comment \"c1\"",
        ] {
            assert!(shown.contains(line), "{line}\n{shown}");
        }
        // Conditions are listed in another form than they were written.
        assert_eq!(effect(add(&map, &[])), Effect::AlreadyThere);
        assert_eq!(verify(&map), [""; 0]);
        sh("nft flush ruleset");
        print(&map);
        assert_eq!(ruleset(), shown);
    });
}

#[test]
fn the_rules_of_others_stay_and_keep_the_table() {
    private(|| {
        let (one, two) = (
            ports("a", "10.1.2.2/24", vec![mapping(80, "tcp")]),
            ports("b", "10.1.2.3/24", vec![mapping(81, "tcp")]),
        );
        effect(add(&one, &[]));
        assert_eq!(effect(add(&two, &[])), Effect::Replaced(Old::Shared(vec![TABLE.to_owned()])));
        assert!(matches!(delete(&one, &[TABLE.to_owned()]), Undone::Done));
        assert_eq!(verify(&two), [""; 0]);
        assert_eq!(verify(&one).len(), 3);
        let found = owners(&listed(true), true, Some(&[81]));
        assert_eq!(
            (found.len(), found[0].container.as_str(), found[0].address),
            (1, "b", Some("10.1.2.3".parse().unwrap()))
        );
        assert!(owners(&listed(true), true, Some(&[80])).is_empty());
        // The rules of a container that no longer exists are removed in the same transaction.
        effect(add(&ports("c", "10.1.2.4/24", vec![mapping(81, "tcp")]), &[&found[0].map]));
        assert!(!ruleset().contains("10.1.2.3") && ruleset().contains("10.1.2.4:80"), "{}", ruleset());
    });
}

//! Port maps in iptables.

use crate::rules::{self as on_host, actions, made, remove, tables};
use wasm_cni::action::kind::Kind;
use wasm_cni::action::record::{Effect, Old, Undone};
use wasm_cni::action::rules::port_map::{self, iptables::shared};
use wasm_cni::action::{MapPorts, Mark, MasqueradePorts, PortMapping, PortOwner, RemovePorts};
use wasm_cni::machine::rules::iptables::Family;
use wasm_cni::value::Backend;
use wasm_cni_privileged::{private, sh};

const FRAME: [&str; 3] = ["CNI-HOSTPORT-SETMARK", "CNI-HOSTPORT-MASQ", "CNI-HOSTPORT-DNAT"];

fn mapping(host_port: u16, protocol: &str) -> PortMapping {
    PortMapping { protocol: protocol.to_owned(), host_port, container_port: 80, host_address: None }
}

fn ports(container: &str, address: &str, mappings: Vec<PortMapping>) -> MapPorts {
    MapPorts {
        backend: Backend::Iptables,
        address: address.parse().unwrap(),
        mappings,
        conditions: Vec::new(),
        masquerade: Some(MasqueradePorts { all: false, mark: Mark::Bit(13) }),
        chain: format!("CNI-DN-{container}"),
        comment: format!("dnat name: \"net\" id: \"{container}\""),
    }
}

fn add(ports: &MapPorts) -> Effect {
    made(&actions(&[ports])).remove(0)
}

/// Removes a port map. Returns whether anything was removed.
fn delete(ports: &MapPorts, unmake: &[String]) -> bool {
    match remove(&[RemovePorts { ports: ports.clone(), unmake: unmake.to_vec() }.into()]).remove(0) {
        Undone::Done => true,
        Undone::Gone => false,
        other => panic!("{other:?}"),
    }
}

fn missing(ports: &[&MapPorts]) -> Vec<String> {
    on_host::missing(&actions(ports))
}

fn listing() -> String {
    sh("iptables -t nat -S; ip6tables -t nat -S")
}

fn unmake() -> Vec<String> {
    FRAME.map(str::to_owned).to_vec()
}

fn owners(family: Family, ports: Option<&[u16]>) -> Vec<PortOwner> {
    port_map::owners(&*tables(), Backend::Iptables, family == Family::V4, ports).unwrap()
}

#[test]
fn rules_are_listed_as_they_were_written_and_not_added_twice() {
    private(|| {
        let mut all: Vec<PortMapping> = (1..=17).map(|n| mapping(8000 + n, "tcp")).collect();
        all.extend([mapping(53, "udp"), mapping(54, "sctp")]);
        all.push(PortMapping { host_address: Some("192.0.2.1".parse().unwrap()), ..mapping(443, "tcp") });
        all.push(PortMapping { host_address: Some("fd00::9".parse().unwrap()), ..mapping(444, "tcp") });
        for address in ["10.1.2.2/24", "10.1.2.3/32", "fd00:1::2/64"] {
            for masquerade in [
                None,
                Some(MasqueradePorts { all: true, mark: Mark::Bit(31) }),
                Some(MasqueradePorts { all: false, mark: Mark::Bit(0) }),
            ] {
                let map = MapPorts { masquerade, ..ports("a", address, all.clone()) };
                add(&map);
                let before = listing();
                assert_eq!(missing(&[&map]), [""; 0]);
                assert_eq!(add(&map), Effect::AlreadyThere);
                assert_eq!(listing(), before);
                assert!(delete(&map, &unmake()));
                assert!(!delete(&map, &unmake()));
                assert!(!listing().contains("CNI-"), "{}", listing());

                let commands = map.commands();
                let (rules, forgotten): (Vec<&String>, Vec<&String>) =
                    commands.iter().partition(|command| !command.starts_with("conntrack "));
                let family = if map.address.is_ipv4() { "ipv4" } else { "ipv6" };
                assert_eq!(forgotten, [&format!("conntrack -D -f {family} -p udp --dport 53")]);
                rules.iter().for_each(|command| drop(sh(command)));
                assert_eq!(listing(), before, "what is printed is what is sent");
                assert!(delete(&map, &unmake()));
            }
        }
    });
}

#[test]
fn shared_chains_are_removed_by_their_last_user_and_existing_ones_are_recorded() {
    private(|| {
        let (one, two) = (
            ports("a", "10.1.2.2/24", vec![mapping(80, "tcp")]),
            ports("b", "10.1.2.3/24", vec![mapping(81, "tcp")]),
        );
        let bare = MapPorts { masquerade: None, ..one.clone() };
        assert_eq!(add(&bare), Effect::Created);
        let there = ["CNI-HOSTPORT-DNAT", "PREROUTING>CNI-HOSTPORT-DNAT", "OUTPUT>CNI-HOSTPORT-DNAT"];
        assert_eq!(add(&two), Effect::Replaced(Old::Shared(there.map(str::to_owned).to_vec())));
        delete(&two, &unmake());
        assert!(listing().contains("-A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT"));
        assert!(!listing().contains("SETMARK") && !listing().contains("CNI-DN-b"), "{}", listing());
        delete(&bare, &[]);
        assert!(
            listing().contains("-N CNI-HOSTPORT-DNAT") && !listing().contains("CNI-DN-"),
            "a DEL leaves it"
        );
    });
}

#[test]
fn a_jump_to_an_existing_chain_is_removed_by_the_add_that_created_it() {
    private(|| {
        sh(
            "iptables -t nat -N CNI-HOSTPORT-DNAT; iptables -t nat -A CNI-HOSTPORT-DNAT -d 198.51.100.1 -j ACCEPT",
        );
        let map = ports("a", "10.1.2.2/24", vec![mapping(80, "tcp")]);
        let before = listing();
        let Effect::Replaced(Old::Shared(there)) = add(&map) else { panic!("the chain was there") };
        let created: Vec<String> = shared(&map).into_iter().filter(|name| !there.contains(name)).collect();
        delete(&map, &created);
        assert_eq!(listing(), before);
    });
}

#[test]
fn two_interfaces_share_a_chain_and_each_removes_its_own_rules() {
    private(|| {
        let eth0 = ports("a", "10.1.2.2/24", vec![mapping(80, "tcp"), mapping(82, "tcp")]);
        let eth1 = ports("a", "10.1.2.3/24", vec![mapping(81, "tcp"), mapping(82, "tcp")]);
        add(&eth0);
        add(&eth1);
        delete(&eth0, &[]);
        let left = listing();
        assert!(!left.contains("10.1.2.2:") && left.contains("10.1.2.3:80"), "{left}");
        assert_eq!(missing(&[&eth1]), [""; 0], "{left}");
        delete(&eth1, &[]);
        assert!(!listing().contains("CNI-DN-"), "{}", listing());
    });
}

#[test]
fn owners_are_found_by_port_and_removed_with_the_new_rules_in_one_transaction() {
    private(|| {
        let (old, new) = (
            ports("old", "10.1.2.2/24", vec![mapping(80, "tcp")]),
            ports("new", "10.1.2.3/24", vec![mapping(80, "tcp")]),
        );
        add(&old);
        add(&ports("other", "10.1.2.4/24", vec![mapping(81, "tcp")]));
        let found = owners(Family::V4, Some(&[80]));
        let [owner] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((owner.network.as_deref(), owner.container.as_str()), (Some("net"), "old"));
        assert_eq!(owner.address, Some("10.1.2.2".parse().unwrap()));
        assert_eq!(owners(Family::V4, None).len(), 2);
        assert_eq!(owners(Family::V6, None), []);
        let effects = made(&[owner.map.clone().into(), new.into()]);
        assert!(matches!(effects.as_slice(), [Effect::AlreadyThere, Effect::Replaced(_)]), "{effects:?}");
        let left = listing();
        assert!(
            !left.contains("CNI-DN-old") && left.contains("CNI-DN-other") && left.contains("10.1.2.3:80"),
            "{left}"
        );
    });
}

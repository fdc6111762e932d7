//! Port maps on the real kernel, in namespaces of their own.

use super::*;
use crate::action::{Mark, MasqueradePorts, PortMapping};
use crate::machine::testing::{private, sh, texts};
use crate::value::Backend;

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

fn effect(outcome: Outcome) -> Effect {
    match outcome {
        Outcome::Done(effect) => effect,
        other => panic!("{other:?}"),
    }
}

fn listing() -> String {
    sh("iptables -t nat -S; ip6tables -t nat -S")
}

fn unmake() -> Vec<String> {
    FRAME.map(str::to_owned).to_vec()
}

#[test]
fn what_is_written_is_what_is_listed_so_that_nothing_is_added_twice() {
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
                effect(add(&map, &[]));
                let before = listing();
                assert_eq!(texts(vec![verify(&map)]), [""; 0]);
                assert_eq!(effect(add(&map, &[])), Effect::AlreadyThere);
                assert_eq!(listing(), before);
                assert!(matches!(delete(&map, &unmake()), Ok(Undone::Done)));
                assert!(matches!(delete(&map, &unmake()), Ok(Undone::Gone)));
                assert!(!listing().contains("CNI-"), "{}", listing());
            }
        }
    });
}

#[test]
fn shared_chains_go_with_the_last_that_made_them_and_what_was_there_is_told() {
    private(|| {
        let (one, two) = (
            ports("a", "10.1.2.2/24", vec![mapping(80, "tcp")]),
            ports("b", "10.1.2.3/24", vec![mapping(81, "tcp")]),
        );
        let bare = MapPorts { masquerade: None, ..one.clone() };
        assert_eq!(effect(add(&bare, &[])), Effect::Created);
        let there = "CNI-HOSTPORT-DNAT PREROUTING>CNI-HOSTPORT-DNAT OUTPUT>CNI-HOSTPORT-DNAT";
        assert_eq!(effect(add(&two, &[])), Effect::Replaced(there.to_owned()));
        delete(&two, &unmake()).unwrap();
        assert!(listing().contains("-A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT"));
        assert!(!listing().contains("SETMARK") && !listing().contains("CNI-DN-b"), "{}", listing());
        delete(&bare, &[]).unwrap();
        assert!(
            listing().contains("-N CNI-HOSTPORT-DNAT") && !listing().contains("CNI-DN-"),
            "a DEL leaves it"
        );
    });
}

#[test]
fn a_rule_that_leads_to_a_chain_which_was_there_goes_with_who_made_it() {
    private(|| {
        sh(
            "iptables -t nat -N CNI-HOSTPORT-DNAT; iptables -t nat -A CNI-HOSTPORT-DNAT -d 198.51.100.1 -j ACCEPT",
        );
        let map = ports("a", "10.1.2.2/24", vec![mapping(80, "tcp")]);
        let before = listing();
        let Effect::Replaced(there) = effect(add(&map, &[])) else { panic!("the chain was there") };
        let made: Vec<String> =
            shared_by(&map).into_iter().filter(|name| !there.split(' ').any(|there| there == name)).collect();
        delete(&map, &made).unwrap();
        assert_eq!(listing(), before);
    });
}

#[test]
fn two_interfaces_of_a_container_have_one_chain_and_each_takes_its_own() {
    private(|| {
        let eth0 = ports("a", "10.1.2.2/24", vec![mapping(80, "tcp"), mapping(82, "tcp")]);
        let eth1 = ports("a", "10.1.2.3/24", vec![mapping(81, "tcp"), mapping(82, "tcp")]);
        effect(add(&eth0, &[]));
        effect(add(&eth1, &[]));
        delete(&eth0, &[]).unwrap();
        let left = listing();
        assert!(!left.contains("10.1.2.2:") && left.contains("10.1.2.3:80"), "{left}");
        let missing = texts(vec![verify(&eth1)]);
        assert_eq!(missing, [""; 0], "{left}");
        delete(&eth1, &[]).unwrap();
        assert!(!listing().contains("CNI-DN-"), "{}", listing());
    });
}

#[test]
fn owners_are_told_by_port_and_removed_with_the_new_rules_in_one_transaction() {
    private(|| {
        let (old, new) = (
            ports("old", "10.1.2.2/24", vec![mapping(80, "tcp")]),
            ports("new", "10.1.2.3/24", vec![mapping(80, "tcp")]),
        );
        effect(add(&old, &[]));
        effect(add(&ports("other", "10.1.2.4/24", vec![mapping(81, "tcp")]), &[]));
        let found = owners(Family::V4, Some(&[80])).unwrap().0;
        let [owner] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((owner.network.as_deref(), owner.container.as_str()), (Some("net"), "old"));
        assert_eq!(owner.address, Some("10.1.2.2".parse().unwrap()));
        assert_eq!(owners(Family::V4, None).unwrap().0.len(), 2);
        assert_eq!(owners(Family::V6, None).unwrap().0, []);
        effect(add(&new, &[&owner.map]));
        let left = listing();
        assert!(
            !left.contains("CNI-DN-old") && left.contains("CNI-DN-other") && left.contains("10.1.2.3:80"),
            "{left}"
        );
    });
}

#[test]
fn nobody_gets_a_line_of_his_own_into_a_script() {
    let refused = |change: &dyn Fn(&mut MapPorts)| {
        let mut map = ports("a", "10.1.2.2/24", vec![mapping(80, "tcp")]);
        change(&mut map);
        assert!(matches!(add(&map, &[]), Outcome::Failed(MachineError::Conflict(_))), "{map:?}");
    };
    refused(&|map| map.comment = "a\n-A POSTROUTING -j ACCEPT".to_owned());
    refused(&|map| map.chain = "a b".to_owned());
    refused(&|map| map.conditions = vec!["-d".to_owned(), "10.0.0.0/8\n-F".to_owned()]);
    refused(&|map| map.conditions = vec!["-j".to_owned(), "ACCEPT".to_owned()]);
    refused(&|map| map.mappings[0].protocol = "tcp\n".to_owned());
    refused(&|map| {
        map.masquerade = Some(MasqueradePorts { all: false, mark: Mark::Chain("A -F".to_owned()) })
    });
}

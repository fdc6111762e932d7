//! Port maps of nftables on the real kernel, in namespaces of their own.

use super::*;
use crate::action::{Mark, MasqueradePorts, PortMapping};
use crate::machine::testing::{private, sh, texts};

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

fn effect(outcome: Outcome) -> Effect {
    match outcome {
        Outcome::Done(effect) => effect,
        other => panic!("{other:?}"),
    }
}

fn ruleset() -> String {
    sh("nft list ruleset")
}

#[test]
fn what_is_written_is_what_is_listed_so_that_nothing_is_added_twice() {
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
                assert_eq!(effect(add(&map, &[])), Effect::Created);
                let before = ruleset();
                assert_eq!(texts(vec![verify(&map)]), [""; 0]);
                assert_eq!(effect(add(&map, &[])), Effect::AlreadyThere);
                assert_eq!(ruleset(), before);
                assert!(matches!(delete(&map, &[TABLE.to_owned()]), Ok(Undone::Done)));
                assert_eq!(ruleset(), "");
                assert!(matches!(delete(&map, &[TABLE.to_owned()]), Ok(Undone::Gone)));
            }
        }
    });
}

/// cni-behaviours, section 3.12, as `nft` prints it.
#[test]
fn the_rules_are_those_of_the_reference() {
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
        // Conditions are written in one way and listed in another.
        assert_eq!(effect(add(&map, &[])), Effect::AlreadyThere);
    });
}

#[test]
fn others_keep_their_rules_and_the_table_with_them() {
    private(|| {
        let (one, two) = (
            ports("a", "10.1.2.2/24", vec![mapping(80, "tcp")]),
            ports("b", "10.1.2.3/24", vec![mapping(81, "tcp")]),
        );
        effect(add(&one, &[]));
        assert_eq!(effect(add(&two, &[])), Effect::Replaced(TABLE.to_owned()));
        delete(&one, &[TABLE.to_owned()]).unwrap();
        assert_eq!(texts(vec![verify(&two)]), [""; 0]);
        assert_eq!(texts(vec![verify(&one)]).len(), 3);
        let found = owners(true, Some(&[81])).unwrap().0;
        assert_eq!(
            (found.len(), found[0].container.as_str(), found[0].address),
            (1, "b", Some("10.1.2.3".parse().unwrap()))
        );
        // Who is no more makes room in the same transaction.
        effect(add(&ports("c", "10.1.2.4/24", vec![mapping(81, "tcp")]), &[&found[0].map]));
        assert!(!ruleset().contains("10.1.2.3") && ruleset().contains("10.1.2.4:80"), "{}", ruleset());
    });
}

#[test]
fn nobody_gets_a_statement_of_his_own_into_a_script() {
    for word in ["accept", "x; drop", "# rest", "ip saddr 10.0.0.1 jump x"] {
        let map = MapPorts {
            conditions: vec![word.to_owned()],
            ..ports("a", "10.1.2.2/24", vec![mapping(80, "tcp")])
        };
        assert!(matches!(add(&map, &[]), Outcome::Failed(MachineError::Conflict(_))), "{word}");
    }
    let map = ports("a\" accept \"", "10.1.2.2/24", Vec::new());
    assert!(matches!(add(&map, &[]), Outcome::Failed(MachineError::Conflict(_))));
}

use super::super::super::testing::{private, sh};
use super::super::restore::{self, Table};
use super::super::rule::Listing;
use super::*;

const CHAIN: &str = "CNI-e88f49d94512ff752ebe6070";

/// A network of each kind of prefix: of whole bytes, or not; of one address; of all.
fn networks(family: Family) -> [&'static str; 6] {
    match family {
        Family::V4 => {
            ["10.1.2.3/32", "10.1.2.0/24", "10.1.2.128/25", "10.128.0.0/9", "10.0.0.0/8", "0.0.0.0/0"]
        }
        Family::V6 => ["fd00::5/128", "fd00::/64", "fd00:0:0:8000::/65", "fd80::/9", "fd00::/8", "::/0"],
    }
}

/// Rules as they are written for a masqueraded address of each kind.
fn lines(family: Family) -> Vec<String> {
    let comment = r#"-m comment --comment "name: \"my net\" id: \"a\\b\"""#;
    let mut lines = vec![format!("-N {CHAIN}")];
    for network in networks(family) {
        lines.push(format!("-I {CHAIN} 1 -d {network} -j ACCEPT {comment}"));
        lines.push(format!("-A POSTROUTING -s {network} -j {CHAIN} {comment}"));
    }
    let groups = family.multicast();
    lines.push(format!("-A {CHAIN} ! -d {groups} -j MASQUERADE {comment}"));
    lines.push(format!("-A {CHAIN} -j MASQUERADE {comment}"));
    lines
}

/// Chains and rules as the kernel has them, byte for byte, but for counters, which packets change.
fn raw(family: Family) -> Vec<Vec<u8>> {
    let mut socket = Netfilter::open().unwrap();
    let mut found = dump(&mut socket, GETCHAIN, family, NFTA_CHAIN_TABLE).unwrap();
    let names = found.iter().map(|chain| text(chain, NFTA_CHAIN_NAME).unwrap().as_bytes().to_vec());
    let hooks = found.iter().filter_map(|chain| find(chain, NFTA_CHAIN_HOOK).map(<[u8]>::to_vec));
    let mut all: Vec<Vec<u8>> = names.chain(hooks).collect();
    all.sort();
    found = dump(&mut socket, GETRULE, family, NFTA_RULE_TABLE).unwrap();
    for wanted in ["POSTROUTING", CHAIN] {
        let of_chain = found.iter().filter(|rule| text(rule, NFTA_RULE_CHAIN) == Some(wanted));
        all.extend(of_chain.map(|rule| find(rule, NFTA_RULE_EXPRESSIONS).unwrap().to_vec()));
    }
    all
}

#[test]
fn rules_are_byte_for_byte_those_of_iptables_restore() {
    for family in Family::ALL {
        let lines = lines(family);
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        private(|| {
            assert_eq!(restore(family, &lines), Some(Done::All));
            ours = raw(family);
        });
        private(|| {
            restore::restore(Table::Nat, family, &lines).unwrap();
            theirs = raw(family);
        });
        assert_eq!(ours.len(), 17, "two chains, a hook, rules");
        assert_eq!(ours, theirs);
    }
}

#[test]
fn what_is_listed_is_what_iptables_lists() {
    for family in Family::ALL {
        private(|| {
            let program = family.program();
            let network = networks(family)[1];
            let foreign = [
                format!("-A POSTROUTING -s {network} -o lo -j {CHAIN}"),
                format!("-A POSTROUTING -d {network} -p tcp -m tcp --dport 80 -j MASQUERADE --random-fully"),
                format!("-A {CHAIN} -s {network} -m mark --mark 0x2000/0x2000 -j MASQUERADE"),
                format!("-A {CHAIN} -m comment --comment plain -g OTHER"),
                format!("-A {CHAIN} -j RETURN"),
                "-A OTHER -m addrtype --dst-type LOCAL -j ACCEPT".to_owned(),
            ];
            let lines: Vec<String> =
                ["-N OTHER".to_owned()].into_iter().chain(lines(family)).chain(foreign).collect();
            restore::restore(Table::Nat, family, &lines).unwrap();
            let mut ours = Listing::parse(&list(family).unwrap());
            let theirs = Listing::parse(&restore::list(family).unwrap());
            ours.chains.sort();
            assert_eq!(ours.chains, theirs.chains);
            let in_order = |listing: &Listing, chain: &str| {
                let rules = listing.rules.iter().filter(|rule| rule.chain == chain);
                rules.cloned().collect::<Vec<_>>()
            };
            let mut plain = 0;
            for chain in ["POSTROUTING", CHAIN, "OTHER"] {
                let (ours, theirs) = (in_order(&ours, chain), in_order(&theirs, chain));
                assert_eq!(ours.len(), theirs.len(), "{program} {chain}");
                for (ours, theirs) in ours.iter().zip(&theirs) {
                    assert!(ours.is_same(theirs), "{ours:?}\n{theirs:?}");
                    plain += usize::from(ours.plain);
                }
            }
            assert_eq!(plain, 15);
        });
    }
}

#[test]
fn what_the_process_made_is_deleted_and_a_rule_twice_there_once() {
    for family in Family::ALL {
        private(|| {
            let lines = lines(family);
            restore::restore(Table::Nat, family, &lines).unwrap();
            let before = restore::list(family).unwrap();
            let jump = lines.iter().find(|line| line.starts_with("-A POSTROUTING")).unwrap();
            restore::restore(Table::Nat, family, std::slice::from_ref(jump)).unwrap();
            let deletion = jump.replacen("-A", "-D", 1);
            let rules = |text: &str| text.matches("-A ").count();
            let twice = rules(&restore::list(family).unwrap());
            assert_eq!(restore(family, std::slice::from_ref(&deletion)), Some(Done::All));
            let once = restore::list(family).unwrap();
            assert_eq!((rules(&once), twice), (rules(&before), rules(&before) + 1));

            let jumps = once.lines().filter(|line| line.starts_with("-A POSTROUTING"));
            let mut all: Vec<String> = jumps.map(|line| line.replacen("-A", "-D", 1)).collect();
            all.extend([format!("-F {CHAIN}"), format!("-X {CHAIN}")]);
            assert_eq!(restore(family, &all), Some(Done::All));
            assert!(!restore::list(family).unwrap().contains("CNI-"));
        });
    }
}

#[test]
fn all_lines_are_done_or_none() {
    private(|| {
        let lines = lines(Family::V4);
        assert_eq!(restore(Family::V4, &lines), Some(Done::All));
        let before = restore::list(Family::V4).unwrap();
        let new = |chain: &str| format!("-N {chain}");
        let exists = restore(Family::V4, &[new("CNI-new"), new(CHAIN)]);
        assert_eq!(exists, Some(Done::ChainExists(CHAIN.to_owned())));
        // Somebody still jumps there; there is no such rule, chain, word, target.
        for last in [
            format!("-X {CHAIN}"),
            format!("-D {CHAIN} -d 10.77.0.0/16 -j ACCEPT"),
            "-X CNI-none".to_owned(),
            format!("-A {CHAIN} -p tcp -j ACCEPT"),
            format!("-A {CHAIN} -j LOG"),
            format!("-A {CHAIN} -j CNI-none"),
            new("ACCEPT"),
            new("POSTROUTING"),
            format!("-A {CHAIN} -m comment --comment \"{}\" -j ACCEPT", "x".repeat(256)),
        ] {
            assert_eq!(restore(Family::V4, &[new("CNI-new"), last.clone()]), None, "{last}");
            assert_eq!(restore::list(Family::V4).unwrap(), before, "{last}");
        }
    });
}

#[test]
fn a_chain_of_that_name_which_no_packet_reaches_is_left_to_iptables() {
    private(|| {
        sh("nft 'table ip nat { chain POSTROUTING { }; }'");
        assert_eq!(restore(Family::V4, &lines(Family::V4)), None);
        sh(
            "nft flush ruleset; nft 'table ip nat { chain POSTROUTING { comment \"theirs\"; counter comment \"x\"; }; }'",
        );
        assert_eq!(list(Family::V4), None, "it has user data");
    });
}

#[test]
fn a_comment_of_two_lines_is_none_of_ours() {
    private(|| {
        sh("iptables -t nat -A POSTROUTING -m comment --comment 'x\n-N CNI-made-up' -j ACCEPT");
        let listing = Listing::parse(&list(Family::V4).unwrap());
        assert_eq!(listing.chains, [""; 0]);
        let [rule] = listing.rules.as_slice() else { panic!("{listing:?}") };
        assert!(!rule.plain && rule.comment.is_none(), "{rule:?}");
    });
}

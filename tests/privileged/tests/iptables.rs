//! Rules of iptables, written over netlink and by its programs, compared with what the programs list.

use wasm_cni::machine::linux::netlink::netfilter::{Netfilter, find, text};
use wasm_cni::machine::linux::tables::iptables::nf_tables::{
    Done, GETCHAIN, GETRULE, NFTA_CHAIN_HOOK, NFTA_CHAIN_NAME, NFTA_CHAIN_TABLE, NFTA_RULE_CHAIN,
    NFTA_RULE_EXPRESSIONS, NFTA_RULE_TABLE, commit, dump, list,
};
use wasm_cni::machine::linux::tables::iptables::{self, restore};
use wasm_cni::machine::rules::TableError;
use wasm_cni::machine::rules::iptables::{Edit, Family, Listing, Rule, Table, failed};
use wasm_cni_privileged::{private, sh};

const CHAIN: &str = "CNI-e88f49d94512ff752ebe6070";

/// Networks with each kind of prefix: whole bytes, other lengths, a single address, all addresses.
fn networks(family: Family) -> [&'static str; 6] {
    match family {
        Family::V4 => {
            ["10.1.2.3/32", "10.1.2.0/24", "10.1.2.128/25", "10.128.0.0/9", "10.0.0.0/8", "0.0.0.0/0"]
        }
        Family::V6 => ["fd00::5/128", "fd00::/64", "fd00:0:0:8000::/65", "fd80::/9", "fd00::/8", "::/0"],
    }
}

/// Parses a line of `iptables-restore`.
fn edit(line: &str) -> Edit {
    let (verb, rest) = line.split_once(' ').unwrap();
    let rule = |text: &str| Rule::parse(text).unwrap();
    match verb {
        "-N" => Edit::NewChain(rest.to_owned()),
        "-A" => Edit::Append(rule(rest)),
        "-I" => Edit::Insert(rule(&rest.replacen(" 1 ", " ", 1))),
        "-D" => Edit::Delete(rule(rest)),
        "-F" => Edit::Flush(rest.to_owned()),
        "-X" => Edit::DeleteChain(rest.to_owned()),
        _ => panic!("{line}"),
    }
}

/// The edits for a masqueraded address, with each kind of network.
fn edits(family: Family) -> Vec<Edit> {
    let comment = r#"-m comment --comment "name: \"my net\" id: \"a\\b\"""#;
    let mut lines = vec![format!("-N {CHAIN}")];
    for network in networks(family) {
        lines.push(format!("-I {CHAIN} 1 -d {network} -j ACCEPT {comment}"));
        lines.push(format!("-A POSTROUTING -s {network} -j {CHAIN} {comment}"));
    }
    let groups = family.multicast();
    lines.push(format!("-A {CHAIN} ! -d {groups} -j MASQUERADE {comment}"));
    lines.push(format!("-A {CHAIN} -j MASQUERADE {comment}"));
    let edits: Vec<Edit> = lines.iter().map(|line| edit(line)).collect();
    assert_eq!(edits.iter().map(Edit::line).collect::<Vec<_>>(), lines);
    edits
}

/// The table as the program lists it.
fn listed(family: Family) -> Listing {
    restore::list(Table::Nat, family).unwrap()
}

/// Chains and rules as the kernel stores them, byte for byte. Counters are left out, because packets change them.
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
        let edits = edits(family);
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        private(|| {
            assert_eq!(commit(family, &edits), Some(Done::All));
            ours = raw(family);
        });
        private(|| {
            restore::commit(Table::Nat, family, &edits).unwrap();
            theirs = raw(family);
        });
        assert_eq!(ours.len(), 17, "two chains, a hook, rules");
        assert_eq!(ours, theirs);
    }
}

#[test]
fn the_listing_is_the_same_as_that_of_iptables() {
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
            let foreign = foreign.iter().map(|line| edit(line));
            let all: Vec<Edit> = [edit("-N OTHER")].into_iter().chain(edits(family)).chain(foreign).collect();
            restore::commit(Table::Nat, family, &all).unwrap();
            let (mut ours, theirs) = (list(family).unwrap(), listed(family));
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
                    let content = |rule: &Rule| {
                        let target = rule.target().map(str::to_owned);
                        let comment = rule.comment().map(str::to_owned);
                        let networks = (rule.source(), rule.destination(), rule.not_destination());
                        (rule.is_plain(), networks, target, comment)
                    };
                    assert_eq!(content(ours), content(theirs), "{ours:?}\n{theirs:?}");
                    let is_known = !ours.words().iter().any(|word| word == "?");
                    assert_eq!(ours.is_same(theirs), is_known, "{ours:?}\n{theirs:?}");
                    plain += usize::from(ours.is_plain());
                }
            }
            assert_eq!(plain, 15);
        });
    }
}

#[test]
fn rules_of_iptables_restore_are_deleted_and_a_duplicate_only_once() {
    for family in Family::ALL {
        private(|| {
            let edits = edits(family);
            restore::commit(Table::Nat, family, &edits).unwrap();
            let before = listed(family);
            let is_jump = |edit: &&Edit| matches!(edit, Edit::Append(rule) if rule.chain == "POSTROUTING");
            let jump = edits.iter().find(is_jump).unwrap();
            restore::commit(Table::Nat, family, std::slice::from_ref(jump)).unwrap();
            let deletion = Edit::Delete(jump.rule().unwrap().clone());
            let twice = listed(family).rules.len();
            assert_eq!(commit(family, std::slice::from_ref(&deletion)), Some(Done::All));
            let once = listed(family);
            assert_eq!((once.rules.len(), twice), (before.rules.len(), before.rules.len() + 1));

            let jumps = once.rules.iter().filter(|rule| rule.chain == "POSTROUTING");
            let mut all: Vec<Edit> = jumps.cloned().map(Edit::Delete).collect();
            all.extend([Edit::Flush(CHAIN.to_owned()), Edit::DeleteChain(CHAIN.to_owned())]);
            assert_eq!(commit(family, &all), Some(Done::All));
            assert_eq!(listed(family), Listing::default());
        });
    }
}

#[test]
fn a_transaction_is_done_completely_or_not_at_all() {
    private(|| {
        let edits = edits(Family::V4);
        assert_eq!(commit(Family::V4, &edits), Some(Done::All));
        let before = listed(Family::V4);
        let new = |chain: &str| Edit::NewChain(chain.to_owned());
        let exists = commit(Family::V4, &[new("CNI-new"), new(CHAIN)]);
        assert_eq!(exists, Some(Done::ChainExists(CHAIN.to_owned())));
        // A rule still jumps to the chain. In the other cases, the rule, chain, word or target does not exist.
        for last in [
            format!("-X {CHAIN}"),
            format!("-D {CHAIN} -d 10.77.0.0/16 -j ACCEPT"),
            "-X CNI-none".to_owned(),
            format!("-A {CHAIN} -p tcp -j ACCEPT"),
            format!("-A {CHAIN} -j LOG"),
            format!("-A {CHAIN} -j CNI-none"),
            "-N ACCEPT".to_owned(),
            "-N POSTROUTING".to_owned(),
        ] {
            assert_eq!(commit(Family::V4, &[new("CNI-new"), edit(&last)]), None, "{last}");
            assert_eq!(listed(Family::V4), before, "{last}");
        }
    });
}

#[test]
fn a_long_comment_is_cut_as_iptables_cuts_it() {
    private(|| {
        assert_eq!(commit(Family::V4, &edits(Family::V4)), Some(Done::All));
        let rule = format!("-A {CHAIN} -m comment --comment \"{}\" -j ACCEPT", "x".repeat(256));
        assert_eq!(commit(Family::V4, &[edit(&rule)]), Some(Done::All));
        let listed = sh(&format!("iptables -t nat -S {CHAIN}"));
        let longest = listed.split(['"', ' ']).filter(|word| word.starts_with("xx")).map(str::len).max();
        assert_eq!(longest, Some(255), "{listed}");
    });
}

#[test]
fn an_existing_chain_makes_the_transaction_fail() {
    for table in [Table::PlainNat, Table::Nat] {
        private(|| {
            let edits = edits(Family::V4);
            iptables::commit(table, Family::V4, &edits).unwrap();
            let again = iptables::commit(table, Family::V4, &edits);
            assert!(matches!(again, Err(TableError::Refused(_))), "{again:?}");
        });
    }
}

#[test]
fn a_postrouting_chain_without_a_hook_is_left_to_iptables() {
    private(|| {
        sh("nft 'table ip nat { chain POSTROUTING { }; }'");
        assert_eq!(commit(Family::V4, &edits(Family::V4)), None);
        sh(
            "nft flush ruleset; nft 'table ip nat { chain POSTROUTING { comment \"theirs\"; counter comment \"x\"; }; }'",
        );
        assert_eq!(list(Family::V4), None, "it has user data");
    });
}

#[test]
fn a_comment_of_two_lines_is_not_read_as_ours() {
    private(|| {
        sh("iptables -t nat -A POSTROUTING -m comment --comment 'x\n-N CNI-made-up' -j ACCEPT");
        let listing = list(Family::V4).unwrap();
        assert_eq!(listing.chains, [""; 0]);
        let [rule] = listing.rules.as_slice() else { panic!("{listing:?}") };
        assert!(!rule.is_plain() && rule.comment().is_none(), "{rule:?}");
    });
}

#[test]
fn the_output_of_a_failed_program_is_in_the_error() {
    private(|| {
        let refused =
            restore::commit(Table::Filter, Family::V4, &[Edit::Flush("NONE".to_owned())]).unwrap_err();
        assert!(matches!(&refused, TableError::Refused(_)), "{refused:?}");
        let text = failed(refused).to_string();
        let expected =
            "`iptables -t filter -F NONE`: running [iptables-restore --noflush --wait 5]: exit status ";
        assert!(text.starts_with(expected), "{text}");
    });
}

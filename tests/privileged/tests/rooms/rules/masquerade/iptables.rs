//! Masquerading with iptables.

use crate::rules::{self as on_host, actions, listed, made, remove, tables};
use wasm_cni::action::kind::Kind;
use wasm_cni::action::profile::{Removal, RuleRemoval, RuleSet};
use wasm_cni::action::record::{Effect, Undone};
use wasm_cni::action::rules::masquerade::iptables;
use wasm_cni::action::{Inverse, Masquerade, RemoveMasquerade};
use wasm_cni::machine::rules::{Edit, Listing};
use wasm_cni_plans::play::all_read;
use wasm_cni_privileged::{private, sh};

fn find(chain: &str, comment: &str) -> Vec<Masquerade> {
    all_read(|unread| iptables::find(&*tables(), chain, comment, unread))
}

fn of_network(network: &str) -> Vec<Masquerade> {
    all_read(|unread| iptables::of_network(&*tables(), network, unread))
}

fn action(address: &str, container: &str) -> Masquerade {
    Masquerade {
        address: address.parse().unwrap(),
        chain: "CNI-e88f49d94512ff752ebe6070".to_owned(),
        comment: format!("name: \"mynet\" id: \"{container}\""),
    }
}

fn add(rules: &[&Masquerade]) -> Vec<Effect> {
    for rules in rules {
        // The chain is created without a listing: the kernel refuses to create it twice.
        assert!(rules.add(&Listing::empty(rules.table())).iter().any(Edit::is_exclusive));
    }
    made(&actions(rules))
}

/// Removes rules. Returns for each whether anything was removed.
fn delete(rules: &[&Masquerade]) -> Vec<bool> {
    let removals: Vec<_> =
        rules.iter().map(|&rules| RemoveMasquerade { rules: rules.clone() }.into()).collect();
    let is_found = |undone| match undone {
        Undone::Done => true,
        Undone::Gone => false,
        other => panic!("{other:?}"),
    };
    remove(&removals).into_iter().map(is_found).collect()
}

fn missing(rules: &[&Masquerade]) -> Vec<String> {
    on_host::missing(&actions(rules))
}

fn is_done(found: &[bool]) -> bool {
    found.iter().all(|found| *found)
}

fn rules() -> String {
    sh("iptables -t nat -S; ip6tables -t nat -S")
}

fn removal(rules: &Masquerade) -> Removal {
    let removal = RemoveMasquerade { rules: rules.clone() };
    removal.remove(&listed(rules.table())).unwrap()
}

#[test]
fn the_rules_in_an_empty_table_are_the_reference_s() {
    private(|| {
        let (v4, v6) = (action("10.1.2.2/24", "abc"), action("fd00:1::2/64", "abc"));
        assert_eq!(add(&[&v4, &v6]), [Effect::Created, Effect::Created]);
        let nat = sh("iptables -t nat -S");
        // Captured from the reference's bridge plugin 1.1.1.
        let wanted = [
            r#"-A POSTROUTING -s 10.1.2.2/32 -m comment --comment "name: \"mynet\" id: \"abc\"" -j CNI-e88f49d94512ff752ebe6070"#,
            r#"-A CNI-e88f49d94512ff752ebe6070 -d 10.1.2.0/24 -m comment --comment "name: \"mynet\" id: \"abc\"" -j ACCEPT"#,
            r#"-A CNI-e88f49d94512ff752ebe6070 ! -d 224.0.0.0/4 -m comment --comment "name: \"mynet\" id: \"abc\"" -j MASQUERADE"#,
        ];
        let found: Vec<&str> = nat.lines().filter(|line| line.starts_with("-A")).collect();
        assert_eq!(found, wanted);
        assert!(sh("ip6tables -t nat -S").contains("! -d ff00::/8"));
        assert_eq!(missing(&[&v4, &v6]), [""; 0]);

        assert!(is_done(&delete(&[&v4, &v6])));
        assert!(!rules().contains("CNI-"), "{}", rules());
        assert_eq!(delete(&[&v4, &v6]), [false, false]);
        let comment = r#"-m comment --comment "name: \"mynet\" id: \"abc\"""#;
        assert_eq!(
            missing(&[&v4]),
            [
                format!("the rule `-I {} 1 -d 10.1.2.0/24 -j ACCEPT {comment}` is gone", v4.chain),
                format!("the rule `-A {} ! -d 224.0.0.0/4 -j MASQUERADE {comment}` is gone", v4.chain),
                format!("the rule `-A POSTROUTING -s 10.1.2.2/32 -j {} {comment}` is gone", v4.chain),
            ]
        );
    });
}

#[test]
fn the_printed_commands_add_the_same_rules_and_undo_removes_them() {
    for address in ["10.1.2.2/24", "fd00:1::2/64"] {
        private(|| {
            let mine = action(address, "it's");
            let before = sh("iptables -t nat -S POSTROUTING; ip6tables -t nat -S POSTROUTING");
            sh(&mine.commands().join("\n"));
            let printed = rules();
            assert_eq!(add(&[&mine]), [Effect::AlreadyThere]);
            assert_eq!(rules(), printed);
            sh(&RemoveMasquerade { rules: mine }.command());
            assert!(!rules().contains("CNI-"), "{}", rules());
            assert_eq!(sh("iptables -t nat -S POSTROUTING; ip6tables -t nat -S POSTROUTING"), before);
        });
    }
}

#[test]
fn two_interfaces_share_a_chain_and_the_last_one_removes_it() {
    private(|| {
        let (first, second) = (action("10.1.2.2/24", "abc"), action("10.9.9.9/16", "abc"));
        add(&[&first]);
        let before = rules();
        assert_eq!(add(&[&second]), [Effect::Created]);
        // The rule must come before the rule that masquerades, or it would have no effect.
        let chain = sh("iptables -t nat -S CNI-e88f49d94512ff752ebe6070");
        assert!(chain.find("10.9.0.0/16").unwrap() < chain.find("MASQUERADE").unwrap(), "{chain}");
        assert_eq!(add(&[&second]), [Effect::AlreadyThere]);
        assert!(removal(&second).look_again, "the other may leave it at the same time");
        assert!(is_done(&delete(&[&second])));
        assert_eq!(rules(), before);

        // An interface in the same network needs the same rule for the network.
        let sibling = action("10.1.2.3/24", "abc");
        add(&[&sibling]);
        assert!(is_done(&delete(&[&first])));
        assert_eq!(missing(&[&sibling]), [""; 0]);
        assert!(!removal(&sibling).look_again, "it is the last");
        assert!(is_done(&delete(&[&sibling])));
        assert!(!rules().contains("CNI-"));
    });
}

#[test]
fn two_addresses_of_an_interface_are_added_in_one_transaction() {
    private(|| {
        let (first, second) = (action("10.1.2.2/24", "abc"), action("10.9.9.9/16", "abc"));
        assert_eq!(add(&[&first, &second]), [Effect::Created, Effect::Created]);
        assert_eq!(missing(&[&first, &second]), [""; 0]);
        let chain = sh("iptables -t nat -S CNI-e88f49d94512ff752ebe6070");
        assert_eq!(chain.matches("MASQUERADE").count(), 1, "{chain}");
        assert!(chain.trim_end().ends_with("-j MASQUERADE"), "{chain}");
        assert_eq!(add(&[&first, &second]), [Effect::AlreadyThere, Effect::AlreadyThere]);
        assert!(is_done(&delete(&[&first, &second])));
        assert!(!rules().contains("CNI-"));
    });
}

#[test]
fn rules_of_another_container_and_of_others_stay() {
    private(|| {
        let mine = action("10.1.2.2/24", "abc");
        let theirs = action("10.1.2.3/24", "def");
        sh("iptables -t nat -A POSTROUTING -s 10.1.2.2 -j ACCEPT");
        sh("iptables -t nat -N OTHER && iptables -t nat -A OTHER -m mark --mark 1 -j MASQUERADE");
        add(&[&theirs]);
        let before = rules();
        add(&[&mine]);
        assert!(is_done(&delete(&[&mine])));
        assert_eq!(rules(), before);
    });
}

#[test]
fn rules_of_the_reference_are_completed_and_deleted() {
    private(|| {
        let mine = action("10.1.2.2/24", "abc");
        let (chain, comment) = (&mine.chain, r#"-m comment --comment 'name: "mynet" id: "abc"'"#);
        sh(&format!("iptables -t nat -N {chain}"));
        sh(&format!("iptables -t nat -A {chain} -d 10.1.2.2/24 -j ACCEPT {comment}"));
        assert_eq!(add(&[&mine]), [Effect::Created]);
        assert_eq!(missing(&[&mine]), [""; 0]);
        assert_eq!(rules().matches("ACCEPT -m").count() + rules().matches("-j ACCEPT").count(), 1);

        // In old versions of the reference, the jump had the whole network as its source.
        sh(&format!("iptables -t nat -A POSTROUTING -s 10.1.2.2/24 -j {chain} {comment}"));
        assert!(is_done(&delete(&[&mine])));
        assert!(!rules().contains("CNI-"));
    });
}

#[test]
fn masqueraded_addresses_are_found_from_the_jumps() {
    private(|| {
        let (v4, v6) = (action("10.1.2.2/24", "abc"), action("fd00:1::2/64", "abc"));
        add(&[&v4, &v6, &action("10.1.2.3/24", "def")]);
        assert_eq!(find(&v4.chain, &v4.comment), [v4, v6]);
    });
}

#[test]
fn rules_of_a_network_are_found_with_their_containers() {
    private(|| {
        let (v4, v6, gone) =
            (action("10.1.2.2/24", "abc"), action("fd00:1::2/64", "abc"), action("10.1.2.3/24", "gone"));
        let gone = Masquerade { chain: "CNI-000000000000000000000000".to_owned(), ..gone };
        let of_other_network = Masquerade {
            chain: "CNI-111111111111111111111111".to_owned(),
            comment: "name: \"mynet2\" id: \"abc\"".to_owned(),
            ..v4.clone()
        };
        // Chains are listed in order of creation.
        add(&[&gone, &of_other_network, &v4, &v6]);
        sh(
            "iptables -t nat -A POSTROUTING -s 10.1.2.9 -m comment --comment 'name: \"mynet\" id: \"x\"' -j ACCEPT",
        );
        assert_eq!(of_network("mynet"), [gone.clone(), v4, v6]);

        // A DEL that failed halfway leaves a chain without a jump to it.
        sh("iptables -t nat -F POSTROUTING");
        let found: Vec<_> =
            of_network("mynet").into_iter().filter(|rules| rules.chain == gone.chain).collect();
        let [rest] = found.as_slice() else { panic!("{found:?}") };
        assert!(is_done(&delete(&[rest])));
        assert!(!rules().contains(&gone.chain) && rules().contains(&of_other_network.chain));
    });
}

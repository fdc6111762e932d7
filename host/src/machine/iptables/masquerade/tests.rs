use super::super::super::testing::{all_read, private, sh, texts};
use super::*;

fn find(chain: &str, comment: &str) -> Vec<Masquerade> {
    all_read(|unread| super::find(chain, comment, unread))
}

fn of_network(network: &str) -> Vec<(String, Masquerade)> {
    all_read(|unread| super::of_network(network, unread))
}

fn action(address: &str, container: &str) -> Masquerade {
    Masquerade {
        address: address.parse().unwrap(),
        chain: "CNI-e88f49d94512ff752ebe6070".to_owned(),
        comment: format!("name: \"mynet\" id: \"{container}\""),
    }
}

fn created(outcomes: &[Outcome]) -> Vec<bool> {
    outcomes.iter().map(|outcome| matches!(outcome, Outcome::Done(Effect::Created))).collect()
}

fn is_done(undone: &[Undone]) -> bool {
    undone.iter().all(|undone| matches!(undone, Undone::Done))
}

fn rules() -> String {
    sh("iptables -t nat -S; ip6tables -t nat -S")
}

fn verify(made: &[&Masquerade]) -> Vec<String> {
    texts(super::verify(made))
}

#[test]
fn the_rules_are_those_of_the_reference_in_a_fresh_table() {
    private(|| {
        let (v4, v6) = (action("10.1.2.2/24", "abc"), action("fd00:1::2/64", "abc"));
        assert_eq!(created(&add(&[&v4, &v6])), [true, true]);
        let nat = sh("iptables -t nat -S");
        // cni-behaviours, 7.2, as captured.
        let wanted = [
            r#"-A POSTROUTING -s 10.1.2.2/32 -m comment --comment "name: \"mynet\" id: \"abc\"" -j CNI-e88f49d94512ff752ebe6070"#,
            r#"-A CNI-e88f49d94512ff752ebe6070 -d 10.1.2.0/24 -m comment --comment "name: \"mynet\" id: \"abc\"" -j ACCEPT"#,
            r#"-A CNI-e88f49d94512ff752ebe6070 ! -d 224.0.0.0/4 -m comment --comment "name: \"mynet\" id: \"abc\"" -j MASQUERADE"#,
        ];
        let found: Vec<&str> = nat.lines().filter(|line| line.starts_with("-A")).collect();
        assert_eq!(found, wanted);
        assert!(sh("ip6tables -t nat -S").contains("! -d ff00::/8"));
        assert_eq!(verify(&[&v4, &v6]), [""; 0]);

        assert!(is_done(&delete(&[&v4, &v6])));
        assert!(!rules().contains("CNI-"), "{}", rules());
        assert!(matches!(delete(&[&v4, &v6]).as_slice(), [Undone::Gone, Undone::Gone]));
        assert_eq!(verify(&[&v4]).len(), 3);
    });
}

#[test]
fn two_interfaces_share_a_chain_and_one_leaves_it_to_the_other() {
    private(|| {
        let (first, second) = (action("10.1.2.2/24", "abc"), action("10.9.9.9/16", "abc"));
        add(&[&first]);
        let before = rules();
        assert_eq!(created(&add(&[&second])), [true]);
        // In front of the rule that masquerades, or it would never be reached.
        let chain = sh("iptables -t nat -S CNI-e88f49d94512ff752ebe6070");
        assert!(chain.find("10.9.0.0/16").unwrap() < chain.find("MASQUERADE").unwrap(), "{chain}");
        assert!(matches!(add(&[&second]).as_slice(), [Outcome::Done(Effect::AlreadyThere)]));
        assert!(is_done(&delete(&[&second])));
        assert_eq!(rules(), before);

        // In the same network the sibling needs the network's rule.
        let sibling = action("10.1.2.3/24", "abc");
        add(&[&sibling]);
        assert!(is_done(&delete(&[&first])));
        assert_eq!(verify(&[&sibling]), [""; 0]);
        assert!(is_done(&delete(&[&sibling])));
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
fn what_the_reference_made_is_completed_and_deleted() {
    private(|| {
        let mine = action("10.1.2.2/24", "abc");
        let (chain, comment) = (&mine.chain, r#"-m comment --comment 'name: "mynet" id: "abc"'"#);
        sh(&format!("iptables -t nat -N {chain}"));
        sh(&format!("iptables -t nat -A {chain} -d 10.1.2.2/24 -j ACCEPT {comment}"));
        assert_eq!(created(&add(&[&mine])), [true]);
        assert_eq!(verify(&[&mine]), [""; 0]);
        assert_eq!(rules().matches("ACCEPT -m").count() + rules().matches("-j ACCEPT").count(), 1);

        // Old versions jumped from the whole network.
        sh(&format!("iptables -t nat -A POSTROUTING -s 10.1.2.2/24 -j {chain} {comment}"));
        assert!(is_done(&delete(&[&mine])));
        assert!(!rules().contains("CNI-"));
    });
}

#[test]
fn without_a_journal_the_jumps_tell_what_there_is() {
    private(|| {
        let (v4, v6) = (action("10.1.2.2/24", "abc"), action("fd00:1::2/64", "abc"));
        add(&[&v4, &v6, &action("10.1.2.3/24", "def")]);
        assert_eq!(find(&v4.chain, &v4.comment), [v4, v6]);
    });
}

#[test]
fn nobody_gets_a_line_of_his_own_into_the_script() {
    private(|| {
        let mut evil = action("10.1.2.2/24", "abc");
        evil.comment = "x\n-P POSTROUTING DROP".to_owned();
        assert!(matches!(add(&[&evil]).as_slice(), [Outcome::Failed(MachineError::Conflict(_))]));
        let mut evil = action("10.1.2.2/24", "abc");
        evil.chain = "POSTROUTING -j DROP".to_owned();
        assert!(matches!(add(&[&evil]).as_slice(), [Outcome::Failed(MachineError::Conflict(_))]));
        assert!(matches!(delete(&[&evil]).as_slice(), [Undone::Failed(MachineError::Conflict(_))]));
    });
}

#[test]
fn rules_of_a_network_are_found_with_their_containers() {
    private(|| {
        let (v4, v6, gone) =
            (action("10.1.2.2/24", "abc"), action("fd00:1::2/64", "abc"), action("10.1.2.3/24", "gone"));
        let gone = Masquerade { chain: "CNI-000000000000000000000000".to_owned(), ..gone };
        let elsewhere = Masquerade {
            chain: "CNI-111111111111111111111111".to_owned(),
            comment: "name: \"mynet2\" id: \"abc\"".to_owned(),
            ..v4.clone()
        };
        add(&[&v4, &v6, &gone, &elsewhere]);
        sh(
            "iptables -t nat -A POSTROUTING -s 10.1.2.9 -m comment --comment 'name: \"mynet\" id: \"x\"' -j ACCEPT",
        );
        let id = |rules: &Masquerade, id: &str| (id.to_owned(), rules.clone());
        assert_eq!(of_network("mynet"), [id(&gone, "gone"), id(&v4, "abc"), id(&v6, "abc")]);

        // Of a DEL that failed halfway there is a chain to which nothing jumps.
        sh("iptables -t nat -F POSTROUTING");
        let found: Vec<_> = of_network("mynet").into_iter().filter(|(id, _)| id == "gone").collect();
        let [(_, rest)] = found.as_slice() else { panic!("{found:?}") };
        assert!(is_done(&delete(&[rest])));
        assert!(!rules().contains(&gone.chain) && rules().contains(&elsewhere.chain));
    });
}

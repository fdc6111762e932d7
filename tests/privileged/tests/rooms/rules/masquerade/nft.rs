//! With nftables.

use crate::rules::{actions, add, host, listed, made as made_of, remove, rule_set, tables};
use std::slice;
use wasm_cni::action::kind::Kind;
use wasm_cni::action::profile::{RuleRemoval, RuleSet};
use wasm_cni::action::record::{Before, Done, Effect, Old, Outcome, Reason, Record, Undoing, Undone};
use wasm_cni::action::rules::masquerade::nft::{self, TABLE};
use wasm_cni::action::{Action, MasqueradeNft, RemoveMasqueradeNft, Undo};
use wasm_cni::machine::MachineError;
use wasm_cni::machine::rules::{Edit, Listing, TableError, nftables};
use wasm_cni::value::{Attachment, ContainerId, IfName, NetworkName, derive};
use wasm_cni_fake::FakeMachine;
use wasm_cni_fake::play::{all_read, missing as missing_on, perform, step, undo_all};
use wasm_cni_privileged::{private, sh};

fn find(attachment: &Attachment) -> Vec<MasqueradeNft> {
    all_read(|unread| nft::find(attachment, &*tables(), unread))
}

fn of_network(network: &str) -> Vec<(String, MasqueradeNft)> {
    all_read(|unread| nft::of_network(network, &*tables(), unread))
}

fn attachment(network: &str, interface: &str, container: &str) -> Attachment {
    Attachment {
        network: NetworkName::parse(network).unwrap(),
        container: ContainerId::parse(container).unwrap(),
        interface: IfName::parse(interface).unwrap(),
    }
}

fn of(attachment: &Attachment, address: &str) -> MasqueradeNft {
    MasqueradeNft { address: address.parse().unwrap(), comment: derive::nft_comment(attachment) }
}

fn rule(container: &str, address: &str) -> MasqueradeNft {
    of(&attachment("unit-test", "eth0", container), address)
}

fn made(rules: &[&MasqueradeNft]) -> Vec<Effect> {
    made_of(&actions(rules))
}

fn delete(rules: &[&MasqueradeNft], table: bool) -> Vec<Undone> {
    remove(&undos(rules, table))
}

fn undos(rules: &[&MasqueradeNft], table: bool) -> Vec<Undo> {
    rules.iter().map(|&rule| RemoveMasqueradeNft { rule: rule.clone(), table }.into()).collect()
}

fn missing(rules: &[&MasqueradeNft]) -> Vec<String> {
    missing_on(&mut host(), &actions(rules))
}

fn replaced() -> Effect {
    Effect::Replaced(Old::Shared(vec!["table".to_owned()]))
}

fn ruleset() -> String {
    sh("nft list ruleset")
}

/// The edits of a transaction of several, on what is listed.
fn transaction(rules: &[&Action], beside: &[&Action], listed: &Listing) -> Vec<Edit> {
    let (mut now, mut all) = (listed.clone(), Vec::new());
    for rule in rules {
        let edits = rule_set(rule).add_with_others(beside, &now);
        now.apply(&edits);
        all.extend(edits);
    }
    all
}

/// What every rule needs.
fn frame() -> Vec<Edit> {
    let mut edits = rule("one", "192.168.1.1/24").add(&Listing::empty(TABLE));
    assert!(matches!(edits.pop(), Some(Edit::Nftables(nftables::Edit::AddRule(_)))));
    edits
}

/// The script of the reference (cni-behaviours, 7.1), its last lines given.
fn reference(rules: &[&str]) {
    let frame = r#"add table inet cni_plugins_masquerade { comment "Masquerading for plugins from github.com/containernetworking/plugins" ; }
add chain inet cni_plugins_masquerade masq_checks { comment "Masquerade traffic from certain IPs to any (non-multicast) IP outside their subnet" ; }
add chain inet cni_plugins_masquerade postrouting { type nat hook postrouting priority 100 ; }
flush chain inet cni_plugins_masquerade postrouting
add rule inet cni_plugins_masquerade postrouting ip daddr == 224.0.0.0/4  return
add rule inet cni_plugins_masquerade postrouting ip6 daddr == ff00::/8  return
add rule inet cni_plugins_masquerade postrouting goto masq_checks"#;
    let rules = rules.iter().map(|rule| format!("add rule inet cni_plugins_masquerade masq_checks {rule}"));
    let lines: Vec<String> = std::iter::once(frame.to_owned()).chain(rules).collect();
    std::fs::write("/run/script", lines.join("\n")).unwrap();
    sh("nft -f /run/script");
}

const ONE: &str = "6fd94d501e58f0aa-287fc69eff0574a2, net: unit-test, if: eth0, id: one";

#[test]
fn the_ruleset_is_that_of_the_reference() {
    private(|| {
        let rules = [rule("one", "192.168.1.1/24"), rule("one", "2001:db8::1/64")];
        let rules: Vec<&MasqueradeNft> = rules.iter().collect();
        assert_eq!(made(&rules), [Effect::Created, Effect::Created]);
        let there = ruleset();
        assert_eq!(
            there,
            format!(
                r#"table inet cni_plugins_masquerade {{
	comment "Masquerading for plugins from github.com/containernetworking/plugins"
	chain masq_checks {{
		comment "Masquerade traffic from certain IPs to any (non-multicast) IP outside their subnet"
		ip saddr 192.168.1.1 ip daddr != 192.168.1.0/24 masquerade comment "{ONE}"
		ip6 saddr 2001:db8::1 ip6 daddr != 2001:db8::/64 masquerade comment "{ONE}"
	}}

	chain postrouting {{
		type nat hook postrouting priority srcnat; policy accept;
		ip daddr 224.0.0.0/4 return
		ip6 daddr ff00::/8 return
		goto masq_checks
	}}
}}
"#
            )
        );
        assert_eq!(missing(&rules), [""; 0]);
        sh("nft delete table inet cni_plugins_masquerade");
        reference(&[
            &format!("ip saddr == 192.168.1.1 ip daddr != 192.168.1.0/24 masquerade comment \"{ONE}\""),
            &format!("ip6 saddr == 2001:db8::1 ip6 daddr != 2001:db8::/64 masquerade comment \"{ONE}\""),
        ]);
        assert_eq!(ruleset(), there);
        // What the reference made is ours already.
        let handles = sh("nft -a list ruleset");
        assert_eq!(made(&rules), [Effect::AlreadyThere, Effect::AlreadyThere]);
        assert_eq!(sh("nft -a list ruleset"), handles);
    });
}

#[test]
fn what_is_printed_is_what_is_done() {
    private(|| {
        let rules = [rule("one", "192.168.1.1/24"), rule("one", "2001:db8::1/64"), rule("two", "10.0.0.1/0")];
        let rules: Vec<&MasqueradeNft> = rules.iter().collect();
        made(&rules);
        let there = ruleset();
        sh("nft flush ruleset");
        actions(&rules)
            .iter()
            .flat_map(|action| action.kind().commands())
            .for_each(|command| drop(sh(&command)));
        assert_eq!(ruleset(), there);
        assert_eq!(
            rules[0].name(),
            format!(
                "nft add rule inet cni_plugins_masquerade masq_checks ip saddr == 192.168.1.1 ip daddr != 192.168.1.0/24 \
                 masquerade comment '\"{ONE}\"'"
            )
        );
        sh(&undos(&rules[..1], false)[0].inverse().command());
        assert!(!ruleset().contains("unit-test, if: eth0, id: one") && ruleset().contains("id: two"));
    });
}

#[test]
fn networks_of_every_length_are_known_again() {
    private(|| {
        for address in ["10.1.2.3/32", "10.1.2.3/31", "10.1.2.3/1", "10.1.2.3/0", "fd00::1/128", "fd00::1/0"]
        {
            let rule = rule("one", address);
            made(&[&rule]);
            assert_eq!(missing(&[&rule]), [""; 0], "{address}: {}", ruleset());
            assert_eq!(find(&attachment("unit-test", "eth0", "one")), slice::from_ref(&rule));
            assert_eq!(made(&[&rule]), [Effect::AlreadyThere]);
        }
    });
}

#[test]
fn a_second_add_replaces_its_own_rules_and_leaves_those_of_others() {
    private(|| {
        let (other, sibling) =
            (rule("two", "192.168.1.2/24"), of(&attachment("unit-test", "net1", "one"), "192.168.1.9/24"));
        made(&[&other]);
        let before = ruleset();
        assert_eq!(made(&[&rule("one", "192.168.1.1/24")]), [replaced()]);
        made(&[&sibling]);
        // The address is another one, and what leads to the rules was changed by somebody.
        sh("nft flush chain inet cni_plugins_masquerade postrouting");
        let now = rule("one", "192.168.1.3/24");
        let differences = missing(&[&now]);
        assert!(differences.len() == 2 && differences[0].contains("192.168.1.3"), "{differences:?}");
        assert!(differences[1].contains("does not lead to masq_checks"), "{differences:?}");
        assert_eq!(made(&[&now]), [replaced()]);
        assert_eq!(missing(&[&now, &other, &sibling]), [""; 0]);
        assert!(!ruleset().contains("192.168.1.1 "), "{}", ruleset());

        assert!(matches!(delete(&[&now, &sibling], true).as_slice(), [Undone::Done, Undone::Done]));
        assert_eq!(ruleset(), before);
        assert!(matches!(delete(&[&now], true).as_slice(), [Undone::Gone]));
        assert_eq!(ruleset(), before);
    });
}

#[test]
fn rules_of_one_owner_in_one_transaction_do_not_replace_each_other() {
    private(|| {
        let (first, second, third) =
            (rule("one", "192.168.1.1/24"), rule("one", "10.1.2.3/24"), rule("one", "2001:db8::1/64"));
        made(&[&first]);
        assert_eq!(made(&[&first, &second, &third]), [Effect::AlreadyThere, replaced(), replaced()]);
        assert_eq!(missing(&[&first, &second, &third]), [""; 0]);
        // One that nobody wants any more goes, whatever its family; and so does one that is there twice.
        let twice = rule_set(&first.clone().into()).add(&Listing::empty(TABLE)).pop().unwrap();
        tables().commit(TABLE, &[twice]).unwrap();
        assert_eq!(ruleset().matches("192.168.1.1 ").count(), 2, "{}", ruleset());
        assert_eq!(made(&[&second, &first]), [Effect::AlreadyThere, Effect::AlreadyThere]);
        let there = ruleset();
        assert_eq!(there.matches("masquerade comment").count(), 2, "{there}");
        assert_eq!(missing(&[&first, &second]), [""; 0]);
    });
}

#[test]
fn rules_alone_are_added_where_the_frame_is_there() {
    private(|| {
        let (one, two) = (rule("one", "192.168.1.1/24"), rule("two", "192.168.1.2/24"));
        made(&[&one]);
        let there = listed(TABLE);
        assert!(matches!(two.add(&there).as_slice(), [Edit::Nftables(nftables::Edit::AddRule(_))]));
        sh("nft flush chain inet cni_plugins_masquerade postrouting");
        let there = listed(TABLE);
        let edits = two.add(&there);
        assert_eq!(edits.len(), frame().len() + 1, "{edits:?}");
        // The frame is made once in a transaction.
        let (one, two) = (one.into(), two.into());
        let both = [&one, &two];
        let edits = transaction(&both, &both, &there);
        assert_eq!(edits.len(), frame().len() + 1, "{edits:?}");
    });
}

#[test]
fn an_empty_table_stays_after_delete_and_goes_in_a_rollback_only() {
    private(|| {
        let rules = [rule("one", "192.168.1.1/24"), rule("one", "2001:db8::1/64")];
        let rules: Vec<&MasqueradeNft> = rules.iter().collect();
        let after = |theirs: &str, table| {
            made(&rules);
            sh(theirs);
            assert!(matches!(delete(&rules, table).as_slice(), [Undone::Done, Undone::Done]), "{theirs}");
            ruleset()
        };
        assert!(after("true", false).contains("chain postrouting"));
        assert_eq!(after("true", true), "");
        for theirs in [
            "chain inet cni_plugins_masquerade theirs",
            "rule inet cni_plugins_masquerade masq_checks ip saddr 10.0.0.1 accept",
            "rule inet cni_plugins_masquerade postrouting oifname lo return",
            "set inet cni_plugins_masquerade s { type ipv4_addr; }",
        ] {
            assert!(after(&format!("nft 'add {theirs}'"), true).contains("table inet"), "{theirs}");
            sh("nft delete table inet cni_plugins_masquerade");
        }
    });
}

#[test]
fn only_a_rollback_of_what_made_the_table_deletes_it() {
    let made = rule("one", "192.168.1.1/24");
    let action = made.clone().into();
    let undo = |done, why| {
        let own = [Record { action: &action, done }];
        made.undos(&Undoing { done, why, own: &own, others: &[] })
    };
    let with = |table| vec![Undo::from(RemoveMasqueradeNft { rule: made.clone(), table })];
    let replaced = replaced();
    for (done, rollback, delete) in [
        (Done::Effect(&Effect::Created), with(true), with(false)),
        (Done::Effect(&replaced), with(false), with(false)),
        (Done::Effect(&Effect::AlreadyThere), vec![], with(false)),
        (Done::Unknown(&Before::Absent), with(true), with(false)),
        (Done::Not, vec![], vec![]),
    ] {
        assert_eq!(undo(done, Reason::Rollback), rollback, "{done:?}");
        assert_eq!(undo(done, Reason::Delete), delete, "{done:?}");
    }
}

#[test]
fn what_is_not_there_is_gone_and_nobody_is_asked_for_a_table() {
    private(|| {
        let one = rule("one", "192.168.1.1/24");
        assert!(matches!(delete(&[&one], true).as_slice(), [Undone::Gone]));
        assert_eq!(find(&attachment("unit-test", "eth0", "one")), []);
        assert_eq!(
            missing(&[&one]),
            [
                format!(
                    "the rule `add rule inet cni_plugins_masquerade masq_checks ip saddr == 192.168.1.1 \
                     ip daddr != 192.168.1.0/24 masquerade comment \"{ONE}\"` is gone"
                ),
                "chain postrouting of table inet cni_plugins_masquerade does not lead to masq_checks"
                    .to_owned()
            ]
        );
        assert_eq!(ruleset(), "");
    });
}

#[test]
fn rules_are_found_by_attachment_and_by_network_whoever_made_them() {
    private(|| {
        let (one, two) = (rule("one", "192.168.1.1/24"), rule("two", "192.168.1.2/24"));
        let elsewhere = of(&attachment("alternate", "net1", "three"), "10.0.0.3/8");
        reference(&[&format!(
            "ip saddr == 192.168.1.1 ip daddr != 192.168.1.0/24 masquerade comment \"{ONE}\""
        )]);
        made(&[&two]);
        made(&[&elsewhere]);
        sh("nft add rule inet cni_plugins_masquerade masq_checks ip saddr 10.0.0.9 accept");
        assert_eq!(find(&attachment("unit-test", "eth0", "one")), slice::from_ref(&one));
        assert_eq!(find(&attachment("unit-test", "eth1", "one")), []);
        let owner = |container| derive::nft_owner(&attachment("unit-test", "eth0", container));
        assert_eq!(of_network("unit-test"), [(owner("one"), one), (owner("two"), two)]);
        assert_eq!(of_network("alternate")[0].1, elsewhere);
    });
}

#[test]
fn long_comments_are_cut_and_still_say_whose_they_are() {
    private(|| {
        let long = attachment(&"n".repeat(100), "eth0", &"c".repeat(100));
        let rule = of(&long, "192.168.1.1/24");
        made(&[&rule]);
        assert_eq!(rule.comment.len(), 128);
        assert!(ruleset().contains(&format!("masquerade comment \"{}\"\n", rule.comment)));
        assert_eq!(find(&long), slice::from_ref(&rule));
        assert_eq!(made(&[&rule]), [Effect::AlreadyThere]);
        assert!(matches!(delete(&[&rule], true).as_slice(), [Undone::Done]));
    });
}

#[test]
fn names_of_interfaces_are_text_whatever_they_are() {
    private(|| {
        for name in ["eth\"0", "$x", "*", "\\", "a*", "#;{}", "é", "@set", "'\"';drop", "\"}flush"] {
            let hostile = attachment("unit-test", name, "one");
            let rule = of(&hostile, "192.168.1.1/24");
            assert_eq!(made(&[&rule]), [Effect::Created], "{name}");
            let before = ruleset();
            assert_eq!(
                before.lines().filter(|line| line.contains("masquerade comment")).count(),
                1,
                "{before}"
            );
            assert_eq!(missing(&[&rule]), [""; 0], "{name}");
            assert_eq!(find(&hostile), slice::from_ref(&rule), "{name}");
            // The ruleset as text stays one that nft reads.
            sh("nft list ruleset > /run/saved; nft flush ruleset; nft -f /run/saved");
            assert_eq!(ruleset(), before);
            assert!(matches!(delete(&[&rule], true).as_slice(), [Undone::Done]), "{name}");
            assert_eq!(ruleset(), "");
            // What is printed is quoted for a shell.
            rule.commands().iter().for_each(|command| drop(sh(command)));
            assert_eq!(ruleset(), before);
            sh("nft flush ruleset");
        }
        let evil =
            |comment: &str| MasqueradeNft { comment: comment.to_owned(), ..rule("one", "192.168.1.1/24") };
        for evil in [
            evil(&format!("{ONE}\" ; flush ruleset ; #")),
            evil(&format!("{ONE}\nflush ruleset")),
            evil(&format!("{ONE}{}", "x".repeat(100))),
            evil(""),
        ] {
            assert!(
                matches!(add(&actions(&[&evil])).as_slice(), [Outcome::Failed(MachineError::Conflict(_))]),
                "{evil:?}"
            );
        }
        assert_eq!(ruleset(), "");
    });
}

#[test]
fn a_change_by_others_between_listing_and_transaction_is_seen() {
    let (one, two) = (rule("one", "192.168.1.1/24"), rule("two", "192.168.1.2/24"));
    let mut machine = FakeMachine::new();
    step(&mut machine, &actions(&[&one, &two]));
    // Somebody deletes the rule after it was listed: its handle means nothing any more.
    let theirs = RemoveMasqueradeNft { rule: one.clone(), table: false };
    machine.after_listing(move |tables| {
        let deletion = theirs.remove(&tables.list(TABLE).unwrap()).unwrap();
        tables.commit(TABLE, &deletion.edits).unwrap();
    });
    let both = undos(&[&one, &two], false);
    assert!(matches!(undo_all(&mut machine, &both).as_slice(), [Undone::Gone, Undone::Done]));
    assert!(!machine.snapshot().contains("192.168.1"), "{}", machine.snapshot());

    // Or the whole table, which the transaction would not make.
    machine.after_listing(|tables| {
        tables.commit(TABLE, &[Edit::Nftables(nftables::Edit::DeleteTable)]).unwrap();
    });
    assert_eq!(perform(&mut machine, one.clone()).unwrap(), Effect::Created);
    assert_eq!(missing_on(&mut machine, &actions(&[&one])), [""; 0]);
}

#[test]
fn what_is_refused_without_any_change_of_others_is_not_tried_again_and_changes_nothing() {
    private(|| {
        let one = rule("one", "192.168.1.1/24");
        made(&[&one]);
        let before = ruleset();
        let mut edits = frame();
        let delete = nftables::Edit::DeleteRule { chain: "masq_checks".to_owned(), handle: 999 };
        edits.push(Edit::Nftables(delete));
        let refused = tables().commit(TABLE, &edits).unwrap_err();
        let error = rule_set(&one.clone().into()).failed(refused).to_string();
        assert!(error.starts_with("could not run nftables command: nft -f -: exit status 1: "), "{error}");
        assert!(error.contains("No such file or directory"), "{error}");
        assert_eq!(ruleset(), before);

        // A chain of that name which the kernel calls elsewhere is in the way of ours.
        sh("nft flush ruleset; nft add table inet cni_plugins_masquerade
            nft 'add chain inet cni_plugins_masquerade postrouting { type filter hook input priority 0; }'");
        let before = ruleset();
        // After several tries others would be told to change it.
        let outcomes = add(&actions(&[&one]));
        let [Outcome::Failed(MachineError::Tool { what, message })] = outcomes.as_slice() else {
            panic!("{outcomes:?}")
        };
        assert_eq!(what, "could not run nftables command");
        assert!(message.starts_with("nft -f -: exit status 1: "), "{message}");
        assert_eq!(ruleset(), before);
    });
}

#[test]
fn many_at_once_do_not_take_from_each_other() {
    private(|| {
        let rules: Vec<MasqueradeNft> =
            (1..9).map(|n| rule(&format!("c{n}"), &format!("10.1.2.{n}/24"))).collect();
        let each = |check: fn(&MasqueradeNft)| {
            std::thread::scope(|scope| rules.iter().for_each(|rule| drop(scope.spawn(move || check(rule)))));
        };
        each(|rule| assert_eq!(made(&[rule]).len(), 1));
        assert_eq!(missing(&rules.iter().collect::<Vec<_>>()), [""; 0]);
        each(|rule| assert!(matches!(delete(&[rule], false).as_slice(), [Undone::Done])));
        assert!(!ruleset().contains("10.1.2"), "{}", ruleset());
    });
}

#[test]
fn a_table_is_what_its_edits_say() {
    private(|| {
        // What a machine in memory has after the edits is what the kernel lists, but for the handles.
        let (one, two) = (rule("one", "192.168.1.1/24"), rule("two", "fd00::1/128"));
        let (one, two) = (one.into(), two.into());
        let edits = transaction(&[&one, &two], &[], &Listing::empty(TABLE));
        let mut expected = Listing::empty(TABLE);
        expected.apply(&edits);
        tables().commit(TABLE, &edits).unwrap();
        let Listing::Nftables(mut listed) = listed(TABLE) else { panic!("{TABLE}") };
        listed.rules.iter_mut().for_each(|rule| rule.handle = None);
        // The kernel lists the rules of one chain after those of another.
        let in_order = |chain: &'static str| listed.rules_of(chain).cloned().collect::<Vec<_>>();
        let expected = expected.nftables().unwrap();
        for chain in ["masq_checks", "postrouting"] {
            assert_eq!(in_order(chain), expected.rules_of(chain).cloned().collect::<Vec<_>>());
        }
        assert_eq!((listed.chains, listed.has_others, listed.exists), (expected.chains.clone(), false, true));
    });
}

#[test]
fn a_missing_program_is_reported_as_by_the_reference() {
    let missing = TableError::Missing("exec: \"nft\": executable file not found in $PATH".to_owned());
    assert_eq!(
        rule_set(&rule("one", "192.168.1.1/24").into()).failed(missing).to_string(),
        "could not find nftables binary: exec: \"nft\": executable file not found in $PATH"
    );
}

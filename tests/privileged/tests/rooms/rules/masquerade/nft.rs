//! Masquerading with nftables.

use crate::rules::{actions, add, host, listed, made as made_of, remove, rule_set, tables};
use std::slice;
use wasm_cni::action::kind::Kind;
use wasm_cni::action::profile::RuleSet;
use wasm_cni::action::record::{Effect, Old, Outcome, Undone};
use wasm_cni::action::rules::masquerade::nft::{self, TABLE};
use wasm_cni::action::{Action, MasqueradeNft, RemoveMasqueradeNft, Undo};
use wasm_cni::machine::MachineError;
use wasm_cni::machine::rules::{Edit, Listing, nftables};
use wasm_cni::value::{Attachment, ContainerId, IfName, NetworkName, derive};
use wasm_cni_plans::play::{all_read, missing as missing_on};
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

/// The edits of a transaction with several rules, for this listing.
fn transaction(rules: &[&Action], beside: &[&Action], listed: &Listing) -> Vec<Edit> {
    let (mut now, mut all) = (listed.clone(), Vec::new());
    for rule in rules {
        let edits = rule_set(rule).add_with_others(beside, &now);
        now.apply(&edits);
        all.extend(edits);
    }
    all
}

/// The edits that every rule needs.
fn frame() -> Vec<Edit> {
    let mut edits = rule("one", "192.168.1.1/24").add(&Listing::empty(TABLE));
    assert!(matches!(edits.pop(), Some(Edit::Nftables(nftables::Edit::AddRule(_)))));
    edits
}

/// Runs the reference's script for nft(8) (pkg/ip/ipmasq_nftables_linux.go). `rules` are its last lines.
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
fn the_ruleset_is_the_reference_s() {
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
        // Rules that the reference added count as ours.
        let handles = sh("nft -a list ruleset");
        assert_eq!(made(&rules), [Effect::AlreadyThere, Effect::AlreadyThere]);
        assert_eq!(sh("nft -a list ruleset"), handles);
    });
}

#[test]
fn the_printed_commands_make_the_same_ruleset() {
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
fn networks_of_every_prefix_length_are_recognised() {
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
        // The address has changed, and somebody has removed the rules that lead to the rule.
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
        // A rule that no action wants any more is deleted, whatever its family. So is a duplicate.
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
fn only_rules_are_added_if_table_and_chains_exist() {
    private(|| {
        let (one, two) = (rule("one", "192.168.1.1/24"), rule("two", "192.168.1.2/24"));
        made(&[&one]);
        let there = listed(TABLE);
        assert!(matches!(two.add(&there).as_slice(), [Edit::Nftables(nftables::Edit::AddRule(_))]));
        sh("nft flush chain inet cni_plugins_masquerade postrouting");
        let there = listed(TABLE);
        let edits = two.add(&there);
        assert_eq!(edits.len(), frame().len() + 1, "{edits:?}");
        // A transaction creates table and chains only once.
        let (one, two) = (one.into(), two.into());
        let both = [&one, &two];
        let edits = transaction(&both, &both, &there);
        assert_eq!(edits.len(), frame().len() + 1, "{edits:?}");
    });
}

#[test]
fn only_a_rollback_deletes_the_empty_table() {
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
fn without_a_table_everything_counts_as_removed_and_none_is_created() {
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
fn rules_are_found_by_attachment_and_by_network_including_the_reference_s() {
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
fn truncated_comments_still_show_their_owner() {
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
fn any_interface_name_is_written_as_text() {
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
            // `nft` can read its own output.
            sh("nft list ruleset > /run/saved; nft flush ruleset; nft -f /run/saved");
            assert_eq!(ruleset(), before);
            assert!(matches!(delete(&[&rule], true).as_slice(), [Undone::Done]), "{name}");
            assert_eq!(ruleset(), "");
            // The printed commands are quoted for a shell.
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
fn a_refusal_without_a_change_by_others_is_final_and_changes_nothing() {
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

        // An existing chain of the same name with another hook prevents ours.
        sh("nft flush ruleset; nft add table inet cni_plugins_masquerade
            nft 'add chain inet cni_plugins_masquerade postrouting { type filter hook input priority 0; }'");
        let before = ruleset();
        // If the transaction were repeated, the error would be that others changed the table.
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
fn concurrent_adds_and_removals_do_not_affect_each_other() {
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
fn a_listing_after_edits_is_the_kernel_s_listing() {
    private(|| {
        // The listing of the fake machine after edits is the kernel's listing, except for the handles.
        let (one, two) = (rule("one", "192.168.1.1/24"), rule("two", "fd00::1/128"));
        let (one, two) = (one.into(), two.into());
        let edits = transaction(&[&one, &two], &[], &Listing::empty(TABLE));
        let mut expected = Listing::empty(TABLE);
        expected.apply(&edits);
        tables().commit(TABLE, &edits).unwrap();
        let Listing::Nftables(mut listed) = listed(TABLE) else { panic!("{TABLE}") };
        listed.rules.iter_mut().for_each(|rule| rule.handle = None);
        // The kernel lists rules grouped by chain.
        let in_order = |chain: &'static str| listed.rules_of(chain).cloned().collect::<Vec<_>>();
        let expected = expected.nftables().unwrap();
        for chain in ["masq_checks", "postrouting"] {
            assert_eq!(in_order(chain), expected.rules_of(chain).cloned().collect::<Vec<_>>());
        }
        assert_eq!((listed.chains, listed.has_others, listed.exists), (expected.chains.clone(), false, true));
    });
}

//! MAC spoofing checks.

use super::{actions, host, listed, remove, rule_set, tables};
use wasm_cni::action::kind::Kind;
use wasm_cni::action::record::{Effect, Old, Undone};
use wasm_cni::action::rules::source_mac::{self, TABLE, all};
use wasm_cni::action::{CheckSourceMac, RemoveSourceMac, Undo};
use wasm_cni::machine::MachineError;
use wasm_cni::value::{Attachment, ContainerId, IfName, Mac, NetworkName, derive};
use wasm_cni_plans::play::{all_read, perform};
use wasm_cni_privileged::{private, sh};

fn find(attachment: &Attachment) -> Option<CheckSourceMac> {
    all_read(|unread| source_mac::find(attachment, &*tables(), unread))
}

fn attachment(interface: &str) -> Attachment {
    Attachment {
        network: NetworkName::parse("mynet").unwrap(),
        container: ContainerId::parse("container99").unwrap(),
        interface: IfName::parse(interface).unwrap(),
    }
}

fn check(interface: &str, port: &str) -> CheckSourceMac {
    CheckSourceMac {
        port: IfName::parse(port).unwrap(),
        mac: Mac([2, 0, 0, 0, 0x12, 0x34]),
        identity: derive::source_mac_identity(&attachment(interface)),
    }
}

fn add(check: &CheckSourceMac) -> Result<Effect, MachineError> {
    perform(&mut host(), check.clone())
}

fn delete(check: &CheckSourceMac, table: bool) -> Undone {
    remove(&[RemoveSourceMac { check: check.clone(), table }.into()]).remove(0)
}

fn ruleset() -> String {
    sh("nft list ruleset")
}

fn verify(made: &CheckSourceMac) -> Vec<String> {
    super::missing(&actions(&[made]))
}

fn replaced() -> Effect {
    Effect::Replaced(Old::Shared(vec!["table".to_owned()]))
}

#[test]
fn the_ruleset_is_the_reference_s() {
    private(|| {
        let check = check("net1", "veth01234567");
        assert_eq!(add(&check).unwrap(), Effect::Created);
        assert_eq!(
            ruleset(),
            r#"table bridge nat {
	chain PREROUTING {
		type filter hook prerouting priority dstnat; policy accept;
		iifname "veth01234567" jump cni-br-iface-container99-net1 comment "macspoofchk-container99-net1"
	}

	chain cni-br-iface-container99-net1 {
		jump cni-br-iface-container99-net1-mac comment "macspoofchk-container99-net1"
	}

	chain cni-br-iface-container99-net1-mac {
		ether saddr 02:00:00:00:12:34 return comment "macspoofchk-container99-net1"
		drop comment "macspoofchk-container99-net1"
	}
}
"#
        );
        assert_eq!(verify(&check), [""; 0]);
        let before = ruleset();
        assert_eq!(add(&check).unwrap(), Effect::AlreadyThere);
        assert_eq!(ruleset(), before);

        assert!(matches!(delete(&check, false), Undone::Done));
        let empty = "table bridge nat {\n\tchain PREROUTING {\n\t\ttype filter hook prerouting priority dstnat; policy accept;\n\t}\n}\n";
        assert_eq!(ruleset(), empty);
        assert!(matches!(delete(&check, false), Undone::Gone));
        assert_eq!(find(&attachment("net1")), None);
        assert_eq!(verify(&check).len(), 6);

        // The printed commands make the same ruleset.
        sh("nft flush ruleset");
        check.commands().iter().for_each(|command| drop(sh(command)));
        assert_eq!(ruleset(), before);
        assert_eq!(
            check.name(),
            "nft add rule bridge nat PREROUTING iifname veth01234567 jump cni-br-iface-container99-net1 \
             comment '\"macspoofchk-container99-net1\"'"
        );
        sh(&Undo::from(RemoveSourceMac { check, table: false }).inverse().command());
        assert_eq!(ruleset(), empty);
    });
}

#[test]
fn debian_s_plugin_adds_the_same_rules_and_its_rules_are_found_and_deleted() {
    private(|| {
        sh("mkdir /run/netns; ip netns add c1");
        let add_reference = || {
            sh(
                r#"echo '{"cniVersion": "1.0.0", "name": "mynet", "type": "bridge", "bridge": "br0", "macspoofchk": true}' |
                CNI_COMMAND=ADD CNI_CONTAINERID=container99 CNI_NETNS=/run/netns/c1 CNI_IFNAME=net1 CNI_PATH=/usr/lib/cni \
                /usr/lib/cni/bridge"#,
            );
            sh("nft list table bridge nat")
        };
        let theirs = add_reference();
        let found = find(&attachment("net1")).unwrap();
        assert_eq!(verify(&found), [""; 0]);
        assert_eq!(add(&found).unwrap(), Effect::AlreadyThere);
        assert!(matches!(delete(&found, true), Undone::Done));
        assert_eq!(ruleset(), "");
        assert_eq!(add(&found).unwrap(), Effect::Created);
        assert_eq!(ruleset(), theirs);

        // A second ADD of the reference adds a second jump, from the new port. Our ADD leaves only one, and DEL removes
        // all.
        sh("ip -n c1 link delete net1");
        let twice = add_reference();
        assert_eq!(twice.matches("iifname").count(), 2, "{twice}");
        let check = check("net1", "veth01234567");
        assert_eq!(add(&check).unwrap(), replaced());
        assert_eq!(ruleset().matches("iifname").count(), 1, "{}", ruleset());
        assert_eq!(verify(&check), [""; 0]);
        sh("ip -n c1 link delete net1");
        add_reference();
        assert!(matches!(delete(&check, false), Undone::Done));
        assert!(!ruleset().contains("container99"), "{}", ruleset());
    });
}

#[test]
fn two_interfaces_are_independent_and_rules_of_others_stay() {
    private(|| {
        sh(
            "nft add table bridge nat; nft add chain bridge nat theirs '{ type filter hook prerouting priority 0; }'; \
            nft add rule bridge nat theirs iifname lo accept",
        );
        let (first, second) = (check("net1", "veth00000001"), check("net2", "veth00000002"));
        assert_eq!(add(&first).unwrap(), replaced());
        let before = ruleset();
        assert_eq!(add(&second).unwrap(), replaced());
        assert_eq!(verify(&first), [""; 0]);
        let all = all_read(|unread| all(&*tables(), unread));
        assert_eq!(all, [first.clone(), second.clone()]);
        assert!(matches!(delete(&second, true), Undone::Done));
        assert_eq!(ruleset(), before);
        assert!(matches!(delete(&first, true), Undone::Done));
        assert!(ruleset().contains("chain theirs") && !ruleset().contains("cni-br"), "{}", ruleset());
    });
}

#[test]
fn rollback_removes_the_table_unless_others_use_it() {
    private(|| {
        let check = check("net1", "veth00000001");
        add(&check).unwrap();
        sh("nft add rule bridge nat PREROUTING iifname lo accept");
        assert!(matches!(delete(&check, true), Undone::Done));
        assert!(ruleset().contains("iifname \"lo\" accept"), "{}", ruleset());
        sh("nft flush ruleset");
        add(&check).unwrap();
        assert!(matches!(delete(&check, true), Undone::Done));
        assert_eq!(ruleset(), "");
    });
}

#[test]
fn check_names_missing_and_wrong_rules() {
    private(|| {
        let check = check("net1", "veth00000001");
        let chain = "cni-br-iface-container99-net1";
        let differences = |change: &str| {
            assert_eq!(add(&check).map(|_| verify(&check)).unwrap(), [""; 0]);
            sh(change);
            verify(&check)
        };
        let one = |change: &str, text: &str| {
            let found = differences(change);
            assert!(found.iter().any(|difference| difference.contains(text)), "{change}: {found:?}");
        };
        one("nft flush chain bridge nat PREROUTING", "iifname veth00000001 jump");
        one(&format!("nft flush chain bridge nat {chain}"), &format!("jump {chain}-mac"));
        one(&format!("nft flush chain bridge nat {chain}-mac"), "drop");
        one("nft delete table bridge nat", &format!("chain {chain}-mac of table bridge nat is gone"));
        let wrong = format!(
            "nft 'flush chain bridge nat {chain}-mac; add rule bridge nat {chain}-mac ether saddr 02:00:00:00:00:01 return; \
             add rule bridge nat {chain}-mac drop'"
        );
        one(&wrong, "lets 02:00:00:00:00:01 pass, not 02:00:00:00:12:34");
        one(&wrong, "ether saddr 02:00:00:00:12:34 return");
        one(&format!("nft insert rule bridge nat {chain}-mac accept"), "has other rules");
        // The complete text.
        let gone = format!(
            "the rule `nft add rule bridge nat PREROUTING iifname veth00000001 jump {chain} \
             comment '\"macspoofchk-container99-net1\"'` is gone"
        );
        assert_eq!(differences("nft flush chain bridge nat PREROUTING"), [gone]);
    });
}

#[test]
fn any_interface_name_is_written_as_text() {
    private(|| {
        for name in ["eth\"0", "$x", "\\", "#;{}", "é", "@set", "'\"';drop", "\"}flush"] {
            let check = check(name, "veth00000001");
            assert_eq!(add(&check).unwrap(), Effect::Created, "{name}");
            assert_eq!(sh("nft -j list ruleset").matches("\"chain\": {").count(), 3, "{name}");
            assert_eq!(verify(&check), [""; 0], "{name}");
            assert_eq!(find(&attachment(name)), Some(check.clone()));
            assert!(matches!(delete(&check, true), Undone::Done), "{name}");
            assert_eq!(ruleset(), "");
        }
        // `nft` interprets this name as a wildcard.
        assert!(matches!(add(&check("a*", "veth00000001")), Err(MachineError::Tool { .. })));
        assert_eq!(ruleset(), "");
    });
}

#[test]
fn chains_of_another_interface_are_not_taken_over() {
    private(|| {
        let (mine, other) = (check("net1", "veth00000001"), check("net1-mac", "veth00000002"));
        add(&mine).unwrap();
        let before = ruleset();
        assert!(matches!(add(&other), Err(MachineError::Conflict(_))));
        assert!(matches!(delete(&other, true), Undone::Left(_)));
        assert_eq!(ruleset(), before);
        // No action repairs this.
        let differences = rule_set(&other.clone().into()).missing(&listed(TABLE));
        assert!(!differences.is_empty() && differences.iter().all(|difference| difference.repair.is_none()));
        // A jump of ours is removed all the same.
        sh(
            "nft add rule bridge nat PREROUTING iifname lo accept comment '\"macspoofchk-container99-net1-mac\"'",
        );
        assert!(matches!(delete(&other, true), Undone::Done));
        assert_eq!(ruleset(), before);
    });
}

//! Firewall rules.

use super::{made, remove, tables};
use wasm_cni::action::kind::Kind;
use wasm_cni::action::record::{Effect, Old, Undone};
use wasm_cni::action::rules::filter::{allowed, iptables};
use wasm_cni::action::{FilterRule, RemoveFilter};
use wasm_cni::machine::MachineError;
use wasm_cni::value::IfName;
use wasm_cni_plans::play::all_read;
use wasm_cni_privileged::{private, sh};

fn allow(address: &str) -> FilterRule {
    FilterRule::AllowForward { address: address.parse().unwrap(), admin_chain: "CNI-ADMIN".to_owned() }
}

fn isolate(bridge: &str, within: bool) -> FilterRule {
    FilterRule::Isolate { is_ipv4: true, bridge: IfName::parse(bridge).unwrap(), within }
}

fn add(rules: &[&FilterRule]) -> Vec<Effect> {
    made(&super::actions(rules))
}

/// Removes a rule. Returns whether anything was removed.
fn delete(rule: &FilterRule, unmake: &[String]) -> Result<bool, MachineError> {
    let removal = RemoveFilter { rule: rule.clone(), unmake: unmake.to_vec() };
    match remove(&[removal.into()]).remove(0) {
        Undone::Done => Ok(true),
        Undone::Gone => Ok(false),
        Undone::Failed(error) => Err(error),
        Undone::Left(why) => panic!("left: {why}"),
    }
}

fn missing(rules: &[&FilterRule]) -> Vec<String> {
    super::missing(&super::actions(rules))
}

fn shared_by(rule: &FilterRule) -> Vec<String> {
    iptables::shared_by(rule)
}

fn rules() -> Vec<String> {
    sh("iptables -t filter -S").lines().filter(|line| !line.starts_with("-P")).map(str::to_owned).collect()
}

#[test]
fn the_rules_are_the_reference_s() {
    private(|| {
        let (container, bridge) = (allow("10.1.2.2"), isolate("cni0", false));
        assert_eq!(add(&[&container, &bridge]), [Effect::Created, Effect::Created]);
        // Captured from the reference's firewall plugin 1.1.1. The comment of the rules that all bridges share is that
        // of version 1.7.
        let any = r#"-m comment --comment "CNI firewall plugin rules (ingressPolicy: same-bridge|isolated)""#;
        let wanted = [
            "-N CNI-ADMIN".to_owned(),
            "-N CNI-FORWARD".to_owned(),
            "-N CNI-ISOLATION-STAGE-1".to_owned(),
            "-N CNI-ISOLATION-STAGE-2".to_owned(),
            format!("-A FORWARD {any} -j CNI-ISOLATION-STAGE-1"),
            r#"-A FORWARD -m comment --comment "CNI firewall plugin rules" -j CNI-FORWARD"#.to_owned(),
            r#"-A CNI-FORWARD -m comment --comment "CNI firewall plugin admin overrides" -j CNI-ADMIN"#.to_owned(),
            "-A CNI-FORWARD -d 10.1.2.2/32 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT".to_owned(),
            "-A CNI-FORWARD -s 10.1.2.2/32 -j ACCEPT".to_owned(),
            r#"-A CNI-ISOLATION-STAGE-1 -i cni0 ! -o cni0 -m comment --comment "CNI firewall plugin rules (ingressPolicy: same-bridge)" -j CNI-ISOLATION-STAGE-2"#.to_owned(),
            format!("-A CNI-ISOLATION-STAGE-1 {any} -j RETURN"),
            format!("-A CNI-ISOLATION-STAGE-2 -o cni0 {any} -j DROP"),
            format!("-A CNI-ISOLATION-STAGE-2 {any} -j RETURN"),
        ];
        let mut found = rules();
        found[..4].sort();
        assert_eq!(found, wanted);
        assert_eq!(missing(&[&container, &bridge]), [""; 0]);
        assert_eq!(missing(&[&allow("10.1.2.3")]).len(), 2);

        let effects = add(&[&isolate("cni1", true)]);
        assert!(matches!(effects.as_slice(), [Effect::Replaced(Old::Shared(_))]), "{effects:?}");
        let stage = rules()
            .into_iter()
            .filter(|line| line.starts_with("-A CNI-ISOLATION-STAGE-1"))
            .collect::<Vec<_>>();
        assert!(stage[0].contains("-i cni1 -o cni1") && stage[0].ends_with("-j DROP"), "{stage:#?}");
    });
}

#[test]
fn the_printed_commands_add_the_same_rules() {
    for rule in [allow("10.1.2.2"), isolate("cni0", true)] {
        let (mut sent, mut printed) = (Vec::new(), Vec::new());
        private(|| {
            add(&[&rule]);
            sent = rules();
        });
        private(|| {
            sh(&rule.commands().join("\n"));
            printed = rules();
        });
        assert_eq!(printed, sent);
        let name = rule.name();
        assert!(rule.commands().contains(&name) && !name.contains(" -N "), "{name}");
    }
}

#[test]
fn shared_chains_stay_while_used_and_rollback_removes_those_it_created() {
    private(|| {
        let (first, second, bridge) = (allow("10.1.2.2"), allow("10.1.2.3"), isolate("cni0", true));
        let before = rules();
        add(&[&first, &bridge]);
        // The second container is added while the first one exists.
        add(&[&second]);
        assert!(delete(&first, &shared_by(&first)).unwrap());
        assert_eq!(missing(&[&second]), [""; 0]);
        assert!(delete(&second, &[]).unwrap());
        assert!(rules().iter().any(|line| line.contains("-j CNI-FORWARD")), "they stay: {:#?}", rules());
        assert!(!delete(&second, &[]).unwrap(), "its own rules are gone");
        delete(&second, &shared_by(&second)).unwrap();
        assert!(!rules().iter().any(|line| line.contains("CNI-FORWARD") || line.contains("CNI-ADMIN")));
        delete(&bridge, &shared_by(&bridge)).unwrap();
        assert_eq!(rules(), before);
    });
}

#[test]
fn the_administrator_s_rules_are_never_removed() {
    private(|| {
        sh("iptables -N CNI-ADMIN; iptables -A CNI-ADMIN -s 192.0.2.1 -j DROP");
        let rule = allow("10.1.2.2");
        let effects = add(&[&rule]);
        assert_eq!(effects, [Effect::Replaced(Old::Shared(vec!["CNI-ADMIN".to_owned()]))]);
        delete(&rule, &["CNI-FORWARD".to_owned()]).unwrap();
        assert_eq!(rules(), ["-N CNI-ADMIN", "-A CNI-ADMIN -s 192.0.2.1/32 -j DROP"]);
        // The administrator's rules stay, even if the journal says that the ADD created the chain.
        add(&[&rule]);
        delete(&rule, &shared_by(&rule)).unwrap();
        assert_eq!(rules(), ["-N CNI-ADMIN", "-A CNI-ADMIN -s 192.0.2.1/32 -j DROP"]);
    });
}

#[test]
fn rules_of_an_older_reference_are_not_duplicated() {
    private(|| {
        let bridge = isolate("cni0", false);
        add(&[&bridge]);
        sh(
            "iptables-save -t filter | sed 's/same-bridge|isolated/same-bridge/' | iptables-restore -T filter",
        );
        let before = rules();
        assert_eq!(add(&[&bridge]), [Effect::AlreadyThere]);
        assert_eq!(rules(), before);
        assert_eq!(missing(&[&bridge]), [""; 0]);
    });
}

#[test]
fn accepted_addresses_are_found_without_a_journal() {
    private(|| {
        add(&[&allow("10.1.2.2"), &allow("fd00::2")]);
        let addresses = ["10.1.2.2", "10.1.2.3", "fd00::2", "fd00::3"].map(|text| text.parse().unwrap());
        let found = all_read(|unread| allowed(&*tables(), &addresses, unread));
        assert_eq!(found, [allow("10.1.2.2"), allow("fd00::2")]);
    });
}

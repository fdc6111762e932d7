//! What the host passes on.

use super::{made, remove, tables};
use wasm_cni::action::kind::Kind;
use wasm_cni::action::record::{Done, Effect, Old, Reason, Undoing, Undone};
use wasm_cni::action::rules::filter::{allowed, iptables};
use wasm_cni::action::{Action, FilterRule, Inverse, RemoveFilter, Undo};
use wasm_cni::machine::MachineError;
use wasm_cni::value::IfName;
use wasm_cni_fake::play::all_read;
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

/// Whether there was anything of it.
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
fn the_rules_are_those_of_the_reference() {
    private(|| {
        let (container, bridge) = (allow("10.1.2.2"), isolate("cni0", false));
        assert_eq!(add(&[&container, &bridge]), [Effect::Created, Effect::Created]);
        // cni-behaviours, 7.2, as captured; the comment of what all bridges share is that of 1.7.
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
fn what_is_printed_makes_what_is_sent() {
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
fn what_others_share_stays_and_a_rollback_takes_what_it_made() {
    private(|| {
        let (first, second, bridge) = (allow("10.1.2.2"), allow("10.1.2.3"), isolate("cni0", true));
        let before = rules();
        add(&[&first, &bridge]);
        // Another container came meanwhile.
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
fn the_administrators_rules_are_never_lost() {
    private(|| {
        sh("iptables -N CNI-ADMIN; iptables -A CNI-ADMIN -s 192.0.2.1 -j DROP");
        let rule = allow("10.1.2.2");
        let effects = add(&[&rule]);
        assert_eq!(effects, [Effect::Replaced(Old::Shared(vec!["CNI-ADMIN".to_owned()]))]);
        delete(&rule, &["CNI-FORWARD".to_owned()]).unwrap();
        assert_eq!(rules(), ["-N CNI-ADMIN", "-A CNI-ADMIN -s 192.0.2.1/32 -j DROP"]);
        // Whatever a journal says.
        add(&[&rule]);
        delete(&rule, &shared_by(&rule)).unwrap();
        assert_eq!(rules(), ["-N CNI-ADMIN", "-A CNI-ADMIN -s 192.0.2.1/32 -j DROP"]);
    });
}

#[test]
fn rules_of_an_older_reference_are_not_doubled() {
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
fn addresses_whose_packets_pass_are_found_without_a_journal() {
    private(|| {
        add(&[&allow("10.1.2.2"), &allow("fd00::2")]);
        let addresses = ["10.1.2.2", "10.1.2.3", "fd00::2", "fd00::3"].map(|text| text.parse().unwrap());
        let found = all_read(|unread| allowed(&*tables(), &addresses, unread));
        assert_eq!(found, [allow("10.1.2.2"), allow("fd00::2")]);
    });
}

#[test]
fn no_chain_of_the_kernels_is_an_administrators() {
    for chain in ["FORWARD", "INPUT", "CNI-FORWARD", "", "a b", "x\n-A INPUT -j ACCEPT"] {
        let rule = FilterRule::AllowForward { address: [10, 1, 2, 2].into(), admin_chain: chain.to_owned() };
        assert!(delete(&rule, &[]).is_err(), "{chain:?}");
    }
}

#[test]
fn what_another_attachment_shares_is_not_unmade() {
    let (rule, other) = (allow("10.1.2.2"), Action::from(allow("10.1.2.3")));
    let bridge = Action::from(isolate("cni0", true));
    let unmade = |others: &[Vec<&Action>], why| {
        let done = Done::Effect(&Effect::Created);
        let undos = rule.undos(&Undoing { done, why, own: &[], others });
        let [Undo::RemoveFilter(removal)] = undos.as_slice() else { panic!("{undos:?}") };
        removal.unmake.clone()
    };
    let all = ["CNI-FORWARD", "CNI-ADMIN", "FORWARD>CNI-FORWARD", "CNI-FORWARD>CNI-ADMIN"];
    assert_eq!(unmade(&[vec![&bridge]], Reason::Rollback), all);
    assert_eq!(unmade(&[vec![&bridge], vec![&other]], Reason::Rollback), [""; 0]);
    assert_eq!(unmade(&[], Reason::Delete), [""; 0]);
    assert!(isolate("cni0", true).is_used_by(&bridge, &[]) && !rule.is_used_by(&other, &[]));
}

#[test]
fn the_command_of_an_undo_removes_the_rules_of_a_container() {
    let command = |rule| RemoveFilter { rule, unmake: Vec::new() }.command();
    assert_eq!(
        command(allow("10.1.2.2")),
        "iptables -D CNI-FORWARD -d 10.1.2.2 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT; \
         iptables -D CNI-FORWARD -s 10.1.2.2 -j ACCEPT"
    );
    assert_eq!(
        command(isolate("cni0", true)),
        "iptables -D CNI-ISOLATION-STAGE-1 -i cni0 ! -o cni0 -j CNI-ISOLATION-STAGE-2; \
         iptables -D CNI-ISOLATION-STAGE-2 -o cni0 -j DROP; \
         iptables -D CNI-ISOLATION-STAGE-1 -i cni0 -o cni0 -j DROP"
    );
}

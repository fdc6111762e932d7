use super::super::super::testing::{private, sh, texts};
use super::*;

fn allow(address: &str) -> FilterRule {
    FilterRule::AllowForward { address: address.parse().unwrap(), admin_chain: "CNI-ADMIN".to_owned() }
}

fn isolate(bridge: &str, within: bool) -> FilterRule {
    FilterRule::Isolate { is_ipv4: true, bridge: crate::value::IfName::parse(bridge).unwrap(), within }
}

fn add(rules: &[&FilterRule]) -> Vec<Outcome> {
    super::add(family(rules[0]).unwrap(), rules, None)
}

fn is_created(outcomes: &[Outcome]) -> bool {
    outcomes.iter().all(|outcome| matches!(outcome, Outcome::Done(Effect::Created)))
}

fn rules() -> Vec<String> {
    sh("iptables -t filter -S").lines().filter(|line| !line.starts_with("-P")).map(str::to_owned).collect()
}

#[test]
fn the_rules_are_those_of_the_reference() {
    private(|| {
        assert!(is_created(&add(&[&allow("10.1.2.2"), &isolate("cni0", false)])));
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
        assert_eq!(texts(vec![verify(&allow("10.1.2.2")), verify(&isolate("cni0", false))]), [""; 0]);
        assert_eq!(verify(&allow("10.1.2.3")).len(), 2);

        assert!(
            add(&[&isolate("cni1", true)])
                .iter()
                .all(|outcome| matches!(outcome, Outcome::Done(Effect::Replaced(_))))
        );
        let stage = rules()
            .into_iter()
            .filter(|line| line.starts_with("-A CNI-ISOLATION-STAGE-1"))
            .collect::<Vec<_>>();
        assert!(stage[0].contains("-i cni1 -o cni1") && stage[0].ends_with("-j DROP"), "{stage:#?}");
    });
}

#[test]
fn what_others_share_stays_and_a_rollback_takes_what_it_made() {
    private(|| {
        let (first, second, bridge) = (allow("10.1.2.2"), allow("10.1.2.3"), isolate("cni0", true));
        let before = rules();
        add(&[&first, &bridge]);
        let all = |rule: &FilterRule| shared_by(rule);
        // Another container came meanwhile.
        add(&[&second]);
        assert!(matches!(delete(&first, &all(&first)), Ok(Undone::Done)));
        assert_eq!(verify(&second).len(), 0);
        assert!(matches!(delete(&second, &[]), Ok(Undone::Done)));
        assert!(rules().iter().any(|line| line.contains("-j CNI-FORWARD")), "they stay: {:#?}", rules());
        assert!(matches!(delete(&second, &all(&second)), Ok(Undone::Gone)));
        assert!(!rules().iter().any(|line| line.contains("CNI-FORWARD") || line.contains("CNI-ADMIN")));
        delete(&bridge, &all(&bridge)).unwrap();
        assert_eq!(rules(), before);
    });
}

#[test]
fn the_administrators_rules_are_never_lost() {
    private(|| {
        sh("iptables -N CNI-ADMIN; iptables -A CNI-ADMIN -s 192.0.2.1 -j DROP");
        let rule = allow("10.1.2.2");
        let outcomes = add(&[&rule]);
        assert!(
            matches!(&outcomes[0], Outcome::Done(Effect::Replaced(there)) if there == "CNI-ADMIN"),
            "{outcomes:?}"
        );
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
        assert!(add(&[&bridge]).iter().all(|outcome| matches!(outcome, Outcome::Done(Effect::AlreadyThere))));
        assert_eq!(rules(), before);
        assert_eq!(verify(&bridge).len(), 0);
    });
}

#[test]
fn no_chain_of_the_kernels_is_an_administrators() {
    for chain in ["FORWARD", "INPUT", "CNI-FORWARD", "", "a b", "x\n-A INPUT -j ACCEPT"] {
        let rule = FilterRule::AllowForward { address: [10, 1, 2, 2].into(), admin_chain: chain.to_owned() };
        assert!(delete(&rule, &[]).is_err(), "{chain:?}");
    }
}

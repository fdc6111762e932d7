//! How a policy file changes what a plan may do.

use super::{grants_with, name, parse, plan, request};
use wasm_cni::action::{Action, AddAddress, AddRoute, EnsureBridge, SetSysctl, SetUp};
use wasm_cni::cni::{Request, config};
use wasm_cni::plan::{DraftPlan, Entry, check};
use wasm_cni::policy::{Violation, violation};
use wasm_cni::reference::{self, Identity};
use wasm_cni::value::{LinkRef, Netns, NetworkName, PluginName, Route, SysctlKey, derive};

/// The walkthrough plan with one more action of the same plugin.
fn plan_with(action: Action) -> DraftPlan {
    let mut plan = plan();
    let actions: Vec<Action> = plan.entries.iter().map(|entry| entry.action.clone()).collect();
    let lifetime = action.kind().profile().lifetime(actions.iter().chain([&action]));
    plan.entries.push(Entry { plugin: PluginName::parse("bridge").unwrap(), lifetime, action });
    plan
}

fn violations(policy: &str, plan: DraftPlan) -> Vec<Violation> {
    check(plan, &[], &grants_with(policy), &[]).map(|_| Vec::new()).unwrap_or_else(|violations| violations)
}

/// The same plan with a pair that is no port of a bridge.
fn without_bridge(mut plan: DraftPlan) -> DraftPlan {
    let bridge = on_host("cni_bridge0");
    plan.entries.retain(|entry| match &entry.action {
        Action::EnsureBridge(_) => false,
        Action::SetUp(up) => up.link != bridge,
        Action::AddAddress(add) => add.link != bridge,
        _ => true,
    });
    for entry in &mut plan.entries {
        if let Action::CreateVeth(veth) = &mut entry.action {
            (veth.peer.master, veth.peer.hairpin) = (None, false);
        }
    }
    plan.report.links.retain(|link| *link != bridge);
    plan.report.ips.iter_mut().for_each(|ip| ip.interface = Some(1));
    plan
}

fn on_host(name_: &str) -> LinkRef {
    LinkRef { netns: Netns::Host, name: name(name_) }
}

/// Actions that the default policy refuses.
fn foreign() -> Vec<Action> {
    let bridge = |name_: &str| {
        Action::EnsureBridge(EnsureBridge {
            name: name(name_),
            mtu: None,
            mac: derive::bridge_mac(&name(name_)),
            vlan_filtering: false,
        })
    };
    let host = on_host("veth4a38c3a4");
    let peer = plan().entries.iter().find_map(|entry| match &entry.action {
        Action::CreateVeth(veth) => Some(veth.peer.name.clone()),
        _ => None,
    });
    let peer = LinkRef { name: peer.unwrap_or(host.name), ..host };
    vec![
        bridge("docker0"),
        Action::SetUp(SetUp { link: on_host("eth0") }),
        Action::AddAddress(AddAddress {
            link: on_host("cni_bridge0"),
            address: "192.168.7.1/24".parse().unwrap(),
            nodad: false,
        }),
        Action::AddRoute(AddRoute { link: peer, route: Route::to("192.168.8.0/24".parse().unwrap()) }),
        Action::SetSysctl(SetSysctl {
            netns: Netns::Host,
            key: SysctlKey::parse("net/ipv4/conf/all/rp_filter").unwrap(),
            value: "2".into(),
            optional: false,
        }),
    ]
}

#[test]
fn the_lines_in_a_refusal_allow_exactly_what_was_refused() {
    let network = NetworkName::parse("mybridge").unwrap();
    for action in foreign() {
        let refused = violations("", plan_with(action.clone()));
        assert_eq!(refused.len(), 1, "{action:?}: {refused:?}");
        let lines = violation::remedy(&refused, &network).unwrap_or_else(|| panic!("{refused:?}"));
        assert_eq!(violations(&lines, plan_with(action.clone())), [], "{lines}");
        for other in foreign().into_iter().filter(|other| *other != action) {
            assert_eq!(violations(&lines, plan_with(other)).len(), 1, "{lines}");
        }
        let for_another = lines.replace("mybridge", "another");
        assert_eq!(violations(&for_another, plan_with(action)).len(), 1, "{for_another}");
    }
}

#[test]
fn all_violations_are_reported_at_once_with_one_rule_for_each_plugin() {
    let mut plan = plan();
    for action in foreign() {
        plan.entries.push(plan_with(action).entries.pop().unwrap());
    }
    if let Action::ReserveLease(lease) = &mut plan.entries[0].action {
        lease.store.data_dir = "/srv/leases".into();
    }
    let refused = violations("", plan.clone());
    assert_eq!(refused.len(), foreign().len() + 1, "{refused:?}");
    let lines = violation::remedy(&refused, &NetworkName::parse("mybridge").unwrap()).unwrap();
    assert_eq!(lines.matches("[[rule]]").count(), 2, "{lines}");
    assert!(lines.contains(r#"allow.links = ["docker0", "eth0"]"#), "{lines}");
    assert_eq!(violations(&lines, plan), [], "{lines}");
}

#[test]
fn no_policy_can_lift_rules_about_the_attachment() {
    let everything = r#"
        mode = "audit"
        [[rule]]
        allow.links = ["*"]
        allow.addresses = ["0.0.0.0/0", "::/0"]
        allow.host-routes = ["0.0.0.0/0"]
        allow.sysctls = ["*"]
        allow.vlans = ["1-4094"]
        allow.files = ["/"]
        allow.leases = ["/"]
        allow.delegates = ["*"]
        allow.container-sysctls = ["*"]
        allow.capabilities = ["links", "addresses", "routes", "sysctls", "nat", "filter", "leases"]"#;
    assert_eq!(violations(everything, plan()), []);
    let changes: [fn(&mut Action); 5] = [
        |action| {
            if let Action::Masquerade(masquerade) = action {
                masquerade.chain = "INPUT".into()
            }
        },
        |action| {
            if let Action::CreateVeth(veth) = action {
                veth.name = name("lo")
            }
        },
        |action| {
            if let Action::CreateVeth(veth) = action {
                veth.peer.alias = "wasm-cni somebody else's".into()
            }
        },
        |action| {
            if let Action::ReserveLease(lease) = action {
                lease.owner.interface = name("other")
            }
        },
        |action| {
            if let Action::CreateVeth(veth) = action {
                veth.peer.master = Some(name("docker0"))
            }
        },
    ];
    for change in changes {
        let mut plan = plan();
        plan.entries.iter_mut().for_each(|entry| change(&mut entry.action));
        let refused = violations(everything, plan);
        assert!(!refused.is_empty());
        assert!(
            refused.iter().all(|violation| violation.text().ends_with("no policy can allow it")),
            "{refused:?}"
        );
        assert_eq!(violation::remedy(&refused, &NetworkName::parse("mybridge").unwrap()), None);
    }
}

#[test]
fn a_refusal_suggests_no_line_for_a_name_that_is_a_pattern() {
    for hostile in ["*", "eth?", "!x"] {
        let refused = violations("", plan_with(Action::SetUp(SetUp { link: on_host(hostile) })));
        assert!(
            refused[0].text().ends_with("a name that reads as a pattern cannot be allowed"),
            "{refused:?}"
        );
    }
}

#[test]
fn all_matching_rules_apply_and_restrictions_win() {
    let wide = "[[rule]]\nallow.links = [\"docker*\"]\n";
    let docker = || plan_with(foreign().remove(0));
    assert_eq!(violations(wide, docker()), []);
    for narrow in [
        "[[rule]]\nonly.links = [\"cni_*\"]\n",
        "[[rule]]\nplugin = \"br*\"\nnetwork = [\"my*\", \"!other\"]\nonly.links = [\"!docker0\"]\n",
    ] {
        for both in [format!("{wide}{narrow}"), format!("{narrow}{wide}")] {
            let refused = violations(&both, docker());
            assert_eq!(refused.len(), 1, "{both}: {refused:?}");
            assert!(refused[0].refusal.rule.contains("only.links"), "{refused:?}");
        }
    }
    for another in [
        "[[rule]]\nplugin = \"ptp\"\nonly.links = []\n",
        "[[rule]]\nnetwork = \"other\"\nonly.links = []\n",
        "[[rule]]\nnetwork = \"!mybridge\"\ndeny = [\"links\"]\n",
    ] {
        assert_eq!(violations(&format!("{wide}{another}"), docker()), [], "{another}");
    }
}

#[test]
fn each_only_restricts_the_default_and_names_its_line() {
    for (only, of) in [
        ("only.links = []", "ip link add cni_bridge0"),
        ("only.addresses = [\"10.15.20.2\"]", "ip address add 10.15.20.1/24"),
        ("only.addresses = [\"10.15.20.1/24\"]", ""),
        ("only.sysctls = [\"net.ipv6.*\"]", "net/ipv4/ip_forward=1"),
        ("only.container-sysctls = []", "sysctl"),
        ("only.leases = [\"/var/lib/cni/networks\"]", "lease /run/networks"),
        ("deny = [\"nat\"]", "iptables"),
        ("deny = [\"routes\"]", "ip route"),
        ("deny = [\"leases\"]", "lease /run/networks"),
    ] {
        let policy = format!("# a comment\n[[rule]]\n{only}\n");
        if of.is_empty() {
            let error = parse(&policy).unwrap_err().to_string();
            assert!(error.contains("is an address in 10.15.20.0/24"), "{error}");
            continue;
        }
        let refused = violations(&policy, plan());
        assert!(!refused.is_empty(), "{only}");
        for violation in &refused {
            assert!(violation.refusal.rule.contains("line 3 of policy.toml"), "{violation:?}");
        }
        assert!(refused.iter().any(|violation| violation.action.contains(of)), "{only}: {refused:?}");
    }
}

#[test]
fn audit_mode_allows_and_reports_what_enforce_mode_refuses() {
    let docker = || plan_with(foreign().remove(0));
    for (policy, tolerated) in [
        ("mode = \"audit\"", true),
        ("[[rule]]\nplugin = \"bridge\"\nmode = \"audit\"", true),
        ("[[rule]]\nnetwork = \"other\"\nmode = \"audit\"", false),
        ("mode = \"audit\"\n[[rule]]\nnetwork = \"my*\"\nmode = \"enforce\"", false),
        ("[[rule]]\nmode = \"audit\"\n[[rule]]\nplugin = \"bridge\"\nmode = \"enforce\"", false),
    ] {
        match check(docker(), &[], &grants_with(policy), &[]) {
            Ok(plan) => {
                assert!(tolerated, "{policy}");
                assert_eq!(plan.tolerated().len(), 1);
                assert!(plan.tolerated()[0].text().contains("names no link \"docker0\""));
            }
            Err(refused) => assert!(!tolerated, "{policy}: {refused:?}"),
        }
    }
}

#[test]
fn a_host_route_is_to_the_container_s_own_address_through_its_own_link() {
    let foreign = foreign().into_iter().find_map(|action| match action {
        Action::AddRoute(route) => Some(route),
        _ => None,
    });
    let route = |link: LinkRef, dst: &str| {
        plan_with(Action::AddRoute(AddRoute { link, route: Route::to(dst.parse().unwrap()) }))
    };
    let own = foreign.unwrap().link;
    assert_eq!(violations("", without_bridge(route(own.clone(), "10.15.20.2/32"))), []);
    for (link, dst) in [
        (own.clone(), "10.15.20.0/24"),
        (own.clone(), "10.15.20.3/32"),
        (own.clone(), "0.0.0.0/0"),
        (own.clone(), "10.15.20.2/32"),
    ] {
        assert_eq!(violations("", route(link, dst)).len(), 1, "{dst}, with a bridge");
    }
    assert_eq!(violations("", route(on_host("cni_bridge0"), "10.15.20.2/32")).len(), 2);
    let changes: [fn(&mut Route); 3] = [
        |route| route.table = Some(255),
        |route| route.gw = Some([10, 15, 20, 1].into()),
        |route| route.scope = Some(254),
    ];
    for change in changes {
        let mut route = Route::to("10.15.20.2/32".parse().unwrap());
        change(&mut route);
        let plan = plan_with(Action::AddRoute(AddRoute { link: own.clone(), route }));
        assert_eq!(violations("", without_bridge(plan)).len(), 1, "not in the main table, or not direct");
    }
}

#[test]
fn the_host_s_end_of_a_pair_without_a_bridge_ignores_router_advertisements() {
    let mut plan = without_bridge(plan());
    assert_eq!(violations("", plan.clone()), []);
    plan.entries.retain(|entry| {
        !matches!(&entry.action, Action::SetSysctl(set) if set.key.as_str().ends_with("/accept_ra") && set.netns == Netns::Host)
    });
    let refused = violations("", plan);
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert!(refused[0].refusal.rule.contains("ignores router advertisements"), "{refused:?}");
}

#[test]
fn only_objects_of_earlier_plugins_may_be_used() {
    let previous = r#"{"cniVersion": "1.0.0", "name": "mybridge", "type": "mine", "prevResult": {"cniVersion": "1.0.0",
        "interfaces": [{"name": "veth7"}, {"name": "net1", "sandbox": "/run/netns/c"}, {"name": "net2", "sandbox": "/run/netns/d"}],
        "ips": [{"address": "10.77.0.5/24", "gateway": "10.77.0.1"}]}}"#;
    let config = config::decode(previous.as_bytes()).unwrap();
    let report = config.previous().unwrap();
    let request =
        Request { plugin: PluginName::parse("mine").unwrap(), config: previous.into(), ..request() };
    let grants = reference::grants(
        &request,
        &config,
        report.as_ref(),
        &Default::default(),
        &Identity::named(&request.plugin),
    );
    let up = |netns, link: &str| Action::SetUp(SetUp { link: LinkRef { netns, name: name(link) } });
    let address = |netns, link: &str, address: &str| {
        let link = LinkRef { netns, name: name(link) };
        Action::AddAddress(AddAddress { link, address: address.parse().unwrap(), nodad: false })
    };
    let refused = |action: Action| {
        let lifetime = action.kind().profile().lifetime([&action].into_iter());
        let entry = Entry { plugin: request.plugin.clone(), lifetime, action };
        let passed = report.clone().unwrap();
        let draft = DraftPlan { entries: vec![entry], report: passed, ..DraftPlan::default() };
        check(draft, &[], &grants, &[]).map(|_| Vec::new()).unwrap_or_else(|violations| violations)
    };
    use Netns::{Container, Host};
    for fine in [up(Container, "net1"), up(Container, "eth0"), address(Container, "net1", "10.77.0.5/24")] {
        assert_eq!(refused(fine.clone()), [], "{fine:?}");
    }
    for foreign in [
        up(Host, "veth7"),
        up(Host, "veth8"),
        up(Host, "net1"),
        up(Container, "net2"),
        address(Container, "net1", "10.77.0.6/24"),
    ] {
        assert_eq!(refused(foreign.clone()).len(), 1, "{foreign:?}");
    }
    assert_eq!(refused(address(Host, "veth7", "10.77.0.1/8")).len(), 2, "neither the link nor the address");
}

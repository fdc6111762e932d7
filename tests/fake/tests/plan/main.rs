//! The default policy: it allows the walkthrough plan. Each change to a foreign object is refused, with its rule.

use std::path::Path;
use std::sync::Arc;
use wasm_cni::action::{Action, Lifetime};
use wasm_cni::cni::{Command, Request, config};
use wasm_cni::plan::{DraftPlan, check};
use wasm_cni::policy::{Ceilings, Grants, Policy, PolicyError};
use wasm_cni::reference::{self, Identity};
use wasm_cni::value::{
    Attachment, ContainerId, IfName, LinkRef, Netns, NetworkName, PluginName, Report, SysctlKey,
};

mod chained;
mod demands;
mod file;
mod lies;
mod questions;

const PLAN: &str = include_str!("../../../plans/walkthrough.json");
const CONFIG: &str = r#"{"cniVersion": "1.0.0", "name": "mybridge", "type": "bridge", "bridge": "cni_bridge0",
    "isGateway": true, "ipMasq": true,
    "ipam": {"type": "host-local", "subnet": "10.15.20.0/24", "dataDir": "/run/networks", "RESOLVCONF": "/run/resolv.conf"}}"#;

fn parse(text: &str) -> Result<Policy, PolicyError> {
    let ceilings = Ceilings { memory_mib: 64, time_ms: 1000, actions: 4096, log_kib: 64 };
    Policy::parse(Path::new("policy.toml"), text.to_owned(), &ceilings)
}

fn plan() -> DraftPlan {
    serde_json::from_str(PLAN).unwrap()
}

fn name(text: &str) -> IfName {
    IfName::parse(text).unwrap()
}

fn request() -> Request {
    Request {
        command: Command::Add,
        plugin: PluginName::parse("bridge").unwrap(),
        attachment: Attachment {
            network: NetworkName::parse("mybridge").unwrap(),
            container: ContainerId::parse("c").unwrap(),
            interface: name("eth0"),
        },
        netns: "/run/netns/c".to_owned(),
        path: Vec::new(),
        args: String::new(),
        config: CONFIG.to_owned(),
        cni_version: "1.0.0".to_owned(),
    }
}

fn grants() -> Grants {
    grants_with("")
}

fn grants_with(policy: &str) -> Grants {
    let policy = parse(policy).unwrap_or_else(|error| panic!("{error}"));
    reference::grants(
        &request(),
        &config::decode(CONFIG.as_bytes()).unwrap(),
        None,
        &Arc::new(policy),
        &Identity::named(&request().plugin),
    )
}

/// The rules that refuse the walkthrough plan after `change` was applied to each of its actions.
fn refused(change: impl Fn(&mut Action)) -> Vec<String> {
    let mut plan = plan();
    plan.entries.iter_mut().for_each(|entry| change(&mut entry.action));
    check(plan, &[], &grants(), &[])
        .map(|_| Vec::new())
        .unwrap_or_else(|v| v.into_iter().map(|v| v.refusal.rule).collect())
}

#[test]
fn the_walkthrough_is_allowed() {
    assert_eq!(refused(|_| {}), Vec::<String>::new());
}

#[test]
fn actions_on_foreign_objects_are_refused_with_the_rule() {
    type Change = fn(&mut Action);
    let changes: [(Change, &str); 17] = [
        (
            |a| {
                if let Action::ReserveLease(l) = a {
                    l.store.data_dir = "/etc".into()
                }
            },
            "leases are kept below",
        ),
        (
            |a| {
                if let Action::ReserveLease(l) = a {
                    l.owner.interface = name("eth1")
                }
            },
            "the request's own container",
        ),
        (
            |a| {
                if let Action::EnsureBridge(b) = a {
                    b.name = name("docker0")
                }
            },
            "names no link \"docker0\"",
        ),
        (
            |a| {
                if let Action::CreateVeth(v) = a {
                    v.name = name("eth1")
                }
            },
            "as CNI_IFNAME says",
        ),
        (
            |a| {
                if let Action::CreateVeth(v) = a {
                    v.peer.name = name("veth0")
                }
            },
            "called and marked as the attachment says",
        ),
        (
            |a| {
                if let Action::CreateVeth(v) = a {
                    v.peer.alias = "mine".into()
                }
            },
            "called and marked as the attachment says",
        ),
        (
            |a| {
                if let Action::CreateVeth(v) = a {
                    v.peer.master = Some(name("docker0"))
                }
            },
            "a bridge of this plan",
        ),
        (
            |a| {
                if let Action::SetUp(u) = a {
                    u.link = LinkRef { netns: Netns::Host, name: name("eth0") }
                }
            },
            "not of this plan",
        ),
        (
            |a| {
                if let Action::AddAddress(x) = a
                    && x.link.netns == Netns::Container
                {
                    x.address = "10.15.20.9/24".parse().unwrap()
                }
            },
            "no lease, native delegate or configuration gives this address",
        ),
        (
            |a| {
                if let Action::AddAddress(x) = a
                    && x.link.netns == Netns::Host
                {
                    x.address = "10.15.20.9/24".parse().unwrap()
                }
            },
            "no gateway of an address of this attachment",
        ),
        (
            |a| {
                if let Action::AddRoute(r) = a {
                    r.link.netns = Netns::Host
                }
            },
            "goes through the host's end",
        ),
        (
            |a| {
                if let Action::AddRoute(r) = a {
                    r.link.netns = Netns::Host
                }
            },
            "leads to an address of this attachment",
        ),
        (
            |a| {
                if let Action::AddAddress(x) = a
                    && x.link.netns == Netns::Host
                {
                    x.address = "10.15.20.1/1".parse().unwrap()
                }
            },
            "its prefix is not that of the network",
        ),
        (
            |a| {
                if let Action::ReserveLease(l) = a {
                    l.address = "8.8.8.8".parse().unwrap()
                }
            },
            "no range of the configuration contains this address",
        ),
        (
            |a| {
                if let Action::SetSysctl(s) = a
                    && s.key.link().is_none()
                {
                    s.key = SysctlKey::parse("net/ipv4/ip_default_ttl").unwrap()
                }
            },
            "only forwarding may be switched on",
        ),
        (
            |a| {
                if let Action::SetSysctl(s) = a
                    && s.key.link().is_none()
                {
                    s.value = "0".into()
                }
            },
            "only forwarding may be switched on",
        ),
        (
            |a| {
                if let Action::Masquerade(m) = a {
                    m.address = "10.15.20.9/24".parse().unwrap()
                }
            },
            "no address of this attachment",
        ),
    ];
    for (change, rule) in changes {
        let rules = refused(change);
        assert!(rules.iter().any(|text| text.contains(rule)), "{rule:?} is not in {rules:?}");
    }
    let rules = refused(|a| {
        if let Action::Masquerade(m) = a {
            m.chain = "FORWARD".into()
        }
    });
    assert!(rules[0].contains("follow from network, container and interface"), "{rules:?}");
}

#[test]
fn a_result_contains_only_what_belongs_to_the_attachment() {
    type Change = fn(&mut Report);
    let changes: [(Change, &str); 3] = [
        (|report| report.ips[0].address = "10.15.20.9/24".parse().unwrap(), "report address 10.15.20.9/24"),
        (|report| report.ips[0].address = "8.8.8.8/32".parse().unwrap(), "report address 8.8.8.8/32"),
        // A guest cannot get a handle of this link, but a malicious planner process can name it.
        (|report| report.links[1].name = name("docker0"), "report link docker0"),
    ];
    for (change, action) in changes {
        let mut plan = plan();
        change(&mut plan.report);
        let violations = check(plan, &[], &grants(), &[]).unwrap_err();
        // An address that is not reported as it is added is a second violation.
        let number = if action.starts_with("report address") { 2 } else { 1 };
        assert_eq!(violations.len(), number, "{violations:?}");
        assert_eq!((violations[0].action.as_str(), violations[0].plugin.as_str()), (action, "bridge"));
    }
}

#[test]
fn the_gateway_of_a_vlan_is_not_on_the_bridge_itself() {
    let refused = |config: &str| {
        let config = config::decode(config.as_bytes()).unwrap();
        let identity = Identity::named(&request().plugin);
        let grants = reference::grants(&request(), &config, None, &Default::default(), &identity);
        let violations = check(plan(), &[], &grants, &[]).err().unwrap_or_default();
        let rules = violations.into_iter().map(|violation| violation.refusal.rule);
        rules.filter(|rule| rule.contains("the gateway of a VLAN is on the link of the VLAN")).count()
    };
    assert_eq!(refused(&CONFIG.replace("\"ipMasq\"", "\"vlan\": 5, \"ipMasq\"")), 1);
    assert_eq!(refused(CONFIG), 0);
}

#[test]
fn a_plan_does_not_choose_lifetimes() {
    // With a longer lifetime, an object would outlive every DEL. With a shorter one, the first DEL would remove a
    // shared bridge.
    let mut plan = plan();
    plan.entries.iter_mut().for_each(|entry| entry.lifetime = Lifetime::Node);
    let violations = check(plan, &[], &grants(), &[]).unwrap_err();
    assert_eq!(violations.len(), self::plan().entries.len() - 1, "all but forwarding: {violations:?}");
}

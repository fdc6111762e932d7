//! Plans that no guest can record, only a planner that a guest has taken over.

use super::{grants, name, plan};
use ipnetwork::IpNetwork;
use wasm_cni::action::{
    Action, AddAddress, CreateDummy, Delegate, DeleteStaleLink, LinkAttribute, SetLink, SetPromiscuous, SetUp,
};
use wasm_cni::plan::{DraftPlan, check};
use wasm_cni::value::{Interface, LinkRef, Mac, Netns, PluginName};

/// The rules that refuse the walkthrough plan after this change.
fn refused(lie: impl Fn(&mut DraftPlan)) -> Vec<String> {
    let mut draft = plan();
    lie(&mut draft);
    let violations = check(draft, &[], &grants(), &[]).err().unwrap_or_default();
    violations.into_iter().map(|violation| violation.refusal.rule).collect()
}

/// The same after this change of the veth pair.
fn refused_pair(lie: impl Fn(&mut wasm_cni::action::CreateVeth)) -> Vec<String> {
    refused(|draft| {
        for entry in &mut draft.entries {
            if let Action::CreateVeth(veth) = &mut entry.action {
                lie(veth);
            }
        }
    })
}

/// The same with one more action, with the lifetime that it has.
fn refused_with(action: Action) -> Vec<String> {
    refused(|draft| {
        let mut entry = draft.entries.last().unwrap().clone();
        entry.action = action.clone();
        let plan: Vec<Action> = draft.entries.iter().map(|entry| entry.action.clone()).collect();
        entry.lifetime = action.kind().profile().lifetime(plan.iter().chain([&action]));
        draft.entries.push(entry);
    })
}

fn host(link: &str) -> LinkRef {
    LinkRef { netns: Netns::Host, name: name(link) }
}

fn is_refused(rules: &[String], rule: &str) {
    assert!(rules.iter().any(|told| told.contains(rule)), "no {rule:?} in {rules:?}");
}

#[test]
fn the_plan_itself_is_no_lie() {
    assert_eq!(refused(|_| {}), Vec::<String>::new());
    assert_eq!(refused_pair(|_| {}), Vec::<String>::new());
}

#[test]
fn an_entry_of_a_plugin_that_takes_no_part_is_refused() {
    for plugin in ["tuning", "portmap", "static", "docker"] {
        let rules = refused(|draft| {
            draft.entries.iter_mut().for_each(|entry| entry.plugin = PluginName::parse(plugin).unwrap());
        });
        is_refused(&rules, "the plugin takes no part in the request");
    }
}

#[test]
fn an_action_of_the_other_plugin_of_the_request_is_refused() {
    let swapped = |from: &str, to: &str| {
        refused(|draft| {
            for entry in draft.entries.iter_mut().filter(|entry| entry.plugin.as_str() == from) {
                entry.plugin = PluginName::parse(to).unwrap();
            }
        })
    };
    is_refused(&swapped("bridge", "host-local"), "has no capability `links`");
    is_refused(&swapped("host-local", "bridge"), "has no capability `leases`");
}

#[test]
fn a_pair_with_other_marks_is_refused() {
    let other = Mac([2, 0, 0, 0, 0, 9]);
    is_refused(&refused_pair(|veth| veth.mac = other), "is no configured Ethernet address");
    is_refused(&refused_pair(|veth| veth.mac = Mac::default()), "is no configured Ethernet address");
    is_refused(&refused_pair(|veth| veth.peer.mac = other), "host's end derives from the attachment");
    is_refused(&refused_pair(|veth| veth.peer.alias.push('x')), "called and marked as the attachment says");
    is_refused(&refused_pair(|veth| veth.peer.alias.clear()), "called and marked as the attachment says");
    is_refused(
        &refused_pair(|veth| veth.peer.name = name("eth9")),
        "called and marked as the attachment says",
    );
    is_refused(&refused_pair(|veth| veth.name = name("lo")), "is called as CNI_IFNAME says");
    is_refused(&refused_pair(|veth| veth.peer.master = Some(name("docker0"))), "is a bridge of this plan");
    is_refused(&refused_pair(|veth| veth.mtu = Some(68)), "the MTU of a bridge's port");
}

#[test]
fn a_bridge_that_others_use_is_not_changed() {
    let set = |attribute| refused_with(SetLink { link: host("cni_bridge0"), attribute }.into());
    for attribute in [
        LinkAttribute::Mtu(68),
        LinkAttribute::Mac(Mac([2; 6])),
        LinkAttribute::AllMulticast(true),
        LinkAttribute::QueueLength(0),
        LinkAttribute::Promiscuous(false),
    ] {
        is_refused(&set(attribute), "a link that others use keeps its attributes");
    }
    is_refused(&set(LinkAttribute::Alias("mine".to_owned())), "no plugin repairs links");
    is_refused(&set(LinkAttribute::Promiscuous(true)), "no plugin repairs links");
    is_refused(
        &refused_with(SetPromiscuous { link: host("cni_bridge0") }.into()),
        "does not set `promiscMode`",
    );
}

#[test]
fn a_link_that_the_plan_does_not_have_is_not_changed() {
    for link in ["eth0", "docker0", "lo"] {
        is_refused(&refused_with(SetUp { link: host(link) }.into()), "is not of this plan");
        let address: IpNetwork = "10.15.20.1/24".parse().unwrap();
        let add = AddAddress { link: host(link), address, nodad: false };
        is_refused(&refused_with(add.into()), "is not of this plan");
    }
    let dummy = CreateDummy { name: name("eth9"), mtu: None, mac: Mac([2; 6]) };
    is_refused(&refused_with(dummy.into()), "is called as CNI_IFNAME says");
    let stale = DeleteStaleLink { name: name("docker0"), alias: String::new() };
    is_refused(&refused_with(stale.into()), "only a link of this very attachment may be deleted");
}

#[test]
fn a_program_is_not_executed() {
    let program = r#"{"plugin": "host-local", "program": "/bin/sh", "owner": {"container": "c", "interface": "eth0"},
        "netns": "", "args": "", "path": "", "config": "{}"}"#;
    let delegate: Delegate = serde_json::from_str(program).unwrap();
    is_refused(&refused_with(delegate.into()), "no plugin executes programs");
}

#[test]
fn a_lifetime_is_that_of_the_action() {
    use wasm_cni::action::Lifetime;
    for lifetime in [Lifetime::Shared, Lifetime::Attachment] {
        let rules = refused(|draft| draft.entries.iter_mut().for_each(|entry| entry.lifetime = lifetime));
        is_refused(&rules, "its lifetime is not");
    }
}

#[test]
fn interfaces_that_no_earlier_plugin_reported_are_not_passed_on() {
    let passed = |name: &str, sandbox: &str| Interface {
        name: name.to_owned(),
        mac: String::new(),
        sandbox: sandbox.to_owned(),
    };
    for interface in
        [passed("docker0", ""), passed("eth0", "/run/netns/c"), passed("eth0", "/run/netns/other")]
    {
        let rules = refused(|draft| draft.report.passed.push(interface.clone()));
        is_refused(&rules, "interfaces of prevResult are passed on unchanged");
    }
}

#[test]
fn links_and_addresses_of_others_are_not_reported() {
    let rules = refused(|draft| draft.report.links.push(host("docker0")));
    is_refused(&rules, "is not of this plan");
    let rules = refused(|draft| draft.report.links.reverse());
    is_refused(&rules, "a result has the bridge first");
    let rules = refused(|draft| draft.report.ips[0].gateway = Some("8.8.8.8".parse().unwrap()));
    is_refused(&rules, "a result has the gateway of the address's network");
    let rules = refused(|draft| draft.report.ips[0].address = "10.15.20.99/24".parse().unwrap());
    is_refused(&rules, "it is no address of this attachment");
}

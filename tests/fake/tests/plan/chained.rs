//! What policy allows a chained plugin to do with objects of earlier plugins.

use super::{name, request};
use wasm_cni::action::query::{GrantedFacts, MachineFacts};
use wasm_cni::action::{Action, Answer, Facts, Lifetime, PortOwner, Query};
use wasm_cni::action::{
    DeletePortMap, FilterRule, LinkAttribute, MapPorts, Mark, MasqueradePorts, PortMapping, SaveLink,
    SetLink, SetSysctl,
};
use wasm_cni::cni::{Request, config};
use wasm_cni::plan::{DraftPlan, Entry, check};
use wasm_cni::policy::Grants;
use wasm_cni::reference::{self, Identity};
use wasm_cni::value::{Backend, Fact, LinkRef, Mac, Netns, PluginName, Report, SysctlKey, derive};
use wasm_cni_fake::FakeMachine;

/// A plugin chained after bridge. `eth0` and `br0` are in `prevResult`; `eth9` is there too, but in another sandbox.
const CONFIG: &str = r#"{"cniVersion": "1.0.0", "name": "mybridge", "type": "tuning", "dataDir": "/run/own",
    "prevResult": {"cniVersion": "1.0.0", "ips": [{"address": "10.1.2.3/24", "interface": 1}],
        "interfaces": [{"name": "br0"}, {"name": "eth0", "sandbox": "/run/netns/c"}, {"name": "eth9", "sandbox": "/x"}]}}"#;

/// The same with a port map, a condition, and a chain that marks packets.
const PORTS: &str = r#"{"cniVersion": "1.0.0", "name": "mybridge", "type": "portmap",
    "runtimeConfig": {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]},
    "conditionsV4": ["!", "-d", "192.0.2.0/24"], "externalSetMarkChain": "MARK-IT",
    "prevResult": {"cniVersion": "1.0.0", "ips": [{"address": "10.1.2.3/24", "interface": 0}],
        "interfaces": [{"name": "eth0", "sandbox": "/run/netns/c"}]}}"#;

fn grants(plugin: &str, config: &str) -> Grants {
    let request =
        Request { plugin: PluginName::parse(plugin).unwrap(), config: config.to_owned(), ..request() };
    let config = config::decode(config.as_bytes()).unwrap();
    let previous = config.previous().unwrap();
    reference::grants(
        &request,
        &config,
        previous.as_ref(),
        &Default::default(),
        &Identity::named(&request.plugin),
    )
}

/// The lifetime of an action that is alone in a plan.
fn lifetime(action: &Action) -> Lifetime {
    action.kind().profile().lifetime(std::iter::empty())
}

/// `prevResult`, which a chained plugin passes on.
fn passed(config: &str) -> Report {
    config::decode(config.as_bytes()).unwrap().previous().unwrap().unwrap()
}

/// The rules that refuse an action of a plugin.
fn refusals(plugin: &str, config: &str, action: Action) -> Vec<String> {
    let lifetime = lifetime(&action);
    let plugin_name = PluginName::parse(plugin).unwrap();
    let entries = vec![Entry { plugin: plugin_name, lifetime, action }];
    let draft = DraftPlan { entries, report: passed(config), ..DraftPlan::default() };
    let violations = check(draft, &[], &grants(plugin, config), &[]).err().unwrap_or_default();
    violations.into_iter().map(|violation| violation.refusal.rule).collect()
}

fn inside(link: &str) -> LinkRef {
    LinkRef { netns: Netns::Container, name: name(link) }
}

#[test]
fn a_chained_plugin_sets_attributes_only_of_links_of_its_chain() {
    let set = |link: LinkRef, attribute| {
        refusals("tuning", CONFIG, Action::SetLink(SetLink { link, attribute })).concat()
    };
    let host = |link: &str| LinkRef { netns: Netns::Host, name: name(link) };
    let mtu = LinkAttribute::Mtu(1400);
    for link in [inside("eth0"), inside("lo")] {
        assert_eq!(set(link, mtu.clone()), "");
    }
    assert_eq!(set(inside("eth9"), mtu.clone()), "link \"eth9\" is not of this plan");
    let shared = "links of the host keep their attributes";
    assert_eq!(set(host("br0"), mtu), format!("link \"br0\" is not of this plan{shared}"));
    let other = Mac([2; 6]);
    assert_eq!(
        set(inside("eth0"), LinkAttribute::Mac(other)),
        format!("{other} is no configured Ethernet address, and none that the host derives")
    );
    assert_eq!(set(inside("eth0"), LinkAttribute::Alias("mine".to_owned())), "no plugin repairs links");
}

#[test]
fn a_chained_plugin_saves_its_interface_only_in_tuning_s_directory() {
    let save = |path: &str| {
        let (link, attributes) = (inside("eth0"), vec![LinkAttribute::Mtu(1400)]);
        refusals("tuning", CONFIG, Action::SaveLink(SaveLink { link, path: path.into(), attributes })).len()
    };
    assert_eq!(save("/run/own/c_eth0.json") + save("/run/cni/tuning/c_eth0.json"), 0);
    for path in
        ["/run/own/c_eth1.json", "/etc/c_eth0.json", "/run/own/../c_eth0.json", "/run/own/deep/c_eth0.json"]
    {
        assert_eq!(save(path), 1, "{path}");
    }
}

#[test]
fn only_tuning_reads_the_list_of_allowed_parameters() {
    let path = "/etc/cni/tuning/allowlist.conf";
    let read = |plugin: &str| {
        let plugin_name = PluginName::parse(plugin).unwrap();
        let mut machine = FakeMachine::new().with_file(path, b"net");
        let (mut facts, grants) = (MachineFacts::new(&mut machine), grants(plugin, CONFIG));
        let mut facts = GrantedFacts::new(&mut facts, &grants, &plugin_name);
        (facts.ask(&Query::File(path.into())), facts.violations().0.len())
    };
    assert_eq!(read("tuning"), (Answer::File(Fact::Known(b"net".to_vec())), 0));
    assert_eq!(read("portmap"), (Answer::File(Fact::Known(Vec::new())), 1));
}

#[test]
fn a_link_attribute_lasts_as_long_as_the_attachment() {
    let set = SetLink { link: inside("eth0"), attribute: LinkAttribute::Mtu(1400) };
    let lifetime = lifetime(&Action::SetLink(set));
    assert_eq!(lifetime, Lifetime::Attachment);
}

/// The port map that the configuration requests.
fn ports() -> MapPorts {
    let attachment = grants("portmap", PORTS).attachment;
    let mapping =
        PortMapping { protocol: "tcp".to_owned(), host_port: 8080, container_port: 80, host_address: None };
    MapPorts {
        backend: Backend::Iptables,
        address: "10.1.2.3/24".parse().unwrap(),
        mappings: vec![mapping],
        conditions: ["!", "-d", "192.0.2.0/24"].map(str::to_owned).to_vec(),
        masquerade: Some(MasqueradePorts { all: false, mark: Mark::Chain("MARK-IT".to_owned()) }),
        chain: derive::port_chain(&attachment),
        comment: derive::port_comment(&attachment),
    }
}

#[test]
fn only_the_requested_ports_are_mapped_as_configured() {
    let map = |change: fn(&mut MapPorts)| {
        let mut ports = ports();
        change(&mut ports);
        refusals("portmap", PORTS, Action::MapPorts(ports)).concat()
    };
    assert_eq!(map(|_| {}), "");
    let in_nftables = |ports: &mut MapPorts| {
        (ports.backend, ports.chain, ports.comment) =
            (Backend::Nftables, String::new(), request().attachment.container.as_str().to_owned());
    };
    assert_eq!(map(in_nftables), "");
    let other_port = map(|ports| ports.mappings[0].host_port = 22);
    assert_eq!(other_port, "only ports that runtimeConfig maps are mapped");
    assert_eq!(map(|ports| ports.mappings[0].container_port = 22), other_port);
    assert_eq!(map(|ports| ports.mappings[0].host_address = Some([10, 1, 2, 1].into())), other_port);
    let changes: [fn(&mut MapPorts); 2] =
        [|ports| ports.conditions.truncate(1), |ports| ports.conditions.clear()];
    for change in changes {
        assert_eq!(map(change), "conditions are those of the configuration");
    }
    let masquerade = |change: fn(&mut MasqueradePorts)| {
        let mut ports = ports();
        ports.masquerade.iter_mut().for_each(change);
        refusals("portmap", PORTS, Action::MapPorts(ports)).concat()
    };
    let marked = "packets are marked by the bit or the chain that the configuration names";
    assert_eq!(masquerade(|own| own.mark = Mark::Chain("OTHER".to_owned())), marked);
    assert_eq!(masquerade(|own| own.mark = Mark::Bit(13)), marked);
    assert_eq!(masquerade(|own| own.all = true), "the configuration does not set `masqAll`");
    let without = PORTS.replace("\"conditionsV4\"", "\"snat\": false, \"conditionsV4\"");
    let refused = refusals("portmap", &without, Action::MapPorts(ports())).concat();
    assert_eq!(refused, "the configuration sets `snat` to false");
    assert_eq!(map(|ports| ports.masquerade = None), "", "what is masqueraded is an upper bound");
    assert_ne!(map(|ports| ports.chain = "CNI-DN-0".to_owned()), "");
    assert_ne!(map(|ports| ports.comment.push('x')), "");
    assert_ne!(map(|ports| ports.address = "10.1.2.4/24".parse().unwrap()), "");
}

/// A plugin chained after bridge, with a firewall.
const FIREWALL: &str = r#"{"cniVersion": "1.0.0", "name": "mybridge", "type": "firewall", "iptablesAdminChainName": "MINE", "ingressPolicy": "same-bridge",
    "prevResult": {"cniVersion": "1.0.0", "ips": [{"address": "10.1.2.3/24", "interface": 1}],
        "interfaces": [{"name": "br0"}, {"name": "eth0", "sandbox": "/run/netns/c"}]}}"#;

#[test]
fn firewall_rules_are_for_the_attachment_s_addresses_chains_and_bridge() {
    let refused = |rule| refusals("firewall", FIREWALL, Action::Filter(rule));
    let allow = |address: [u8; 4], chain: &str| {
        refused(FilterRule::AllowForward { address: address.into(), admin_chain: chain.to_owned() })
    };
    assert!(allow([10, 1, 2, 3], "MINE").is_empty());
    assert_eq!(allow([10, 1, 2, 4], "MINE").len(), 1);
    assert_eq!(allow([10, 1, 2, 3], "CNI-ADMIN").len(), 1, "the configuration names another chain");
    let isolate =
        |bridge: &str, within| refused(FilterRule::Isolate { is_ipv4: true, bridge: name(bridge), within });
    assert!(isolate("br0", false).is_empty());
    assert_eq!(isolate("br0", true).len(), 1, "the configuration says `same-bridge`");
    assert_eq!(isolate("eth0", false).len() + isolate("docker0", false).len(), 2);
    let trust = |address: [u8; 4], zone: &str| {
        refused(FilterRule::TrustSource { address: address.into(), zone: zone.to_owned() })
    };
    assert!(trust([10, 1, 2, 3], "trusted").is_empty());
    assert_eq!(trust([0, 0, 0, 0], "trusted").len() + trust([10, 1, 2, 3], "drop").len(), 2);
}

#[test]
fn rules_of_others_are_removed_only_if_the_host_found_them_stale() {
    let other = DeletePortMap::iptables(true, "CNI-DN-0".to_owned());
    let removal = Action::DeletePortMap(other.clone());
    let lifetime = lifetime(&removal);
    let mut grants = grants("portmap", PORTS);
    let plan = || {
        let plugin = PluginName::parse("portmap").unwrap();
        let entries = vec![Entry { plugin, lifetime, action: removal.clone() }];
        DraftPlan { entries, report: passed(PORTS), ..DraftPlan::default() }
    };
    let refused = check(plan(), &[], &grants, &[]).err().unwrap();
    assert_eq!(refused[0].refusal.rule, "only rules of a container that is no more make room");

    let owner = PortOwner { network: None, container: "gone".to_owned(), address: None, map: other };
    Answer::PortOwners(vec![owner]).grant(&mut grants);
    assert!(check(plan(), &[], &grants, &[]).is_ok());

    let (mut machine, plugin) = (FakeMachine::new(), PluginName::parse("portmap").unwrap());
    let mut facts = MachineFacts::new(&mut machine);
    let mut facts = GrantedFacts::new(&mut facts, &grants, &plugin);
    let ask = |ports| Query::StalePorts { backend: Backend::Iptables, is_ipv4: true, ports };
    facts.ask(&ask(vec![8080]));
    facts.ask(&ask(vec![22]));
    assert_eq!(facts.violations().0.len(), 1);
}

#[test]
fn route_localnet_is_set_only_on_the_link_to_the_container() {
    let mut grants = grants("portmap", PORTS);
    let plan = || {
        let set = SetSysctl {
            netns: Netns::Host,
            key: SysctlKey::parse("net/ipv4/conf/br7/route_localnet").unwrap(),
            value: "1".to_owned(),
            optional: false,
        };
        let action = Action::SetSysctl(set);
        let lifetime = lifetime(&action);
        let plugin = PluginName::parse("portmap").unwrap();
        DraftPlan {
            entries: vec![Entry { plugin, lifetime, action }],
            report: passed(PORTS),
            ..DraftPlan::default()
        }
    };
    assert!(check(plan(), &[], &grants, &[]).is_err());
    Answer::RouteTo(Fact::Known(name("br7"))).grant(&mut grants);
    assert!(check(plan(), &[], &grants, &[]).is_ok());
}

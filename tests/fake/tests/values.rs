//! Values that several attachments replaced, undone in every order, and what a failed ADD leaves while another attachment
//! exists.

use serde_json::json;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use wasm_cni::action::{
    Action, AddAddress, FilterRule, Lifetime, LinkAttribute, SetLink, SetPromiscuous, SetSysctl,
};
use wasm_cni::apply::journal::VERSION;
use wasm_cni::apply::{self, ApplyError, Header, StateDir};
use wasm_cni::cni::CniError;
use wasm_cni::machine::port::{Look as _, Request, in_container, on_host};
use wasm_cni::plan::Entry;
use wasm_cni::value::{
    Attachment, ContainerId, LinkRef, Mac, Netns, NetworkName, PluginName, Report, SysctlKey,
};
use wasm_cni_fake::FakeMachine;
use wasm_cni_plans::again;
use wasm_cni_plans::play::{index, link, name, read, send};

fn eth0() -> LinkRef {
    in_container(&name("eth0"))
}

fn cni0() -> LinkRef {
    on_host(&name("cni0"))
}

/// A machine with a link of the container and a bridge, and the journals of its attachments.
struct Node {
    machine: FakeMachine,
    directory: TempDir,
    created: u64,
}

impl Node {
    fn new() -> Self {
        let mut machine = FakeMachine::new();
        for (there, kind) in [(eth0(), "dummy"), (cni0(), "bridge")] {
            machine = machine.with_link(link(there, kind, 9)).unwrap();
        }
        // As an administrator set them: the kernel's defaults are others.
        for (key, value) in [("net/ipv6/conf/eth0/accept_ra", "0"), ("net/ipv6/conf/eth0/ndisc_notify", "1")]
        {
            machine = machine.with_sysctl(Netns::Container, &key_of(key), value);
        }
        Node { machine, directory: TempDir::new().unwrap(), created: 0 }
    }

    fn state(&self) -> StateDir {
        StateDir::new(self.directory.path().to_owned())
    }

    /// An ADD of these actions.
    fn add(&mut self, network: &str, entries: &[(Lifetime, Action)]) -> Result<(), ApplyError> {
        self.created += 1;
        let (state, attachment) = (self.state(), attachment(network));
        let journal = state.lock(&attachment).unwrap();
        let plugin = PluginName::parse("tuning").unwrap();
        let header = Header {
            version: VERSION,
            attachment,
            plugin: plugin.clone(),
            ordinal: 0,
            level: 0,
            netns: "/run/netns/c".to_owned(),
            netns_id: serde_json::from_value(json!({"device": 4, "inode": 1, "cookie": null})).unwrap(),
            plugins: Vec::new(),
            asker: None,
            created: self.created,
        };
        let mut writer = journal.begin(&header).unwrap();
        let entry = |(lifetime, action): &(Lifetime, Action)| Entry {
            plugin: plugin.clone(),
            lifetime: *lifetime,
            action: action.clone(),
        };
        let plan = again::checked(&entries.iter().map(entry).collect::<Vec<_>>());
        let added = apply::execute(&plan, &mut writer, &state, &mut self.machine);
        match &added {
            Ok(()) => writer.complete(&Report::default()).unwrap(),
            Err(_) => journal.forget(writer.section()).unwrap(),
        }
        self.machine.next_verb();
        added
    }

    fn del(&mut self, network: &str) {
        let state = self.state();
        let journal = state.lock(&attachment(network)).unwrap();
        let sections = journal.sections().unwrap();
        let [section] = sections.as_slice() else { panic!("{network}: {} sections", sections.len()) };
        let stuck = apply::revert(section, section.reason(), &state, &mut self.machine);
        assert!(stuck.is_empty(), "{stuck:?}");
        journal.forget(section).unwrap();
        self.machine.next_verb();
    }
}

fn attachment(network: &str) -> Attachment {
    Attachment {
        network: NetworkName::parse(network).unwrap(),
        container: ContainerId::parse("c").unwrap(),
        interface: name("eth0"),
    }
}

fn key_of(key: &str) -> SysctlKey {
    SysctlKey::parse(key).unwrap()
}

fn set(attribute: LinkAttribute) -> Action {
    SetLink { link: eth0(), attribute }.into()
}

fn sysctl(netns: Netns, key: &str, value: &str) -> Action {
    SetSysctl { netns, key: key_of(key), value: value.to_owned(), optional: false }.into()
}

/// A kind of value: its name, the setting of one of four values, and the setting that a link has at first.
type Kind = (&'static str, fn(usize) -> Action);

/// Value 0 is the one that is there before.
const KINDS: [Kind; 9] = [
    ("MTU", |value| set(LinkAttribute::Mtu([1500, 1400, 1300, 9000][value]))),
    ("MTU without IPv6", |value| set(LinkAttribute::Mtu([1500, 1279, 1400, 700][value]))),
    ("MAC", |value| {
        let last = [9, 1, 2, 3][value];
        set(LinkAttribute::Mac(Mac([2, 0, 0, 0, 0, last])))
    }),
    ("queue length", |value| set(LinkAttribute::QueueLength([1000, 500, 0, 7][value]))),
    ("all-multicast", |value| set(LinkAttribute::AllMulticast([false, true, false, true][value]))),
    ("promiscuous", |value| match value % 2 {
        0 => set(LinkAttribute::Promiscuous(false)),
        _ => SetPromiscuous { link: eth0() }.into(),
    }),
    ("sysctl of the link", |value| {
        sysctl(Netns::Container, "net/ipv4/conf/eth0/arp_ignore", ["0", "1", "2", "3"][value])
    }),
    ("sysctl", |value| sysctl(Netns::Container, "net/ipv4/ip_forward", ["0", "1", "0", "1"][value])),
    ("MTU on the host", |value| {
        let attribute = LinkAttribute::Mtu([1500, 1400, 1279, 9000][value]);
        SetLink { link: cni0(), attribute }.into()
    }),
];

/// What three attachments set, one after the other: different values, the same value, and the value that was there.
const SET: [[usize; 3]; 7] = [[1, 2, 3], [1, 1, 1], [1, 2, 1], [1, 0, 1], [1, 1, 2], [1, 2, 2], [0, 1, 0]];

const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

#[test]
fn attachments_that_replaced_a_value_are_deleted_in_any_order() {
    for (kind, action) in KINDS {
        for (values, order) in SET.iter().flat_map(|values| ORDERS.map(|order| (values, order))) {
            let what = format!("{kind}: {values:?} deleted in the order {order:?}");
            let mut node = Node::new();
            let before = node.machine.snapshot();
            let networks = ["a", "b", "c"];
            for (network, value) in networks.iter().zip(values) {
                node.add(network, &[(Lifetime::Attachment, action(*value))]).unwrap();
            }
            let mut left = vec![0, 1, 2];
            for place in order {
                node.del(networks[place]);
                left.retain(|other| *other != place);
                // The latest attachment that is left has what it asked for.
                let Some(latest) = left.last() else { continue };
                let wanted = action(values[*latest]);
                let differences = read(&mut node.machine, |cx| wanted.kind().verify(cx)).unwrap();
                assert!(differences.is_empty(), "{what}, after {}: {differences:?}", networks[place]);
            }
            assert_eq!(node.machine.snapshot(), before, "{what}");
        }
    }
}

/// What somebody else sets between two attachments belongs to neither of them.
#[test]
fn a_value_of_somebody_else_between_two_attachments_stays() {
    for order in [["a", "b"], ["b", "a"]] {
        let mut node = Node::new();
        let mtu = |mtu| [(Lifetime::Attachment, set(LinkAttribute::Mtu(mtu)))];
        node.add("a", &mtu(1400)).unwrap();
        let index = index(&mut node.machine, &eth0());
        send(&mut node.machine, Netns::Container, Request::SetMtu(index, 1450));
        node.add("b", &mtu(1300)).unwrap();
        order.iter().for_each(|network| node.del(network));
        assert_eq!(node.machine.link(&eth0()).unwrap().unwrap().mtu, 1450, "{order:?}");
    }
}

/// An action that fails: the link does not exist.
fn failing() -> (Lifetime, Action) {
    let nowhere = in_container(&name("nowhere"));
    (
        Lifetime::Attachment,
        AddAddress { link: nowhere, address: "10.1.0.2/16".parse().unwrap(), nodad: false }.into(),
    )
}

/// Another attachment uses the bridge. Of what the failing ADD changed, it needs nothing but forwarding.
#[test]
fn a_failed_add_undoes_what_no_other_attachment_needs() {
    let on_bridge = |key: &str, value: &str| {
        (Lifetime::Shared, sysctl(Netns::Host, &format!("net/ipv4/conf/cni0/{key}"), value))
    };
    let changes = [
        vec![on_bridge("route_localnet", "1")],
        vec![on_bridge("rp_filter", "2"), on_bridge("rp_filter", "1")],
        vec![on_bridge("proxy_arp", "1"), on_bridge("forwarding", "1")],
        vec![(Lifetime::Shared, sysctl(Netns::Host, "net/ipv4/conf/all/rp_filter", "1"))],
        vec![(Lifetime::Shared, sysctl(Netns::Host, "net/ipv6/conf/cni0/accept_ra", "0"))],
        vec![(Lifetime::Shared, SetPromiscuous { link: cni0() }.into())],
        vec![(Lifetime::Attachment, SetLink { link: cni0(), attribute: LinkAttribute::Mtu(1279) }.into())],
    ];
    for change in changes {
        let mut node = Node::new();
        node.add("other", &[on_bridge("arp_notify", "1")]).unwrap();
        let before = node.machine.snapshot();
        let error = node.add("failing", &[change.clone(), vec![failing()]].concat()).unwrap_err();
        assert!(error.stuck.is_empty() && error.kept.is_empty(), "{change:?}: {error:?}");
        assert_eq!(node.machine.snapshot(), before, "{change:?}");
    }
}

#[test]
fn a_failed_add_names_what_stays_because_others_need_it() {
    let forwarding = (Lifetime::Node, sysctl(Netns::Host, "net/ipv4/ip_forward", "1"));
    let route_localnet = || (Lifetime::Shared, sysctl(Netns::Host, "net/ipv4/conf/cni0/route_localnet", "1"));
    let mut node = Node::new();
    let fails = |node: &mut Node, change: &(Lifetime, Action)| {
        let error = node.add("failing", &[change.clone(), failing()]).unwrap_err();
        CniError::from(error).details
    };
    assert!(fails(&mut node, &forwarding).ends_with("all that was done before is undone"));
    node.add("other", &[(Lifetime::Attachment, set(LinkAttribute::Mtu(1400)))]).unwrap();
    let details = fails(&mut node, &forwarding);
    let stays =
        "stays, because the node has other attachments: what `sysctl -w net/ipv4/ip_forward=0` would undo";
    assert!(details.ends_with(stays), "{details}");
    // A parameter that another attachment has set already.
    node.add("relies", &[route_localnet()]).unwrap();
    let details = fails(&mut node, &route_localnet());
    assert!(details.ends_with("all that was done before is undone"), "it changed nothing: {details}");
}

/// The work grows with the number of rules, not with its square: a plan may have thousands.
#[test]
fn thousands_of_firewall_rules_are_added_and_removed_in_a_short_time() {
    let rule = |number: u16| {
        let address = std::net::Ipv4Addr::from(0x0a09_0000 + u32::from(number)).into();
        let rule = FilterRule::AllowForward { address, admin_chain: "CNI-ADMIN".to_owned() };
        (Lifetime::Attachment, Action::from(rule))
    };
    let rules: Vec<_> = (1..=1000).map(rule).collect();
    let mut node = Node::new();
    node.add("other", &(2000..=2100).map(rule).collect::<Vec<_>>()).unwrap();
    let before = node.machine.snapshot();
    let begun = Instant::now();
    node.add("many", &rules).unwrap();
    node.del("many");
    assert_eq!(node.machine.snapshot(), before);
    assert!(node.add("failing", &[rules, vec![failing()]].concat()).is_err());
    assert_eq!(node.machine.snapshot(), before);
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
}

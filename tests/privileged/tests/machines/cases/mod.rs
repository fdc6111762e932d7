mod addresses;
mod links;
mod plans;
mod routes;
mod rules;
mod settings;
mod sysctls;
mod vlans;

use crate::actions::*;
use crate::case::Case;
use wasm_cni::action::{
    Action, ClearPromiscuous, DeleteLink, DeleteMarkedLink, ReleaseLease, RemoveAddress, RemoveMasquerade,
    RestoreLastReserved, RestoreLink, RestoreSysctl, SetDown, Undo,
};
use wasm_cni::plan::DraftPlan;
use wasm_cni::value::{LinkFact, Netns, Route, derive};

const EXISTING: &str = "ip link add cni0 type bridge; ip link set cni0 address 02:00:00:00:00:01";

/// A whole attachment, in the steps of a planner.
fn attach(interface: &str, outside: &str, address: &str) -> Vec<Vec<Action>> {
    vec![
        vec![Action::ReserveLease(lease(address, interface))],
        vec![bridge(None), add(host("cni0"), "10.1.2.1/24"), up(host("cni0")), veth(interface, outside)],
        vec![sysctl(Netns::Host, &format!("net/ipv6/conf/{outside}/accept_ra"), "0", false)],
        vec![up(host(outside))],
        vec![sysctl(Netns::Container, &format!("net/ipv4/conf/{interface}/arp_notify"), "1", false)],
        vec![add(inside(interface), &format!("{address}/24")), up(inside(interface))],
        vec![sysctl(Netns::Host, "net/ipv4/ip_forward", "1", false)],
        vec![masquerade(&format!("{address}/24"))],
    ]
}

/// A veth pair without a bridge. Both ends are up, with IPv4 and IPv6 addresses.
fn connected() -> Vec<Vec<Action>> {
    vec![
        vec![bridge(None), veth("eth0", "vethx"), up(host("cni0")), up(host("vethx"))],
        vec![add(inside("eth0"), "10.1.2.2/24"), add(inside("eth0"), "fd00:1::2/64"), up(inside("eth0"))],
    ]
}

/// The steps in which a plan is applied: consecutive actions in the same place form one step, and a wait is a step of
/// its own.
fn in_steps(actions: &[Action]) -> Vec<Vec<Action>> {
    let lane = |action: &Action| {
        let lane = action.kind().profile().lane;
        (lane.place(), lane.is_wait())
    };
    actions.chunk_by(|a, b| lane(a) == lane(b)).map(<[_]>::to_vec).collect()
}

fn then(mut steps: Vec<Vec<Action>>, step: Vec<Action>) -> Vec<Vec<Action>> {
    steps.push(step);
    steps
}

/// Each action as a step of its own, so that one failure does not affect another action.
fn singly(mut steps: Vec<Vec<Action>>, actions: Vec<Action>) -> Vec<Vec<Action>> {
    steps.extend(actions.into_iter().map(|action| vec![action]));
    steps
}

#[test]
fn the_walkthrough_and_the_undo_of_each_of_its_prefixes() {
    let text = include_str!("../../../../plans/walkthrough.json");
    let plan: DraftPlan = serde_json::from_str(text).unwrap();
    let actions: Vec<Action> = plan.entries.into_iter().map(|entry| entry.action).collect();
    for length in 0..=actions.len() {
        Case::new(&format!("walkthrough, {length} actions"), in_steps(&actions[..length])).agree();
    }
}

#[test]
fn the_everything_plan() {
    let text = include_str!("../../../../plans/everything.json");
    let plan: DraftPlan = serde_json::from_str(text).unwrap();
    let actions: Vec<Action> = plan.entries.into_iter().map(|entry| entry.action).collect();
    let steps = in_steps(&actions);
    let addresses = ["10.9.9.1/24", "10.9.9.2/24", "fd00:15::9/64"];
    let commands = addresses.map(|address| format!("ip addr add {address} dev cni_bridge0")).join(";");
    let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
    let bridge = LinkFact { addresses, up: true, ..fact(host("cni_bridge0"), "bridge", 9) };
    Case::new("everything", steps)
        .real(
            &format!(
                "ip link add cni_bridge0 address 02:00:00:00:00:09 type bridge; ip link set cni_bridge0 up; {commands}"
            ),
            "",
        )
        .fake(|fake| fake.with_link(bridge).unwrap())
        .agree();
}

#[test]
fn an_attachment() {
    Case::new("attachment", attach("eth0", "vethx", "10.1.2.2")).agree();
}

#[test]
fn an_existing_bridge() {
    let cni0 = || fact(host("cni0"), "bridge", 1);
    Case::new("existing bridge", attach("eth0", "vethx", "10.1.2.2"))
        .real(EXISTING, "")
        .fake(|fake| fake.with_link(cni0()).unwrap())
        .undos(vec![delete_bridge(9, &[]), delete_bridge(1, &[])])
        .agree();

    let address = "10.1.2.1/24".parse().unwrap();
    let ready = LinkFact { up: true, mtu: 1450, addresses: vec![address], ..cni0() };
    Case::new("existing bridge with address", attach("eth0", "vethx", "10.1.2.2"))
        .real(&format!("{EXISTING}; ip link set cni0 mtu 1450 up; ip addr add 10.1.2.1/24 dev cni0"), "")
        .fake(|fake| fake.with_link(ready).unwrap())
        .undos(vec![delete_bridge(1, &["10.1.2.1/24"])])
        .agree();
}

#[test]
fn a_second_attachment_on_the_bridge() {
    let steps = [attach("eth0", "vethx", "10.1.2.2"), attach("eth1", "vethy", "10.1.2.3")].concat();
    Case::new("second attachment", steps).agree();
}

#[test]
fn leases() {
    let taken = || vec![Action::ReserveLease(lease("10.1.2.2", "eth0"))];
    let both = vec![
        Action::ReserveLease(lease("10.1.2.3", "eth0")),
        Action::ReserveLease(lease("10.1.2.2", "eth0")),
        Action::ReserveLease(lease("10.1.2.4", "eth0")),
    ];
    let file = "mkdir -p /run/networks/mynet; cd /run/networks/mynet; printf 'other\\r\\neth0' > 10.1.2.2";
    Case::new("lease taken", vec![taken(), both])
        .real(&format!("{file}; printf 10.1.2.2 > last_reserved_ip.0"), "")
        .fake(|fake| {
            let store = foreign("10.1.2.2").store;
            fake.with_lease_file(&store, "10.1.2.2", "other\r\neth0").with_lease_file(
                &store,
                "last_reserved_ip.0",
                "10.1.2.2",
            )
        })
        .undos(vec![
            Undo::from(ReleaseLease { lease: lease("10.1.2.2", "eth0") }),
            Undo::from(RestoreLastReserved { lease: lease("10.1.2.9", "eth0"), old: None }),
            Undo::from(ReleaseLease { lease: lease("10.1.2.9", "eth0") }),
        ])
        .agree();
    let in_other_network = {
        let mut lease = lease("10.1.2.2", "eth0");
        lease.store.network = wasm_cni::value::NetworkName::parse("unused").unwrap();
        lease
    };
    Case::new("two leases", vec![taken(), taken()])
        .undos(vec![
            Undo::from(ReleaseLease { lease: in_other_network.clone() }),
            Undo::from(RestoreLastReserved { lease: in_other_network, old: None }),
        ])
        .agree();
}

#[test]
fn a_container_that_is_gone_and_a_dry_run() {
    let steps = [
        attach("eth0", "vethx", "10.1.2.2"),
        singly(Vec::new(), vec![veth("eth0", "vethx"), up(inside("eth0")), route("10.6.0.0/16", None)]),
    ]
    .concat();
    let undos = vec![
        Undo::from(RemoveAddress { link: inside("eth0"), address: "10.1.2.2/24".parse().unwrap() }),
        Undo::from(RestoreSysctl {
            netns: Netns::Container,
            key: wasm_cni::value::SysctlKey::parse("net/ipv4/conf/lo/arp_notify").unwrap(),
            written: "5".to_owned(),
            old: old_sysctl("6"),
        }),
    ];
    let case = || Case::new("gone", steps.clone()).undos(undos.clone());
    Case { gone: true, ..case() }.agree();
    Case { dry: true, ..case() }.agree();
}

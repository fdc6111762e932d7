//! What CHECK says about links that somebody else changed, and what an undo of an action on a link leaves.

use crate::attached::Attached;
use crate::link::{bridge, cni0, inside, outside, veth};
use wasm_cni::action::record::Undone;
use wasm_cni::action::{
    Action, Announce, DeleteMarkedLink, DeleteStaleLink, EnsureVlanGateway, LinkAttribute, SaveLink, SetLink,
    SetPromiscuous, SetUp,
};
use wasm_cni::machine::errno::chain;
use wasm_cni::machine::port::{Look, Request, on_host};
use wasm_cni::value::{LinkFact, LinkRef, Netns, SysctlKey};
use wasm_cni_fake::FakeMachine;
use wasm_cni_plans::play::{index, link, mac, name, perform, send, undo, with};

/// A machine with a link in the container.
fn with_inside() -> FakeMachine {
    with([link(inside(), "dummy", 2)])
}

fn delete(machine: &mut FakeMachine, link: &LinkRef) {
    let index = index(machine, link);
    send(machine, link.netns, Request::Delete(index));
}

#[test]
fn check_names_a_missing_bridge() {
    let attached = Attached::new(FakeMachine::new(), [bridge().into()]);
    assert_eq!(attached.check_after(|machine| delete(machine, &cni0())), ["bridge cni0 is missing"]);
}

#[test]
fn undo_deletes_a_created_bridge() {
    Attached::new(FakeMachine::new(), [bridge().into()]).assert_undone();
}

fn pair() -> Attached {
    Attached::new(FakeMachine::new(), [bridge().into(), veth().into()])
}

#[test]
fn check_names_the_differences_of_a_pair() {
    let attached = pair();
    let found = attached.check_after(|machine| {
        let host_end = index(machine, &outside());
        send(machine, Netns::Host, Request::SetMtu(host_end, 1300));
        send(machine, Netns::Host, Request::SetAlias(host_end, "other".to_owned()));
    });
    assert_eq!(found, ["MTU of vethx is 1300, not 1400", "link vethx is not ours: it has another alias"]);
    let found = attached.check_after(|machine| delete(machine, &outside()));
    assert_eq!(found, ["link eth0 (container) is missing", "link vethx is missing"]);
}

#[test]
fn undo_deletes_a_created_pair() {
    pair().assert_undone();
}

#[test]
fn a_created_pair_is_found_as_long_as_it_exists() {
    let mut attached = Attached::new(with([link(cni0(), "bridge", 9)]), [veth().into()]);
    assert!(attached.is_left());
    attached.assert_undone();
    assert!(!attached.is_left());
}

#[test]
fn undo_deletes_an_unfinished_pair_by_its_alias() {
    let mut attached = pair();
    let marked = |alias: &str| DeleteMarkedLink { name: name("vethx"), alias: alias.to_owned() };
    let Undone::Left(why) = undo(&mut attached.machine, marked("another")) else { panic!("it is not ours") };
    assert_eq!(why, "link vethx is not ours: it has another alias");
    assert!(matches!(undo(&mut attached.machine, marked("wasm-cni x")), Undone::Done));
    assert_eq!(attached.machine.link(&outside()).unwrap(), None);
    assert!(matches!(undo(&mut attached.machine, marked("wasm-cni x")), Undone::Gone));
}

fn gateway() -> Attached {
    let gateway = EnsureVlanGateway {
        name: name("cni0.100"),
        mac: mac(5),
        alias: "wasm-cni gateway".to_owned(),
        port: name("vethg"),
        port_mac: mac(6),
        bridge: name("cni0"),
        vid: 100,
        drop_default: true,
    };
    let mut attached = Attached::new(with([link(cni0(), "bridge", 9)]), [Action::from(gateway)]);
    let bridge = index(&mut attached.machine, &cni0());
    send(&mut attached.machine, Netns::Host, Request::SetUp(bridge, false));
    attached
}

#[test]
fn check_names_a_missing_vlan_gateway() {
    let (attached, there) = (gateway(), on_host(&name("cni0.100")));
    let found = attached.check_after(|machine| {
        let index = index(machine, &there);
        send(machine, Netns::Host, Request::SetUp(index, false));
    });
    assert_eq!(found, ["link cni0.100 is down"]);
    let found = attached.check_after(|machine| delete(machine, &there));
    assert_eq!(found, ["link cni0.100, the gateway of VLAN 100, is missing"]);
}

#[test]
fn undo_deletes_a_created_vlan_gateway() {
    gateway().assert_undone();
}

fn up() -> Attached {
    Attached::new(with_inside(), [SetUp { link: inside() }.into()])
}

#[test]
fn check_names_a_link_that_is_down() {
    let found = up().check_after(|machine| {
        let index = index(machine, &inside());
        send(machine, Netns::Container, Request::SetUp(index, false));
    });
    assert_eq!(found, ["link eth0 (container) is down"]);
}

#[test]
fn undo_sets_a_link_down() {
    up().assert_undone();
}

fn promiscuous() -> Attached {
    Attached::new(with_inside(), [SetPromiscuous { link: inside() }.into()])
}

#[test]
fn check_names_a_link_that_is_not_promiscuous() {
    let found = promiscuous().check_after(|machine| {
        let index = index(machine, &inside());
        send(machine, Netns::Container, Request::SetPromiscuous(index, false));
    });
    assert_eq!(found, ["link eth0 (container) is not promiscuous"]);
}

#[test]
fn undo_clears_promiscuous_mode() {
    promiscuous().assert_undone();
}

fn attributes() -> Attached {
    let attributes = [LinkAttribute::Mac(mac(7)), LinkAttribute::AllMulticast(true)];
    let set = |attribute| SetLink { link: inside(), attribute }.into();
    Attached::new(with_inside(), attributes.map(set))
}

#[test]
fn check_names_a_changed_attribute() {
    let found = attributes().check_after(|machine| {
        let index = index(machine, &inside());
        send(machine, Netns::Container, Request::SetMac(index, mac(8)));
    });
    assert_eq!(found, ["MAC of eth0 (container) is 02:00:00:00:00:08, not 02:00:00:00:00:07"]);
}

#[test]
fn undo_restores_an_attribute() {
    attributes().assert_undone();
}

/// Below an MTU of 1280, the kernel removes the link's parameters of IPv6.
#[test]
fn undo_restores_an_mtu_with_the_parameters_that_it_cost() {
    let key = SysctlKey::parse("net/ipv6/conf/eth0/accept_ra").unwrap();
    let machine = with_inside().with_sysctl(Netns::Container, &key, "0");
    let set = SetLink { link: inside(), attribute: LinkAttribute::Mtu(1279) };
    let mut attached = Attached::new(machine, [set.into()]);
    assert!(attached.machine.sysctl(Netns::Container, &key).is_err());
    attached.assert_undone();
}

#[test]
fn undo_removes_the_file_with_the_saved_attributes() {
    let attributes = vec![LinkAttribute::Mtu(1400)];
    let save = SaveLink { link: inside(), path: "/run/saved".into(), attributes };
    let mut attached = Attached::new(with_inside(), [save.into()]);
    let saved = "file /run/saved: { \"mtu\": 1500}";
    assert!(attached.machine.snapshot().contains(saved), "{}", attached.machine.snapshot());
    attached.assert_undone();
}

#[test]
fn only_a_stale_link_with_our_alias_is_deleted() {
    let stale = |alias: &str| DeleteStaleLink { name: name("vethx"), alias: alias.to_owned() };
    let mut machine = with([LinkFact { alias: Some("ours".to_owned()), ..link(outside(), "veth", 3) }]);
    let refused = perform(&mut machine, stale("another")).unwrap_err();
    assert_eq!(chain(&refused), "link \"vethx\" is not ours");
    perform(&mut machine, stale("ours")).unwrap();
    assert_eq!(machine.link(&outside()).unwrap(), None);
}

#[test]
fn an_announcement_gives_a_link_its_own_mac_address_again() {
    let mut machine = with_inside();
    let (index, before) = (index(&mut machine, &inside()), machine.snapshot());
    perform(&mut machine, Announce { link: inside() }).unwrap();
    assert_eq!(machine.sent, [Request::SetMac(index, mac(2))]);
    assert_eq!(machine.snapshot(), before);
}

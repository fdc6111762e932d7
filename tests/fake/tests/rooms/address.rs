//! The actions for addresses and routes.

use crate::attached::Attached;
use crate::link::{address, conclude, inside, prepare};
use nix::errno::Errno;
use wasm_cni::action::context::Notes;
use wasm_cni::action::profile::{Prepared, Requests};
use wasm_cni::action::record::{Before, Done, Effect, Old, Reason, Undoing};
use wasm_cni::action::{Action, AddAddress, AddRoute, DeleteAddress, Kind};
use wasm_cni::machine::errno::chain;
use wasm_cni::machine::port::{Request, in_container, on_host};
use wasm_cni::value::{LinkFact, Netns, Route};
use wasm_cni_fake::FakeMachine;
use wasm_cni_plans::play::{index, link, name, read, send, with, write};

#[test]
fn the_effect_of_a_deletion_has_all_attributes_of_the_address() {
    let mut machine = with([link(on_host(&name("cni0")), "bridge", 7)]);
    let mut notes = Notes::default();
    let mut old = address("10.9.9.1/24", 0x80);
    old.label = Some("cni0:old".to_owned());
    machine = machine.with_address(&on_host(&name("cni0")), old.clone()).unwrap();
    let delete = |text: &str| DeleteAddress { link: on_host(&name("cni0")), address: text.parse().unwrap() };
    let there = delete("10.9.9.1/24");
    assert!(matches!(prepare(&delete("10.9.9.2/24"), &mut machine, &mut notes), Prepared::Nothing));
    for answer in [None, Some(Errno::EADDRNOTAVAIL)] {
        assert!(matches!(prepare(&there, &mut machine, &mut notes), Prepared::Send(_)));
        let effect = conclude(&there, &[answer], &mut machine, &mut notes);
        assert_eq!(effect, Ok(Effect::Replaced(Old::Address(old.clone()))));
    }
    assert_eq!(read(&mut machine, |cx| there.observe(cx)), Before::Old(Old::Address(old.clone())));
    let (own, others) = ([], []);
    let effect = Effect::Replaced(Old::Address(old));
    let done = Done::Effect(&effect);
    let undos = there.undos(&Undoing { done, why: Reason::Rollback, own: &own, others: &others });
    let commands: Vec<_> = undos.iter().map(|undo| undo.inverse().command()).collect();
    assert_eq!(commands, ["ip address add 10.9.9.1/24 label cni0:old dev cni0"]);
}

#[test]
fn an_existing_address_is_accepted_only_on_the_host() {
    let mut machine = with([link(on_host(&name("cni0")), "bridge", 7)]);
    let mut notes = Notes::default();
    let add = |link, text: &str| AddAddress { link, address: text.parse().unwrap(), nodad: false };
    let there = add(on_host(&name("cni0")), "10.9.9.1/24");
    machine = machine.with_address(&there.link, address("10.9.9.1/24", 0)).unwrap();
    let exists = [Some(Errno::EEXIST)];
    assert_eq!(conclude(&there, &exists, &mut machine, &mut notes), Ok(Effect::AlreadyThere));
    assert_eq!(
        conclude(&add(on_host(&name("cni0")), "10.9.9.2/24"), &exists, &mut machine, &mut notes),
        Err("could not add IP address 10.9.9.2/24 to \"cni0\": file exists".to_owned())
    );
    assert_eq!(
        conclude(&add(in_container(&name("eth0")), "10.9.9.1/24"), &exists, &mut machine, &mut notes),
        Err("failed to add IP addr 10.9.9.1/24 to \"eth0\": file exists".to_owned())
    );
    let delete = DeleteAddress { link: there.link.clone(), address: there.address };
    let gateway = add(on_host(&name("cni0")), "10.9.8.1/24");
    let mut own = vec![Action::from(gateway.clone())];
    let uses = |own: &[Action]| {
        let own: Vec<&Action> = own.iter().collect();
        delete.is_used_by(&gateway.clone().into(), &own)
    };
    assert!(uses(&own), "it made room for a gateway that another attachment has as well");
    own.clear();
    assert!(!uses(&own));
    assert!(there.is_superseded(&delete.clone().into()) && !gateway.is_superseded(&delete.into()));
}

#[test]
fn an_address_covers_the_route_that_the_kernel_adds_with_it() {
    let add = |text: &str| AddAddress {
        link: in_container(&name("eth0")),
        address: text.parse().unwrap(),
        nodad: false,
    };
    let connected = add("10.9.9.2/24").connected().unwrap();
    assert_eq!(connected.route.dst, "10.9.9.0/24".parse().unwrap());
    assert!(add("10.9.9.2/24").covers(&connected.clone().into()));
    assert!(!add("10.9.8.2/24").covers(&connected.clone().into()));
    let route = Route { gw: Some("10.9.9.1".parse().unwrap()), ..connected.route };
    assert!(!add("10.9.9.2/24").covers(&AddRoute { route, ..connected }.into()));
    for without in ["10.9.9.2/32", "127.0.0.1/8", "0.9.9.2/24", "10.9.9.2/0", "fd00::2/128"] {
        assert_eq!(add(without).connected(), None, "{without}");
    }
}

#[test]
fn a_gateway_of_the_other_family_is_refused() {
    let mut machine = with([link(in_container(&name("eth0")), "veth", 2)]);
    let gw = Some("fd00::1".parse().unwrap());
    let route = Route { gw, ..Route::to("10.5.0.0/16".parse().unwrap()) };
    let add = AddRoute { link: in_container(&name("eth0")), route };
    let refused = write(&mut machine, &mut Notes::default(), |cx| add.prepare(cx)).unwrap_err();
    assert!(chain(&refused).ends_with("gateway and destination ip are not the same IP family"), "{refused}");
}

/// A machine whose container has a link that is up.
fn with_link_up() -> FakeMachine {
    with([LinkFact { up: true, ..link(inside(), "dummy", 2) }])
}

fn added(text: &str) -> AddAddress {
    AddAddress { link: inside(), address: text.parse().unwrap(), nodad: false }
}

#[test]
fn check_names_a_missing_address() {
    let add = added("10.9.9.2/24");
    let attached = Attached::new(with_link_up(), [add.clone().into()]);
    let found = attached.check_after(|machine| {
        let link = index(machine, &inside());
        send(machine, Netns::Container, Request::DeleteAddress { link, address: add.address });
    });
    assert_eq!(found, ["address 10.9.9.2/24 is missing on eth0 (container)"]);
}

#[test]
fn undo_removes_an_added_address() {
    Attached::new(with_link_up(), [added("10.9.9.2/24").into(), added("fd00::2/64").into()]).assert_undone();
}

#[test]
fn undo_adds_a_deleted_address_again() {
    let machine = with_link_up().with_address(&inside(), address("10.9.9.1/24", 0x80)).unwrap();
    let delete = DeleteAddress { link: inside(), address: "10.9.9.1/24".parse().unwrap() };
    Attached::new(machine, [delete.into()]).assert_undone();
}

/// The kernel removes the routes of a link that is set down, and adds none of them again.
#[test]
fn check_names_a_missing_route() {
    let gw = Some("10.9.9.1".parse().unwrap());
    let route = Route { gw, ..Route::to("10.5.0.0/16".parse().unwrap()) };
    let actions = [added("10.9.9.2/24").into(), AddRoute { link: inside(), route }.into()];
    let found = Attached::new(with_link_up(), actions).check_after(|machine| {
        let link = index(machine, &inside());
        send(machine, Netns::Container, Request::SetUp(link, false));
        send(machine, Netns::Container, Request::SetUp(link, true));
    });
    assert_eq!(found, ["route 10.5.0.0/16 via 10.9.9.1 dev eth0 is missing"]);
}

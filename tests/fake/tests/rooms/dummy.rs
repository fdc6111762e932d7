//! A dummy link in the container of the fake machine.

use wasm_cni::action::record::{Before, Done, Reason, Undoing, Undone};
use wasm_cni::action::{CreateDummy, DeleteDummy, Kind, Undo};
use wasm_cni::machine::errno::chain;
use wasm_cni::machine::port::{Look, Request, in_container};
use wasm_cni::value::{LinkRef, Netns};
use wasm_cni_fake::FakeMachine;
use wasm_cni_plans::play::{index, link, mac, missing, name, perform, read, send, undo, with};

fn dummy() -> CreateDummy {
    CreateDummy { name: name("eth0"), mtu: Some(1400), mac: mac(8) }
}

fn eth0() -> LinkRef {
    in_container(&name("eth0"))
}

fn undos(done: Done<'_>) -> Vec<Undo> {
    dummy().undos(&Undoing { done, why: Reason::Rollback, own: &[], others: &[] })
}

#[test]
fn a_dummy_link_is_created_checked_and_deleted() {
    let mut machine = FakeMachine::new();
    assert_eq!(read(&mut machine, |cx| dummy().observe(cx)), Before::Absent);
    let effect = perform(&mut machine, dummy()).unwrap();
    let found = machine.link(&eth0()).unwrap().unwrap();
    assert_eq!((found.kind.as_str(), found.mac, found.mtu, found.up), ("dummy", mac(8), 1400, false));
    assert_eq!(missing(&mut machine, &[dummy().into()]), [""; 0]);

    let index = index(&mut machine, &eth0());
    send(&mut machine, Netns::Container, Request::SetMtu(index, 1500));
    assert_eq!(missing(&mut machine, &[dummy().into()]), ["MTU of eth0 (container) is 1500, not 1400"]);
    let undos = undos(Done::Effect(&effect));
    let [Undo::DeleteLink(deletion)] = undos.as_slice() else { panic!("{undos:?}") };
    assert!(matches!(undo(&mut machine, deletion.clone()), Undone::Done));
    assert!(matches!(undo(&mut machine, deletion.clone()), Undone::Gone));
    assert_eq!(missing(&mut machine, &[dummy().into()]), ["link eth0 (container) is missing"]);
}

#[test]
fn an_existing_link_of_the_same_name_stays() {
    let mut machine = with([link(eth0(), "dummy", 2)]);
    let before = read(&mut machine, |cx| dummy().observe(cx));
    assert_eq!(before, Before::Present);
    let error = chain(&perform(&mut machine, dummy()).unwrap_err());
    assert_eq!(error, "failed to create dummy: file exists");
    assert_eq!(undos(Done::Unknown(&before)), []);
    // Somebody else created the link after `observe`.
    let deletion = DeleteDummy { name: name("eth0"), mac: mac(8) };
    assert_eq!(undos(Done::Unknown(&Before::Absent)), [deletion.clone().into()]);
    let Undone::Left(why) = undo(&mut machine, deletion) else { panic!("it is not ours") };
    assert_eq!(why, "link eth0 is not the one that was made");
    assert_eq!(machine.link(&eth0()).unwrap().unwrap().mac, mac(2));
}

#[test]
fn a_link_of_an_unfinished_step_is_deleted_by_its_mac_address() {
    let mut machine = FakeMachine::new();
    perform(&mut machine, dummy()).unwrap();
    let deletion = DeleteDummy { name: name("eth0"), mac: mac(8) };
    assert!(matches!(undo(&mut machine, deletion.clone()), Undone::Done));
    assert!(matches!(undo(&mut machine.without_container(), deletion), Undone::Gone));
}

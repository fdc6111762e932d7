//! Leases in the stores of a machine.

use wasm_cni::action::profile::Found;
use wasm_cni::action::record::{Before, Difference, Done, Effect, Old, Reason, Undoing, Undone};
use wasm_cni::action::{Answer, Inverse, Kind, Query, ReleaseLease, ReserveLease, RestoreLastReserved, Undo};
use wasm_cni::value::{AddressRange, ContainerId, Fact, NetworkName, Owner, StoreRef};
use wasm_cni_fake::FakeMachine;
use wasm_cni_plans::play::{name, perform, read, undo};

fn lease(text: &str, container: &str) -> ReserveLease {
    let network = NetworkName::parse("mynet").unwrap();
    let owner = Owner { container: ContainerId::parse(container).unwrap(), interface: name("eth0") };
    let store = StoreRef { data_dir: "/leases".into(), network };
    ReserveLease { store, address: text.parse().unwrap(), set: 0, owner, again: false }
}

fn undos(lease: &ReserveLease, done: Done<'_>, why: Reason) -> Vec<Undo> {
    lease.undos(&Undoing { done, why, own: &[], others: &[] })
}

fn range(first: &str, last: &str) -> AddressRange {
    AddressRange { first: first.parse().unwrap(), last: last.parse().unwrap() }
}

#[test]
fn a_lease_is_reserved_and_checked_and_rollback_restores_the_last_reserved_address() {
    let mut machine = FakeMachine::new();
    let (first, second) = (lease("10.1.2.2", "abc"), lease("10.1.2.3", "abc"));
    assert_eq!(read(&mut machine, |cx| first.observe(cx)), Before::Absent);
    assert_eq!(perform(&mut machine, first.clone()).unwrap(), Effect::Created);
    let old = Old::LastReserved(first.address);
    assert_eq!(read(&mut machine, |cx| second.observe(cx)), Before::Old(old.clone()));
    assert_eq!(second.found(&Before::Old(old.clone())), Found::Absent);
    let effect = perform(&mut machine, second.clone()).unwrap();
    assert_eq!(effect, Effect::Replaced(old));
    assert_eq!(read(&mut machine, |cx| second.observe(cx)), Before::Present);
    assert_eq!(read(&mut machine, |cx| second.verify(cx)).unwrap(), []);

    let undos = undos(&second, Done::Effect(&effect), Reason::Rollback);
    let release = ReleaseLease { lease: second.clone() };
    let restore = RestoreLastReserved { lease: second.clone(), old: Some(first.address) };
    assert_eq!(undos, [release.clone().into(), restore.clone().into()]);
    assert!(read(&mut machine, |cx| release.is_left(cx)).unwrap());
    for (one, name) in [(Undo::from(release.clone()), "lease"), (restore.into(), "last")] {
        assert!(matches!(undo(&mut machine, one.clone()), Undone::Done), "{name}");
        assert!(matches!(undo(&mut machine, one.clone()), Undone::Gone), "{name}");
    }
    assert!(!read(&mut machine, |cx| release.is_left(cx)).unwrap());
    let left = machine.snapshot();
    assert!(left.contains("leases /leases/mynet: last 0 = 10.1.2.2\n"), "{left}");
    let found = read(&mut machine, |cx| second.verify(cx)).unwrap();
    let text = "lease 10.1.2.3 of network mynet is missing";
    assert_eq!(found, [Difference::repaired(text, second)]);
}

#[test]
fn del_keeps_the_last_reserved_address_and_leases_of_others() {
    let mut machine = FakeMachine::new();
    let (mine, theirs) = (lease("10.1.2.2", "abc"), lease("10.1.2.2", "def"));
    let release = ReleaseLease { lease: mine.clone() };
    assert!(matches!(undo(&mut machine, release.clone()), Undone::Gone), "there is no store");
    perform(&mut machine, theirs.clone()).unwrap();
    assert!(perform(&mut machine, mine.clone()).is_err());
    assert_eq!(
        undos(&mine, Done::Unknown(&Before::Present), Reason::Rollback),
        [],
        "it was somebody's before"
    );
    assert_eq!(undos(&mine, Done::Effect(&Effect::Created), Reason::Delete), [Undo::from(release.clone())]);
    let Undone::Left(reason) = undo(&mut machine, release.clone()) else { panic!("it is another's") };
    assert_eq!(reason, "lease 10.1.2.2 belongs to another container by now");
    let found = read(&mut machine, |cx| mine.verify(cx)).unwrap();
    let text = "lease 10.1.2.2 of network mynet belongs to another container";
    assert_eq!(found, [Difference::beyond(text)]);
}

#[test]
fn commands_name_the_files() {
    let lease = lease("fd00::2", "abc");
    assert_eq!(lease.commands(), ["lease /leases/mynet/fd00::2 for abc eth0"]);
    let last = |old| RestoreLastReserved { lease: lease.clone(), old }.command();
    assert_eq!(last(None), "rm /leases/mynet/last_reserved_ip.0");
    let old = Some("fd00::1".parse().unwrap());
    assert_eq!(last(old), "printf %s fd00::1 > /leases/mynet/last_reserved_ip.0");
    assert_eq!(ReleaseLease { lease: lease.clone() }.command(), "rm /leases/mynet/fd00::2");
}

#[test]
fn answers_include_planned_reservations() {
    let lease = lease("10.1.2.3", "abc");
    let (store, other) = (lease.store.clone(), NetworkName::parse("other").unwrap());
    let overlaid = |query: &Query, mut answer: Answer| {
        lease.overlay(query, &mut answer);
        answer
    };
    let held = Query::Held(store.clone(), lease.owner.clone());
    for fact in [Fact::Absent, Fact::Unreadable, Fact::Known(Vec::new())] {
        assert_eq!(overlaid(&held, Answer::Held(fact)), Answer::Held(Fact::Known(vec![lease.address])));
    }
    let last = |set| Query::LastReserved(store.clone(), set);
    let absent = Answer::LastReserved(Fact::Absent);
    assert_eq!(overlaid(&last(0), absent.clone()), Answer::LastReserved(Fact::Known(lease.address)));
    assert_eq!(overlaid(&last(1), absent.clone()), absent);
    let within = range("10.1.2.2", "10.1.2.4");
    let free = Query::Free(store.clone(), within);
    let left = Fact::Known(vec![range("10.1.2.2", "10.1.2.2"), range("10.1.2.4", "10.1.2.4")]);
    assert_eq!(overlaid(&free, Answer::Free(Fact::Absent)), Answer::Free(left));
    let elsewhere = Query::Free(StoreRef { network: other, ..store }, within);
    assert_eq!(overlaid(&elsewhere, Answer::Free(Fact::Absent)), Answer::Free(Fact::Absent));
}

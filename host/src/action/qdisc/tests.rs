//! Limits on a machine in memory.

use super::*;
use crate::action::record::{Done, Reason};
use crate::action::testing::TestMachine;
use crate::machine::errno::chain;

fn name(text: &str) -> IfName {
    IfName::parse(text).unwrap()
}

/// A limit of what goes to `v`, or of what comes from it.
fn set_token_bucket(through: Option<&str>) -> SetTokenBucket {
    let ifb = |text| Ifb { name: name(text), alias: "ours".to_owned() };
    SetTokenBucket { link: name("v"), rate: 1000, burst: 2000, through: through.map(ifb) }
}

/// A machine with the host's end of a veth pair.
fn machine() -> TestMachine {
    let mut machine = TestMachine::new();
    machine.add_link("v", "veth");
    machine
}

fn texts(machine: &mut TestMachine, set: &SetTokenBucket) -> Vec<String> {
    machine.read(|cx| set.verify(cx)).unwrap().into_iter().map(|found| found.text).collect()
}

#[test]
fn the_token_bucket_is_the_references() {
    // cni-behaviours, 7.18: 8000 bit/s with 16000 bits, shown as `burst 2000b lat 25ms`.
    let set = set_token_bucket(None);
    assert_eq!((set.limit(), set.buffer()), (2025, 31_250_000));
    let none = SetTokenBucket { rate: 0, ..set };
    assert_eq!(none.buffer(), u32::MAX);
}

#[test]
fn what_goes_to_a_link_is_limited_once_and_the_limit_removed_with_the_queue_length() {
    let (mut machine, set) = (machine(), set_token_bucket(None));
    let old = Old::QueueLength(0);
    assert_eq!(texts(&mut machine, &set), ["what goes to v is not limited"]);
    assert_eq!(machine.read(|cx| set.observe(cx)), Before::Old(old.clone()));
    let effect = machine.perform(&set).unwrap();
    assert_eq!(effect, Effect::Replaced(old));
    assert_eq!(machine.link("v").unwrap().queue_length, 1000, "the kernel changes it");
    assert_eq!(machine.perform(&set).unwrap(), Effect::AlreadyThere);
    assert_eq!(texts(&mut machine, &set), [""; 0]);
    let faster = SetTokenBucket { rate: 2000, ..set.clone() };
    assert_eq!(
        texts(&mut machine, &faster),
        ["what goes to v is limited to 8000 bit/s (limit 2025, buffer 31250000), \
          not 16000 bit/s (limit 2050, buffer 15625000)"]
    );

    let undoing = Undoing { done: Done::Effect(&effect), why: Reason::Delete, own: &[], others: &[] };
    let removal = RemoveTokenBucket { set: set.clone(), queue_length: Some(0) };
    assert_eq!(set.undos(&undoing), [Undo::from(removal.clone())]);
    let anothers = RemoveTokenBucket { set: faster, queue_length: None };
    assert!(matches!(machine.undo(&anothers).unwrap(), Undone::Gone), "it is not the one meant");
    assert!(matches!(machine.undo(&removal).unwrap(), Undone::Done));
    assert_eq!(machine.link("v").unwrap().queue_length, 0);
    assert!(matches!(machine.undo(&removal).unwrap(), Undone::Gone));
}

#[test]
fn what_comes_from_a_link_goes_through_an_ifb() {
    let (mut machine, set) = (machine(), set_token_bucket(Some("bwp1")));
    let ifb = name("bwp1");
    assert_eq!(set.profile().makes, [LinkName::on_host(&ifb)]);
    assert_eq!(machine.read(|cx| set.observe(cx)), Before::Absent);
    assert_eq!(texts(&mut machine, &set), ["ifb bwp1 is gone: what comes from v is not limited"]);
    assert_eq!(machine.perform(&set).unwrap(), Effect::Replaced(Old::QueueLength(0)));
    let (host, through) = (machine.link("v").unwrap().index, machine.link("bwp1").unwrap().index);
    let token_bucket = set.token_bucket();
    assert_eq!(
        machine.sent,
        [
            Request::CreateIfb { name: ifb.clone(), mtu: 1500 },
            Request::Mark { name: ifb, alias: "ours".to_owned(), hairpin: false, isolated: false },
            Request::AddIngress(host),
            Request::Redirect { link: host, to: through },
            Request::SetTokenBucket(through, token_bucket),
        ]
    );
    assert_eq!(texts(&mut machine, &set), [""; 0]);

    // What is missing is made again, and nothing else.
    machine.sent.clear();
    machine.perform(&set).unwrap();
    assert_eq!(machine.sent, []);
    machine.delete_link("bwp1");
    machine.perform(&set).unwrap();
    let through = machine.link("bwp1").unwrap().index;
    assert_eq!(
        machine.sent[2..],
        [
            Request::DeleteIngress(host),
            Request::AddIngress(host),
            Request::Redirect { link: host, to: through },
            Request::SetTokenBucket(through, token_bucket),
        ]
    );
    assert_eq!(texts(&mut machine, &set), [""; 0]);

    let removal = RemoveTokenBucket { set, queue_length: Some(0) };
    assert!(matches!(machine.undo(&removal).unwrap(), Undone::Done));
    assert!(machine.link("bwp1").is_none() && !machine.qdiscs(host).unwrap().has_ingress);
    assert!(matches!(machine.undo(&removal).unwrap(), Undone::Gone));
}

#[test]
fn an_ifb_of_somebody_else_is_left() {
    let (mut machine, set) = (machine(), set_token_bucket(Some("bwp1")));
    machine.add_link("bwp1", "ifb");
    // One that was made and not yet marked is removed, and not used.
    let error = machine.perform(&set).unwrap_err();
    assert_eq!(chain(&error), "adding link: file exists: \"bwp1\"");
    let removal = RemoveTokenBucket { set: set.clone(), queue_length: None };
    assert!(matches!(machine.undo(&removal).unwrap(), Undone::Done));

    machine.add_link("bwp1", "ifb").alias = Some("another".to_owned());
    assert!(machine.perform(&set).is_err());
    assert!(matches!(machine.undo(&removal).unwrap(), Undone::Left(_)));
    assert_eq!(texts(&mut machine, &set), ["bwp1 is not the ifb that was made"]);
    let ifb = DeleteIfb { name: name("bwp1") };
    assert!(matches!(machine.retract(&ifb).unwrap(), Retraction::Nothing(Undone::Left(_))));
    machine.delete_link("bwp1");
    assert!(matches!(machine.retract(&ifb).unwrap(), Retraction::Nothing(Undone::Gone)));
    let index = machine.add_link("bwp1", "ifb").index;
    let Retraction::Send(Netns::Host, requests, what) = machine.retract(&ifb).unwrap() else {
        panic!("it is the reference's")
    };
    assert_eq!((requests, what.as_str()), (vec![vec![Request::Delete(index)]], "failed to delete \"bwp1\""));
}

#[test]
fn commands_are_those_of_tc() {
    let (to, from) = (set_token_bucket(None), set_token_bucket(Some("bwp1")));
    let token_bucket = |link| {
        format!("tc qdisc replace dev {link} root handle 1: tbf rate 8000bit burst 2000b latency 25ms")
    };
    assert_eq!(to.commands(), [token_bucket("v")]);
    assert_eq!(
        from.commands(),
        [
            "ip link add bwp1 mtu MTU-OF-v txqueuelen 0 type ifb",
            "ip link set bwp1 alias 'ours' up",
            "tc qdisc add dev v handle ffff: ingress",
            "tc filter add dev v parent ffff: protocol all prio 1 u32 match u32 0 0 flowid 1:1 action mirred egress redirect dev bwp1",
            &token_bucket("bwp1"),
        ]
    );
    let removal = |set| RemoveTokenBucket { set, queue_length: None }.command();
    assert_eq!(removal(to), "tc qdisc delete dev v root");
    assert_eq!(removal(from), "tc qdisc delete dev v ingress; ip link delete bwp1");
}

//! Rate limits on the fake machine.

use wasm_cni::action::context::Notes;
use wasm_cni::action::profile::{Found, LinkName, Retract, Retraction};
use wasm_cni::action::record::{Before, Done, Effect, Old, Reason, Undoing, Undone};
use wasm_cni::action::{DeleteIfb, Ifb, Inverse, Kind, RemoveTokenBucket, SetTokenBucket, Undo};
use wasm_cni::machine::MachineError;
use wasm_cni::machine::errno::chain;
use wasm_cni::machine::port::{Look, NewKind, NewLink, Request, TokenBucket, on_host};
use wasm_cni::value::derive;
use wasm_cni::value::{LinkFact, Netns};
use wasm_cni_fake::FakeMachine;
use wasm_cni_plans::play::{index, link, missing, name, perform, read, send, undo, with, write};

/// A rate limit of packets to `v`, or of packets from it.
fn shape(through: Option<&str>) -> SetTokenBucket {
    let ifb = |text| Ifb { name: name(text), alias: "ours".to_owned() };
    SetTokenBucket { link: name("v"), rate: 1000, burst: 2000, through: through.map(ifb) }
}

/// A machine with the host end of a veth pair, which has no queue.
fn machine() -> FakeMachine {
    let mut machine = with([link(on_host(&name("v")), "veth", 1)]);
    let v = index_of(&mut machine, "v");
    send(&mut machine, Netns::Host, Request::SetQueueLength(v, 0));
    machine
}

fn index_of(machine: &mut FakeMachine, link: &str) -> u32 {
    index(machine, &on_host(&name(link)))
}

/// The queue length of `v`, in packets.
fn queue_length(machine: &mut FakeMachine) -> u32 {
    machine.link(&on_host(&name("v"))).unwrap().unwrap().queue_length
}

/// An ifb that somebody else created.
fn ifb(alias: Option<&str>) -> LinkFact {
    LinkFact { alias: alias.map(str::to_owned), ..link(on_host(&name("bwp1")), "ifb", 2) }
}

fn delete_ifb(machine: &mut FakeMachine) {
    let ifb = index_of(machine, "bwp1");
    send(machine, Netns::Host, Request::Delete(ifb));
}

fn retract(machine: &mut FakeMachine, undo: &DeleteIfb) -> Result<Retraction, MachineError> {
    write(machine, &mut Notes::default(), |cx| undo.prepare(cx))
}

fn texts(machine: &mut FakeMachine, shape: &SetTokenBucket) -> Vec<String> {
    missing(machine, &[shape.clone().into()])
}

#[test]
fn the_token_bucket_has_the_reference_s_values() {
    // Captured from the reference's bandwidth plugin 1.1.1: 8000 bit/s with a burst of 16000 bits is shown by tc(8) as
    // `burst 2000b lat 25ms`.
    let shape = shape(None);
    assert_eq!((shape.limit(), shape.buffer()), (2025, 31_250_000));
    let none = SetTokenBucket { rate: 0, ..shape };
    assert_eq!(none.buffer(), u32::MAX);
}

#[test]
fn packets_to_a_link_are_limited_once_and_undo_restores_the_queue_length() {
    let (mut machine, shape) = (machine(), shape(None));
    let old = Old::QueueLength(0);
    assert_eq!(texts(&mut machine, &shape), ["what goes to v is not limited"]);
    assert_eq!(read(&mut machine, |cx| shape.observe(cx)), Before::Old(old.clone()));
    let effect = perform(&mut machine, shape.clone()).unwrap();
    assert_eq!(effect, Effect::Replaced(old));
    assert_eq!(queue_length(&mut machine), 1000, "the kernel changes it");
    assert_eq!(perform(&mut machine, shape.clone()).unwrap(), Effect::AlreadyThere);
    assert_eq!(texts(&mut machine, &shape), [""; 0]);
    let faster = SetTokenBucket { rate: 2000, ..shape.clone() };
    assert_eq!(
        texts(&mut machine, &faster),
        ["what goes to v is limited to 8000 bit/s (limit 2025, buffer 31250000), \
          not 16000 bit/s (limit 2050, buffer 15625000)"]
    );

    let undoing = Undoing { done: Done::Effect(&effect), why: Reason::Delete, own: &[], others: &[] };
    let removal = RemoveTokenBucket { set: shape.clone(), queue_length: Some(0) };
    assert_eq!(shape.undos(&undoing), [Undo::from(removal.clone())]);
    let anothers = RemoveTokenBucket { set: faster, queue_length: None };
    assert!(matches!(undo(&mut machine, anothers), Undone::Gone), "it is not the one meant");
    assert!(matches!(undo(&mut machine, removal.clone()), Undone::Done));
    assert_eq!(queue_length(&mut machine), 0);
    assert!(matches!(undo(&mut machine, removal.clone()), Undone::Gone));
}

#[test]
fn packets_from_a_link_pass_an_ifb() {
    let (mut machine, shape) = (machine(), shape(Some("bwp1")));
    let ifb = name("bwp1");
    assert_eq!(shape.profile().makes, [LinkName::on_host(&ifb)]);
    let before = read(&mut machine, |cx| shape.observe(cx));
    assert_eq!((&before, shape.found(&before)), (&Before::Old(Old::QueueLength(0)), Found::Absent));
    assert_eq!(texts(&mut machine, &shape), ["ifb bwp1 is gone: what comes from v is not limited"]);
    assert_eq!(perform(&mut machine, shape.clone()).unwrap(), Effect::Replaced(Old::QueueLength(0)));
    let (host, through) = (index_of(&mut machine, "v"), index_of(&mut machine, "bwp1"));
    let bucket = TokenBucket { rate: 1000, limit: shape.limit(), buffer: shape.buffer() };
    assert_eq!(
        machine.sent,
        [
            Request::CreateLink(NewLink {
                name: ifb.clone(),
                mac: Some(derive::bridge_mac(&name("bwp1"))),
                mtu: Some(1500),
                kind: NewKind::Ifb
            }),
            Request::Mark { name: ifb, alias: "ours".to_owned(), hairpin: false, isolated: false },
            Request::AddIngress(host),
            Request::Redirect { link: host, to: through },
            Request::SetTokenBucket(through, bucket),
        ]
    );
    assert_eq!(texts(&mut machine, &shape), [""; 0]);

    // Only missing parts are created again.
    machine.sent.clear();
    perform(&mut machine, shape.clone()).unwrap();
    assert_eq!(machine.sent, []);
    delete_ifb(&mut machine);
    perform(&mut machine, shape.clone()).unwrap();
    let through = index_of(&mut machine, "bwp1");
    assert_eq!(
        machine.sent[2..],
        [
            Request::DeleteIngress(host),
            Request::AddIngress(host),
            Request::Redirect { link: host, to: through },
            Request::SetTokenBucket(through, bucket),
        ]
    );
    assert_eq!(texts(&mut machine, &shape), [""; 0]);

    let removal = RemoveTokenBucket { set: shape, queue_length: Some(0) };
    assert!(matches!(undo(&mut machine, removal.clone()), Undone::Done));
    assert!(
        machine.link(&on_host(&name("bwp1"))).unwrap().is_none()
            && !machine.qdiscs(host).unwrap().has_ingress
    );
    assert!(matches!(undo(&mut machine, removal.clone()), Undone::Gone));
}

#[test]
fn a_foreign_ifb_stays() {
    let (mut machine, shape) = (machine(), shape(Some("bwp1")));
    machine = machine.with_link(ifb(None)).unwrap();
    // An ifb without an alias is removed by undo, but not used.
    let error = perform(&mut machine, shape.clone()).unwrap_err();
    assert_eq!(chain(&error), "adding link: file exists: \"bwp1\"");
    let removal = RemoveTokenBucket { set: shape.clone(), queue_length: None };
    assert!(matches!(undo(&mut machine, removal.clone()), Undone::Done));

    machine = machine.with_link(ifb(Some("another"))).unwrap();
    assert!(perform(&mut machine, shape.clone()).is_err());
    assert!(matches!(undo(&mut machine, removal.clone()), Undone::Left(_)));
    assert_eq!(texts(&mut machine, &shape), ["bwp1 is not the ifb that was made"]);
    let deletion = DeleteIfb { ifb: Ifb { name: name("bwp1"), alias: "ours".to_owned() } };
    assert!(matches!(retract(&mut machine, &deletion).unwrap(), Retraction::Nothing(Undone::Left(_))));
    delete_ifb(&mut machine);
    assert!(matches!(retract(&mut machine, &deletion).unwrap(), Retraction::Nothing(Undone::Gone)));
    for alias in [None, Some("ours")] {
        machine = machine.with_link(ifb(alias)).unwrap();
        let index = index_of(&mut machine, "bwp1");
        assert_eq!(deletion.netns(), Netns::Host);
        let Retraction::Send(requests, what) = retract(&mut machine, &deletion).unwrap() else {
            panic!("it is the reference's, or ours")
        };
        let expected = (vec![vec![Request::Delete(index)]], "failed to delete \"bwp1\"");
        assert_eq!((requests, what.as_str()), expected);
        delete_ifb(&mut machine);
    }
}

#[test]
fn commands_are_those_of_tc() {
    let (to, from) = (shape(None), shape(Some("bwp1")));
    let bucket = |link| {
        format!("tc qdisc replace dev {link} root handle 1: tbf rate 8000bit burst 2000b latency 25ms")
    };
    assert_eq!(to.commands(), [bucket("v")]);
    assert_eq!(
        from.commands(),
        [
            "ip link add bwp1 address 76:21:39:be:e0:0f mtu MTU-OF-v txqueuelen 0 type ifb",
            "ip link set bwp1 alias 'ours' up",
            "tc qdisc add dev v handle ffff: ingress",
            "tc filter add dev v parent ffff: protocol all prio 1 u32 match u32 0 0 flowid 1:1 action mirred egress redirect dev bwp1",
            &bucket("bwp1"),
        ]
    );
    let removal = |shape| RemoveTokenBucket { set: shape, queue_length: None }.command();
    assert_eq!(removal(to), "tc qdisc delete dev v root");
    assert_eq!(removal(from), "tc qdisc delete dev v ingress; ip link delete bwp1");
}

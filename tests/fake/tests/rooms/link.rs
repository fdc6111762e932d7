//! The requests of link actions, and the interpretation of the answers.

use nix::errno::Errno;
use wasm_cni::action::context::Notes;
use wasm_cni::action::profile::{Answered, Own, Prepared, Requests, Retract, Retraction};
use wasm_cni::action::record::{Before, Done, Effect, Old, Reason, Record, Undoing, Undone};
use wasm_cni::action::{
    Action, BridgePort, CreateVeth, DeleteEmptyBridge, DeleteLink, EnsureBridge, EnsureVlanGateway, Kind,
    LinkAttribute, RestoreLink, SetDown, SetLink, SetPromiscuous, SetUp, Settle, Undo, VethPeer,
};
use wasm_cni::machine::errno::chain;
use wasm_cni::machine::port::{Address, Look, Machine, Request, in_container, on_host};
use wasm_cni::value::{LinkFact, LinkIdentity, LinkRef, Netns, SysctlKey};
use wasm_cni_fake::FakeMachine;
use wasm_cni_plans::play::{index, link, mac, name, perform, read, send, undo, with, write};

pub fn inside() -> LinkRef {
    in_container(&name("eth0"))
}

pub fn outside() -> LinkRef {
    on_host(&name("vethx"))
}

pub fn cni0() -> LinkRef {
    on_host(&name("cni0"))
}

/// An address with these flags.
pub fn address(text: &str, flags: u32) -> Address {
    Address { flags, ..Address::new(text.parse().unwrap()) }
}

pub fn bridge() -> EnsureBridge {
    EnsureBridge { name: name("cni0"), mtu: None, mac: mac(9), vlan_filtering: false }
}

pub fn veth() -> CreateVeth {
    let peer = VethPeer {
        name: name("vethx"),
        mac: mac(3),
        alias: "wasm-cni x".to_owned(),
        master: Some(name("cni0")),
        hairpin: true,
        isolated: false,
        vlans: Default::default(),
    };
    CreateVeth { name: name("eth0"), mtu: Some(1400), mac: mac(2), peer }
}

pub fn prepare(action: &dyn Requests, machine: &mut FakeMachine, notes: &mut Notes) -> Prepared {
    write(machine, notes, |cx| action.prepare(cx)).unwrap()
}

/// The effect of an action, or the error text for the user.
pub fn conclude(
    action: &dyn Requests,
    answers: &[Option<Errno>],
    machine: &mut FakeMachine,
    notes: &mut Notes,
) -> Result<Effect, String> {
    let answer = |errno: &Option<Errno>| -> Answered { errno.map_or(Ok(()), |errno| Err(errno.into())) };
    let answers = answers.iter().map(answer).collect();
    write(machine, notes, |cx| action.conclude(answers, cx)).map_err(|error| chain(&error))
}

fn left(undo: &dyn Retract, machine: &mut FakeMachine) -> String {
    match write(machine, &mut Notes::default(), |cx| undo.prepare(cx)).unwrap() {
        Retraction::Nothing(Undone::Left(text)) => text,
        other => panic!("{other:?}"),
    }
}

fn retracted(undo: &dyn Retract, machine: &mut FakeMachine) -> Vec<Vec<Request>> {
    match write(machine, &mut Notes::default(), |cx| undo.prepare(cx)).unwrap() {
        Retraction::Send(requests, _) => requests,
        Retraction::Nothing(_) => Vec::new(),
    }
}

#[test]
fn a_foreign_bridge_is_pinned_before_a_port_joins_and_ours_is_not() {
    let mut machine = with([link(cni0(), "bridge", 7)]);
    let (mut notes, index) = (Notes::default(), index(&mut machine, &cni0()));
    assert!(matches!(prepare(&bridge(), &mut machine, &mut notes), Prepared::Nothing));
    let Prepared::After { first, what, then } = prepare(&veth(), &mut machine, &mut notes) else { panic!() };
    assert_eq!(what, "failed to keep \"cni0\" as it is");
    assert_eq!(
        first,
        [Request::SetMac(index, mac(7)), Request::SetMtu(index, 1501), Request::SetMtu(index, 1500)]
    );
    let [Request::CreateVeth(created), Request::Mark { name, alias, hairpin, isolated }] = then.as_slice()
    else {
        panic!("{then:?}")
    };
    assert_eq!((created.master, created.netns, created.mtu), (Some(index), Netns::Container, Some(1400)));
    assert_eq!((name.as_str(), alias.as_str(), *hairpin, *isolated), ("vethx", "wasm-cni x", true, false));

    let own = EnsureBridge { mac: mac(7), ..bridge() };
    assert!(matches!(prepare(&own, &mut machine, &mut notes), Prepared::Nothing));
    assert!(matches!(prepare(&veth(), &mut machine, &mut notes), Prepared::Send(_)));
    assert!(machine.sent.is_empty(), "preparing sends nothing");
}

#[test]
fn our_unfinished_bridge_is_completed_and_another_link_is_a_conflict() {
    let mut notes = Notes::default();
    let key = SysctlKey::parse("net/ipv6/conf/cni0/accept_ra").unwrap();
    let mut without_v6 = with([LinkFact { mtu: 1000, ..link(cni0(), "bridge", 9) }]);
    let before = without_v6.snapshot();
    prepare(&bridge(), &mut without_v6, &mut notes);
    assert_eq!(without_v6.snapshot(), before, "a link without IPv6");
    assert!(without_v6.sysctl(Netns::Host, &key).is_err());
    let mut machine = with([link(cni0(), "bridge", 9)]).with_sysctl(Netns::Host, &key, "1");
    prepare(&bridge(), &mut machine, &mut notes);
    assert_eq!(machine.sysctl(Netns::Host, &key).unwrap(), "0");

    machine = machine.with_sysctl(Netns::Host, &key, "1");
    let there = index(&mut machine, &cni0());
    send(&mut machine, Netns::Host, Request::SetUp(there, true));
    prepare(&bridge(), &mut machine, &mut notes);
    assert_eq!(machine.sysctl(Netns::Host, &key).unwrap(), "1", "one that is up is finished");
    // Somebody else created the link between the look-up and the request.
    let raced = conclude(&bridge(), &[Some(Errno::EEXIST)], &mut machine, &mut notes);
    assert_eq!(raced.unwrap(), Effect::AlreadyThere);
    let mut machine = with([link(cni0(), "dummy", 9)]);
    assert_eq!(
        conclude(&bridge(), &[Some(Errno::EEXIST)], &mut machine, &mut notes).unwrap_err(),
        "failed to create bridge \"cni0\": \"cni0\" already exists but is not a bridge"
    );
    assert_eq!(
        conclude(&bridge(), &[Some(Errno::EPERM)], &mut machine, &mut notes).unwrap_err(),
        "failed to create bridge \"cni0\": could not add \"cni0\": operation not permitted"
    );
}

#[test]
fn a_pair_that_cannot_be_created_is_refused_before_anything_is_sent() {
    let refusal = |machine: FakeMachine| {
        let (mut machine, mut notes) = (machine, Notes::default());
        let refused = write(&mut machine, &mut notes, |cx| veth().prepare(cx)).unwrap_err();
        assert!(machine.sent.is_empty());
        chain(&refused)
    };
    let taken = with([link(outside(), "dummy", 7)]);
    assert_eq!(refusal(taken), "host veth name (\"vethx\") already exists");
    assert_eq!(refusal(FakeMachine::new()), "failed to lookup \"cni0\": Link not found");
    let gone = with([link(cni0(), "bridge", 7)]).without_container();
    assert_eq!(refusal(gone), "failed to make veth pair: the container has no network namespace");
}

#[test]
fn a_pair_is_identified_by_both_ends() {
    let (one, other) = (link(inside(), "veth", 2), link(outside(), "veth", 3));
    let mut machine = with([link(cni0(), "bridge", 9)]).with_pair(one, other).unwrap();
    let made = conclude(&veth(), &[None, None], &mut machine, &mut Notes::default()).unwrap();
    let Effect::CreatedLinks(links) = &made else { panic!("{made:?}") };
    let identities: Vec<_> = links.iter().map(|one| (one.link.to_string(), one.index)).collect();
    assert_eq!(identities, [("eth0 (container)".to_owned(), 2), ("vethx".to_owned(), 3)]);
    assert!(machine.sent.is_empty(), "no VLANs are asked for");

    let (own, others) = ([], []);
    let undoing = |done| Undoing { done, why: Reason::Rollback, own: &own, others: &others };
    let undos = veth().undos(&undoing(Done::Effect(&made)));
    assert!(matches!(undos.as_slice(), [Undo::DeleteLink(undo)] if undo.identity == links[1]), "{undos:?}");
    let undos = veth().undos(&undoing(Done::Unknown(&Before::Present)));
    assert!(matches!(undos.as_slice(), [Undo::DeleteMarkedLink(undo)] if undo.alias == "wasm-cni x"));
}

#[test]
fn a_race_for_a_name_is_repaired_and_a_failure_leaves_no_pair() {
    let unmarked =
        Request::Mark { name: name("vethx"), alias: String::new(), hairpin: false, isolated: false };
    let (mut machine, mut notes) = (with([link(inside(), "veth", 2)]), Notes::default());
    let mut failed = |machine: &mut FakeMachine, answers: [Option<Errno>; 2]| {
        conclude(&veth(), &answers, machine, &mut notes).unwrap_err()
    };
    // Somebody else got the host end's name, and their link now has our alias.
    let text = failed(&mut machine, [Some(Errno::EEXIST), None]);
    assert_eq!(text, "host veth name (\"vethx\") already exists");
    assert_eq!(machine.sent, [unmarked]);
    let text = failed(&mut machine, [Some(Errno::EEXIST), Some(Errno::ENODEV)]);
    assert_eq!(text, "container veth name (\"eth0\") already exists");
    let text = failed(&mut machine, [Some(Errno::EPERM), Some(Errno::ENODEV)]);
    assert_eq!(text, "failed to make veth pair: operation not permitted");
    assert_eq!(machine.sent.len(), 1);

    machine = machine.with_link(link(outside(), "veth", 3)).unwrap();
    let made = index(&mut machine, &outside());
    let text = failed(&mut machine, [None, Some(Errno::EINVAL)]);
    assert_eq!(text, "failed to setup alias and hairpin mode for vethx: invalid argument");
    assert_eq!(machine.sent[1..], [Request::Delete(made)]);
    assert_eq!(machine.link(&outside()).unwrap(), None);
}

#[test]
fn a_pair_covers_its_attributes_at_creation() {
    let covers = |link: LinkRef, attribute| Action::from(veth()).covers(&SetLink { link, attribute }.into());
    let (inside, outside) = (inside(), outside());
    assert!(Action::from(veth()).covers(&veth().into()));
    assert!(covers(inside.clone(), LinkAttribute::Mac(mac(2))));
    assert!(covers(outside.clone(), LinkAttribute::Mac(mac(3))));
    assert!(covers(outside.clone(), LinkAttribute::Mtu(1400)));
    assert!(covers(outside.clone(), LinkAttribute::Alias("wasm-cni x".to_owned())));
    assert!(covers(outside.clone(), LinkAttribute::Port(veth().peer.port().unwrap())));
    assert!(!covers(inside.clone(), LinkAttribute::Mac(mac(3))));
    assert!(!covers(inside.clone(), LinkAttribute::Alias("wasm-cni x".to_owned())));
    assert!(!covers(inside, LinkAttribute::Mtu(1500)));
    assert!(!covers(outside, LinkAttribute::Promiscuous(true)));
}

#[test]
fn the_old_value_of_an_attribute_reaches_the_effect() {
    let (mut machine, mut notes) = (with([link(inside(), "veth", 2)]), Notes::default());
    let index = index(&mut machine, &inside());
    let set = |attribute| SetLink { link: in_container(&name("eth0")), attribute };
    let (mtu, same) = (set(LinkAttribute::Mtu(1400)), set(LinkAttribute::Mtu(1500)));
    let old = Old::Attribute(LinkAttribute::Mtu(1500));
    assert_eq!(read(&mut machine, |cx| mtu.observe(cx)), Before::Old(old.clone()));
    assert_eq!(read(&mut machine, |cx| same.observe(cx)), Before::Present);
    assert!(matches!(prepare(&same, &mut machine, &mut notes), Prepared::Nothing));
    let Prepared::Send(requests) = prepare(&mtu, &mut machine, &mut notes) else { panic!() };
    assert_eq!(requests, [Request::SetMtu(index, 1400)]);
    assert_eq!(conclude(&mtu, &[None], &mut machine, &mut notes), Ok(Effect::Replaced(old)));
    assert_eq!(conclude(&mtu, &[None], &mut machine, &mut notes), Ok(Effect::Created), "taken out");
    assert_eq!(
        conclude(&mtu, &[Some(Errno::EINVAL)], &mut machine, &mut notes).unwrap_err(),
        "failed to set the MTU of \"eth0\" to 1400: invalid argument"
    );

    let restore = |set, old| RestoreLink { link: in_container(&name("eth0")), set, old };
    let (set, old) = (Some(LinkAttribute::Mtu(1400)), LinkAttribute::Mtu(1300));
    let text = "link eth0 was changed to \"1500\" by somebody else";
    assert_eq!(left(&restore(set, old.clone()), &mut machine), text);
    let requests = retracted(&restore(None, old), &mut machine);
    assert_eq!(requests, [[Request::SetMtu(index, 1300)]]);
}

/// The kernel takes IPv6 from a link with an MTU below 1280. Undo does not know which addresses and routes it had.
#[test]
fn undo_of_a_small_mtu_restores_the_parameters_of_ipv6_and_no_address() {
    let eth0 = inside();
    let addresses = ["10.1.0.2/24", "fd00::2/64"].map(|address| address.parse().unwrap());
    let mut machine = with([LinkFact { addresses: addresses.into(), ..link(eth0.clone(), "veth", 2) }]);
    let key = SysctlKey::parse("net/ipv6/conf/eth0/accept_dad").unwrap();
    machine.set_sysctl(Netns::Container, &key, "0").unwrap();
    let small = SetLink { link: eth0.clone(), attribute: LinkAttribute::Mtu(1279) };
    let effect = perform(&mut machine, small.clone()).unwrap();
    assert!(machine.sysctl(Netns::Container, &key).is_err(), "there is no IPv6");
    let undoing = Undoing { done: Done::Effect(&effect), why: Reason::Rollback, own: &[], others: &[] };
    for one in small.undos(&undoing) {
        assert!(matches!(undo(&mut machine, one), Undone::Done));
    }
    let found = machine.link(&eth0).unwrap().unwrap();
    assert_eq!((found.mtu, machine.sysctl(Netns::Container, &key).unwrap().as_str()), (1500, "0"));
    let left = machine.addresses(Netns::Container, Some(found.index)).unwrap();
    assert_eq!(left.iter().map(|one| one.address).collect::<Vec<_>>(), [addresses[0]]);
}

#[test]
fn promiscuous_mode_is_cleared_and_undo_sets_it_again() {
    let (mut machine, mut notes) = (with([link(inside(), "veth", 2)]), Notes::default());
    let eth0 = inside();
    let index = index(&mut machine, &eth0);
    send(&mut machine, Netns::Container, Request::SetPromiscuous(index, true));
    let (off, on) = (LinkAttribute::Promiscuous(false), LinkAttribute::Promiscuous(true));
    let end = SetLink { link: eth0.clone(), attribute: off.clone() };
    assert_eq!(end.commands(), ["ip link set eth0 promisc off"]);
    assert_eq!(read(&mut machine, |cx| end.observe(cx)), Before::Old(Old::Attribute(on.clone())));
    let Prepared::Send(requests) = prepare(&end, &mut machine, &mut notes) else { panic!() };
    assert_eq!(requests, [Request::SetPromiscuous(index, false)]);
    let effect = conclude(&end, &[None], &mut machine, &mut notes).unwrap();
    assert_eq!(effect, Effect::Replaced(Old::Attribute(on.clone())));
    let restore = RestoreLink { link: eth0.clone(), set: Some(off), old: on };
    let undoing = Undoing { done: Done::Effect(&effect), why: Reason::Rollback, own: &[], others: &[] };
    assert_eq!(end.undos(&undoing), [Undo::from(restore.clone())]);
    assert_eq!(
        conclude(&end, &[Some(Errno::EPERM)], &mut machine, &mut notes).unwrap_err(),
        "failed to end promiscuous mode of \"eth0\": operation not permitted"
    );

    send(&mut machine, Netns::Container, Request::SetPromiscuous(index, false));
    assert!(matches!(prepare(&end, &mut machine, &mut notes), Prepared::Nothing));
    assert_eq!(retracted(&restore, &mut machine), [[Request::SetPromiscuous(index, true)]]);
    // Setting and clearing promiscuous mode supersede each other: the later one applies.
    let begin = Action::from(SetPromiscuous { link: eth0.clone() });
    let other = Action::from(SetPromiscuous { link: in_container(&name("eth1")) });
    let end = Action::from(end);
    assert!(begin.kind().is_superseded(&end) && end.kind().is_superseded(&begin));
    assert!(!other.kind().is_superseded(&end) && !end.kind().is_superseded(&other));
    assert!(!begin.kind().is_superseded(&begin));
}

#[test]
fn a_port_joins_again_with_pins_only_if_it_has_left_the_bridge() {
    let mut machine = with([link(outside(), "veth", 3), link(cni0(), "bridge", 7)]);
    let (port, bridge) = (index(&mut machine, &outside()), index(&mut machine, &cni0()));
    let mut notes = Notes::default();
    notes.foreign_bridges.insert(name("cni0"));
    let attribute =
        BridgePort { bridge: name("cni0"), hairpin: true, isolated: false, vlans: Default::default() };
    let set = SetLink { link: on_host(&name("vethx")), attribute: LinkAttribute::Port(attribute) };
    let settings = Request::SetPort { link: port, hairpin: true, isolated: false };
    let Prepared::After { first, then, .. } = prepare(&set, &mut machine, &mut notes) else { panic!() };
    assert_eq!(first, [Request::SetMac(bridge, mac(7))]);
    assert_eq!(then, [Request::SetMaster { link: port, master: bridge }, settings.clone()]);
    send(&mut machine, Netns::Host, Request::SetMaster { link: port, master: bridge });
    let Prepared::Send(requests) = prepare(&set, &mut machine, &mut notes) else { panic!() };
    assert_eq!(requests, [settings]);
    assert_eq!(conclude(&set, &[None], &mut machine, &mut notes), Ok(Effect::Created));
    let needs: Vec<_> = set.profile().needs.iter().map(|link| link.name.to_string()).collect();
    assert_eq!(needs, ["vethx", "cni0"]);
}

#[test]
fn a_wait_ends_even_if_pauses_take_no_time() {
    let (one, other) = (link(inside(), "veth", 2), link(outside(), "veth", 3));
    let mut machine = FakeMachine::new().with_pair(one, other).unwrap();
    let (end, host) = (index(&mut machine, &inside()), index(&mut machine, &outside()));
    let settle = Settle { link: inside() };
    let wait = |machine: &mut FakeMachine| {
        let waited = write(machine, &mut Notes::default(), |cx| settle.perform(cx));
        waited.map_err(|error| chain(&error))
    };
    let down = Err("link eth0 is down".to_owned());
    assert_eq!(wait(&mut machine), down);
    send(&mut machine, Netns::Container, Request::SetUp(end, true));
    assert_eq!(wait(&mut machine), down, "the other end is down");
    assert_eq!(machine.pauses, 0, "no wait can help");
    send(&mut machine, Netns::Container, Request::SetUp(end, true));
    send(&mut machine, Netns::Host, Request::SetUp(host, true));
    assert_eq!(wait(&mut machine), Ok(Effect::AlreadyThere));
    let (tentative, taken) = (0x40, 0x08);
    machine = machine.with_address(&inside(), address("fe80::1/64", tentative)).unwrap();
    assert_eq!(wait(&mut machine), Ok(Effect::AlreadyThere));
    machine = machine.with_address(&inside(), address("fd00::2/64", tentative)).unwrap();
    let failed = "failed to settle addresses for \"eth0\": link eth0";
    let text = format!("{failed} still has tentative addresses after 5 seconds");
    assert_eq!(wait(&mut machine), Err(text));
    // A pause counts for at least 2 ms, and on a busy machine for longer.
    assert!((1..=2500).contains(&machine.pauses), "{}", machine.pauses);
    // All waits of a verb together take as long as one.
    let mut notes = Notes::default();
    let pauses = [1, 2, 3].map(|_| {
        let before = machine.pauses;
        let waited = write(&mut machine, &mut notes, |cx| settle.perform(cx));
        assert!(waited.is_err_and(|error| chain(&error).contains("tentative")));
        machine.pauses - before
    });
    assert!(matches!(pauses, [1..=2500, 0, 0]), "{pauses:?}");
    let pauses = machine.pauses;
    machine = machine.with_address(&inside(), address("fd00::3/64", taken)).unwrap();
    assert_eq!(wait(&mut machine), Err(format!("{failed} has address fd00::3 in DADFAILED state")));
    assert_eq!(machine.pauses, pauses, "at once");
    // A bridge port has no addresses of its own.
    let bridge = in_container(&name("br0"));
    machine = machine.with_link(link(bridge.clone(), "bridge", 7)).unwrap();
    let master = index(&mut machine, &bridge);
    send(&mut machine, Netns::Container, Request::SetMaster { link: end, master });
    assert_eq!(wait(&mut machine), Ok(Effect::AlreadyThere));
}

#[test]
fn a_wait_is_repeated_after_a_repair_of_its_link() {
    let settle = Settle { link: on_host(&name("vethx")) };
    let up = |link| Action::from(SetUp { link });
    assert!(settle.waits_for(&up(on_host(&name("vethx")))));
    assert!(settle.waits_for(&up(in_container(&name("eth0")))), "the other end");
    assert!(!settle.waits_for(&up(on_host(&name("cni0")))));
    assert!(!settle.waits_for(&bridge().into()));
}

#[test]
fn undo_leaves_objects_that_are_not_the_recorded_ones() {
    let identity = |index, alias: Option<&str>| LinkIdentity {
        link: on_host(&name("vethx")),
        index,
        kind: "veth".to_owned(),
        mac: mac(3),
        alias: alias.map(str::to_owned),
    };
    let marked = LinkFact { alias: Some("x".to_owned()), ..link(on_host(&name("y")), "veth", 3) };
    let mut machine = with([marked]);
    let there = index(&mut machine, &on_host(&name("y")));
    let delete = |identity| DeleteLink { identity };
    assert_eq!(retracted(&delete(identity(there, Some("x"))), &mut machine), [[Request::Delete(there)]]);
    assert!(retracted(&delete(identity(there + 1, Some("x"))), &mut machine).is_empty());
    let text = left(&delete(identity(there, Some("other"))), &mut machine);
    assert_eq!(text, "link vethx is not the one that was made");

    let ours = "10.9.9.1/24";
    let empty = DeleteEmptyBridge { name: name("cni0"), mac: mac(9), addresses: vec![ours.parse().unwrap()] };
    let addresses = [ours, "fe80::1/64"].map(|address| address.parse().unwrap()).to_vec();
    machine = with([LinkFact { addresses, ..link(cni0(), "bridge", 9) }]);
    let bridge = index(&mut machine, &cni0());
    assert_eq!(retracted(&empty, &mut machine), [[Request::Delete(bridge)]]);
    machine = machine.with_address(&cni0(), address("10.9.8.1/24", 0)).unwrap();
    assert_eq!(left(&empty, &mut machine), "bridge cni0 has the address 10.9.8.1/24, which is not ours");
    let own = LinkFact { master: Some(bridge), ..link(on_host(&name("own")), "veth", 4) };
    machine = machine.with_link(own).unwrap();
    assert_eq!(left(&empty, &mut machine), "bridge cni0 is in use: own is a port of it");
    send(&mut machine, Netns::Host, Request::SetMac(bridge, mac(1)));
    assert_eq!(left(&empty, &mut machine), "cni0 is not the bridge that was made");
}

#[test]
fn undo_removes_the_address_that_lo_got_when_it_was_set_up() {
    let mut machine = FakeMachine::new();
    let lo = in_container(&name("lo"));
    send(&mut machine, Netns::Container, Request::SetUp(1, true));
    let down = SetDown { link: lo.clone() };
    let deleted = Request::DeleteAddress { link: 1, address: "127.0.0.1/8".parse().unwrap() };
    assert_eq!(retracted(&down, &mut machine), [[deleted], [Request::SetUp(1, false)]]);
    assert!(matches!(undo(&mut machine.clone(), down.clone()), Undone::Done));
    machine = machine.with_address(&lo, address("127.0.0.2/32", 0)).unwrap();
    assert_eq!(retracted(&down, &mut machine), [[Request::SetUp(1, false)]]);
    machine = machine.with_address(&lo, address("fd00::2/64", 0)).unwrap();
    assert_eq!(left(&down, &mut machine), "link lo would lose its IPv6 addresses");
}

#[test]
fn the_deletion_of_a_created_link_undoes_changes_of_it_too() {
    let gateway = EnsureVlanGateway {
        name: name("cni0.100"),
        mac: mac(5),
        alias: "x".to_owned(),
        port: name("vethg"),
        port_mac: mac(6),
        bridge: name("cni0"),
        vid: 100,
        drop_default: false,
    };
    let (veth, gateway) = (Action::from(veth()), Action::from(gateway));
    let created = Effect::Created;
    let done = Done::Effect(&created);
    let own = [Record { action: &veth, done }, Record { action: &gateway, done }];
    let others = [];
    let undos = |link: LinkRef, own| {
        SetUp { link }.undos(&Undoing { done, why: Reason::Rollback, own, others: &others }).len()
    };
    for link in [in_container(&name("eth0")), on_host(&name("vethx")), on_host(&name("vethg"))] {
        assert_eq!((undos(link.clone(), &own), undos(link, &[])), (0, 1));
    }
    assert_eq!(undos(on_host(&name("eth0")), &own), 1, "another link of that name");
}

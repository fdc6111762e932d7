//! What rooms of links send, and what they make of the answers.

mod addresses;

use super::testing::{Scripted, address, link, mac, name};
use crate::action::context::Notes;
use crate::action::profile::{Answered, Prepared, Requests, Retract, Retraction};
use crate::action::record::{Before, Done, Effect, Old, Reason, Record, Undoing, Undone};
use crate::action::{
    Action, BridgePort, CreateVeth, DeleteEmptyBridge, DeleteLink, EnsureBridge, EnsureVlanGateway, Kind,
    LinkAttribute, RestoreLink, SetDown, SetLink, SetPromiscuous, SetUp, Settle, Undo, VethPeer,
};
use crate::machine::errno::chain;
use crate::machine::port::{Link, Request, in_container, on_host};
use crate::value::{LinkIdentity, LinkRef, Netns};
use nix::errno::Errno;
use std::time::Duration;

fn bridge() -> EnsureBridge {
    EnsureBridge { name: name("cni0"), mtu: None, mac: mac(9), vlan_filtering: false }
}

fn veth() -> CreateVeth {
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

fn prepare(action: &dyn Requests, machine: &mut Scripted, notes: &mut Notes) -> Prepared {
    machine.write(notes, |cx| action.prepare(cx)).unwrap()
}

/// The effect of an action, or the error as a user reads it.
fn conclude(
    action: &dyn Requests,
    answers: &[Option<Errno>],
    machine: &mut Scripted,
    notes: &mut Notes,
) -> Result<Effect, String> {
    let answer = |errno: &Option<Errno>| -> Answered { errno.map_or(Ok(()), |errno| Err(errno.into())) };
    let answers = answers.iter().map(answer).collect();
    machine.write(notes, |cx| action.conclude(answers, cx)).map_err(|error| chain(&error))
}

fn left(undo: &dyn Retract, machine: &mut Scripted) -> String {
    match machine.write(&mut Notes::default(), |cx| undo.prepare(cx)).unwrap() {
        Retraction::Nothing(Undone::Left(text)) => text,
        other => panic!("{other:?}"),
    }
}

fn retracted(undo: &dyn Retract, machine: &mut Scripted) -> Vec<Vec<Request>> {
    match machine.write(&mut Notes::default(), |cx| undo.prepare(cx)).unwrap() {
        Retraction::Send(_, requests, _) => requests,
        Retraction::Nothing(_) => Vec::new(),
    }
}

#[test]
fn a_bridge_of_somebody_else_is_pinned_before_a_port_joins_and_ours_is_not() {
    let mut machine = Scripted::with(Netns::Host, link(7, "cni0", "bridge"));
    let mut notes = Notes::default();
    assert!(matches!(prepare(&bridge(), &mut machine, &mut notes), Prepared::Nothing));
    let Prepared::After { first, what, then } = prepare(&veth(), &mut machine, &mut notes) else { panic!() };
    assert_eq!(what, "failed to keep \"cni0\" as it is");
    assert_eq!(first, [Request::SetMac(7, mac(7)), Request::SetMtu(7, 1501), Request::SetMtu(7, 1500)]);
    let [Request::CreateVeth(created), Request::Mark { name, alias, hairpin, isolated }] = then.as_slice()
    else {
        panic!("{then:?}")
    };
    assert_eq!((created.master, created.netns, created.mtu), (Some(7), Netns::Container, Some(1400)));
    assert_eq!((name.as_str(), alias.as_str(), *hairpin, *isolated), ("vethx", "wasm-cni x", true, false));

    let own = EnsureBridge { mac: mac(7), ..bridge() };
    assert!(matches!(prepare(&own, &mut machine, &mut notes), Prepared::Nothing));
    assert!(matches!(prepare(&veth(), &mut machine, &mut notes), Prepared::Send(_)));
    assert!(machine.sent.is_empty(), "preparing sends nothing");
}

#[test]
fn a_bridge_of_ours_that_was_not_finished_is_and_what_is_none_is_a_conflict() {
    let mut machine = Scripted::with(Netns::Host, link(9, "cni0", "bridge"));
    let mut notes = Notes::default();
    let key = "net/ipv6/conf/cni0/accept_ra";
    prepare(&bridge(), &mut machine, &mut notes);
    assert!(machine.sysctls.is_empty(), "a kernel without IPv6");
    machine.sysctls.insert(key.to_owned(), "1".to_owned());
    prepare(&bridge(), &mut machine, &mut notes);
    assert_eq!(machine.sysctls.get(key).map(String::as_str), Some("0"));

    machine.sysctls.insert(key.to_owned(), "1".to_owned());
    machine.links[0].1.up = true;
    prepare(&bridge(), &mut machine, &mut notes);
    assert_eq!(machine.sysctls.get(key).map(String::as_str), Some("1"), "one that is up is finished");
    // Somebody made it between look and request.
    let raced = conclude(&bridge(), &[Some(Errno::EEXIST)], &mut machine, &mut notes);
    assert_eq!(raced.unwrap(), Effect::AlreadyThere);
    machine.links[0].1.kind = "dummy".to_owned();
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
fn a_pair_that_cannot_be_made_is_refused_before_anything_is_sent() {
    let mut machine = Scripted::with(Netns::Host, link(7, "vethx", "dummy"));
    let mut notes = Notes::default();
    let mut refusal =
        |machine: &mut Scripted| chain(&machine.write(&mut notes, |cx| veth().prepare(cx)).unwrap_err());
    assert_eq!(refusal(&mut machine), "host veth name (\"vethx\") already exists");
    machine.links.clear();
    assert_eq!(refusal(&mut machine), "failed to lookup \"cni0\": Link not found");
    machine.links.push((Netns::Host, link(7, "cni0", "bridge")));
    machine.has_no_container = true;
    assert_eq!(refusal(&mut machine), "failed to make veth pair: the container has no network namespace");
    assert!(machine.sent.is_empty());
}

#[test]
fn a_pair_is_identified_by_both_ends() {
    let mut machine = Scripted::with(Netns::Host, link(3, "vethx", "veth"));
    machine.links.push((Netns::Container, link(2, "eth0", "veth")));
    let effect = conclude(&veth(), &[None, None], &mut machine, &mut Notes::default()).unwrap();
    let Effect::CreatedLinks(links) = &effect else { panic!("{effect:?}") };
    let identities: Vec<_> = links.iter().map(|one| (one.link.to_string(), one.index)).collect();
    assert_eq!(identities, [("eth0 (container)".to_owned(), 2), ("vethx".to_owned(), 3)]);
    assert!(machine.sent.is_empty(), "no VLANs are asked for");

    let (own, others) = ([], []);
    let undoing = |done| Undoing { done, why: Reason::Rollback, own: &own, others: &others };
    let undos = veth().undos(&undoing(Done::Effect(&effect)));
    assert!(matches!(undos.as_slice(), [Undo::DeleteLink(undo)] if undo.identity == links[1]), "{undos:?}");
    let undos = veth().undos(&undoing(Done::Unknown(&Before::Present)));
    assert!(matches!(undos.as_slice(), [Undo::DeleteMarkedLink(undo)] if undo.alias == "wasm-cni x"));
}

#[test]
fn a_race_for_a_name_is_repaired_and_a_failure_leaves_no_pair() {
    let unmarked =
        Request::Mark { name: name("vethx"), alias: String::new(), hairpin: false, isolated: false };
    let mut machine = Scripted::with(Netns::Container, link(2, "eth0", "veth"));
    let mut notes = Notes::default();
    let mut failed = |machine: &mut Scripted, answers: [Option<Errno>; 2]| {
        conclude(&veth(), &answers, machine, &mut notes).unwrap_err()
    };
    // The host's name went to somebody else, who now has our mark.
    let text = failed(&mut machine, [Some(Errno::EEXIST), None]);
    assert_eq!(text, "host veth name (\"vethx\") already exists");
    assert_eq!(machine.last(), [unmarked]);
    let text = failed(&mut machine, [Some(Errno::EEXIST), Some(Errno::ENODEV)]);
    assert_eq!(text, "container veth name (\"eth0\") already exists");
    let text = failed(&mut machine, [Some(Errno::EPERM), Some(Errno::ENODEV)]);
    assert_eq!(text, "failed to make veth pair: operation not permitted");
    assert_eq!(machine.sent.len(), 1);

    machine.links.push((Netns::Host, link(3, "vethx", "veth")));
    let text = failed(&mut machine, [None, Some(Errno::EINVAL)]);
    assert_eq!(text, "failed to setup alias and hairpin mode for vethx: invalid argument");
    assert_eq!(machine.last(), [Request::Delete(3)]);
}

#[test]
fn a_pair_covers_what_it_was_made_with() {
    let covers = |link: LinkRef, attribute| veth().covers(&SetLink { link, attribute }.into());
    let (inside, outside) = (in_container(&name("eth0")), on_host(&name("vethx")));
    assert!(veth().covers(&veth().into()));
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
    let mut machine = Scripted::with(Netns::Container, link(2, "eth0", "veth"));
    let mut notes = Notes::default();
    let set = |attribute| SetLink { link: in_container(&name("eth0")), attribute };
    let (mtu, same) = (set(LinkAttribute::Mtu(1400)), set(LinkAttribute::Mtu(1500)));
    let old = Old::Attribute(LinkAttribute::Mtu(1500));
    assert_eq!(machine.read(&mut notes, |cx| mtu.observe(cx)), Before::Old(old.clone()));
    assert_eq!(machine.read(&mut notes, |cx| same.observe(cx)), Before::Present);
    assert!(matches!(prepare(&same, &mut machine, &mut notes), Prepared::Nothing));
    let Prepared::Send(requests) = prepare(&mtu, &mut machine, &mut notes) else { panic!() };
    assert_eq!(requests, [Request::SetMtu(2, 1400)]);
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
    assert_eq!(requests, [[Request::SetMtu(2, 1300)]]);
}

#[test]
fn promiscuous_mode_ends_and_the_undo_begins_it_again() {
    let found = Link { promiscuous: true, ..link(2, "eth0", "veth") };
    let mut machine = Scripted::with(Netns::Container, found);
    let mut notes = Notes::default();
    let eth0 = in_container(&name("eth0"));
    let (off, on) = (LinkAttribute::Promiscuous(false), LinkAttribute::Promiscuous(true));
    let end = SetLink { link: eth0.clone(), attribute: off.clone() };
    assert_eq!(end.commands(), ["ip link set eth0 promisc off"]);
    assert_eq!(machine.read(&mut notes, |cx| end.observe(cx)), Before::Old(Old::Attribute(on.clone())));
    let Prepared::Send(requests) = prepare(&end, &mut machine, &mut notes) else { panic!() };
    assert_eq!(requests, [Request::SetPromiscuous(2, false)]);
    let effect = conclude(&end, &[None], &mut machine, &mut notes).unwrap();
    assert_eq!(effect, Effect::Replaced(Old::Attribute(on.clone())));
    let restore = RestoreLink { link: eth0.clone(), set: Some(off), old: on };
    let undoing = Undoing { done: Done::Effect(&effect), why: Reason::Rollback, own: &[], others: &[] };
    assert_eq!(end.undos(&undoing), [Undo::from(restore.clone())]);
    assert_eq!(
        conclude(&end, &[Some(Errno::EPERM)], &mut machine, &mut notes).unwrap_err(),
        "failed to end promiscuous mode of \"eth0\": operation not permitted"
    );

    machine.links[0].1.promiscuous = false;
    assert!(matches!(prepare(&end, &mut machine, &mut notes), Prepared::Nothing));
    assert_eq!(retracted(&restore, &mut machine), [[Request::SetPromiscuous(2, true)]]);
    // Of what begins and what ends it, the later one counts.
    let begin = Action::from(SetPromiscuous { link: eth0.clone() });
    let other = Action::from(SetPromiscuous { link: in_container(&name("eth1")) });
    let end = Action::from(end);
    assert!(begin.kind().is_superseded(&end) && end.kind().is_superseded(&begin));
    assert!(!other.kind().is_superseded(&end) && !end.kind().is_superseded(&other));
    assert!(!begin.kind().is_superseded(&begin));
}

#[test]
fn a_port_joins_again_with_pins_only_where_it_left() {
    let mut machine = Scripted::with(Netns::Host, link(3, "vethx", "veth"));
    machine.links.push((Netns::Host, link(7, "cni0", "bridge")));
    let mut notes = Notes::default();
    notes.foreign_bridges.insert(name("cni0"));
    let port = BridgePort { bridge: name("cni0"), hairpin: true, isolated: false, vlans: Default::default() };
    let set = SetLink { link: on_host(&name("vethx")), attribute: LinkAttribute::Port(port) };
    let settings = Request::SetPort { link: 3, hairpin: true, isolated: false };
    let Prepared::After { first, then, .. } = prepare(&set, &mut machine, &mut notes) else { panic!() };
    assert_eq!(first, [Request::SetMac(7, mac(7))]);
    assert_eq!(then, [Request::SetMaster { link: 3, master: 7 }, settings.clone()]);
    machine.links[0].1.master = Some(7);
    let Prepared::Send(requests) = prepare(&set, &mut machine, &mut notes) else { panic!() };
    assert_eq!(requests, [settings]);
    assert_eq!(conclude(&set, &[None], &mut machine, &mut notes), Ok(Effect::Created));
    let needs: Vec<_> = set.profile().needs.iter().map(|link| link.name.to_string()).collect();
    assert_eq!(needs, ["vethx", "cni0"]);
}

#[test]
fn a_wait_ends_also_where_a_pause_takes_no_time() {
    let mut machine = Scripted::with(Netns::Container, link(2, "eth0", "veth"));
    let mut notes = Notes::default();
    let settle = Settle { link: in_container(&name("eth0")) };
    let mut wait = |machine: &mut Scripted| {
        let waited = machine.write(&mut notes, |cx| settle.wait(cx, Duration::from_secs(60)));
        waited.map_err(|error| chain(&error))
    };
    assert_eq!(wait(&mut machine), Err("link eth0 is down".to_owned()));
    assert_eq!(machine.pauses, 30_000);
    machine.links[0].1.running = true;
    assert_eq!(wait(&mut machine), Ok(Effect::AlreadyThere));
    let (tentative, taken) = (0x40, 0x08);
    machine.addresses.push((Netns::Container, 2, address("fe80::1/64", tentative)));
    assert_eq!(wait(&mut machine), Ok(Effect::AlreadyThere));
    machine.addresses.push((Netns::Container, 2, address("fd00::2/64", tentative)));
    let failed = "failed to settle addresses for \"eth0\": link eth0";
    let text = format!("{failed} still has tentative addresses after 60 seconds");
    assert_eq!(wait(&mut machine), Err(text));
    let pauses = machine.pauses;
    machine.addresses.push((Netns::Container, 2, address("fd00::3/64", taken)));
    assert_eq!(wait(&mut machine), Err(format!("{failed} has address fd00::3 in DADFAILED state")));
    assert_eq!(machine.pauses, pauses, "at once");
    // A port has no addresses of its own.
    machine.links[0].1.master = Some(7);
    assert_eq!(wait(&mut machine), Ok(Effect::AlreadyThere));
}

#[test]
fn a_wait_follows_what_is_repaired_of_its_link() {
    let settle = Settle { link: on_host(&name("vethx")) };
    let up = |link| Action::from(SetUp { link });
    assert!(settle.waits_for(&up(on_host(&name("vethx")))));
    assert!(settle.waits_for(&up(in_container(&name("eth0")))), "the other end");
    assert!(!settle.waits_for(&up(on_host(&name("cni0")))));
    assert!(!settle.waits_for(&bridge().into()));
}

#[test]
fn what_is_not_the_thing_that_was_made_is_left() {
    let identity = |index, alias: Option<&str>| LinkIdentity {
        link: on_host(&name("vethx")),
        index,
        kind: "veth".to_owned(),
        mac: mac(3),
        alias: alias.map(str::to_owned),
    };
    let mut machine =
        Scripted::with(Netns::Host, Link { alias: Some("x".to_owned()), ..link(3, "y", "veth") });
    let delete = |identity| DeleteLink { identity };
    assert_eq!(retracted(&delete(identity(3, Some("x"))), &mut machine), [[Request::Delete(3)]]);
    assert!(retracted(&delete(identity(4, Some("x"))), &mut machine).is_empty());
    let text = left(&delete(identity(3, Some("other"))), &mut machine);
    assert_eq!(text, "link vethx is not the one that was made");

    let ours = "10.9.9.1/24";
    let empty = DeleteEmptyBridge { name: name("cni0"), mac: mac(9), addresses: vec![ours.parse().unwrap()] };
    machine.links = vec![(Netns::Host, link(9, "cni0", "bridge"))];
    machine.addresses = vec![(Netns::Host, 9, address(ours, 0)), (Netns::Host, 9, address("fe80::1/64", 0))];
    assert_eq!(retracted(&empty, &mut machine), [[Request::Delete(9)]]);
    machine.addresses.push((Netns::Host, 9, address("10.9.8.1/24", 0)));
    assert_eq!(left(&empty, &mut machine), "bridge cni0 has the address 10.9.8.1/24, which is not ours");
    machine.links.push((Netns::Host, Link { master: Some(9), ..link(4, "own", "veth") }));
    assert_eq!(left(&empty, &mut machine), "bridge cni0 is in use: own is a port of it");
    machine.links[0].1.mac = mac(1);
    assert_eq!(left(&empty, &mut machine), "cni0 is not the bridge that was made");
}

#[test]
fn loopback_loses_the_address_that_it_got_when_it_came_up() {
    let mut machine = Scripted::with(Netns::Container, Link { up: true, ..link(1, "lo", "") });
    let down = SetDown { link: in_container(&name("lo")) };
    let own = address("127.0.0.1/8", 0);
    let deleted = Request::DeleteAddress { link: 1, address: own.address };
    machine.addresses = vec![(Netns::Container, 1, own), (Netns::Container, 1, address("::1/128", 0))];
    assert_eq!(retracted(&down, &mut machine), [[deleted], [Request::SetUp(1, false)]]);
    machine.addresses.push((Netns::Container, 1, address("127.0.0.2/8", 0)));
    assert_eq!(retracted(&down, &mut machine), [[Request::SetUp(1, false)]]);
    machine.addresses.push((Netns::Container, 1, address("fd00::2/64", 0)));
    assert_eq!(left(&down, &mut machine), "link lo would lose its IPv6 addresses");
}

#[test]
fn what_is_on_a_link_that_was_made_goes_with_it() {
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

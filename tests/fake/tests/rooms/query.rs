//! Answers of the fake machine.

use nix::errno::Errno;
use std::net::IpAddr;
use wasm_cni::action::query::answer;
use wasm_cni::action::query::links::Link;
use wasm_cni::action::{Answer, Query};
use wasm_cni::machine::errno::chain;
use wasm_cni::machine::port::{Look, in_container, on_host};
use wasm_cni::value::{
    AddressRange, Backend, ContainerId, Fact, Firewall, LinkFact, NetworkName, Owner, StoreRef,
};
use wasm_cni_fake::FakeMachine;
use wasm_cni_plans::play::{index, link, name, read, with};

fn ask(machine: &mut FakeMachine, query: &Query) -> Result<Answer, String> {
    let answered = read(machine, |cx| answer(&*query.question(), cx));
    answered.map_err(|error| chain(&error))
}

fn store() -> StoreRef {
    StoreRef { data_dir: "/leases".into(), network: NetworkName::parse("mynet").unwrap() }
}

fn owner() -> Owner {
    Owner { container: ContainerId::parse("abc").unwrap(), interface: name("eth0") }
}

fn range() -> AddressRange {
    AddressRange { first: "10.1.2.1".parse().unwrap(), last: "10.1.2.3".parse().unwrap() }
}

/// A query of each kind that needs the machine, and its answer if this user has no permission.
fn hidden() -> [(Query, Answer); 7] {
    [
        (Query::Link(on_host(&name("cni0"))), Answer::Link(Fact::Unreadable)),
        (Query::HostEnd(name("eth0")), Answer::HostEnd(Fact::Unreadable)),
        (Query::RouteTo("10.1.2.3".parse().unwrap()), Answer::RouteTo(Fact::Unreadable)),
        (Query::File("/etc/resolv.conf".into()), Answer::File(Fact::Unreadable)),
        (Query::FileBelow("/etc".into(), "/etc/resolv.conf".into()), Answer::File(Fact::Unreadable)),
        (Query::Backend, Answer::Backend(Backend::Iptables)),
        (Query::Firewall, Answer::Firewall(Firewall::Iptables)),
    ]
}

#[test]
fn only_a_dry_run_continues_without_permission() {
    for (query, expected) in hidden() {
        let mut dry = FakeMachine::new().dry().with_refusal(Errno::EACCES);
        assert_eq!(ask(&mut dry, &query).unwrap(), expected, "{query:?}");
        let mut broken = FakeMachine::new().dry().with_refusal(Errno::EIO);
        let mut real = FakeMachine::new().with_refusal(Errno::EACCES);
        let is_asked = !matches!(query, Query::Backend | Query::Firewall);
        assert_eq!(ask(&mut broken, &query).is_err(), is_asked, "{query:?}");
        assert_eq!(ask(&mut real, &query).is_err(), is_asked, "{query:?}");
    }
}

#[test]
fn a_link_is_described_with_its_addresses_or_without() {
    let mut machine = FakeMachine::new();
    let cni0 = on_host(&name("cni0"));
    let query = Query::Link(cni0.clone());
    assert_eq!(ask(&mut machine, &query).unwrap(), Answer::Link(Fact::Absent));
    let addresses = vec!["10.1.2.1/24".parse().unwrap()];
    let bridge = LinkFact { addresses, ..link(cni0.clone(), "bridge", 1) };
    machine = machine.with_link(bridge.clone()).unwrap();
    let fact = LinkFact { index: index(&mut machine, &cni0), ..bridge };
    assert_eq!(ask(&mut machine, &query).unwrap(), Answer::Link(Fact::Known(fact.clone())));
    let alone = Link { link: &cni0, with_addresses: false };
    let answered = read(&mut machine, |cx| answer(&alone, cx)).unwrap();
    assert_eq!(answered, Answer::Link(Fact::Known(LinkFact { addresses: Vec::new(), ..fact })));
    let gone = Query::Link(in_container(&name("eth0")));
    let mut without = FakeMachine::new().without_container();
    assert_eq!(ask(&mut without, &gone).unwrap(), Answer::Link(Fact::Absent));
}

#[test]
fn the_host_end_is_the_veth_whose_peer_is_the_container_end() {
    let query = Query::HostEnd(name("eth0"));
    let mut machine = FakeMachine::new();
    assert_eq!(ask(&mut machine, &query).unwrap(), Answer::HostEnd(Fact::Absent));
    let pair = |inside: &str, host: &str, last| {
        let inside = link(in_container(&name(inside)), "veth", last);
        (inside, link(on_host(&name(host)), "veth", last + 1))
    };
    let (inside, host) = pair("eth0", "veth1", 1);
    machine = machine.with_pair(inside, host).unwrap();
    assert_eq!(ask(&mut machine, &query).unwrap(), Answer::HostEnd(Fact::Known(name("veth1"))));
    // The peer is in the container too. On the host, a link of another pair has the same index.
    let (inside, beside) = (pair("eth0", "x", 1).0, link(in_container(&name("eth1")), "veth", 3));
    let (anothers, host) = pair("eth2", "veth1", 5);
    machine = with([link(on_host(&name("y")), "dummy", 7)]).with_pair(inside, beside).unwrap();
    machine = machine.with_pair(anothers, host).unwrap();
    let of_peer = index(&mut machine, &in_container(&name("eth1")));
    assert_eq!(index(&mut machine, &on_host(&name("veth1"))), of_peer);
    assert_eq!(ask(&mut machine, &query).unwrap(), Answer::HostEnd(Fact::Absent), "it is another's");
    let mut without = FakeMachine::new().without_container();
    assert_eq!(
        ask(&mut without, &query).unwrap_err(),
        "failed to lookup \"eth0\": the container has no network namespace"
    );
}

#[test]
fn the_answer_about_a_route_is_the_output_link() {
    let mut machine = FakeMachine::new();
    let address = "10.1.2.3".parse().unwrap();
    let query = Query::RouteTo(address);
    assert_eq!(ask(&mut machine, &query).unwrap(), Answer::RouteTo(Fact::Absent));
    let addresses = vec!["10.1.2.1/24".parse().unwrap()];
    let bridge = LinkFact { up: true, addresses, ..link(on_host(&name("cni0")), "bridge", 1) };
    machine = machine.with_link(bridge).unwrap();
    assert_eq!(ask(&mut machine, &query).unwrap(), Answer::RouteTo(Fact::Known(name("cni0"))));
}

#[test]
fn leases_are_read_and_a_dry_run_creates_no_store() {
    let queries =
        [Query::Held(store(), owner()), Query::LastReserved(store(), 0), Query::Free(store(), range())];
    let mut dry = FakeMachine::new().dry();
    let nothing = [
        Answer::Held(Fact::Known(Vec::new())),
        Answer::LastReserved(Fact::Absent),
        Answer::Free(Fact::Known(vec![range()])),
    ];
    for (query, expected) in queries.iter().zip(nothing) {
        assert_eq!(ask(&mut dry, query).unwrap(), expected, "{query:?}");
    }
    assert!(!dry.snapshot().contains("leases"), "{}", dry.snapshot());

    let mut machine = FakeMachine::new()
        .with_lease_file(&store(), "10.1.2.2", "abc\r\neth0")
        .with_lease_file(&store(), "10.1.2.1", "abc")
        .with_lease_file(&store(), "last_reserved_ip.0", "10.1.2.2");
    let address = |text: &str| -> IpAddr { text.parse().unwrap() };
    let last = range().last;
    let expected = [
        Answer::Held(Fact::Known(vec![address("10.1.2.1"), address("10.1.2.2")])),
        Answer::LastReserved(Fact::Known(address("10.1.2.2"))),
        Answer::Free(Fact::Known(vec![AddressRange { first: last, last }])),
    ];
    for (query, expected) in queries.iter().zip(expected) {
        assert_eq!(ask(&mut machine, query).unwrap(), expected, "{query:?}");
    }
    assert!(machine.stores().locked().contains(&store()), "the first question took the lock");
}

#[test]
fn a_missing_file_is_absent() {
    let mut machine = FakeMachine::new().with_file("/etc/resolv.conf", b"nameserver ::1");
    let found = Answer::File(Fact::Known(b"nameserver ::1".to_vec()));
    assert_eq!(ask(&mut machine, &Query::File("/etc/resolv.conf".into())).unwrap(), found);
    assert_eq!(
        ask(&mut machine, &Query::FileBelow("/etc".into(), "/etc/resolv.conf".into())).unwrap(),
        found
    );
    assert_eq!(ask(&mut machine, &Query::File("/none".into())).unwrap(), Answer::File(Fact::Absent));
    machine = machine.with_refusal(Errno::EIO);
    let error = ask(&mut machine, &Query::File("/etc/resolv.conf".into())).unwrap_err();
    assert_eq!(error, "open /etc/resolv.conf: input/output error");
}

#[test]
fn nftables_is_the_default_only_without_iptables() {
    let mut machine = FakeMachine::new();
    let (backend, firewall) = (Query::Backend, Query::Firewall);
    assert_eq!(ask(&mut machine, &backend).unwrap(), Answer::Backend(Backend::Iptables));
    assert_eq!(ask(&mut machine, &firewall).unwrap(), Answer::Firewall(Firewall::Iptables));
    machine = machine.without_program("iptables-restore").with_firewalld();
    assert_eq!(ask(&mut machine, &backend).unwrap(), Answer::Backend(Backend::Nftables));
    assert_eq!(ask(&mut machine, &firewall).unwrap(), Answer::Firewall(Firewall::Firewalld));
}

#[test]
fn queries_are_described_in_fixed_words() {
    let ports = Query::StalePorts { backend: Backend::Iptables, is_ipv4: true, ports: vec![80, 443] };
    for (query, describe, subject) in [
        (Query::Link(in_container(&name("eth0"))), "look at link eth0 (container)", "link eth0 (container)"),
        (Query::Held(store(), owner()), "look at leases in /leases/mynet", "lease store /leases/mynet"),
        (Query::LastReserved(store(), 0), "look at leases in /leases/mynet", "lease store /leases/mynet"),
        (Query::Free(store(), range()), "look at leases in /leases/mynet", "lease store /leases/mynet"),
        (Query::Backend, "look for a firewall", "which firewall there is"),
        (Query::Firewall, "look for a firewall", "whether firewalld runs"),
        (Query::HostEnd(name("eth0")), "look for the other end of eth0", "the other end of eth0"),
        (Query::RouteTo("::1".parse().unwrap()), "look for the route to ::1", "the route to ::1"),
        (ports, "look for whose the ports [80, 443] are", "whose the ports [80, 443] are"),
        (Query::File("/a".into()), "read /a", "file /a"),
        (Query::FileBelow("/".into(), "/a".into()), "read /a", "file /a"),
    ] {
        let question = query.question();
        assert_eq!((question.describe().as_str(), question.subject().as_str()), (describe, subject));
    }
}

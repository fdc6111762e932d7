//! Queries.

use super::*;
use std::net::IpAddr;
use std::path::Path;
use wasm_cni::machine::linux::netlink::{Netlink, link};
use wasm_cni::machine::port::ZoneQuery;
use wasm_cni::value::{Route, SysctlKey};

fn key(text: &str) -> SysctlKey {
    SysctlKey::parse(text).unwrap()
}

#[test]
fn a_reduced_message_describes_the_same_link() {
    private(|| {
        sh("ip link add br7 type bridge
            ip link add v7 mtu 1400 type veth peer name w7
            ip link set v7 alias mine txqueuelen 7 master br7 promisc on allmulticast on up
            ip link set w7 up
            ip link set v7 type bridge_slave hairpin on isolated on");
        let mut netlink = Netlink::open().unwrap();
        let mut find = |text: &str| link::find(&mut netlink, &name(text)).unwrap().unwrap();
        let (bridge, port, end) = (find("br7"), find("v7"), find("w7"));
        assert_eq!((bridge.kind.as_str(), bridge.master), ("bridge", None));
        assert_eq!(
            (port.kind.as_str(), port.master, port.peer),
            ("veth", Some(bridge.index), Some(end.index))
        );
        assert_eq!((port.mtu, port.queue_length, port.alias.as_deref()), (1400, 7, Some("mine")));
        assert!(
            port.up && port.promiscuous && port.all_multicast && port.hairpin && port.isolated && end.running
        );
        assert!(!end.hairpin && end.mac != Mac::default() && end.mac != port.mac);
    });
}

#[test]
fn a_link_is_found_by_both_names_and_by_index_in_its_namespace() {
    private(|| {
        let mut machine = machine_with("ip link add eth0 type bridge");
        sh("ip link add cni0 address 02:00:00:00:00:05 type bridge
            ip link property add dev cni0 altname bridge-of-containers");
        let found = machine.link(&host("cni0")).unwrap().unwrap();
        assert_eq!(
            (found.name.as_str(), found.kind.as_str(), found.mac),
            ("cni0", "bridge", Mac([2, 0, 0, 0, 0, 5]))
        );
        let by_altname = machine.link(&host("bridge-of-conta")).unwrap();
        assert_eq!(by_altname, None);
        sh("ip link property add dev cni0 altname brother");
        assert_eq!(machine.link(&host("brother")).unwrap().unwrap().name, "cni0");
        assert_eq!(machine.link_at(Netns::Host, found.index).unwrap(), Some(found));
        assert_eq!(machine.link_at(Netns::Host, 999).unwrap(), None);
        assert_eq!(machine.link(&host("eth0")).unwrap(), None);
        assert_eq!(machine.link(&inside("eth0")).unwrap().unwrap().name, "eth0");
        assert_eq!(machine.link(&inside("cni0")).unwrap(), None);
    });
}

#[test]
fn the_settings_of_a_link_are_listed() {
    private(|| {
        let mut machine = alone();
        sh("ip link add br7 type bridge
            ip link add v7 mtu 1400 type veth peer name w7
            ip link set v7 alias mine txqueuelen 7 master br7 promisc on allmulticast on up
            ip link set w7 up
            ip link set v7 type bridge_slave hairpin on isolated on");
        let (bridge, end) = (index(&mut machine, &host("br7")), index(&mut machine, &host("w7")));
        let Link { index, mac, other_end, .. } = machine.link(&host("v7")).unwrap().unwrap();
        let expected = Link {
            index,
            name: "v7".to_owned(),
            kind: "veth".to_owned(),
            mac,
            mtu: 1400,
            up: true,
            alias: Some("mine".to_owned()),
            master: Some(bridge),
            other_end: Some(end),
            peer: other_end,
            vlan_id: None,
            promiscuous: true,
            all_multicast: true,
            queue_length: 7,
            running: true,
            hairpin: true,
            isolated: true,
        };
        assert_eq!(machine.ports(bridge).unwrap(), [expected]);
        assert_eq!(machine.ports(end).unwrap(), []);
    });
}

#[test]
fn an_index_is_cached_until_the_link_is_looked_up_or_deleted() {
    private(|| {
        let mut machine = machine();
        sh("ip link add cni0 type bridge");
        let first = machine.index(&host("cni0")).unwrap().unwrap();
        sh("ip link del cni0");
        assert_eq!(machine.index(&host("cni0")).unwrap(), Some(first), "without a question");
        assert_eq!(machine.link(&host("cni0")).unwrap(), None);
        assert_eq!(machine.index(&host("cni0")).unwrap(), None);
        sh("ip link add cni0 type bridge");
        let second = machine.index(&host("cni0")).unwrap().unwrap();
        assert_ne!(first, second);
        send(&mut machine, Netns::Container, Request::Delete(second)).unwrap_err();
        sh("ip link set cni0 name cni1");
        assert_eq!(machine.index(&host("cni0")).unwrap(), Some(second), "another namespace's index");
        send(&mut machine, Netns::Host, Request::Delete(second)).unwrap();
        assert_eq!(machine.index(&host("cni0")).unwrap(), None);
    });
}

#[test]
fn the_index_of_a_veth_s_peer_is_known_in_another_namespace_too() {
    private(|| {
        let mut machine = machine();
        send(&mut machine, Netns::Host, veth("eth0", "vethx", Netns::Container, None)).unwrap();
        let (host, inside) =
            (machine.link(&host("vethx")).unwrap().unwrap(), machine.link(&inside("eth0")).unwrap().unwrap());
        assert_eq!((host.peer, inside.peer), (Some(inside.index), Some(host.index)));
        assert_eq!((host.other_end, inside.other_end), (None, None));
    });
}

#[test]
fn the_addresses_of_one_link_or_of_all_are_listed() {
    private(|| {
        let mut machine = machine();
        sh("ip link set lo up; ip link add cni0 type bridge; ip addr add 10.1.2.1/24 dev cni0
            ip addr add fd00::1/64 dev cni0");
        let listed = |machine: &mut Linux, link| {
            let found = machine.addresses(Netns::Host, link).unwrap();
            found.iter().map(|found| found.address.to_string()).collect::<Vec<_>>()
        };
        let link = index(&mut machine, &host("cni0"));
        assert_eq!(listed(&mut machine, Some(link)), ["10.1.2.1/24", "fd00::1/64"]);
        assert_eq!(listed(&mut machine, None), ["127.0.0.1/8", "10.1.2.1/24", "::1/128", "fd00::1/64"]);
        assert_eq!(machine.addresses(Netns::Container, None).unwrap(), []);
        assert_eq!(errno(machine.addresses(Netns::Host, Some(999))), Errno::ENODEV);
    });
}

#[test]
fn a_route_is_found_by_all_its_attributes() {
    private(|| {
        let mut machine = machine();
        sh("ip link add cni0 type bridge; ip addr add 10.1.2.1/24 dev cni0; ip link set cni0 up
            ip route add 10.5.0.0/16 via 10.1.2.9 dev cni0 metric 5 mtu 1400
            ip route add 10.6.0.0/16 dev cni0 table 77; ip -6 route add fd00:5::/64 dev cni0");
        let link = index(&mut machine, &host("cni0"));
        let to = |text: &str| Route::to(text.parse().unwrap());
        let gw = Some("10.1.2.9".parse().unwrap());
        let cases = [
            (to("10.5.0.0/16"), true),
            (Route { gw, mtu: Some(1400), priority: Some(5), ..to("10.5.0.0/16") }, true),
            (Route { gw: Some("10.1.2.8".parse().unwrap()), ..to("10.5.0.0/16") }, false),
            (Route { priority: Some(6), ..to("10.5.0.0/16") }, false),
            (Route { mtu: Some(1300), ..to("10.5.0.0/16") }, false),
            (to("10.5.0.0/17"), false),
            (to("10.6.0.0/16"), true),
            (Route { table: Some(77), ..to("10.6.0.0/16") }, true),
            (Route { table: Some(78), ..to("10.6.0.0/16") }, false),
            (to("fd00:5::/64"), true),
            (to("fd00:6::/64"), false),
        ];
        for (route, is_there) in cases {
            assert_eq!(machine.has_route(Netns::Host, link, &route).unwrap(), is_there, "{route:?}");
        }
        assert_eq!(errno(machine.has_route(Netns::Host, 999, &to("10.5.0.0/16"))), Errno::ENODEV);
        let mut output = |text: &str| machine.output(text.parse().unwrap()).unwrap();
        assert_eq!(output("10.1.2.7"), Some(link));
        assert_eq!(output("fd00:5::7"), Some(link));
        assert_eq!(output("10.5.0.1"), None, "to a gateway");
        assert_eq!(output("192.0.2.1"), None, "no route");
        assert_eq!(output("2001:db8::1"), None, "no route");
    });
}

#[test]
fn sysctls_are_those_of_the_namespace_and_the_thread_returns() {
    private(|| {
        let mut machine = machine_with("ip link add there type bridge; sysctl -qw net.ipv4.ip_forward=1");
        let ours = NetnsFile::current().unwrap();
        sh("ip link add here type bridge");
        sh("sysctl -qw net.ipv4.ip_forward=0");
        let forward = key("net/ipv4/ip_forward");
        for (netns, name, value) in [(Netns::Host, "here", "0"), (Netns::Container, "there", "1")] {
            assert_eq!(machine.sysctl(netns, &forward).unwrap(), value);
            let mut names = machine.sysctl_names(netns, "net/ipv4/conf").unwrap();
            names.sort();
            let mut expected = ["all", "default", "lo", name];
            expected.sort_unstable();
            assert_eq!(names, expected);
            assert!(NetnsFile::current().unwrap().same_as(&ours));
        }
        let missing = key("net/ipv4/conf/nowhere/arp_notify");
        for netns in [Netns::Host, Netns::Container] {
            assert_eq!(errno(machine.sysctl(netns, &missing)), Errno::ENOENT);
            assert_eq!(errno(machine.sysctl_names(netns, "net/ipv4/nothing")), Errno::ENOENT);
            assert!(NetnsFile::current().unwrap().same_as(&ours));
        }
        // The value has no newline, and the kernel's tabs between the numbers.
        assert_eq!(machine.sysctl(Netns::Host, &key("net/ipv4/tcp_rmem")).unwrap().split('\t').count(), 3);
    });
}

#[test]
fn queries_about_a_container_that_is_gone_fail() {
    private(|| {
        let mut machine = alone();
        assert!(machine.has_netns(Netns::Host) && !machine.has_netns(Netns::Container));
        let texts = [
            machine.link(&inside("eth0")).unwrap_err(),
            machine.index(&inside("eth0")).unwrap_err(),
            machine.link_at(Netns::Container, 1).unwrap_err(),
            machine.addresses(Netns::Container, None).unwrap_err(),
            machine.has_route(Netns::Container, 1, &Route::to("10.0.0.0/8".parse().unwrap())).unwrap_err(),
            machine.sysctl(Netns::Container, &key("net/ipv4/ip_forward")).unwrap_err(),
            machine.sysctl_names(Netns::Container, "net").unwrap_err(),
            send(&mut machine, Netns::Container, Request::Delete(1)).unwrap_err(),
            send(&mut machine, Netns::Host, veth("eth0", "vethx", Netns::Container, None)).unwrap_err(),
        ];
        for error in texts {
            assert_eq!(error.kind(), io::ErrorKind::NotFound);
            assert_eq!(error.to_string(), "the container has no network namespace");
        }
        machine.prepare();
        assert_eq!(sockets(), 1, "only that of the host");
    });
}

/// The number of netlink sockets of user space in the thread's network namespace. Those of the kernel have port 0.
fn sockets() -> usize {
    let listed = std::fs::read_to_string("/proc/thread-self/net/netlink").unwrap();
    let ports = listed.lines().skip(1).map(|line| line.split_whitespace().nth(2).unwrap());
    ports.filter(|port| *port != "0").count()
}

#[test]
fn prepare_opens_the_sockets_and_looks_up_lo() {
    private(|| {
        sh("ip netns add c");
        let container = || NetnsFile::open("/run/netns/c").unwrap();
        let inside = || {
            let _guard = container().enter().unwrap();
            sockets()
        };
        let mut machine = Linux::open(Some(container()), false);
        assert_eq!((sockets(), inside()), (0, 0), "nothing is opened yet");
        machine.prepare();
        assert_eq!((sockets(), inside()), (1, 1));
        // The index of `lo` is cached: it is still found by the name that it had.
        sh("ip link set lo name renamed");
        assert_eq!(machine.index(&host("lo")).unwrap(), Some(1));
    });
}

#[test]
fn programs_and_files_are_found_and_firewalld_does_not_answer() {
    private(|| {
        let mut machine = alone();
        assert!(machine.has_program("sh") && !machine.has_program("no-such-program"));
        assert!(machine.has_file(Path::new("/proc/self")) && !machine.has_file(Path::new("/run/nothing")));
        // The socket of the bus would be in /run, which is empty here.
        let address: IpAddr = "10.1.2.3".parse().unwrap();
        assert!(!machine.zone(ZoneQuery::IsRunning).unwrap());
        let error = machine.zone(ZoneQuery::HasSource("trusted", address)).unwrap_err();
        assert!(error.to_string().starts_with("the system bus cannot be reached: "), "{error}");
    });
}

//! Each request has its effect, or fails with the kernel's errno.

use super::*;
use wasm_cni::machine::port::{NewKind, NewLink, Qdiscs, TokenBucket};
use wasm_cni::value::Route;

const TOKEN_BUCKET: TokenBucket = TokenBucket { rate: 125_000, limit: 20_000, buffer: 15_625 };

#[test]
fn a_bridge_and_a_veth_pair_are_created_marked_and_deleted() {
    private(|| {
        let mut machine = machine();
        send(&mut machine, Netns::Host, bridge("cni0")).unwrap();
        assert_eq!(errno(send(&mut machine, Netns::Host, bridge("cni0"))), Errno::EEXIST);
        let bridge = machine.link(&host("cni0")).unwrap().unwrap();
        assert_eq!((bridge.mac, bridge.mtu, bridge.up), (Mac([0x0a, 0x58, 10, 1, 2, 1]), 1400, false));

        let mark = |text: &str, hairpin| Request::Mark {
            name: name(text),
            alias: "ours".to_owned(),
            hairpin,
            isolated: hairpin,
        };
        let pair = veth("eth0", "vethx", Netns::Container, Some(bridge.index));
        let answers = machine.send(Netns::Host, vec![pair, mark("vethx", true)]);
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
        let port = machine.link(&host("vethx")).unwrap().unwrap();
        assert_eq!((port.mac, port.mtu, port.queue_length), (Mac([2, 0, 0, 0, 0, 7]), 1300, 0));
        assert_eq!((port.master, port.alias.as_deref(), port.up), (Some(bridge.index), Some("ours"), false));
        assert!(port.hairpin && port.isolated);
        let end = machine.link(&inside("eth0")).unwrap().unwrap();
        assert_eq!((end.mac, end.mtu, end.queue_length), (Mac([0x0a, 0x58, 10, 1, 2, 2]), 1300, 1000));
        for (end, host) in [("eth0", "vethy"), ("eth1", "vethx")] {
            let pair = veth(end, host, Netns::Container, None);
            assert_eq!(errno(send(&mut machine, Netns::Host, pair)), Errno::EEXIST, "{end} {host}");
        }
        let pair = veth("eth1", "vethy", Netns::Container, Some(999));
        assert_eq!(errno(send(&mut machine, Netns::Host, pair)), Errno::EINVAL);
        assert_eq!(machine.link(&host("vethy")).unwrap(), None, "nothing of it stays");
        assert_eq!(errno(send(&mut machine, Netns::Host, mark("nowhere", false))), Errno::ENODEV);
        assert_eq!(errno(send(&mut machine, Netns::Host, mark("cni0", true))), Errno::EOPNOTSUPP);

        send(&mut machine, Netns::Host, Request::Delete(port.index)).unwrap();
        assert_eq!(machine.link(&inside("eth0")).unwrap(), None, "both ends");
        assert_eq!(errno(send(&mut machine, Netns::Host, Request::Delete(port.index))), Errno::ENODEV);
        assert_eq!(errno(send(&mut machine, Netns::Host, Request::Delete(1))), Errno::EOPNOTSUPP);

        let pair = veth("gw", "port", Netns::Host, Some(bridge.index));
        send(&mut machine, Netns::Host, pair).unwrap();
        let (gateway, port) =
            (machine.link(&host("gw")).unwrap().unwrap(), machine.link(&host("port")).unwrap().unwrap());
        assert_eq!((gateway.other_end, port.other_end), (Some(port.index), Some(gateway.index)));
    });
}

#[test]
fn the_attributes_of_a_link_are_set() {
    private(|| {
        let mut machine = machine();
        sh("ip link add cni0 type bridge; ip link add vethx type veth peer name vethy");
        let (bridge, link) = (index(&mut machine, &host("cni0")), index(&mut machine, &host("vethx")));
        let mac = Mac([2, 0, 0, 0, 0, 9]);
        let requests = vec![
            Request::SetMac(link, mac),
            Request::SetMtu(link, 1234),
            Request::SetQueueLength(link, 77),
            Request::SetAlias(link, "mine".to_owned()),
            Request::SetPromiscuous(link, true),
            Request::SetAllMulticast(link, true),
            Request::SetMaster { link, master: bridge },
            Request::SetPort { link, hairpin: true, isolated: true },
            Request::SetUp(link, true),
        ];
        let answers = machine.send(Netns::Host, requests);
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
        let found = machine.link(&host("vethx")).unwrap().unwrap();
        assert_eq!((found.mac, found.mtu, found.queue_length), (mac, 1234, 77));
        assert_eq!((found.alias.as_deref(), found.master), (Some("mine"), Some(bridge)));
        assert!(found.up && found.promiscuous && found.all_multicast && found.hairpin && found.isolated);
        let requests = vec![
            Request::SetAlias(link, String::new()),
            Request::SetPromiscuous(link, false),
            Request::SetAllMulticast(link, false),
            Request::SetPort { link, hairpin: false, isolated: false },
            Request::SetUp(link, false),
        ];
        let answers = machine.send(Netns::Host, requests);
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
        let found = machine.link(&host("vethx")).unwrap().unwrap();
        assert!(!(found.up || found.promiscuous || found.all_multicast || found.hairpin || found.isolated));
        assert_eq!(found.alias, None);
    });
}

#[test]
fn a_refused_request_has_the_kernel_s_errno() {
    private(|| {
        let mut machine = machine();
        sh("ip link add cni0 type bridge; ip link add cni1 type bridge
            ip link add vethx type veth peer name vethy; ip link set vethx up
            ip addr add 10.1.2.1/24 dev vethx; ip addr add fd00::1/64 dev vethx nodad");
        let bridge = index(&mut machine, &host("cni0"));
        let other = index(&mut machine, &host("cni1"));
        let link = index(&mut machine, &host("vethx"));
        let gone = 999;
        let group = Mac([1, 0, 0, 0, 0, 1]);
        let network = |text: &str| text.parse().unwrap();
        let route = |link, dst: &str, gw: Option<&str>| Request::AddRoute {
            link,
            route: Route { gw: gw.map(|gw| gw.parse().unwrap()), ..Route::to(network(dst)) },
        };
        let vlans = |link| Request::AddVlans { link, first: 7, last: 9, native: false };
        let address = |link, text: &str| Request::AddAddress { link, address: network(text), nodad: true };
        let cases = [
            (Request::SetUp(gone, true), Errno::ENODEV),
            (Request::SetPromiscuous(gone, true), Errno::ENODEV),
            (Request::SetAllMulticast(gone, true), Errno::ENODEV),
            (Request::SetMac(gone, group), Errno::ENODEV),
            (Request::SetMac(link, group), Errno::EADDRNOTAVAIL),
            (Request::SetMtu(gone, 1500), Errno::ENODEV),
            (Request::SetMtu(link, 10), Errno::EINVAL),
            (Request::SetMtu(link, 70_000), Errno::EINVAL),
            (Request::SetQueueLength(gone, 5), Errno::ENODEV),
            (Request::SetAlias(gone, "x".to_owned()), Errno::ENODEV),
            (Request::SetAlias(link, "x".repeat(300)), Errno::ERANGE),
            (Request::SetMaster { link: gone, master: bridge }, Errno::ENODEV),
            (Request::SetMaster { link, master: gone }, Errno::EINVAL),
            (Request::SetMaster { link: other, master: bridge }, Errno::ELOOP),
            (Request::SetPort { link: gone, hairpin: true, isolated: true }, Errno::ENODEV),
            (Request::SetPort { link, hairpin: true, isolated: true }, Errno::EOPNOTSUPP),
            (Request::DropVlans(gone), Errno::ENODEV),
            (Request::DropVlans(link), Errno::EOPNOTSUPP),
            (vlans(gone), Errno::ENODEV),
            (vlans(link), Errno::EOPNOTSUPP),
            (address(gone, "10.1.2.2/24"), Errno::ENODEV),
            (address(link, "10.1.2.1/24"), Errno::EEXIST),
            (address(link, "fd00::1/64"), Errno::EEXIST),
            (address(link, "::1/128"), Errno::EADDRNOTAVAIL),
            (Request::DeleteAddress { link, address: network("10.1.2.1/25") }, Errno::EADDRNOTAVAIL),
            (Request::DeleteAddress { link: gone, address: network("10.1.2.1/24") }, Errno::ENODEV),
            (route(gone, "10.5.0.0/16", None), Errno::ENODEV),
            (route(link, "10.5.0.1/16", None), Errno::EINVAL),
            (route(link, "10.5.0.0/16", Some("10.99.0.1")), Errno::ENETUNREACH),
            (route(bridge, "10.5.0.0/16", None), Errno::ENETDOWN),
            (Request::SetTokenBucket(gone, TOKEN_BUCKET), Errno::ENODEV),
            (Request::DeleteRootQdisc(gone), Errno::ENODEV),
            (Request::DeleteRootQdisc(link), Errno::ENOENT),
            (Request::AddIngress(gone), Errno::ENODEV),
            (Request::DeleteIngress(link), Errno::ENOENT),
            (Request::Redirect { link, to: bridge }, Errno::EINVAL),
            (Request::Redirect { link: gone, to: bridge }, Errno::ENODEV),
        ];
        let mut wrong = Vec::new();
        for (request, expected) in cases {
            match send(&mut machine, Netns::Host, request.clone()) {
                Err(error) if error.raw_os_error() == Some(expected as i32) => {}
                answer => wrong.push(format!("{request:?}: {answer:?}, not {expected:?}")),
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    });
}

#[test]
fn a_batch_continues_after_requests_that_are_refused_or_cannot_be_encoded() {
    private(|| {
        let mut machine = alone();
        sh("ip link add cni0 type bridge; ip addr add 10.1.2.1/24 dev cni0; ip link set cni0 up");
        let link = index(&mut machine, &host("cni0"));
        let other_family =
            Route { gw: Some("fd00::1".parse().unwrap()), ..Route::to("10.5.0.0/16".parse().unwrap()) };
        let answers = machine.send(
            Netns::Host,
            vec![
                Request::SetMtu(link, 1400),
                Request::AddRoute { link, route: other_family },
                Request::SetMtu(999, 1400),
                veth("eth0", "vethx", Netns::Container, None),
                Request::SetAlias(link, "last".to_owned()),
            ],
        );
        let kinds: Vec<Option<io::ErrorKind>> =
            answers.iter().map(|answer| answer.as_ref().err().map(io::Error::kind)).collect();
        let [first, family, gone, container, last] = kinds.as_slice() else { panic!("{answers:?}") };
        assert_eq!((first, last), (&None, &None), "{answers:?}");
        assert_eq!(*family, Some(io::ErrorKind::InvalidInput));
        assert_eq!(answers[2].as_ref().unwrap_err().raw_os_error(), Some(Errno::ENODEV as i32), "{gone:?}");
        assert_eq!(*container, Some(io::ErrorKind::NotFound));
        let found = machine.link(&host("cni0")).unwrap().unwrap();
        assert_eq!((found.mtu, found.alias.as_deref()), (1400, Some("last")));
        assert!(machine.send(Netns::Host, Vec::new()).is_empty());
        // More messages than fit into one send.
        let many: Vec<Request> = (0..200).map(|packets| Request::SetQueueLength(link, packets)).collect();
        assert_eq!(machine.send(Netns::Host, many).iter().filter(|answer| answer.is_ok()).count(), 200);
        assert_eq!(machine.link(&host("cni0")).unwrap().unwrap().queue_length, 199);
    });
}

#[test]
fn a_route_is_added_before_another_to_the_same_destination() {
    private(|| {
        sh("ip netns add c; ip -n c link add eth0 type bridge; ip -n c addr add 10.1.2.2/24 dev eth0
            ip -n c link set eth0 up; ip -n c addr add fd00::2/64 dev eth0 nodad
            ip -n c route add 10.5.0.0/16 via 10.1.2.7");
        let mut machine = Linux::open(Some(NetnsFile::open("/run/netns/c").unwrap()), false);
        let link = index(&mut machine, &inside("eth0"));
        let to = |text: &str| Route::to(text.parse().unwrap());
        let via = |gw: &str, route| Route { gw: Some(gw.parse().unwrap()), ..route };
        let routes = [
            via("10.1.2.1", to("0.0.0.0/0")),
            via("10.1.2.1", to("10.5.0.0/16")),
            Route {
                mtu: Some(1400),
                advmss: Some(1300),
                priority: Some(9),
                table: Some(77),
                ..to("10.6.0.0/16")
            },
            Route { scope: Some(253), ..to("10.7.0.0/16") },
            via("fd00::1", to("::/0")),
        ];
        for route in &routes {
            send(&mut machine, Netns::Container, Request::AddRoute { link, route: route.clone() }).unwrap();
            assert!(machine.has_route(Netns::Container, link, route).unwrap(), "{route:?}");
        }
        let again = Request::AddRoute { link, route: routes[1].clone() };
        assert_eq!(errno(send(&mut machine, Netns::Container, again)), Errno::EEXIST);
        let listed = sh("ip -n c route; ip -n c route show table 77");
        let place = |text: &str| listed.find(text).unwrap_or_else(|| panic!("{text}: {listed}"));
        assert!(place("10.5.0.0/16 via 10.1.2.1 dev eth0") < place("10.5.0.0/16 via 10.1.2.7"), "{listed}");
        place("default via 10.1.2.1 dev eth0 \n");
        place("10.6.0.0/16 dev eth0 metric 9");
        place("metric 9 mtu 1400 advmss 1300");
    });
}

#[test]
fn token_bucket_filters_and_redirects_are_set_and_removed() {
    private(|| {
        let mut machine = alone();
        sh("ip link add vethx type veth peer name vethy; ip link set vethx up");
        let link = index(&mut machine, &host("vethx"));
        let ifb = NewLink { name: name("bwp1"), mac: None, mtu: Some(1400), kind: NewKind::Ifb };
        let again = Request::CreateLink(ifb);
        send(&mut machine, Netns::Host, again.clone()).unwrap();
        assert_eq!(errno(send(&mut machine, Netns::Host, again)), Errno::EEXIST);
        let ifb = machine.link(&host("bwp1")).unwrap().unwrap();
        assert_eq!((ifb.kind.as_str(), ifb.mtu, ifb.up, ifb.queue_length), ("ifb", 1400, true, 0));

        assert_eq!(machine.qdiscs(link).unwrap(), Qdiscs::default());
        assert_eq!(machine.redirects(link).unwrap(), [0; 0], "without an ingress");
        let large = TokenBucket { rate: 1 << 33, ..TOKEN_BUCKET };
        for token_bucket in [TOKEN_BUCKET, large] {
            send(&mut machine, Netns::Host, Request::SetTokenBucket(link, token_bucket)).unwrap();
            assert_eq!(machine.qdiscs(link).unwrap().root, Some(token_bucket));
        }
        send(&mut machine, Netns::Host, Request::AddIngress(link)).unwrap();
        assert_eq!(errno(send(&mut machine, Netns::Host, Request::AddIngress(link))), Errno::EEXIST);
        assert_eq!(machine.qdiscs(link).unwrap(), Qdiscs { root: Some(large), has_ingress: true });
        assert_eq!(machine.redirects(link).unwrap(), [0; 0]);
        send(&mut machine, Netns::Host, Request::Redirect { link, to: ifb.index }).unwrap();
        assert_eq!(machine.redirects(link).unwrap(), [ifb.index]);
        send(&mut machine, Netns::Host, Request::Delete(ifb.index)).unwrap();
        assert_eq!(machine.redirects(link).unwrap(), [0], "to what is gone");
        send(&mut machine, Netns::Host, Request::DeleteIngress(link)).unwrap();
        send(&mut machine, Netns::Host, Request::DeleteRootQdisc(link)).unwrap();
        assert_eq!(machine.qdiscs(link).unwrap(), Qdiscs::default());
        assert_eq!(machine.qdiscs(u32::MAX).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    });
}

//! Addresses: a listed address can be added again with all its attributes.

use super::*;
use netlink_packet_core::Emitable;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::AddressMessage;
use wasm_cni::machine::linux::netlink::{Netlink, address};

const LINKS: &str = "ip link add cni0 type bridge; ip link set cni0 up";

/// Addresses with all attributes that the kernel stores. The first address of each subnet comes first.
const ADDRESSES: &str = "ip addr add 10.9.9.1/24 brd 10.9.9.77 label cni0:old metric 7 dev cni0
    ip addr add 10.9.9.2/24 dev cni0
    ip addr add 10.9.8.1/24 noprefixroute scope link dev cni0
    ip addr add 10.9.7.1 peer 10.9.7.2/30 dev cni0
    ip addr add 10.9.6.1/24 valid_lft 5000 preferred_lft 3000 dev cni0
    ip addr add fd00:9::1/64 preferred_lft 0 nodad dev cni0
    ip addr add fd00:8::1/64 nodad metric 9 dev cni0
    ip addr add fd00:7::1 peer fd00:7::2/127 nodad dev cni0
    ip addr add fd00:6::1/64 valid_lft 5000 preferred_lft 3000 nodad dev cni0";

fn list(machine: &mut Linux) -> Vec<Address> {
    let index = index(machine, &host("cni0"));
    machine.addresses(Netns::Host, Some(index)).unwrap()
}

/// Rounds the lifetimes to ten seconds, so that the time that passes does not matter.
fn settled(mut addresses: Vec<Address>) -> Vec<Address> {
    let rounded = |seconds: u32| if seconds == u32::MAX { seconds } else { (seconds + 5) / 10 };
    for address in &mut addresses {
        address.lifetimes = address.lifetimes.map(|(a, b)| (rounded(a), rounded(b)));
    }
    addresses
}

fn find<'a>(addresses: &'a [Address], text: &str) -> &'a Address {
    addresses.iter().find(|found| found.address.to_string() == text).unwrap_or_else(|| panic!("no {text}"))
}

#[test]
fn all_attributes_of_an_address_are_listed() {
    private(|| {
        let mut machine = machine();
        sh(&format!("{LINKS}; {ADDRESSES}"));
        let found = list(&mut machine);
        let first = find(&found, "10.9.9.1/24");
        assert_eq!(first.broadcast, Some("10.9.9.77".parse().unwrap()));
        assert_eq!((first.label.as_deref(), first.priority, first.peer), (Some("cni0:old"), Some(7), None));
        assert_eq!((first.scope, first.lifetimes), (0, Some((u32::MAX, u32::MAX))));
        assert_eq!(find(&found, "10.9.8.1/24").scope, 253);
        assert_eq!(find(&found, "10.9.7.1/30").peer, Some("10.9.7.2".parse().unwrap()));
        assert_eq!(find(&found, "fd00:7::1/127").peer, Some("fd00:7::2".parse().unwrap()));
        assert_eq!(find(&found, "fd00:8::1/64").priority, Some(9));
        let (preferred, valid) = find(&found, "fd00:6::1/64").lifetimes.unwrap();
        assert!((2990..=3000).contains(&preferred) && (4990..=5000).contains(&valid), "{preferred} {valid}");
        let nodad = |text| find(&found, text).flags & 0x02 != 0;
        assert!(nodad("fd00:9::1/64") && !nodad("10.9.9.1/24"));
        assert!(found.iter().take(5).all(|address| address.address.is_ipv4()), "IPv4 comes first");
        assert!(found.iter().any(Address::is_link_local));
    });
}

#[test]
fn a_deleted_address_is_added_again_with_all_attributes() {
    private(|| {
        let mut machine = machine();
        sh(&format!("{LINKS}; {ADDRESSES}"));
        let link = index(&mut machine, &host("cni0"));
        let seen = || sh("ip -j route; ip -j -6 route show dev cni0").replace(char::is_whitespace, "");
        let (before, routes) = (list(&mut machine), seen());
        let ours: Vec<Address> = before.iter().filter(|address| !address.is_link_local()).cloned().collect();
        // Secondary IPv4 addresses are deleted first. The kernel lists the IPv6 address that was added last first.
        let (v4, v6): (Vec<_>, Vec<_>) = ours.into_iter().partition(|address| address.address.is_ipv4());
        let delete = |address: &Address| Request::DeleteAddress { link, address: address.address };
        let deleted = v4.iter().rev().chain(&v6).map(delete).collect();
        assert!(machine.send(Netns::Host, deleted).iter().all(Result::is_ok));
        assert!(list(&mut machine).iter().all(Address::is_link_local));
        let restore = |address: &Address| Request::RestoreAddress { link, address: address.clone() };
        let restored: Vec<Request> = v4.iter().chain(v6.iter().rev()).map(restore).collect();
        let answers = machine.send(Netns::Host, restored.clone());
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
        assert_eq!(settled(list(&mut machine)), settled(before));
        // A route has the remaining lifetime of its address.
        let without_rest =
            |text: &str| text.split(',').filter(|part| !part.contains("expires")).collect::<String>();
        assert_eq!(without_rest(&seen()), without_rest(&routes));
        for answer in machine.send(Netns::Host, restored) {
            assert_eq!(errno(answer), Errno::EEXIST);
        }
        assert_eq!(
            errno(send(
                &mut machine,
                Netns::Host,
                Request::RestoreAddress { link: 999, address: v4[0].clone() }
            )),
            Errno::ENODEV
        );
    });
}

/// Journals of earlier versions contain the kernel's own message.
#[test]
fn an_address_is_parsed_from_the_bytes_of_the_kernel_s_message() {
    private(|| {
        let mut machine = machine();
        sh(&format!("{LINKS}; {ADDRESSES}"));
        let listed = list(&mut machine);
        let found = Netlink::open()
            .unwrap()
            .dump(RouteNetlinkMessage::GetAddress(AddressMessage::default()))
            .unwrap();
        let decoded: Vec<Address> = found
            .iter()
            .filter_map(|answer| match answer {
                RouteNetlinkMessage::NewAddress(message) => {
                    let mut bytes = vec![0; message.buffer_len()];
                    message.emit(&mut bytes);
                    address::decode(&bytes)
                }
                _ => None,
            })
            .collect();
        assert_eq!(settled(decoded), settled(listed));
        assert_eq!(address::decode(&[]), None);
        assert_eq!(address::decode(&[2, 24, 0, 0, 1, 0, 0, 0]), None);
    });
}

#[test]
fn an_address_is_added_with_its_broadcast_address_and_deleted() {
    private(|| {
        let mut machine = machine();
        sh(LINKS);
        let link = index(&mut machine, &host("cni0"));
        let add = |text: &str, nodad| Request::AddAddress { link, address: text.parse().unwrap(), nodad };
        for (text, nodad) in
            [("10.1.2.1/24", false), ("10.1.3.1/31", false), ("fd00:1::1/64", false), ("fd00:2::1/64", true)]
        {
            send(&mut machine, Netns::Host, add(text, nodad)).unwrap();
            assert_eq!(errno(send(&mut machine, Netns::Host, add(text, nodad))), Errno::EEXIST, "{text}");
        }
        let found = list(&mut machine);
        assert_eq!(find(&found, "10.1.2.1/24").broadcast, Some("10.1.2.255".parse().unwrap()));
        assert_eq!(find(&found, "10.1.3.1/31").broadcast, None);
        let (first, second) = (find(&found, "fd00:1::1/64"), find(&found, "fd00:2::1/64"));
        assert!(first.is_tentative() && !second.is_tentative() && !first.is_duplicate());
        let delete = |text: &str| Request::DeleteAddress { link, address: text.parse().unwrap() };
        for text in ["10.1.2.1/24", "10.1.3.1/31", "fd00:1::1/64", "fd00:2::1/64"] {
            send(&mut machine, Netns::Host, delete(text)).unwrap();
            assert_eq!(errno(send(&mut machine, Netns::Host, delete(text))), Errno::EADDRNOTAVAIL, "{text}");
        }
    });
}

//! Cases that need VLAN filtering of bridges. Small kernels are built without it.

use super::*;
use crate::real;
use std::io;
use wasm_cni::action::{EnsureBridge, EnsureVlanGateway, PortVlan};
use wasm_cni::machine::linux::Linux;
use wasm_cni::machine::port::{Look, Machine, NewKind, NewLink, Request, VethEnd};
use wasm_cni_fake::FakeMachine;
use wasm_cni_privileged::{new_netns, private};

const NEEDS: &str = "this kernel makes no bridge that keeps VLANs apart";

fn filtering() -> Action {
    let (name, mtu) = (name("cni0"), None);
    Action::EnsureBridge(EnsureBridge { name, mtu, mac: mac(1), vlan_filtering: true })
}

fn in_vlans(interface: &str, outside: &str, drop_default: bool, added: &[(u16, u16, bool)]) -> Action {
    let vlan =
        |(first, last, native): &(u16, u16, bool)| PortVlan { first: *first, last: *last, native: *native };
    let mut veth = pair(interface, outside);
    veth.peer.vlans.drop_default = drop_default;
    veth.peer.vlans.added = added.iter().map(vlan).collect();
    Action::CreateVeth(veth)
}

fn gateway(vid: u16, drop_default: bool) -> Action {
    Action::EnsureVlanGateway(EnsureVlanGateway {
        name: name(&format!("cni0.{vid}")),
        mac: mac(3),
        alias: "ours".to_owned(),
        port: name(&format!("port{vid}")),
        port_mac: mac(4),
        bridge: name("cni0"),
        vid,
        drop_default,
    })
}

#[test]
#[ignore = "takes VLAN filtering of bridges: `cargo xtask vm` runs it"]
fn ports_in_vlans() {
    assert!(real::has_vlan_filtering(), "{NEEDS}");
    let ports = vec![
        filtering(),
        in_vlans("eth0", "vethx", true, &[(100, 100, true)]),
        in_vlans("eth1", "vethy", false, &[(200, 203, false), (7, 7, true)]),
        in_vlans("eth2", "vethz", false, &[]),
        in_vlans("eth3", "vethn", true, &[]),
    ];
    Case::new("ports", vec![ports]).agree();
    let plain = vec![bridge(None), in_vlans("eth0", "vethx", true, &[(100, 100, true)])];
    Case::new("ports of a bridge that keeps nothing apart", vec![plain]).agree();
}

#[test]
#[ignore = "takes VLAN filtering of bridges: `cargo xtask vm` runs it"]
fn gateways_in_vlans() {
    assert!(real::has_vlan_filtering(), "{NEEDS}");
    let steps =
        vec![vec![filtering()], vec![gateway(5, true)], vec![gateway(5, true)], vec![gateway(6, false)]];
    Case::new("gateways", steps).agree();
    Case::new("a gateway without a bridge", vec![vec![gateway(5, true)]]).agree();
}

/// The results of requests: the VLANs of a port after each, or the errno.
fn said(machine: &mut dyn Machine) -> Vec<String> {
    let send = |machine: &mut dyn Machine, request| {
        let answer: io::Result<()> = machine.send(Netns::Host, vec![request]).remove(0);
        answer.map_err(|error| error.raw_os_error())
    };
    let kind = NewKind::Bridge { vlan_filtering: true };
    let bridge = NewLink { name: name("cni1"), mac: Some(mac(1)), mtu: None, kind };
    send(machine, Request::CreateLink(bridge)).unwrap();
    let master = Some(machine.index(&host("cni1")).unwrap().unwrap());
    let end = |text: &str, last| VethEnd { name: name(text), mac: mac(last) };
    let (end, host_end) = (end("vethy", 5), end("vethx", 6));
    let veth =
        wasm_cni::machine::port::NewVeth { end, host: host_end, netns: Netns::Host, mtu: None, master };
    send(machine, Request::CreateVeth(veth)).unwrap();
    let link = machine.index(&host("vethx")).unwrap().unwrap();
    let free = machine.index(&host("vethy")).unwrap().unwrap();
    let add = |link, first, last, native| Request::AddVlans { link, first, last, native };
    let mut said = vec![machine.vlans(link).unwrap().text()];
    for request in [
        add(link, 200, 203, false),
        add(link, 7, 7, true),
        Request::DropVlans(link),
        add(link, 100, 100, true),
        add(link, 200, 203, false),
        add(link, 7, 7, false),
        Request::DropVlans(link),
        Request::DropVlans(link),
        add(free, 7, 7, false),
        Request::DropVlans(free),
    ] {
        let answer = send(machine, request);
        said.push(format!("{answer:?} {}", machine.vlans(link).unwrap().text()));
    }
    said
}

#[test]
#[ignore = "takes VLAN filtering of bridges: `cargo xtask vm` runs it"]
fn a_port_is_in_the_vlans_that_were_added() {
    assert!(real::has_vlan_filtering(), "{NEEDS}");
    let real = private(|| {
        let mut machine = Linux::open(Some(new_netns()), false);
        let said = said(&mut machine);
        assert_eq!(machine.vlans(999).unwrap().text(), "", "no such port");
        said
    });
    assert_eq!(real[0], "1pu");
    assert_eq!(real[1], "Ok(()) 1pu 200 201 202 203");
    assert_eq!(real[6], "Ok(()) 7 100pu 200 201 202 203");
    assert_eq!([real[3].as_str(), real[8].as_str()], ["Ok(()) "; 2]);
    assert_eq!(said(&mut FakeMachine::new()), real);
}

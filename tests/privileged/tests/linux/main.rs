//! The real machine, on the kernel.

use nix::errno::Errno;
use std::io;
use wasm_cni::machine::linux::Linux;
use wasm_cni::machine::netns::NetnsFile;
use wasm_cni::machine::port::{Address, Link, Look, Machine, NewKind, NewLink, NewVeth, Request, VethEnd};
use wasm_cni::value::{IfName, LinkRef, Mac, Netns};
use wasm_cni_privileged::{new_netns, private, sh};

mod address;
mod change;
mod look;
mod netns;
mod requests;

fn name(text: &str) -> IfName {
    IfName::parse(text).unwrap()
}

fn host(text: &str) -> LinkRef {
    LinkRef { netns: Netns::Host, name: name(text) }
}

fn inside(text: &str) -> LinkRef {
    LinkRef { netns: Netns::Container, name: name(text) }
}

/// A machine with a container.
fn machine() -> Linux {
    Linux::open(Some(new_netns()), false)
}

/// A machine with a container, in which a shell command has run.
fn machine_with(line: &str) -> Linux {
    let container = new_netns();
    {
        let _guard = container.enter().unwrap();
        sh(line);
    }
    Linux::open(Some(container), false)
}

/// A machine without a container.
fn alone() -> Linux {
    Linux::open(None, false)
}

fn index(machine: &mut Linux, link: &LinkRef) -> u32 {
    machine.link(link).unwrap().unwrap_or_else(|| panic!("no link {link}")).index
}

/// Sends one request, and returns its answer.
fn send(machine: &mut Linux, netns: Netns, request: Request) -> io::Result<()> {
    let mut answers = machine.send(netns, vec![request]);
    assert_eq!(answers.len(), 1);
    answers.remove(0)
}

/// The errno of a call that must fail.
fn errno<T: std::fmt::Debug>(result: io::Result<T>) -> Errno {
    let error = result.unwrap_err();
    Errno::from_raw(error.raw_os_error().unwrap_or_else(|| panic!("no errno: {error:?}")))
}

fn bridge(text: &str) -> Request {
    let mac = Mac([0x0a, 0x58, 10, 1, 2, 1]);
    let kind = NewKind::Bridge { vlan_filtering: false };
    Request::CreateLink(NewLink { name: name(text), mac: Some(mac), mtu: Some(1400), kind })
}

fn veth(end: &str, host: &str, netns: Netns, master: Option<u32>) -> Request {
    let end = VethEnd { name: name(end), mac: Mac([0x0a, 0x58, 10, 1, 2, 2]) };
    let host = VethEnd { name: name(host), mac: Mac([2, 0, 0, 0, 0, 7]) };
    Request::CreateVeth(NewVeth { end, host, netns, mtu: Some(1300), master })
}

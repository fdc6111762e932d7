//! The port: all that rooms of actions ask of a machine, and all that they do to it.
//!
//! It is above netlink bytes and below actions: links, addresses, rules and files in words. `machine/linux` ships; the tests have a machine in memory.

mod address;
mod file;
mod link;
mod qdisc;
mod request;

pub use address::Address;
pub use file::{Unreadable, failed_read};
pub use link::Link;
pub use qdisc::{Qdiscs, TokenBucket};
pub use request::{NewKind, NewLink, NewVeth, Request, VethEnd};

use super::lease::Stores;
use super::rules::RuleTables;
use super::vlans::Vlans;
use crate::value::{IfName, LinkRef, Netns, Route, SysctlKey};
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

/// A machine that is looked at. An `io::Error` has the kernel's errno.
pub trait Look {
    /// Whether a namespace exists: the host's does; a container that is gone has none.
    fn has_netns(&self, netns: Netns) -> bool;

    /// Does ahead what the first look would do, for who has to wait anyway; errors are for that look.
    fn prepare(&mut self) {}

    /// The link of that name (or alternative name), if there is one.
    fn link(&mut self, link: &LinkRef) -> io::Result<Option<Link>>;

    /// The index of the link of that name, perhaps from an earlier look: the kernel gives none twice, so at worst there is no such link any more.
    fn index(&mut self, link: &LinkRef) -> io::Result<Option<u32>>;

    /// The link of that index, if there is one.
    fn link_at(&mut self, netns: Netns, index: u32) -> io::Result<Option<Link>>;

    /// The ports of a bridge of the host.
    fn ports(&mut self, bridge: u32) -> io::Result<Vec<Link>>;

    /// The addresses of a link, or of all links; in the kernel's order, IPv4 first.
    fn addresses(&mut self, netns: Netns, link: Option<u32>) -> io::Result<Vec<Address>>;

    /// Whether a link has a route: destination, and what else the route says. One that names no table may be in any: the reference's `sbr` moves the
    /// routes of an interface into a table of its own, and so does a VRF.
    fn has_route(&mut self, netns: Netns, link: u32, route: &Route) -> io::Result<bool>;

    /// The index of the host's link through which packets to an address leave for a neighbour (`ip route get`); none where there is no route, or one to
    /// a gateway.
    fn output(&mut self, address: IpAddr) -> io::Result<Option<u32>>;

    /// The VLANs of a bridge port of the host.
    fn vlans(&mut self, port: u32) -> io::Result<Vlans>;

    /// The queueing disciplines of a link of the host.
    fn qdiscs(&mut self, link: u32) -> io::Result<Qdiscs>;

    /// The indexes of the links to which what comes from a link of the host is redirected; 0 for one that is gone.
    fn redirects(&mut self, link: u32) -> io::Result<Vec<u32>>;

    /// A kernel parameter, without its line end.
    fn sysctl(&mut self, netns: Netns, key: &SysctlKey) -> io::Result<String>;

    /// The names below a directory of kernel parameters, such as `net/ipv4/conf`.
    fn sysctl_names(&mut self, netns: Netns, directory: &str) -> io::Result<Vec<String>>;

    /// The contents of a regular file of at most `limit` bytes, without waiting for a writer; with `below`, no symbolic link leads out of that directory.
    /// [`failed_read`] has the words for an error.
    fn file(&mut self, path: &Path, below: Option<&Path>, limit: usize) -> io::Result<Vec<u8>>;

    /// Whether there is anything at a path.
    fn has_file(&mut self, path: &Path) -> bool;

    /// Whether a program is on the search path.
    fn has_program(&mut self, program: &str) -> bool;

    /// Whether firewalld runs, and, if so, whether a source is in a zone.
    fn zone(&mut self, query: ZoneQuery<'_>) -> io::Result<bool>;

    /// The tables of rules, for looking and changing, also from a second thread.
    fn tables(&self) -> Arc<dyn RuleTables + Send + Sync>;

    /// The lease stores. A dry machine takes no lock and makes no file.
    fn stores(&mut self) -> &mut Stores;

    /// Whether only looking is allowed, so that what may not be read counts as unknown.
    fn is_dry(&self) -> bool;
}

/// A question to firewalld.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ZoneQuery<'a> {
    /// Whether it runs.
    IsRunning,
    /// Whether an address is a source of a zone.
    HasSource(&'a str, IpAddr),
}

/// A change of firewalld's zones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ZoneChange<'a> {
    /// Adds an address to a zone's sources.
    Add(&'a str, IpAddr),
    /// Removes it.
    Remove(&'a str, IpAddr),
}

/// A machine that can be changed.
pub trait Machine: Look {
    /// The same machine, for looking.
    fn as_look(&mut self) -> &mut dyn Look;

    /// Sends requests to a namespace as one batch, in order; one that fails does not stop those after it.
    fn send(&mut self, netns: Netns, requests: Vec<Request>) -> Vec<io::Result<()>>;

    /// Writes a kernel parameter.
    fn set_sysctl(&mut self, netns: Netns, key: &SysctlKey, value: &str) -> io::Result<()>;

    /// Writes a file whole, with its directories, for root alone.
    fn write_file(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Removes a file.
    fn remove_file(&mut self, path: &Path) -> io::Result<()>;

    /// Forgets tracked UDP connections to these ports of the host, so that a client that goes on is led anew.
    fn forget_udp(&mut self, is_ipv4: bool, ports: &[u16]) -> io::Result<()>;

    /// Changes firewalld's zones; whether anything was changed.
    fn change_zone(&mut self, change: ZoneChange<'_>) -> io::Result<bool>;

    /// Executes a native plugin and waits for it.
    fn run(&mut self, call: &ProgramCall) -> io::Result<Output>;

    /// Lets time pass; false: a signal asks us to end.
    fn pause(&mut self, time: Duration) -> bool;
}

/// An execution of a native plugin: variables and standard input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramCall {
    /// The executable.
    pub program: PathBuf,
    /// `CNI_COMMAND`.
    pub verb: &'static str,
    /// Further variables of the environment.
    pub variables: Vec<(&'static str, String)>,
    /// Standard input.
    pub input: String,
}

/// A link of the host by its name.
pub fn on_host(name: &IfName) -> LinkRef {
    LinkRef { netns: Netns::Host, name: name.clone() }
}

/// A link of the container by its name.
pub fn in_container(name: &IfName) -> LinkRef {
    LinkRef { netns: Netns::Container, name: name.clone() }
}

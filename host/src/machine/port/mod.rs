//! The port: everything that actions query and change on a machine.
//!
//! It is above the netlink protocol and below actions: it describes links, addresses, rules and files as data. The
//! production implementation is `machine/linux`. The tests have a machine in memory.

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

/// Read access to a machine. The `io::Error`s have the kernel's errno.
pub trait Look {
    /// Whether a namespace exists. The host's always does; a container's may be gone.
    fn has_netns(&self, netns: Netns) -> bool;

    /// Does the preparations of the first query in advance, for a caller that has to wait anyway. It ignores errors,
    /// because the first query reports them.
    fn prepare(&mut self) {}

    /// The link with this name or alternative name, if it exists.
    fn link(&mut self, link: &LinkRef) -> io::Result<Option<Link>>;

    /// The index of the link with this name, possibly from an earlier query. The kernel does not reuse indexes, so an
    /// old one at worst belongs to no link.
    fn index(&mut self, link: &LinkRef) -> io::Result<Option<u32>>;

    /// The link with this index, if it exists.
    fn link_at(&mut self, netns: Netns, index: u32) -> io::Result<Option<Link>>;

    /// The ports of a bridge of the host.
    fn ports(&mut self, bridge: u32) -> io::Result<Vec<Link>>;

    /// The addresses of a link, or of all links, in the kernel's order: IPv4 first.
    fn addresses(&mut self, netns: Netns, link: Option<u32>) -> io::Result<Vec<Address>>;

    /// Whether a link has a route with this destination and the other attributes that `route` contains. If `route`
    /// names no table, it may be in any table: the reference's `sbr` moves the routes of an interface to a table of its
    /// own, and a VRF has its own table too.
    fn has_route(&mut self, netns: Netns, link: u32, route: &Route) -> io::Result<bool>;

    /// The index of the host's link through which packets to an address leave to a direct neighbour (`ip route get`).
    /// None if there is no route, or if it has a gateway.
    fn output(&mut self, address: IpAddr) -> io::Result<Option<u32>>;

    /// The VLANs of a bridge port of the host.
    fn vlans(&mut self, port: u32) -> io::Result<Vlans>;

    /// The queueing disciplines of a link of the host.
    fn qdiscs(&mut self, link: u32) -> io::Result<Qdiscs>;

    /// The indexes of the links to which incoming packets of a link of the host are redirected. 0 for a target that no
    /// longer exists.
    fn redirects(&mut self, link: u32) -> io::Result<Vec<u32>>;

    /// The value of a kernel parameter, without the newline.
    fn sysctl(&mut self, netns: Netns, key: &SysctlKey) -> io::Result<String>;

    /// The names in a directory of kernel parameters, such as `net/ipv4/conf`.
    fn sysctl_names(&mut self, netns: Netns, directory: &str) -> io::Result<Vec<String>>;

    /// Reads a regular file of at most `limit` bytes, without blocking. With `below`, symbolic links must not lead out
    /// of that directory. [`failed_read`] makes the text of an error.
    fn file(&mut self, path: &Path, below: Option<&Path>, limit: usize) -> io::Result<Vec<u8>>;

    /// Whether the path exists.
    fn has_file(&mut self, path: &Path) -> bool;

    /// Whether a program is on `PATH`.
    fn has_program(&mut self, program: &str) -> bool;

    /// Answers a query about firewalld: whether it runs, or whether a zone has a source.
    fn zone(&mut self, query: ZoneQuery<'_>) -> io::Result<bool>;

    /// The rule tables, for reading and changing. They may be used from a second thread.
    fn tables(&self) -> Arc<dyn RuleTables + Send + Sync>;

    /// The lease stores. On a dry machine, they take no lock and create no file.
    fn stores(&mut self) -> &mut Stores;

    /// Whether the machine may only be read. What this user cannot read then counts as unknown.
    fn is_dry(&self) -> bool;
}

/// A query about firewalld.
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
    /// Adds an address to the sources of a zone.
    Add(&'a str, IpAddr),
    /// Removes an address from the sources of a zone.
    Remove(&'a str, IpAddr),
}

/// Write access to a machine.
pub trait Machine: Look {
    /// Read access to the same machine.
    fn as_look(&mut self) -> &mut dyn Look;

    /// Sends requests to a namespace as one batch, in order. A failed request does not stop the later ones.
    fn send(&mut self, netns: Netns, requests: Vec<Request>) -> Vec<io::Result<()>>;

    /// Writes a kernel parameter.
    fn set_sysctl(&mut self, netns: Netns, key: &SysctlKey, value: &str) -> io::Result<()>;

    /// Writes a file atomically, and creates its directories. Only root can read them.
    fn write_file(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Removes a file.
    fn remove_file(&mut self, path: &Path) -> io::Result<()>;

    /// Deletes conntrack entries of UDP connections to these ports of the host, so that the next packet of a client
    /// uses the new rules.
    fn forget_udp(&mut self, is_ipv4: bool, ports: &[u16]) -> io::Result<()>;

    /// Changes a zone of firewalld. Returns whether that changed anything.
    fn change_zone(&mut self, change: ZoneChange<'_>) -> io::Result<bool>;

    /// Executes a native plugin and waits for it.
    fn run(&mut self, call: &ProgramCall) -> io::Result<Output>;

    /// Waits. Returns false if a signal has asked this process to end.
    fn pause(&mut self, time: Duration) -> bool;
}

/// A call of a native plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramCall {
    /// The executable.
    pub program: PathBuf,
    /// `CNI_COMMAND`.
    pub verb: &'static str,
    /// Other environment variables.
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

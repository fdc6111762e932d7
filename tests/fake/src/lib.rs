//! A machine in memory that implements the port of the host: it does what the kernel does, and refuses what that refuses, with its errnos. It knows no action.
//!
//! For tests without privileges, those of plugin authors included. A test holds it against the shipped machine.
//!
//! What is not modelled: IPv6 link-local addresses, which the kernel adds by itself some time after a link is up; other owners of an IPv6 address; a
//! bridge that takes the Ethernet address of a port; of an address, what the kernel does with more than its prefix; locks that others hold; kernel parameters beyond those in
//! `sysctl.rs` and [`FakeMachine::with_sysctl`].

mod address;
mod build;
pub mod faulty;
mod leases;
mod link;
mod look;
mod route;
mod snapshot;
mod space;
mod spaces;
pub mod sysctl;
mod tables;

use leases::Leases;
use nix::errno::Errno;
use spaces::Spaces;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output};
use std::time::Duration;
use tables::Tables;
use wasm_cni::machine::lease::Stores;
use wasm_cni::machine::port::{Address, Look, Machine, ProgramCall, Request, ZoneChange};
use wasm_cni::machine::rules::RuleTables;
use wasm_cni::value::{LinkRef, Netns, SysctlKey};

/// The machine: two namespaces, lease stores, rules, files.
///
/// A start state is built with `with_…`, or by doing something; [`FakeMachine::snapshot`] shows what became of it. A clone is a machine of its own,
/// as another verb finds it. [`faulty::Faulty`] is the machine with a fault.
pub struct FakeMachine {
    spaces: Spaces,
    tables: Tables,
    leases: Leases,
    /// The stores that this verb has open.
    stores: Stores,
    files: BTreeMap<PathBuf, Vec<u8>>,
    /// The sources of firewalld's zones; none: it does not run.
    zones: Option<BTreeSet<(String, IpAddr)>>,
    /// As in the shipped machine, a link is not looked up again, so that what went with its peer is found to be gone late.
    indexes: BTreeMap<LinkRef, u32>,
    /// What is known of addresses beyond their prefixes, by link.
    known: Vec<(LinkRef, Address)>,
    programs: Programs,
    /// Why nothing can be looked at, if so.
    refusal: Option<Errno>,
    dry: bool,
    /// What was asked of it. It is a test's to clear.
    pub log: Log,
}

/// What was asked of a machine.
#[derive(Debug, Clone, Default)]
pub struct Log {
    /// Requests, in order, those that were refused too.
    pub sent: Vec<(Netns, Request)>,
    /// Programs that were executed.
    pub calls: Vec<ProgramCall>,
    /// So many pauses were made.
    pub pauses: u32,
}

impl Log {
    /// The requests, wherever they were sent.
    pub fn requests(&self) -> Vec<Request> {
        self.sent.iter().map(|(_, request)| request.clone()).collect()
    }
}

/// Programs: all are there, end well and print nothing, but for what is said here.
#[derive(Debug, Clone, Default)]
struct Programs {
    missing: BTreeSet<String>,
    status: i32,
    printed: String,
}

impl Default for FakeMachine {
    fn default() -> Self {
        Self::new()
    }
}

impl Clone for FakeMachine {
    /// The same machine as another verb finds it: no store is open.
    fn clone(&self) -> Self {
        let leases = self.leases.copy();
        FakeMachine {
            spaces: self.spaces.clone(),
            tables: self.tables.copy(),
            stores: leases.stores(self.dry),
            leases,
            files: self.files.clone(),
            zones: self.zones.clone(),
            indexes: self.indexes.clone(),
            known: self.known.clone(),
            programs: self.programs.clone(),
            refusal: self.refusal,
            dry: self.dry,
            log: self.log.clone(),
        }
    }
}

impl FakeMachine {
    /// A host and a container as the kernel makes them: each with `lo`, down, and nothing else.
    pub fn new() -> Self {
        let leases = Leases::default();
        FakeMachine {
            spaces: Spaces::new(),
            tables: Tables::default(),
            stores: leases.stores(false),
            leases,
            files: BTreeMap::new(),
            zones: None,
            indexes: BTreeMap::new(),
            known: Vec::new(),
            programs: Programs::default(),
            refusal: None,
            dry: false,
            log: Log::default(),
        }
    }

    /// The same machine as the next verb finds it: no lock of a lease store is held, and nothing is remembered of links.
    pub fn next_verb(&mut self) {
        // The old stores release their locks first.
        self.stores = self.leases.stores(self.dry);
        self.indexes.clear();
    }

    /// Lets somebody else change tables of rules right after the next listing of one.
    pub fn after_listing(&mut self, change: impl FnOnce(&dyn RuleTables) + Send + 'static) {
        self.tables.after_listing(Box::new(change));
    }

    fn changed<T>(&self, value: T) -> io::Result<T> {
        if self.dry { Err(io::Error::other("this is a dry run: nothing is changed")) } else { Ok(value) }
    }
}

impl Machine for FakeMachine {
    fn as_look(&mut self) -> &mut dyn Look {
        self
    }

    fn send(&mut self, netns: Netns, requests: Vec<Request>) -> Vec<io::Result<()>> {
        let done = requests.iter().map(|request| {
            self.log.sent.push((netns, request.clone()));
            self.changed(())?;
            if !self.has_netns(netns) {
                return Err(no_netns());
            }
            self.spaces.request(netns, request).map_err(io::Error::from)
        });
        done.collect()
    }

    fn set_sysctl(&mut self, netns: Netns, key: &SysctlKey, value: &str) -> io::Result<()> {
        self.changed(())?;
        let space = self.spaces.get_mut(netns).ok_or_else(no_netns)?;
        space.write_sysctl(key.as_str(), value).map_err(io::Error::from)
    }

    fn write_file(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.changed(())?;
        self.files.insert(path.to_owned(), bytes.to_vec());
        Ok(())
    }

    fn remove_file(&mut self, path: &Path) -> io::Result<()> {
        self.changed(())?;
        self.files.remove(path).map(drop).ok_or_else(|| Errno::ENOENT.into())
    }

    fn forget_udp(&mut self, _is_ipv4: bool, _ports: &[u16]) -> io::Result<()> {
        // It tracks no connection.
        self.changed(())
    }

    fn change_zone(&mut self, change: ZoneChange<'_>) -> io::Result<bool> {
        self.changed(())?;
        match (&mut self.zones, change) {
            (Some(zones), ZoneChange::Add(zone, source)) => Ok(zones.insert((zone.to_owned(), source))),
            (Some(zones), ZoneChange::Remove(zone, source)) => Ok(zones.remove(&(zone.to_owned(), source))),
            (None, ZoneChange::Add(..)) => Err(Errno::ECONNREFUSED.into()),
            // When firewalld does not run, there is nothing to remove.
            (None, ZoneChange::Remove(..)) => Ok(false),
        }
    }

    fn run(&mut self, call: &ProgramCall) -> io::Result<Output> {
        self.log.calls.push(call.clone());
        // No program is installed that leaves anything.
        let Programs { status, printed, .. } = &self.programs;
        let status = ExitStatus::from_raw(status << 8);
        Ok(Output { status, stdout: printed.clone().into_bytes(), stderr: Vec::new() })
    }

    fn pause(&mut self, _time: Duration) -> bool {
        self.log.pauses += 1;
        // Nothing changes by waiting: a link is ready or never will be.
        true
    }
}

/// Why nothing can be done in a container that is gone.
fn no_netns() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "the container has no network namespace")
}

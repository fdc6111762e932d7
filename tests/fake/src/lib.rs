//! A machine in memory that implements the port of the host: it does what the kernel does, and refuses what that refuses, with its errnos. It knows no action.
//!
//! For tests without privileges, those of plugin authors included. A test holds it against the shipped machine.
//!
//! What is not modelled: IPv6 link-local addresses, which the kernel adds by itself some time after a link is up; other owners of an IPv6 address; a
//! bridge that takes the Ethernet address of a port; of an address, more than its prefix; locks that others hold; kernel parameters beyond those in
//! `sysctl.rs` and [`FakeMachine::with_sysctl`].

mod address;
mod build;
pub mod faulty;
mod leases;
mod link;
mod look;
pub mod plans;
pub mod play;
mod route;
mod snapshot;
mod space;
mod spaces;
pub mod sysctl;
mod tables;

use faulty::Gate;
use nix::errno::Errno;
use spaces::Spaces;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;
use tables::Tables;
use wasm_cni::machine::lease::{MemoryDirectories, Stores};
use wasm_cni::machine::port::{Look, Machine, ProgramCall, Request, ZoneChange};
use wasm_cni::machine::rules::RuleTables;
use wasm_cni::value::{LinkRef, Netns, SysctlKey};

/// The machine: two namespaces, lease stores, rules, files.
///
/// A start state is built with `with_…`, or by doing something; [`FakeMachine::snapshot`] shows what became of it. A clone is a machine of its own,
/// as another verb finds it. [`FakeMachine::struck`] is the machine with a fault.
pub struct FakeMachine {
    state: State,
    tables: Tables,
    leases: MemoryDirectories,
    /// The stores that this verb has open.
    stores: Stores,
    gate: Gate,
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

/// What no second thread and no open store changes.
#[derive(Debug, Clone, Default)]
struct State {
    spaces: Spaces,
    files: Files,
    programs: BTreeMap<PathBuf, Program>,
    /// The sources of firewalld's zones; none: it does not run.
    zones: Option<BTreeSet<(String, IpAddr)>>,
    /// As in the shipped machine, a link is not looked up again, so that what went with its peer is found to be gone late.
    indexes: BTreeMap<LinkRef, u32>,
    /// Programs that are not on the search path.
    missing: BTreeSet<String>,
    /// Why nothing can be looked at, if so.
    refusal: Option<Errno>,
}

/// Files by path.
pub type Files = BTreeMap<PathBuf, Vec<u8>>;

/// An executable: what it does to the files of the machine, and how it ends.
pub type Program = fn(&ProgramCall, &mut Files) -> Output;

impl Default for FakeMachine {
    fn default() -> Self {
        Self::new()
    }
}

impl Clone for FakeMachine {
    /// The same machine as another verb finds it: no store is open.
    fn clone(&self) -> Self {
        self.behind(Gate::new(self.gate.is_dry()))
    }
}

impl FakeMachine {
    /// A host and a container as the kernel makes them: each with `lo`, down, and nothing else.
    pub fn new() -> Self {
        let gate = Gate::new(false);
        FakeMachine::of(State::default(), Tables::new(&gate), MemoryDirectories::default(), gate)
    }

    /// The same machine as the next verb finds it: no lock of a lease store is held, nothing is remembered of links, and nothing goes wrong any more.
    pub fn next_verb(&mut self) {
        *self = self.clone();
        self.state.indexes.clear();
    }

    /// Lets somebody else change tables of rules right after the next listing of one.
    pub fn after_listing(&mut self, change: impl FnOnce(&dyn RuleTables) + Send + 'static) {
        self.tables.after_listing(Box::new(change));
    }

    /// The same with another gate.
    fn behind(&self, gate: Gate) -> Self {
        let same = FakeMachine::of(self.state.clone(), self.tables.copy(&gate), self.leases.copy(), gate);
        FakeMachine { log: self.log.clone(), ..same }
    }

    fn of(state: State, tables: Tables, leases: MemoryDirectories, gate: Gate) -> Self {
        let leases = leases.behind(Arc::new(gate.clone()));
        let stores = Stores::new(Box::new(leases.clone()), gate.is_dry());
        FakeMachine { state, tables, leases, stores, gate, log: Log::default() }
    }
}

impl Machine for FakeMachine {
    fn as_look(&mut self) -> &mut dyn Look {
        self
    }

    fn send(&mut self, netns: Netns, requests: Vec<Request>) -> Vec<io::Result<()>> {
        self.log.sent.extend(requests.iter().map(|request| (netns, request.clone())));
        self.gate.batch(requests, |request| {
            self.state.spaces.get(netns).ok_or_else(no_netns)?;
            Ok(self.state.spaces.request(netns, &request)?)
        })
    }

    fn set_sysctl(&mut self, netns: Netns, key: &SysctlKey, value: &str) -> io::Result<()> {
        self.gate.local(|| {
            let space = self.state.spaces.at(netns).map_err(|_| no_netns())?;
            Ok(space.write_sysctl(key.as_str(), value)?)
        })
    }

    fn write_file(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.gate.local(|| {
            self.state.files.insert(path.to_owned(), bytes.to_vec());
            Ok(())
        })
    }

    fn remove_file(&mut self, path: &Path) -> io::Result<()> {
        self.gate.local(|| Ok(self.state.files.remove(path).map(drop).ok_or(Errno::ENOENT)?))
    }

    fn forget_udp(&mut self, _is_ipv4: bool, _ports: &[u16]) -> io::Result<()> {
        // It tracks no connection.
        self.gate.remote(|| Ok(()))
    }

    fn change_zone(&mut self, change: ZoneChange<'_>) -> io::Result<bool> {
        self.gate.remote(|| match (&mut self.state.zones, change) {
            (Some(zones), ZoneChange::Add(zone, source)) => Ok(zones.insert((zone.to_owned(), source))),
            (Some(zones), ZoneChange::Remove(zone, source)) => Ok(zones.remove(&(zone.to_owned(), source))),
            (None, ZoneChange::Add(..)) => Err(Errno::ECONNREFUSED.into()),
            // When firewalld does not run, there is nothing to remove.
            (None, ZoneChange::Remove(..)) => Ok(false),
        })
    }

    fn run(&mut self, call: &ProgramCall) -> io::Result<Output> {
        self.log.calls.push(call.clone());
        self.gate.remote(|| {
            let program = self.state.programs.get(&call.program).ok_or(Errno::ENOENT)?;
            Ok(program(call, &mut self.state.files))
        })
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

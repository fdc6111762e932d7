//! A machine in memory that implements the port of the host. It behaves like the kernel, with its errnos.
//! It knows no action.
//!
//! It is for tests without privileges. The test `machines` of `tests/privileged` compares it with the real machine.
//!
//! The following is not modelled: IPv6 link-local addresses, which the kernel adds some time after a link is up; other
//! owners of an IPv6 address; a bridge that takes the MAC address of a port; attributes of an address other than its
//! prefix; locks that others hold; kernel parameters other than those of `sysctl.rs` and [`FakeMachine::with_sysctl`].

mod address;
mod build;
pub mod faulty;
mod link;
mod look;
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
/// A start state is built with the `with_…` functions, or by calls of the port. [`FakeMachine::snapshot`] shows the
/// current state. A clone is an independent machine, as the next verb finds it.
pub struct FakeMachine {
    state: State,
    tables: Tables,
    leases: MemoryDirectories,
    /// The stores that this verb has opened.
    stores: Stores,
    gate: Gate,
    /// The requests, in order, including those that failed. A test may clear it.
    pub sent: Vec<Request>,
    /// The programs that were executed.
    pub calls: Vec<ProgramCall>,
    /// The number of pauses.
    pub pauses: u32,
}

/// The part of the state that no second thread and no open store changes.
#[derive(Debug, Clone, Default)]
struct State {
    spaces: Spaces,
    files: Files,
    programs: BTreeMap<PathBuf, Program>,
    /// The sources of firewalld's zones. None if firewalld does not run.
    zones: Option<BTreeSet<(String, IpAddr)>>,
    /// The cache of link indexes, as in the real machine: a deleted link is in it until it is looked up.
    indexes: BTreeMap<LinkRef, u32>,
    /// Programs that are not on `PATH`.
    missing: BTreeSet<String>,
    /// The error of every query, if queries fail.
    refusal: Option<Errno>,
}

/// Files by path.
pub type Files = BTreeMap<PathBuf, Vec<u8>>;

/// An executable: a function that may change the files of the machine, and returns the output.
pub type Program = fn(&ProgramCall, &mut Files) -> Output;

impl Default for FakeMachine {
    fn default() -> Self {
        Self::new()
    }
}

impl Clone for FakeMachine {
    /// The same machine, as the next verb finds it: no store is open.
    fn clone(&self) -> Self {
        self.behind(Gate::new(self.gate.is_dry()))
    }
}

impl FakeMachine {
    /// A host and a container in the kernel's initial state: each has `lo`, which is down, and nothing else.
    pub fn new() -> Self {
        let gate = Gate::new(false);
        FakeMachine::of(State::default(), Tables::new(&gate), MemoryDirectories::default(), gate)
    }

    /// The same machine, as the next verb finds it: without locked lease stores, cached link indexes and faults.
    pub fn next_verb(&mut self) {
        *self = self.clone();
        self.state.indexes.clear();
    }

    /// Lets `change` change rule tables right after the next listing of a table, like another process.
    pub fn after_listing(&mut self, change: impl FnOnce(&dyn RuleTables) + Send + 'static) {
        self.tables.after_listing(Box::new(change));
    }

    /// The same machine with another gate.
    fn behind(&self, gate: Gate) -> Self {
        FakeMachine::of(self.state.clone(), self.tables.copy(&gate), self.leases.copy(), gate)
    }

    fn of(state: State, tables: Tables, leases: MemoryDirectories, gate: Gate) -> Self {
        let leases = leases.behind(Arc::new(gate.clone()));
        let stores = Stores::new(Box::new(leases.clone()), gate.is_dry());
        FakeMachine { state, tables, leases, stores, gate, sent: Vec::new(), calls: Vec::new(), pauses: 0 }
    }
}

impl Machine for FakeMachine {
    fn as_look(&mut self) -> &mut dyn Look {
        self
    }

    fn send(&mut self, netns: Netns, requests: Vec<Request>) -> Vec<io::Result<()>> {
        self.sent.extend_from_slice(&requests);
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
        // The machine has no connection tracking.
        self.gate.remote(|| Ok(()))
    }

    fn change_zone(&mut self, change: ZoneChange<'_>) -> io::Result<bool> {
        self.gate.remote(|| match (&mut self.state.zones, change) {
            (Some(zones), ZoneChange::Add(zone, source)) => Ok(zones.insert((zone.to_owned(), source))),
            (Some(zones), ZoneChange::Remove(zone, source)) => Ok(zones.remove(&(zone.to_owned(), source))),
            (None, ZoneChange::Add(..)) => Err(Errno::ECONNREFUSED.into()),
            // If firewalld does not run, there is nothing to remove.
            (None, ZoneChange::Remove(..)) => Ok(false),
        })
    }

    fn run(&mut self, call: &ProgramCall) -> io::Result<Output> {
        self.calls.push(call.clone());
        self.gate.remote(|| {
            let program = self.state.programs.get(&call.program).ok_or(Errno::ENOENT)?;
            Ok(program(call, &mut self.state.files))
        })
    }

    fn pause(&mut self, _time: Duration) -> bool {
        self.pauses += 1;
        // Waiting changes nothing: a link is ready, or will never be.
        true
    }
}

/// The error if the container's namespace is gone.
fn no_netns() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "the container has no network namespace")
}

//! The real machine, with a fault in one change.

use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::process::Output;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use wasm_cni::machine::MachineError;
use wasm_cni::machine::lease::{Found, LeaseDirectories, LeaseDirectory, RealDirectories, State, Stores};
use wasm_cni::machine::linux::Linux;
use wasm_cni::machine::netns::NetnsFile;
use wasm_cni::machine::port::{
    Address, Link, Look, Machine, ProgramCall, Qdiscs, Request, ZoneChange, ZoneQuery,
};
use wasm_cni::machine::rules::{Edit, Listing, RuleTables, TableError, TableId};
use wasm_cni::machine::vlans::Vlans;
use wasm_cni::value::{LinkRef, Netns, Route, StoreRef, SysctlKey};

/// The text of a failed change.
pub const MADE: &str = "made to fail";

/// The fault of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The change fails.
    Fails,
    /// The process dies before the change.
    DiesBefore,
    /// The process dies after the change.
    DiesAfter,
}

/// The change with the fault. All parts of a machine share the same count.
#[derive(Debug, Clone)]
pub struct Strike {
    fault: Fault,
    /// The number of the change, counted from 0.
    at: usize,
    /// Whether all later changes fail too, so that an undo fails.
    stays: bool,
    seen: Arc<Mutex<usize>>,
}

impl Strike {
    /// A fault in the change `at`. With `stays`, all later changes fail too.
    pub fn new(fault: Fault, at: usize, stays: bool) -> Self {
        Strike { fault, at, stays, seen: Arc::default() }
    }

    /// Whether the change with the fault was reached.
    pub fn has_struck(&self) -> bool {
        *self.seen.lock().unwrap() > self.at
    }

    /// Makes a change, unless it has the fault.
    fn change<T>(&self, change: impl FnOnce() -> T, refused: impl FnOnce() -> T) -> T {
        let number = {
            let mut seen = self.seen.lock().unwrap();
            *seen += 1;
            *seen - 1
        };
        match self.fault {
            Fault::Fails if number == self.at || self.stays && number > self.at => refused(),
            Fault::DiesBefore if number == self.at => panic!("dies here"),
            Fault::DiesAfter if number == self.at => {
                change();
                panic!("dies here")
            }
            _ => change(),
        }
    }

    fn try_change<T>(&self, change: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.change(change, || Err(io::Error::other(MADE)))
    }
}

/// The real machine, with a fault in one change.
pub struct Faulty {
    linux: Linux,
    strike: Strike,
}

impl Faulty {
    /// A machine with this container.
    pub fn open(container: NetnsFile, strike: Strike) -> Self {
        let stores = Stores::new(Box::new(FaultyDirectories(strike.clone())), false);
        Faulty { linux: Linux::open(Some(container), false).with_stores(stores), strike }
    }
}

impl Look for Faulty {
    fn has_netns(&self, netns: Netns) -> bool {
        self.linux.has_netns(netns)
    }

    fn prepare(&mut self) {
        self.linux.prepare();
    }

    fn link(&mut self, link: &LinkRef) -> io::Result<Option<Link>> {
        self.linux.link(link)
    }

    fn index(&mut self, link: &LinkRef) -> io::Result<Option<u32>> {
        self.linux.index(link)
    }

    fn link_at(&mut self, netns: Netns, index: u32) -> io::Result<Option<Link>> {
        self.linux.link_at(netns, index)
    }

    fn ports(&mut self, bridge: u32) -> io::Result<Vec<Link>> {
        self.linux.ports(bridge)
    }

    fn addresses(&mut self, netns: Netns, link: Option<u32>) -> io::Result<Vec<Address>> {
        self.linux.addresses(netns, link)
    }

    fn has_route(&mut self, netns: Netns, link: u32, route: &Route) -> io::Result<bool> {
        self.linux.has_route(netns, link, route)
    }

    fn output(&mut self, address: IpAddr) -> io::Result<Option<u32>> {
        self.linux.output(address)
    }

    fn vlans(&mut self, port: u32) -> io::Result<Vlans> {
        self.linux.vlans(port)
    }

    fn qdiscs(&mut self, link: u32) -> io::Result<Qdiscs> {
        self.linux.qdiscs(link)
    }

    fn redirects(&mut self, link: u32) -> io::Result<Vec<u32>> {
        self.linux.redirects(link)
    }

    fn sysctl(&mut self, netns: Netns, key: &SysctlKey) -> io::Result<String> {
        self.linux.sysctl(netns, key)
    }

    fn sysctl_names(&mut self, netns: Netns, directory: &str) -> io::Result<Vec<String>> {
        self.linux.sysctl_names(netns, directory)
    }

    fn file(&mut self, path: &Path, below: Option<&Path>, limit: usize) -> io::Result<Vec<u8>> {
        self.linux.file(path, below, limit)
    }

    fn has_file(&mut self, path: &Path) -> bool {
        self.linux.has_file(path)
    }

    fn has_program(&mut self, program: &str) -> bool {
        self.linux.has_program(program)
    }

    fn zone(&mut self, query: ZoneQuery<'_>) -> io::Result<bool> {
        self.linux.zone(query)
    }

    fn tables(&self) -> Arc<dyn RuleTables + Send + Sync> {
        Arc::new(FaultyTables(self.linux.tables(), self.strike.clone()))
    }

    fn stores(&mut self) -> &mut Stores {
        self.linux.stores()
    }

    fn is_dry(&self) -> bool {
        self.linux.is_dry()
    }
}

impl Machine for Faulty {
    fn as_look(&mut self) -> &mut dyn Look {
        self
    }

    /// The kernel does a whole batch before a process can die, but it may refuse a single request of a batch.
    ///
    /// If all later changes fail too, the whole batch fails. Otherwise a half of a pair could be created and not
    /// deleted, and nothing would show that it exists.
    fn send(&mut self, netns: Netns, requests: Vec<Request>) -> Vec<io::Result<()>> {
        let Faulty { linux, strike } = self;
        if strike.fault != Fault::Fails || strike.stays {
            let count = requests.len();
            let refused = || (0..count).map(|_| Err(io::Error::other(MADE))).collect();
            return strike.change(|| linux.send(netns, requests), refused);
        }
        let mut send = |group: &[Request]| {
            let refused = || group.iter().map(|_| Err(io::Error::other(MADE))).collect();
            strike.change(|| linux.send(netns, group.to_vec()), refused)
        };
        // To pin an MTU, it is changed and changed back. The kernel refuses both requests or none.
        let is_pin = |a: &Request, b: &Request| matches!((a, b), (Request::SetMtu(a, _), Request::SetMtu(b, _)) if a == b);
        requests.chunk_by(is_pin).flat_map(&mut send).collect()
    }

    fn set_sysctl(&mut self, netns: Netns, key: &SysctlKey, value: &str) -> io::Result<()> {
        self.strike.try_change(|| self.linux.set_sysctl(netns, key, value))
    }

    fn write_file(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.strike.try_change(|| self.linux.write_file(path, bytes))
    }

    fn remove_file(&mut self, path: &Path) -> io::Result<()> {
        self.strike.try_change(|| self.linux.remove_file(path))
    }

    fn forget_udp(&mut self, is_ipv4: bool, ports: &[u16]) -> io::Result<()> {
        self.strike.try_change(|| self.linux.forget_udp(is_ipv4, ports))
    }

    fn change_zone(&mut self, change: ZoneChange<'_>) -> io::Result<bool> {
        self.strike.try_change(|| self.linux.change_zone(change))
    }

    fn run(&mut self, call: &ProgramCall) -> io::Result<Output> {
        self.strike.try_change(|| self.linux.run(call))
    }

    fn pause(&mut self, time: Duration) -> bool {
        self.linux.pause(time)
    }
}

/// The rule tables. A transaction counts as one change.
struct FaultyTables(Arc<dyn RuleTables + Send + Sync>, Strike);

impl RuleTables for FaultyTables {
    fn list(&self, table: TableId) -> Result<Listing, TableError> {
        self.0.list(table)
    }

    fn commit(&self, table: TableId, edits: &[Edit]) -> Result<(), TableError> {
        self.1.change(|| self.0.commit(table, edits), || Err(TableError::Failed(MADE.to_owned())))
    }
}

/// The lease directories.
#[derive(Debug)]
struct FaultyDirectories(Strike);

impl LeaseDirectories for FaultyDirectories {
    fn open(&self, store: &StoreRef) -> io::Result<Option<Box<dyn LeaseDirectory>>> {
        let opened = RealDirectories.open(store)?;
        Ok(opened.map(|directory| Box::new(FaultyDirectory(directory, self.0.clone())) as _))
    }

    fn create(&self, store: &StoreRef) -> Result<Box<dyn LeaseDirectory>, MachineError> {
        Ok(Box::new(FaultyDirectory(RealDirectories.create(store)?, self.0.clone())))
    }
}

/// A lease directory. Each file that is created, linked, renamed or removed counts as one change.
#[derive(Debug)]
struct FaultyDirectory(Box<dyn LeaseDirectory>, Strike);

impl LeaseDirectory for FaultyDirectory {
    fn lock(&mut self) -> Result<(), MachineError> {
        self.0.lock()
    }

    fn unlock(&mut self) {
        self.0.unlock();
    }

    fn is_locked(&self) -> bool {
        self.0.is_locked()
    }

    fn state(&self) -> io::Result<State> {
        self.0.state()
    }

    fn stamp(&self) -> io::Result<Option<State>> {
        self.0.stamp()
    }

    fn names(&self) -> io::Result<Vec<String>> {
        self.0.names()
    }

    fn read(&self, name: &str) -> io::Result<Option<Found>> {
        self.0.read(name)
    }

    fn is_of_earlier_boot(&self, name: &str) -> io::Result<bool> {
        self.0.is_of_earlier_boot(name)
    }

    fn create(&self, name: &str, content: &str) -> io::Result<()> {
        self.1.try_change(|| self.0.create(name, content))
    }

    fn link(&self, name: &str, second: &str) -> io::Result<()> {
        self.1.try_change(|| self.0.link(name, second))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.1.try_change(|| self.0.rename(from, to))
    }

    fn remove(&self, name: &str) -> io::Result<bool> {
        self.1.try_change(|| self.0.remove(name))
    }

    fn is_shared(&self) -> io::Result<bool> {
        self.0.is_shared()
    }
}

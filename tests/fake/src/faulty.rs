//! A machine in which one call of the port goes wrong.

use super::FakeMachine;
use std::io;
use std::net::IpAddr;
use std::panic::resume_unwind;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use wasm_cni::machine::lease::Stores;
use wasm_cni::machine::port::{
    Address, Link, Look, Machine, ProgramCall, Qdiscs, Request, ZoneChange, ZoneQuery,
};
use wasm_cni::machine::rules::{Edit, Listing, RuleTables, TableError, TableId};
use wasm_cni::machine::vlans::Vlans;
use wasm_cni::value::{LinkRef, Netns, Route, SysctlKey};

/// What goes wrong at a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is refused, and nothing is changed.
    Refused,
    /// The process dies before it.
    DiesBefore,
    /// The process dies after it.
    DiesAfter,
    /// It is done, and its answer is lost; where no other process and no kernel socket answers, it is refused.
    AnswerLost,
}

impl Fault {
    /// All of them.
    pub const ALL: [Fault; 4] = [Fault::Refused, Fault::DiesBefore, Fault::DiesAfter, Fault::AnswerLost];
}

/// Counts calls of the port that change something, list a table or execute a program, and strikes at one of them. Clones share the count.
///
/// Each request of a batch is a call, and each change of a file in a lease directory. A process dies before a whole batch or after
/// it, and loses with one answer those that follow it.
#[derive(Debug, Clone)]
pub struct Strike {
    fault: Fault,
    at: usize,
    until: usize,
    seen: Arc<AtomicUsize>,
}

impl Strike {
    /// At the call of that number, from 0.
    pub fn at(at: usize, fault: Fault) -> Self {
        Strike { fault, at, until: at, seen: Arc::new(AtomicUsize::new(0)) }
    }

    /// At that call and at each that follows, so that what was done cannot be undone either.
    pub fn from(at: usize, fault: Fault) -> Self {
        Strike { until: usize::MAX, ..Strike::at(at, fault) }
    }

    /// At none: only counts.
    pub fn never() -> Self {
        Strike::at(usize::MAX, Fault::Refused)
    }

    /// Whether it strikes at more than one call.
    pub fn is_lasting(&self) -> bool {
        self.until > self.at
    }

    /// How many calls there were so far.
    pub fn seen(&self) -> usize {
        self.seen.load(Ordering::SeqCst)
    }

    fn strikes(&self, number: usize) -> bool {
        (self.at..=self.until).contains(&number)
    }

    /// Whether the process dies at one of the next calls, which are so many.
    fn is_death_within(&self, count: usize) -> bool {
        let next = self.seen();
        matches!(self.fault, Fault::DiesBefore | Fault::DiesAfter) && (next..next + count).contains(&self.at)
    }

    /// Does what is answered by somebody else, or what goes wrong with it.
    fn remote<T, E>(
        &self,
        call: impl FnOnce() -> Result<T, E>,
        lost: impl FnOnce() -> E,
        refused: impl FnOnce() -> E,
    ) -> Result<T, E> {
        if !self.strikes(self.seen.fetch_add(1, Ordering::SeqCst)) {
            return call();
        }
        match self.fault {
            Fault::Refused => Err(refused()),
            Fault::DiesBefore => resume_unwind(Box::new(Died)),
            Fault::DiesAfter => {
                let _ = call();
                resume_unwind(Box::new(Died))
            }
            Fault::AnswerLost => {
                let _ = call();
                Err(lost())
            }
        }
    }

    /// Does what is a system call of our own, or what goes wrong with it. Its answer cannot be lost: then it is refused.
    pub(crate) fn local<T>(&self, call: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        match self.fault {
            Fault::AnswerLost => Strike { fault: Fault::Refused, ..self.clone() }.remote(call, lost, refused),
            _ => self.remote(call, lost, refused),
        }
    }
}

/// The payload of the panic in whose place a process dies. It prints nothing; `std::panic::catch_unwind` catches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Died;

/// The machine, but for one call. Locks of lease stores that a process held which died are free once [`FakeMachine::next_verb`] was called.
pub struct Faulty<'a> {
    machine: &'a mut FakeMachine,
    strike: Strike,
}

impl<'a> Faulty<'a> {
    /// The machine, with a strike until this is dropped.
    pub fn new(machine: &'a mut FakeMachine, strike: Strike) -> Self {
        machine.leases.strike(Some(strike.clone()));
        Faulty { machine, strike }
    }
}

impl Drop for Faulty<'_> {
    fn drop(&mut self) {
        self.machine.leases.strike(None);
    }
}

fn refused() -> io::Error {
    io::Error::other("made to fail")
}

fn lost() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the answer was lost")
}

impl Look for Faulty<'_> {
    fn has_netns(&self, netns: Netns) -> bool {
        self.machine.has_netns(netns)
    }
    fn link(&mut self, link: &LinkRef) -> io::Result<Option<Link>> {
        self.machine.link(link)
    }
    fn index(&mut self, link: &LinkRef) -> io::Result<Option<u32>> {
        self.machine.index(link)
    }
    fn link_at(&mut self, netns: Netns, index: u32) -> io::Result<Option<Link>> {
        self.machine.link_at(netns, index)
    }
    fn ports(&mut self, bridge: u32) -> io::Result<Vec<Link>> {
        self.machine.ports(bridge)
    }
    fn addresses(&mut self, netns: Netns, link: Option<u32>) -> io::Result<Vec<Address>> {
        self.machine.addresses(netns, link)
    }
    fn has_route(&mut self, netns: Netns, link: u32, route: &Route) -> io::Result<bool> {
        self.machine.has_route(netns, link, route)
    }
    fn output(&mut self, address: IpAddr) -> io::Result<Option<u32>> {
        self.machine.output(address)
    }
    fn vlans(&mut self, port: u32) -> io::Result<Vlans> {
        self.machine.vlans(port)
    }
    fn qdiscs(&mut self, link: u32) -> io::Result<Qdiscs> {
        self.machine.qdiscs(link)
    }
    fn redirects(&mut self, link: u32) -> io::Result<Vec<u32>> {
        self.machine.redirects(link)
    }
    fn sysctl(&mut self, netns: Netns, key: &SysctlKey) -> io::Result<String> {
        self.machine.sysctl(netns, key)
    }
    fn sysctl_names(&mut self, netns: Netns, directory: &str) -> io::Result<Vec<String>> {
        self.machine.sysctl_names(netns, directory)
    }
    fn file(&mut self, path: &Path, below: Option<&Path>, limit: usize) -> io::Result<Vec<u8>> {
        self.machine.file(path, below, limit)
    }
    fn has_file(&mut self, path: &Path) -> bool {
        self.machine.has_file(path)
    }
    fn has_program(&mut self, program: &str) -> bool {
        self.machine.has_program(program)
    }
    fn zone(&mut self, query: ZoneQuery<'_>) -> io::Result<bool> {
        self.machine.zone(query)
    }
    fn tables(&self) -> Arc<dyn RuleTables + Send + Sync> {
        Arc::new(FaultyTables { tables: self.machine.tables(), strike: self.strike.clone() })
    }
    fn stores(&mut self) -> &mut Stores {
        self.machine.stores()
    }
    fn is_dry(&self) -> bool {
        self.machine.is_dry()
    }
}

impl Machine for Faulty<'_> {
    fn as_look(&mut self) -> &mut dyn Look {
        self
    }
    fn send(&mut self, netns: Netns, requests: Vec<Request>) -> Vec<io::Result<()>> {
        let strike = self.strike.clone();
        // The kernel does all of a batch within the system call that sends it, so that no process dies in between.
        if strike.is_death_within(requests.len()) {
            if strike.fault == Fault::DiesAfter {
                drop(self.machine.send(netns, requests));
            }
            resume_unwind(Box::new(Died))
        }
        let mut is_lost = false;
        let one = |request| {
            let first = strike.seen();
            let answer = strike.remote(
                || self.machine.send(netns, vec![request]).pop().unwrap_or(Ok(())),
                lost,
                refused,
            );
            // The kernel forgets answers for want of room, and who reads gets that as an error: no later answer of the batch is read.
            is_lost |= strike.fault == Fault::AnswerLost && strike.strikes(first);
            if is_lost { Err(lost()) } else { answer }
        };
        requests.into_iter().map(one).collect()
    }
    fn set_sysctl(&mut self, netns: Netns, key: &SysctlKey, value: &str) -> io::Result<()> {
        self.strike.local(|| self.machine.set_sysctl(netns, key, value))
    }
    fn write_file(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.strike.local(|| self.machine.write_file(path, bytes))
    }
    fn remove_file(&mut self, path: &Path) -> io::Result<()> {
        self.strike.local(|| self.machine.remove_file(path))
    }
    fn forget_udp(&mut self, is_ipv4: bool, ports: &[u16]) -> io::Result<()> {
        self.strike.remote(|| self.machine.forget_udp(is_ipv4, ports), lost, refused)
    }
    fn change_zone(&mut self, change: ZoneChange<'_>) -> io::Result<bool> {
        self.strike.remote(|| self.machine.change_zone(change), lost, refused)
    }
    fn run(&mut self, call: &ProgramCall) -> io::Result<Output> {
        self.strike.remote(|| self.machine.run(call), lost, refused)
    }
    fn pause(&mut self, time: Duration) -> bool {
        self.machine.pause(time)
    }
}

/// The tables, but for one change.
struct FaultyTables {
    tables: Arc<dyn RuleTables + Send + Sync>,
    strike: Strike,
}

impl RuleTables for FaultyTables {
    fn list(&self, table: TableId) -> Result<Listing, TableError> {
        let failed = || TableError::Failed("made to fail".to_owned());
        self.strike.remote(|| self.tables.list(table), failed, failed)
    }

    fn commit(&self, table: TableId, edits: &[Edit]) -> Result<(), TableError> {
        let lost = || TableError::Unknown("the answer was lost".to_owned());
        let refused = || TableError::Failed("made to fail".to_owned());
        self.strike.remote(|| self.tables.commit(table, edits), lost, refused)
    }
}

//! Lease directories in memory, whose files a strike can make fail.

use super::faulty::Gate;
use std::io;
use std::net::IpAddr;
use wasm_cni::machine::MachineError;
use wasm_cni::machine::lease::{Found, LeaseDirectories, LeaseDirectory, MemoryDirectories, State, Stores};
use wasm_cni::value::StoreRef;

/// What the names of files begin with that have the address that a range set handed out last.
const LAST_RESERVED: &str = "last_reserved_ip.";

/// All directories of leases; clones share them.
#[derive(Debug, Clone)]
pub struct Leases {
    directories: MemoryDirectories,
    gate: Gate,
}

impl Leases {
    /// Without any, in which changes go wrong by a strike.
    pub fn new(gate: &Gate) -> Self {
        Leases { directories: MemoryDirectories::default(), gate: gate.clone() }
    }

    /// The same files in directories of their own, whose locks nobody holds.
    pub fn copy(&self, gate: &Gate) -> Self {
        Leases { directories: self.directories.copy(), gate: gate.clone() }
    }

    /// The stores of a verb.
    pub fn stores(&self) -> Stores {
        Stores::new(Box::new(self.clone()), self.gate.is_dry())
    }

    /// Writes a file as somebody else would.
    pub fn put(&self, store: &StoreRef, name: &str, content: &str) {
        self.directories.write(store, name, content);
    }

    /// A line for each directory, then each file: leases, then `last_reserved_ip.N`, then whatever else.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for store in self.directories.stores() {
            let place = format!("leases {}", store.directory().display());
            let mut files = Vec::new();
            for (name, content) in self.directories.files(&store) {
                let content = content.replace("\r\n", " ");
                files.push(match (name.parse::<IpAddr>(), name.strip_prefix(LAST_RESERVED)) {
                    (Ok(address), _) => (0, Some(address), format!("{place}: {address} = {content}")),
                    (_, Some(set)) => (1, None, format!("{place}: last {set} = {content}")),
                    _ => (2, None, format!("{place}: file {name} = {content}")),
                });
            }
            files.sort();
            lines.push(place);
            lines.extend(files.into_iter().map(|(_, _, line)| line));
        }
        lines
    }

    fn watched(&self, directory: Box<dyn LeaseDirectory>) -> Box<dyn LeaseDirectory> {
        Box::new(Watched { directory, gate: self.gate.clone() })
    }
}

impl LeaseDirectories for Leases {
    fn open(&self, store: &StoreRef) -> io::Result<Option<Box<dyn LeaseDirectory>>> {
        Ok(self.directories.open(store)?.map(|directory| self.watched(directory)))
    }

    fn create(&self, store: &StoreRef) -> Result<Box<dyn LeaseDirectory>, MachineError> {
        self.directories.create(store).map(|directory| self.watched(directory))
    }
}

/// A directory whose changes may go wrong.
#[derive(Debug)]
struct Watched {
    directory: Box<dyn LeaseDirectory>,
    gate: Gate,
}

impl LeaseDirectory for Watched {
    fn lock(&mut self) -> Result<(), MachineError> {
        self.directory.lock()
    }
    fn unlock(&mut self) {
        self.directory.unlock();
    }
    fn is_locked(&self) -> bool {
        self.directory.is_locked()
    }
    fn state(&self) -> io::Result<State> {
        self.directory.state()
    }
    fn stamp(&self) -> io::Result<Option<State>> {
        self.directory.stamp()
    }
    fn names(&self) -> io::Result<Vec<String>> {
        self.directory.names()
    }
    fn read(&self, name: &str) -> io::Result<Option<Found>> {
        self.directory.read(name)
    }
    fn create(&self, name: &str, content: &str) -> io::Result<()> {
        self.gate.local(|| self.directory.create(name, content))
    }
    fn link(&self, name: &str, second: &str) -> io::Result<()> {
        self.gate.local(|| self.directory.link(name, second))
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.gate.local(|| self.directory.rename(from, to))
    }
    fn remove(&self, name: &str) -> io::Result<bool> {
        self.gate.local(|| self.directory.remove(name))
    }
    fn is_shared(&self) -> io::Result<bool> {
        self.directory.is_shared()
    }
}

//! The lease store of host-local: a directory per network, a file per address (cni-behaviours, section 4.2).

pub(super) mod gaps;
mod lock;

use super::errno::as_go;
use super::{Effect, KernelError, Undone};
use crate::plan::action::ReserveLease;
use crate::plan::{AddressRange, Owner, StoreFact, StoreRef};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use lock::Lock;
use std::fs::DirBuilder;
use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::os::unix::fs::DirBuilderExt;

/// A lease names a container and an interface; whatever is longer is no lease.
const MAX_CONTENT_BYTES: u64 = 4096;

/// A sidecar file: the address that a range set handed out last.
const LAST_RESERVED: &str = "last_reserved_ip.";

/// Who holds an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// Nobody: there is no file.
    Nobody,
    /// The owner in question.
    Owner,
    /// Somebody else.
    Other,
}

/// An open store.
#[derive(Debug)]
pub struct Store {
    reference: StoreRef,
    dir: Dir,
    lock: Option<Lock>,
}

impl Store {
    /// Opens a store that exists; none: there is no such directory.
    pub fn open(reference: &StoreRef) -> io::Result<Option<Self>> {
        match Dir::open_ambient_dir(reference.directory(), ambient_authority()) {
            Ok(dir) => Ok(Some(Store { reference: reference.clone(), dir, lock: None })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Opens a store, and makes its directory where there is none.
    pub fn create(reference: &StoreRef) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o755).create(reference.directory())?;
        let dir = Dir::open_ambient_dir(reference.directory(), ambient_authority())?;
        Ok(Store { reference: reference.clone(), dir, lock: None })
    }

    /// Takes the store's lock, if this does not hold it already; waits ten seconds at most.
    pub fn lock(&mut self) -> Result<(), KernelError> {
        if self.lock.is_none() {
            self.lock = Some(lock::take(&self.dir, &self.reference)?);
        }
        Ok(())
    }

    /// Whether this holds the store's lock.
    pub fn is_locked(&self) -> bool {
        self.lock.is_some()
    }

    /// Releases the lock.
    pub fn unlock(&mut self) {
        self.lock = None;
    }

    /// What an owner holds, ascending, and what each range set handed out last.
    pub fn holdings(&self, owner: &Owner) -> io::Result<StoreFact> {
        let mut fact = StoreFact::default();
        for name in self.names()? {
            if let Some(set) = name.strip_prefix(LAST_RESERVED).and_then(|set| set.parse().ok()) {
                // Text that is no address counts as none, as in the reference.
                if let Some(last) = self.last_reserved(set)? {
                    fact.last_reserved.insert(set, last);
                }
            } else if let Ok(address) = name.parse::<IpAddr>()
                && self.holder(address, owner)? == Holder::Owner
            {
                fact.held.push(address);
            }
        }
        fact.held.sort_unstable();
        Ok(fact)
    }

    /// The parts of a range that nobody holds, ascending, at most [`crate::plan::fact::MAX_GAPS`]. Contents are not read.
    pub fn free(&self, within: AddressRange) -> io::Result<Vec<AddressRange>> {
        let taken = self.names()?.iter().filter_map(|name| name.parse().ok()).collect();
        Ok(gaps::gaps(within, taken))
    }

    /// Who holds an address.
    pub fn holder(&self, address: IpAddr, owner: &Owner) -> io::Result<Holder> {
        match self.content(&address.to_string())? {
            None => Ok(Holder::Nobody),
            Some(content) if is_of(&content, owner) || is_legacy_of(&content, owner) => Ok(Holder::Owner),
            Some(_) => Ok(Holder::Other),
        }
    }

    /// The address that a range set handed out last.
    pub fn last_reserved(&self, set: u32) -> io::Result<Option<IpAddr>> {
        let content = self.content(&format!("{LAST_RESERVED}{set}"))?;
        Ok(content.and_then(|text| text.trim().parse().ok()))
    }

    /// Takes an address, then notes it as its set's last. The lock must be held.
    pub fn reserve(&self, lease: &ReserveLease) -> Result<Effect, KernelError> {
        let name = lease.address.to_string();
        let content = format!("{}\r\n{}", lease.owner.container, lease.owner.interface);
        let failed = |source| self.failed("reserve", &name, source);
        let old = self.last_reserved(lease.set).map_err(failed)?;
        match self.publish(&name, &content) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let text = format!(
                    "requested IP address {name} is not available in network {}",
                    self.reference.network
                );
                return Err(KernelError::Conflict(text));
            }
            Err(error) => return Err(failed(error)),
        }
        if let Err(error) = self.write_last(lease.set, lease.address) {
            // What failed changes nothing.
            let _ = self.dir.remove_file(&name);
            return Err(failed(error));
        }
        Ok(old.map_or(Effect::Created, |old| Effect::Replaced(old.to_string())))
    }

    /// Removes a lease, if it still names its owner. The lock must be held.
    pub fn release(&self, lease: &ReserveLease) -> Undone {
        let name = lease.address.to_string();
        match self.holder(lease.address, &lease.owner) {
            Ok(Holder::Nobody) => Undone::Gone,
            Ok(Holder::Other) => Undone::Left(format!("lease {name} belongs to another container by now")),
            Ok(Holder::Owner) => match self.dir.remove_file(&name) {
                Ok(()) => Undone::Done,
                Err(error) if error.kind() == io::ErrorKind::NotFound => Undone::Gone,
                Err(error) => Undone::Failed(self.failed("release", &name, error)),
            },
            Err(error) => Undone::Failed(self.failed("release", &name, error)),
        }
    }

    /// Puts `last_reserved_ip.N` back, if it still holds the lease's address. The lock must be held.
    pub fn restore_last(&self, lease: &ReserveLease, old: Option<IpAddr>) -> Undone {
        let name = format!("{LAST_RESERVED}{}", lease.set);
        let result = self.last_reserved(lease.set).and_then(|now| match (now, old) {
            (now, old) if now == old => Ok(Undone::Gone),
            (Some(now), old) if now == lease.address => {
                old.map_or_else(|| self.dir.remove_file(&name), |old| self.write_last(lease.set, old))?;
                Ok(Undone::Done)
            }
            _ => Ok(Undone::Left(format!("{name} was changed by somebody else"))),
        });
        result.unwrap_or_else(|error| Undone::Failed(self.failed("restore", &name, error)))
    }

    /// Removes every lease of an owner; one that names the container alone, only when none names the interface too, as in
    /// the reference. The lock must be held.
    pub fn release_owner(&self, owner: &Owner) -> io::Result<Vec<IpAddr>> {
        let (mut exact, mut legacy) = (Vec::new(), Vec::new());
        for name in self.names()? {
            let Some(content) = self.content(&name)? else { continue };
            if is_of(&content, owner) {
                exact.push(name);
            } else if is_legacy_of(&content, owner) {
                legacy.push(name);
            }
        }
        let names = if exact.is_empty() { legacy } else { exact };
        let mut released = Vec::new();
        for name in names {
            match self.dir.remove_file(&name) {
                // What is no address is what a killed reservation left.
                Ok(()) => released.extend(name.parse::<IpAddr>()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(released)
    }

    /// The names of all files that can be a lease or a sidecar.
    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in self.dir.entries()? {
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    /// A file's text, if there is such a file. Not text, or no plain file: empty, so nobody's that we know.
    fn content(&self, name: &str) -> io::Result<Option<String>> {
        let file = match self.dir.open(name) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        match file.take(MAX_CONTENT_BYTES).read_to_end(&mut bytes) {
            Ok(_) => Ok(Some(String::from_utf8(bytes).unwrap_or_default())),
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => Ok(Some(String::new())),
            Err(error) => Err(error),
        }
    }

    /// Makes a whole file appear under a name that must be free.
    fn publish(&self, name: &str, content: &str) -> io::Result<()> {
        let temporary = self.write_temporary(name, content)?;
        let linked = self.dir.hard_link(&temporary, &self.dir, name);
        let _ = self.dir.remove_file(&temporary);
        linked
    }

    fn write_last(&self, set: u32, address: IpAddr) -> io::Result<()> {
        let name = format!("{LAST_RESERVED}{set}");
        let temporary = self.write_temporary(&name, &address.to_string())?;
        self.dir.rename(&temporary, &self.dir, &name)
    }

    /// A whole file under a name that is no address, so nobody takes it for a lease. The reference lists only names that are
    /// addresses; its release goes by content, and so removes what a killed process left here.
    fn write_temporary(&self, name: &str, content: &str) -> io::Result<String> {
        let temporary = format!(".{name}.new");
        match self.dir.remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file =
            self.dir.open_with(&temporary, OpenOptions::new().write(true).create_new(true).mode(0o600))?;
        file.write_all(content.as_bytes())?;
        Ok(temporary)
    }

    fn failed(&self, verb: &str, name: &str, source: io::Error) -> KernelError {
        let path = self.reference.directory().join(name);
        KernelError::File { what: format!("failed to {verb} {}", path.display()), source: as_go(source) }
    }
}

/// Removes every lease of an owner from a store, and tells which: DEL without a journal.
pub fn release_owner(reference: &StoreRef, owner: &Owner) -> io::Result<Vec<IpAddr>> {
    let Some(mut store) = Store::open(reference)? else { return Ok(Vec::new()) };
    store.lock().map_err(|error| match error {
        KernelError::File { source, .. } => source,
        busy => io::Error::new(io::ErrorKind::ResourceBusy, busy),
    })?;
    store.release_owner(owner)
}

fn is_of(content: &str, owner: &Owner) -> bool {
    content.trim().split_once("\r\n") == Some((owner.container.as_str(), owner.interface.as_str()))
}

/// Before version 0.7 of the reference a lease named the container alone.
fn is_legacy_of(content: &str, owner: &Owner) -> bool {
    content.trim() == owner.container.as_str()
}

#[cfg(test)]
mod tests;

//! The stored index of a lease store: `STATE-DIR/leases/HASH`, outside of the store (`docs/adr/0005-lease-index.md`).
//!
//! It is valid only for the state of the directory for which it was written: boot, device, inode, and the times that
//! [`LeaseDirectory::stamp`] set. Any later change by somebody else changes these times.

use super::directory::{LeaseDirectory, State};
use super::index::Index;
use crate::value::StoreRef;
use sha2::{Digest, Sha256};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The first bytes of the file. The digit is the version of the format.
const MAGIC: &[u8; 8] = b"cnilidx3";

/// The location of a store's index.
#[derive(Debug)]
pub struct Sidecar {
    path: PathBuf,
}

impl Sidecar {
    /// The index of a store. `indexes` is the directory of all indexes, which need not exist.
    pub fn new(indexes: &Path, store: &StoreRef) -> Self {
        let digest = Sha256::digest(store.directory().as_os_str().as_bytes());
        let name: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Sidecar { path: indexes.join(name) }
    }

    /// The index, if it was written for this state of the directory. Needs no lock, because the file is replaced
    /// atomically.
    pub fn load(&self, state: &State) -> Option<Index> {
        let expected = header(state, &boot_id()?);
        let mut file = File::open(&self.path).ok()?;
        let mut found = vec![0; expected.len()];
        file.read_exact(&mut found).ok()?;
        if found != expected {
            return None;
        }
        let length = file.metadata().ok()?.len().checked_sub(u64::try_from(expected.len()).ok()?)?;
        Index::read(&mut file, length).ok()?
    }

    /// Stamps the directory, and writes the index for the resulting state. The store must be locked.
    ///
    /// If the process dies in between, the stored index is for an earlier state, and so invalid.
    pub fn save(&self, directory: &dyn LeaseDirectory, index: &Index) -> io::Result<()> {
        let Some(boot) = boot_id() else { return Ok(()) };
        let Some(state) = directory.stamp()? else { return Ok(()) };
        if let Some(parent) = self.path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
        }
        let temporary = self.path.with_extension("new");
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        let written = file.write_all(&header(&state, &boot)).and_then(|()| index.write(&mut file));
        let written = written.and_then(|()| fs::rename(&temporary, &self.path));
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written
    }

    /// Removes an index that turned out to be wrong.
    pub fn remove(&self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// The header of an index: everything that shows whether it is valid.
fn header(state: &State, boot: &[u8; 36]) -> Vec<u8> {
    let mut bytes = [MAGIC.as_slice(), boot].concat();
    bytes.extend(state.dev.to_be_bytes());
    bytes.extend(state.ino.to_be_bytes());
    for (seconds, nanoseconds) in [state.mtime, state.ctime] {
        bytes.extend(seconds.to_be_bytes());
        bytes.extend(nanoseconds.to_be_bytes());
    }
    bytes
}

/// The boot ID. Device and inode numbers are not comparable between boots.
fn boot_id() -> Option<[u8; 36]> {
    let text = fs::read("/proc/sys/kernel/random/boot_id").ok()?;
    text.first_chunk().copied()
}

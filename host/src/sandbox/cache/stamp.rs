//! The stamp of a file: whether a file is still the one that was read before.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

/// The granularity of file timestamps: two changes within this time can have the same timestamp.
const TICK: Duration = Duration::from_millis(100);

/// Device, inode, size and time of the last change. Files with equal stamps have equal contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// `st_dev`.
    pub device: u64,
    /// `st_ino`.
    pub inode: u64,
    size: u64,
    changed_seconds: i64,
    changed_nanoseconds: i64,
}

impl Stamp {
    /// Reads the stamp of an open file.
    pub fn of(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Stamp {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.len(),
            changed_seconds: metadata.ctime(),
            changed_nanoseconds: metadata.ctime_nsec(),
        })
    }

    /// Whether the last change is old enough. Then any later change, or another file with the same inode, has a
    /// different stamp.
    pub fn is_settled(&self) -> bool {
        let changed =
            u64::try_from(self.changed_seconds).ok().zip(u32::try_from(self.changed_nanoseconds).ok());
        let changed = changed.and_then(|(s, ns)| SystemTime::UNIX_EPOCH.checked_add(Duration::new(s, ns)));
        changed.is_some_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age > TICK))
    }
}

/// SHA-256 of the contents of a file, in lower-case hexadecimal.
pub fn digest(mut file: &File) -> io::Result<String> {
    file.seek(SeekFrom::Start(0))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let length = io::Read::read(&mut file, &mut buffer)?;
        if length == 0 {
            break;
        }
        hash.update(buffer.get(..length).unwrap_or_default());
    }
    file.seek(SeekFrom::Start(0))?;
    Ok(crate::value::derive::hex(&hash.finalize()))
}

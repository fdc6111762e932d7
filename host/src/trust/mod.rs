//! Files and directories that only root or the user of this process could have written.
//!
//! A file that somebody else wrote decides what this process does with its own privileges. A symbolic link in a
//! directory of somebody else decides where it does it.

use nix::unistd::geteuid;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The user ID that the kernel shows for users whom a user namespace does not map (`/proc/sys/kernel/overflowuid`).
const OVERFLOW: u32 = 65534;

/// The mode bits of write access for the group and for others.
const WRITABLE: u32 = 0o022;

/// The sticky bit.
const STICKY: u32 = 0o1000;

/// A path that somebody else could have written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} is not trusted: {reason}", .path.display())]
pub struct Untrusted {
    /// The file or the directory.
    pub path: PathBuf,
    /// Why: `it belongs to user 1000, not to root`.
    pub reason: String,
}

/// Refuses a file or directory that somebody else owns or can write.
pub fn check(path: &Path, metadata: &Metadata) -> Result<(), Untrusted> {
    refuse(path, foreign_owner(metadata).or_else(|| writable(metadata)))
}

/// Refuses a directory in which somebody else can rename or remove an entry of ours. With the sticky bit, others can
/// only make entries of their own.
fn check_entries(path: &Path, metadata: &Metadata) -> Result<(), Untrusted> {
    let is_sticky = metadata.mode() & STICKY != 0;
    refuse(path, foreign_owner(metadata).or_else(|| writable(metadata).filter(|_| !is_sticky)))
}

fn refuse(path: &Path, reason: Option<String>) -> Result<(), Untrusted> {
    reason.map_or(Ok(()), |reason| Err(Untrusted { path: path.to_owned(), reason }))
}

fn foreign_owner(metadata: &Metadata) -> Option<String> {
    let owner = metadata.uid();
    let is_ours = owner == 0 || owner == geteuid().as_raw() || owner == OVERFLOW && hides_root();
    (!is_ours).then(|| format!("it belongs to user {owner}, not to root"))
}

fn writable(metadata: &Metadata) -> Option<String> {
    let mode = metadata.mode() & 0o7777;
    (mode & WRITABLE != 0).then(|| format!("others than its owner can write it (mode {mode:04o})"))
}

/// Whether this process is in a user namespace that does not map all users. There, the files of the machine's root
/// belong to [`OVERFLOW`], and those of a user who is not mapped too.
fn hides_root() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let lengths = map.lines().filter_map(|line| line.split_whitespace().nth(2)?.parse::<u64>().ok());
    lengths.sum::<u64>() < u64::from(u32::MAX)
}

/// Refuses a directory if somebody else can put another one in its place: it or a directory above it belongs to somebody
/// else, or others can write it and it has no sticky bit. The same holds for symbolic links on the way, and for what
/// they lead to. What does not exist is not refused.
pub fn check_directory(path: &Path) -> io::Result<()> {
    let path = std::path::absolute(path)?;
    let mut is_linked = false;
    let mut ancestors: Vec<&Path> = path.ancestors().collect();
    ancestors.reverse();
    for ancestor in ancestors {
        let link = match ancestor.symlink_metadata() {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            Err(error) => return Err(error),
        };
        if link.is_symlink() {
            is_linked = true;
            refuse(ancestor, foreign_owner(&link)).map_err(io::Error::other)?;
        }
        let directory = if link.is_symlink() { fs::metadata(ancestor)? } else { link };
        check_entries(ancestor, &directory).map_err(io::Error::other)?;
    }
    match is_linked {
        true => check_directory(&fs::canonicalize(existing(&path))?),
        false => Ok(()),
    }
}

/// The longest part of a path that exists.
fn existing(path: &Path) -> &Path {
    path.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(path)
}

/// Opens a directory that is no symbolic link and in which nobody else can rename or remove entries of ours.
pub fn open_directory(path: &Path) -> io::Result<File> {
    let flags = nix::libc::O_DIRECTORY | nix::libc::O_NOFOLLOW;
    match File::options().read(true).custom_flags(flags).open(path) {
        Ok(directory) => {
            check_entries(path, &directory.metadata()?).map_err(io::Error::other)?;
            Ok(directory)
        }
        Err(error) => Err(as_link(path, error)),
    }
}

/// Says that the path is a symbolic link, if that is why it was not opened without following links.
pub fn as_link(path: &Path, error: io::Error) -> io::Error {
    match path.symlink_metadata() {
        Ok(metadata) if metadata.is_symlink() => {
            let reason = "it is a symbolic link".to_owned();
            io::Error::other(Untrusted { path: path.to_owned(), reason })
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests;

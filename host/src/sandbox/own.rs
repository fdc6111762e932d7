//! Programs of ours among the plugins: links to this program, and copies of it of any version.

use std::collections::BTreeSet;
use std::fs::{self, File, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The ELF note by which a program is known as ours: sizes of name and description, type, name (elf(5)).
#[repr(C, align(4))]
#[derive(Debug)]
pub struct Note([u8; NOTE_BYTES]);

const NOTE_BYTES: usize = 24;

/// The note.
pub const NOTE: Note = Note(*b"\x09\0\0\0\0\0\0\0\x01\0\0\0wasm-cni\0\0\0\0");

/// The part of a program in which linkers put notes: they follow the program headers.
const HEAD_BYTES: u64 = 4096;

/// The most links from a name to a file. The kernel follows 40 (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// Whether the file is this program, or another one of ours.
pub fn is_ours(path: &Path, found: &Metadata) -> bool {
    let this = fs::metadata("/proc/self/exe").ok();
    this.is_some_and(|this| (this.dev(), this.ino()) == (found.dev(), found.ino())) || has_note(path)
}

fn has_note(path: &Path) -> bool {
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(HEAD_BYTES).read_to_end(&mut head));
    read.is_ok() && head.starts_with(b"\x7fELF") && head.windows(NOTE_BYTES).any(|bytes| bytes == NOTE.0)
}

/// The directories that a link leads through, in order. Empty for a file.
pub fn link_directories(path: &Path) -> Vec<PathBuf> {
    let mut directories = Vec::new();
    let mut path = path.to_owned();
    while let Ok(target) = fs::read_link(&path)
        && directories.len() < MOST_LINKS
    {
        // A relative link starts in the directory of the link.
        path = path.parent().map_or_else(|| target.clone(), |directory| directory.join(&target));
        directories.extend(path.parent().map(Path::to_owned));
    }
    directories
}

/// The directories from which this program was executed: that of its name, and that of the file.
pub fn directories() -> BTreeSet<PathBuf> {
    let name = std::env::args_os().next().map(PathBuf::from);
    let file = fs::read_link("/proc/self/exe").ok();
    let directories = [name, file].into_iter().flatten();
    // A name without a directory is one that a shell looked up.
    directories
        .filter_map(|path| Some(path.parent()?.to_owned()))
        .filter(|path| !path.as_os_str().is_empty())
        .collect()
}

//! Errors of reading a file.

use crate::machine::MachineError;
use crate::machine::errno::as_go;
use std::io;
use std::path::Path;

/// The cause of an error of [`Look::file`](super::Look::file) after the file was opened: it is not a regular file, is
/// too large, or could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub io::Error);

impl Unreadable {
    /// A file has more than `limit` bytes.
    pub fn too_large(limit: usize) -> Self {
        Unreadable(io::Error::new(io::ErrorKind::InvalidInput, format!("more than {} KiB", limit >> 10)))
    }
}

/// An error of [`Look::file`](super::Look::file) in the wording of the reference:
/// `open PATH: no such file or directory`, `read PATH: is a directory`.
pub fn failed_read(path: &Path, error: io::Error) -> MachineError {
    let (verb, source) = match error.downcast::<Unreadable>() {
        Ok(Unreadable(source)) => ("read", source),
        Err(source) => ("open", source),
    };
    MachineError::File { what: format!("{verb} {}", path.display()), source: as_go(source) }
}

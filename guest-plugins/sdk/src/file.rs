//! Files of the host that a configuration names.

use crate::{Error, observe};

/// Reads a file as text. Invalid UTF-8 is replaced. The errors are those of `observe.read-file`.
pub fn read(path: &str) -> Result<String, Error> {
    let bytes = observe::read_file(path)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The same, but `None` if there is no such file.
pub fn find(path: &str) -> Result<Option<String>, Error> {
    let bytes = observe::find_file(path)?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

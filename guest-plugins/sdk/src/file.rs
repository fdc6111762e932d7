//! Files of the host that a configuration names.

use crate::{Error, observe};

/// A file's text, bytes that are no UTF-8 replaced; the errors are the host's.
pub fn read(path: &str) -> Result<String, Error> {
    let bytes = observe::read_file(path)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The same; none, if there is no such file.
pub fn find(path: &str) -> Result<Option<String>, Error> {
    let bytes = observe::find_file(path)?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

//! Kernel parameters in `/proc/sys`, of the calling thread's network namespace.

use crate::value::SysctlKey;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The directory of all parameters.
const ROOT: &str = "/proc/sys";

/// The value of a parameter, without the newline.
pub fn read(key: &SysctlKey) -> io::Result<String> {
    fs::read_to_string(path(key)).map(|value| value.trim_end_matches('\n').to_owned())
}

/// Writes a parameter.
pub fn write(key: &SysctlKey, value: &str) -> io::Result<()> {
    fs::write(path(key), value)
}

/// The names in a directory such as `net/ipv4/conf`, in no particular order. Names that are not UTF-8 are left out.
pub fn names(directory: &str) -> io::Result<Vec<String>> {
    let entries = fs::read_dir(Path::new(ROOT).join(directory))?.flatten();
    Ok(entries.filter_map(|entry| entry.file_name().into_string().ok()).collect())
}

/// A `SysctlKey` contains no `..` and begins with `net/`, so the path stays below `/proc/sys/net`.
fn path(key: &SysctlKey) -> PathBuf {
    Path::new(ROOT).join(key.as_str())
}

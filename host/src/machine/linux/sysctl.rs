//! Kernel parameters below `/proc/sys`, of the calling thread's network namespace.

use crate::value::SysctlKey;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where they are.
const ROOT: &str = "/proc/sys";

/// The value of a parameter, without its line end.
pub fn read(key: &SysctlKey) -> io::Result<String> {
    fs::read_to_string(path(key)).map(|value| value.trim_end_matches('\n').to_owned())
}

/// Writes a parameter.
pub fn write(key: &SysctlKey, value: &str) -> io::Result<()> {
    fs::write(path(key), value)
}

/// The names below a directory such as `net/ipv4/conf`, in no particular order. Names that are not UTF-8 are left out.
pub fn names(directory: &str) -> io::Result<Vec<String>> {
    let entries = fs::read_dir(Path::new(ROOT).join(directory))?.flatten();
    Ok(entries.filter_map(|entry| entry.file_name().into_string().ok()).collect())
}

/// A `SysctlKey` has no `..` and begins with `net/`, so this stays below `/proc/sys/net`.
fn path(key: &SysctlKey) -> PathBuf {
    Path::new(ROOT).join(key.as_str())
}

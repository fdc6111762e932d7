//! Files that a plugin may read.

use super::super::MachineError;
use super::super::errno::as_go;
use crate::value::fact::MAX_FILE_BYTES;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt as _};
use nix::libc;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Opening waits for nobody: a FIFO has no writer to wait for before it is known to be one.
const FLAGS: libc::c_int = libc::O_NONBLOCK | libc::O_NOCTTY;

/// The contents of a regular file of at most [`MAX_FILE_BYTES`]; the texts are the reference's where it has one.
pub fn read(path: &Path) -> Result<Vec<u8>, MachineError> {
    contents(path, File::options().read(true).custom_flags(FLAGS).open(path))
}

/// The same of a file below `directory`: a symbolic link that leaves it, also for a moment, is refused (`docs/security.md`, S13).
pub fn read_below(directory: &Path, path: &Path) -> Result<Vec<u8>, MachineError> {
    let below = path.strip_prefix(directory).map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e));
    let file = below.and_then(|below| {
        let directory = Dir::open_ambient_dir(directory, ambient_authority())?;
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(FLAGS);
        directory.open_with(below, &options).map(cap_std::fs::File::into_std)
    });
    contents(path, file)
}

fn contents(path: &Path, opened: io::Result<File>) -> Result<Vec<u8>, MachineError> {
    let failed = |verb: &str, source| MachineError::File {
        what: format!("{verb} {}", path.display()),
        source: as_go(source),
    };
    let invalid = |what: &str| failed("read", io::Error::new(io::ErrorKind::InvalidInput, what));
    let file = opened.map_err(|e| failed("open", e))?;
    let kind = file.metadata().map_err(|e| failed("read", e))?.file_type();
    if kind.is_dir() {
        return Err(invalid("is a directory"));
    }
    if !kind.is_file() {
        return Err(invalid("not a regular file"));
    }
    let mut bytes = Vec::new();
    let limit = MAX_FILE_BYTES as u64 + 1;
    file.take(limit).read_to_end(&mut bytes).map_err(|e| failed("read", e))?;
    if bytes.len() > MAX_FILE_BYTES {
        return Err(invalid(&format!("more than {} KiB", MAX_FILE_BYTES >> 10)));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::errno::chain;
    use nix::sys::stat::Mode;

    #[test]
    fn a_file_is_read_whole_or_not_at_all_and_nothing_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let refusal = |path: &Path| chain(&read(path).unwrap_err());
        assert_eq!(
            refusal(&path("none")),
            format!("open {}: no such file or directory", path("none").display())
        );
        let largest = vec![0xff; MAX_FILE_BYTES];
        std::fs::write(path("file"), &largest).unwrap();
        std::os::unix::fs::symlink("file", path("link")).unwrap();
        assert_eq!(read(&path("link")).unwrap(), largest);
        std::fs::write(path("file"), [largest.as_slice(), b"x"].concat()).unwrap();
        assert_eq!(refusal(&path("file")), format!("read {}: more than 64 KiB", path("file").display()));
        assert_eq!(refusal(dir.path()), format!("read {}: is a directory", dir.path().display()));
        nix::unistd::mkfifo(&path("fifo"), Mode::S_IRWXU).unwrap();
        assert_eq!(refusal(&path("fifo")), format!("read {}: not a regular file", path("fifo").display()));
        assert_eq!(refusal(Path::new("/dev/zero")), "read /dev/zero: not a regular file");
    }

    #[test]
    fn a_file_below_a_directory_stays_below_it() {
        let dir = tempfile::tempdir().unwrap();
        let granted = dir.path().join("granted");
        std::fs::create_dir_all(granted.join("deep")).unwrap();
        std::fs::write(granted.join("deep/env"), "inside").unwrap();
        std::fs::write(dir.path().join("secret"), "outside").unwrap();
        let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, granted.join(name)).unwrap();
        link("deep/env", "near");
        link("deep/../deep/env", "winding");
        link("../secret", "above");
        link("/etc/hostname", "absolute");
        link("..", "parent");
        let read = |name: &str| read_below(&granted, &granted.join(name)).map_err(|error| chain(&error));
        for fine in ["deep/env", "near", "winding"] {
            assert_eq!(read(fine).unwrap(), b"inside", "{fine}");
        }
        for leaving in ["above", "absolute", "parent/secret", "deep/../../secret"] {
            let error = read(leaving).unwrap_err();
            assert!(error.starts_with("open ") && error.contains("outside"), "{leaving}: {error}");
        }
        assert!(read_below(&granted, Path::new("/etc/hostname")).is_err());
    }
}

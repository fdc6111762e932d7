//! Files: reading, atomic writing, and look-up of programs on `PATH`.

use crate::machine::port::Unreadable;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt as _};
use nix::libc;
use std::fs::{DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// `O_NONBLOCK`: opening a FIFO would otherwise wait for a writer before its type can be checked.
const FLAGS: libc::c_int = libc::O_NONBLOCK | libc::O_NOCTTY;

/// Reads a regular file of at most `limit` bytes. With `below`, a path with a symbolic link that leads out of that
/// directory is refused, even if it leads back (`docs/security.md`, S13).
///
/// # Errors
///
/// An error after the file was opened is [`Unreadable`]. Its texts are the reference's, if the reference has one.
pub fn read(path: &Path, below: Option<&Path>, limit: usize) -> io::Result<Vec<u8>> {
    let file = match below {
        Some(directory) => open_below(directory, path)?,
        None => File::options().read(true).custom_flags(FLAGS).open(path)?,
    };
    contents(&file, limit).map_err(|error| io::Error::new(error.kind(), Unreadable(error)))
}

fn open_below(directory: &Path, path: &Path) -> io::Result<File> {
    let below = path.strip_prefix(directory).map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?;
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(FLAGS);
    let directory = Dir::open_ambient_dir(directory, ambient_authority())?;
    Ok(directory.open_with(below, &options)?.into_std())
}

fn contents(file: &File, limit: usize) -> io::Result<Vec<u8>> {
    let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, what);
    let kind = file.metadata()?.file_type();
    if kind.is_dir() {
        return Err(invalid("is a directory"));
    }
    if !kind.is_file() {
        return Err(invalid("not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take((limit as u64).saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() > limit {
        return Err(Unreadable::too_large(limit).0);
    }
    Ok(bytes)
}

/// Writes a file atomically. Creates its directories with mode 0600, as the reference does, so that only root can use
/// them.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o600).create(directory)?;
    }
    let new = path.with_added_extension(format!("new.{}", std::process::id()));
    let file = File::options().write(true).create_new(true).mode(0o600).open(&new);
    file.and_then(|mut file| file.write_all(bytes))
        .and_then(|()| std::fs::rename(&new, path))
        .inspect_err(|_| drop(std::fs::remove_file(&new)))
}

/// The first program with this name on `PATH`.
pub fn find_on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|directory| directory.join(program)).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::errno::chain;
    use crate::machine::port::failed_read;
    use nix::sys::stat::Mode;

    const LIMIT: usize = 64 << 10;

    fn refusal(path: &Path, below: Option<&Path>) -> String {
        chain(&failed_read(path, read(path, below, LIMIT).unwrap_err()))
    }

    #[test]
    fn a_file_is_read_completely_or_not_at_all_and_without_blocking() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let refusal = |path: &Path| refusal(path, None);
        assert_eq!(
            refusal(&path("none")),
            format!("open {}: no such file or directory", path("none").display())
        );
        let largest = vec![0xff; LIMIT];
        std::fs::write(path("file"), &largest).unwrap();
        std::os::unix::fs::symlink("file", path("link")).unwrap();
        assert_eq!(read(&path("link"), None, LIMIT).unwrap(), largest);
        std::fs::write(path("file"), [largest.as_slice(), b"x"].concat()).unwrap();
        assert_eq!(refusal(&path("file")), format!("read {}: more than 64 KiB", path("file").display()));
        assert_eq!(refusal(dir.path()), format!("read {}: is a directory", dir.path().display()));
        nix::unistd::mkfifo(&path("fifo"), Mode::S_IRWXU).unwrap();
        assert_eq!(refusal(&path("fifo")), format!("read {}: not a regular file", path("fifo").display()));
        assert_eq!(refusal(Path::new("/dev/zero")), "read /dev/zero: not a regular file");
        let missing = read(&path("none"), None, LIMIT).unwrap_err();
        assert_eq!(missing.raw_os_error(), Some(libc::ENOENT));
        assert_eq!(read(&path("fifo"), None, LIMIT).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn symbolic_links_do_not_lead_out_of_the_directory() {
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
        for fine in ["deep/env", "near", "winding"] {
            assert_eq!(read(&granted.join(fine), Some(&granted), LIMIT).unwrap(), b"inside", "{fine}");
        }
        for leaving in ["above", "absolute", "parent/secret", "deep/../../secret"] {
            let error = refusal(&granted.join(leaving), Some(&granted));
            assert!(error.starts_with("open ") && error.contains("outside"), "{leaving}: {error}");
        }
        assert!(read(Path::new("/etc/hostname"), Some(&granted), LIMIT).is_err());
        let missing = read(&granted.join("none"), Some(&granted), LIMIT).unwrap_err();
        assert_eq!(missing.raw_os_error(), Some(libc::ENOENT));
    }
}

//! Files that a plugin may read.

use super::super::KernelError;
use super::super::errno::as_go;
use crate::plan::fact::MAX_FILE_BYTES;
use nix::libc;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The contents of a regular file of at most [`MAX_FILE_BYTES`]; the texts are the reference's where it has one.
///
/// Opening waits for nobody: a FIFO has no writer to wait for before it is known to be one.
pub fn read(path: &Path) -> Result<Vec<u8>, KernelError> {
    let failed = |verb: &str, source| KernelError::File {
        what: format!("{verb} {}", path.display()),
        source: as_go(source),
    };
    let invalid = |what: &str| failed("read", io::Error::new(io::ErrorKind::InvalidInput, what));
    let mut options = File::options();
    let file = options.read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path);
    let file = file.map_err(|e| failed("open", e))?;
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
    use crate::kernel::errno::chain;
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
}

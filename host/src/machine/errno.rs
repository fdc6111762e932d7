//! Error texts in the wording of the reference plugins, which are written in Go.

use nix::errno::Errno;
use std::fmt;
use std::io;

/// The error of a change on a dry-run machine.
pub const DRY: &str = "this is a dry run: nothing is changed";

/// An `errno` with the text that Go prints: `file exists`.
#[derive(Debug)]
struct GoErrno(Errno);

impl fmt::Display for GoErrno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut letters = text(self.0).chars();
        match letters.next() {
            Some(first) => write!(f, "{}{}", first.to_lowercase(), letters.as_str()),
            None => Ok(()),
        }
    }
}

impl std::error::Error for GoErrno {}

/// The C library's text, which Go's table has too. `nix` has another one for these.
fn text(errno: Errno) -> &'static str {
    match errno {
        Errno::EAGAIN => "resource temporarily unavailable",
        Errno::EBADF => "bad file descriptor",
        Errno::EIO => "input/output error",
        Errno::ELOOP => "too many levels of symbolic links",
        Errno::ENFILE => "too many open files in system",
        Errno::ENOMEM => "cannot allocate memory",
        Errno::EOPNOTSUPP => "operation not supported",
        Errno::ERANGE => "numerical result out of range",
        Errno::EXDEV => "invalid cross-device link",
        other => other.desc(),
    }
}

/// The same error with Go's text. Its kind stays the same.
pub fn as_go(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(number) => io::Error::new(error.kind(), GoErrno(Errno::from_raw(number))),
        None => error,
    }
}

/// An error and its causes on one line, in the reference's format.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_go_s_text_and_keep_their_kind() {
        let error = as_go(io::Error::from_raw_os_error(Errno::EEXIST as i32));
        assert_eq!(error.to_string(), "file exists");
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        let busy = as_go(io::Error::from_raw_os_error(Errno::ENETUNREACH as i32));
        assert_eq!(busy.to_string(), "network is unreachable");
        let unsupported = as_go(io::Error::from_raw_os_error(Errno::EOPNOTSUPP as i32));
        assert_eq!(unsupported.to_string(), "operation not supported");
    }
}

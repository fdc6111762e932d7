//! Standard error. A reader that does not read never blocks a verb.
//!
//! A write may wait for the reader, but all writes of the process together only for [`PATIENCE`]. After that, the host
//! drops what the reader does not take at once. The reader may be a runtime that reads the pipe only after the verb
//! has ended: the pipe then has the first 64 KiB.
//!
//! The open file description of standard error is shared with the parent process, so the flag `O_NONBLOCK` on it would
//! change the parent's writes too. A pipe or a terminal is therefore opened again (`/proc/self/fd/2`): that gives a
//! description of our own. A socket cannot be opened again, but `send(2)` has a flag for one call. Where both fail,
//! `poll(2)` precedes each write of at most `PIPE_BUF` bytes, for which a pipe that polls as writable has room. A file
//! is not opened again, because the new description would start at another offset; a write to it does not wait for a
//! reader.

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, send};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The time that all log lines of a process together wait for the reader.
pub const PATIENCE: Duration = Duration::from_millis(300);

/// The same for the plan of a dry run, which is all that the call is for. Nothing is locked then.
pub const PATIENCE_FOR_PLAN: Duration = Duration::from_secs(5);

/// `PIPE_BUF` (limits.h), in bytes: a pipe takes a write of this size completely or not at all.
const CHUNK: usize = 4096;

/// The writer of this process. None until the first write.
static WRITER: Mutex<Option<Writer>> = Mutex::new(None);

/// Standard error of this process. A write that the reader does not take in time succeeds, and the text is dropped.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stderr;

impl Write for Stderr {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let mut writer = WRITER.lock().unwrap_or_else(PoisonError::into_inner);
        let writer = writer.get_or_insert_with(|| Writer::new(standard(), PATIENCE));
        writer.write(text).map(|()| text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes the plan of a dry run. It waits for the reader for at most [`PATIENCE_FOR_PLAN`].
pub fn write_plan(text: &str) -> io::Result<()> {
    Writer::new(standard(), PATIENCE_FOR_PLAN).write(text.as_bytes())
}

/// Standard error as a file. `None` if the process has none.
fn standard() -> Option<File> {
    io::stderr().as_fd().try_clone_to_owned().ok().map(File::from)
}

/// How a write can be kept from waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// A file: no write waits for a reader.
    Directly,
    /// A description of our own with `O_NONBLOCK`.
    NonBlocking,
    /// A socket, with `MSG_DONTWAIT`.
    Socket,
    /// A description that others share, with `poll(2)` before each write.
    Polled,
}

/// A file that is written without waiting for its reader for long.
#[derive(Debug)]
struct Writer {
    file: Option<File>,
    way: Way,
    /// The time that writes may still wait.
    left: Duration,
}

impl Writer {
    fn new(file: Option<File>, left: Duration) -> Self {
        let kind = file.as_ref().and_then(|file| file.metadata().ok()).map(|metadata| metadata.file_type());
        let (file, way) = match (file, kind) {
            (Some(file), Some(kind)) if kind.is_socket() => (Some(file), Way::Socket),
            (Some(file), Some(kind)) if kind.is_fifo() || kind.is_char_device() => match again(&file) {
                Ok(own) => (Some(own), Way::NonBlocking),
                Err(_) => (Some(file), Way::Polled),
            },
            (Some(file), Some(kind)) if kind.is_file() => (Some(file), Way::Directly),
            (file, _) => (file, Way::Polled),
        };
        Writer { file, way, left }
    }

    /// Writes a text, or drops the rest of it when the reader takes too long.
    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        let Writer { file: Some(file), way, left } = self else {
            return Err(Errno::EBADF.into());
        };
        for chunk in text.chunks(CHUNK) {
            let mut rest = chunk;
            while !rest.is_empty() {
                match once(file, *way, rest) {
                    Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                    Err(Errno::EINTR) => {}
                    Err(Errno::EAGAIN) if wait(file.as_fd(), left) => {}
                    Err(Errno::EAGAIN) => return Ok(()),
                    Err(errno) => return Err(errno.into()),
                }
            }
        }
        Ok(())
    }
}

/// The same pipe or terminal with an open file description of our own.
fn again(file: &File) -> io::Result<File> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    File::options().write(true).custom_flags(flags.bits()).open(path)
}

/// One write. `EAGAIN` if the reader has to read first.
fn once(file: &File, way: Way, text: &[u8]) -> nix::Result<usize> {
    match way {
        Way::Directly | Way::NonBlocking => nix::unistd::write(file, text),
        Way::Socket => send(file.as_raw_fd(), text, MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL),
        Way::Polled if is_writable(file.as_fd(), Duration::ZERO) => nix::unistd::write(file, text),
        Way::Polled => Err(Errno::EAGAIN),
    }
}

/// Waits until the file takes a write, and counts the time. Returns whether it does.
fn wait(file: BorrowedFd<'_>, left: &mut Duration) -> bool {
    let begun = Instant::now();
    let is_ready = !left.is_zero() && is_writable(file, *left);
    *left = left.saturating_sub(begun.elapsed());
    is_ready
}

/// Whether the file takes a write within a time. An error counts: the write reports it.
fn is_writable(file: BorrowedFd<'_>, within: Duration) -> bool {
    let within = PollTimeout::try_from(within).unwrap_or(PollTimeout::ZERO);
    poll(&mut [PollFd::new(file, PollFlags::POLLOUT)], within) != Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    const SHORT: Duration = Duration::from_millis(50);

    fn pipe() -> (File, File) {
        let (reader, writer) = nix::unistd::pipe().unwrap();
        (reader.into(), writer.into())
    }

    fn written(writer: &mut Writer, mut reader: impl Read, text: &[u8]) -> Vec<u8> {
        let begun = Instant::now();
        writer.write(text).unwrap();
        writer.write(b"more").unwrap();
        assert!(begun.elapsed() < Duration::from_secs(2), "all writes together waited {:?}", begun.elapsed());
        writer.file = None;
        let mut taken = Vec::new();
        reader.read_to_end(&mut taken).unwrap();
        taken
    }

    #[test]
    fn a_pipe_that_nobody_reads_gets_the_beginning() {
        let (reader, shared) = pipe();
        let mut writer = Writer::new(Some(shared.try_clone().unwrap()), SHORT);
        assert_eq!(writer.way, Way::NonBlocking);
        // The parent's descriptor keeps its mode.
        let flags = nix::fcntl::fcntl(&shared, nix::fcntl::FcntlArg::F_GETFL).unwrap();
        assert!(!OFlag::from_bits_retain(flags).contains(OFlag::O_NONBLOCK));
        drop(shared);
        let taken = written(&mut writer, reader, &vec![b'x'; 1 << 20]);
        assert_eq!(taken, vec![b'x'; 64 << 10]);
    }

    #[test]
    fn a_pipe_that_cannot_be_opened_again_is_polled() {
        let (reader, shared) = pipe();
        let mut writer = Writer { file: Some(shared), way: Way::Polled, left: SHORT };
        assert_eq!(written(&mut writer, reader, &vec![b'x'; 1 << 20]), vec![b'x'; 64 << 10]);
    }

    #[test]
    fn a_socket_that_nobody_reads_does_not_block() {
        let (reader, shared) = UnixStream::pair().unwrap();
        let shared = File::from(std::os::fd::OwnedFd::from(shared));
        let mut writer = Writer::new(Some(shared), SHORT);
        assert_eq!(writer.way, Way::Socket);
        let taken = written(&mut writer, reader, &vec![b'x'; 8 << 20]);
        assert!(!taken.is_empty() && taken.len() < 8 << 20, "{}", taken.len());
    }

    #[test]
    fn a_slow_reader_gets_everything() {
        let (mut reader, shared) = pipe();
        let text = vec![b'x'; 256 << 10];
        let mut writer = Writer::new(Some(shared), Duration::from_secs(60));
        let reading = std::thread::spawn(move || {
            std::thread::sleep(SHORT);
            let mut taken = Vec::new();
            reader.read_to_end(&mut taken).unwrap();
            taken.len()
        });
        writer.write(&text).unwrap();
        drop(writer);
        assert_eq!(reading.join().unwrap(), text.len());
    }

    #[test]
    fn a_file_keeps_its_offset_and_a_closed_pipe_is_an_error() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"before ").unwrap();
        let mut writer = Writer::new(Some(file.try_clone().unwrap()), SHORT);
        assert_eq!(writer.way, Way::Directly);
        writer.write(b"after").unwrap();
        let mut text = String::new();
        io::Seek::rewind(&mut file).unwrap();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "before after");
        let (reader, shared) = pipe();
        drop(reader);
        assert!(Writer::new(Some(shared), SHORT).write(b"x").is_err());
        assert!(Writer::new(None, SHORT).write(b"x").is_err());
    }
}

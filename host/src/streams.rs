//! Standard input, output and error of the process.

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use tracing::Level;
use wasm_cni::cni::{CniError, result::go_json};
use wasm_cni::printable::printable;
use wasm_cni::signal;
use wasm_cni::stderr::Stderr;

/// Writes log lines of this level and above to stderr.
pub fn log(level: Level) {
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(|| Log)
        // Otherwise, when stderr cannot be written, tracing reports that on stderr with a macro that panics.
        .log_internal_errors(false)
        .with_ansi(false)
        .without_time()
        .init();
}

/// Standard error, for the log. An event is written with one call, which contains the words of guests and of
/// configurations.
struct Log;

impl Write for Log {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        Stderr.write_all(printable(&String::from_utf8_lossy(event)).as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Stderr.flush()
    }
}

/// Standard input without a buffer. It polls, so that a signal can end a call that waits for input.
pub struct Input;

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let stdin = io::stdin();
        loop {
            signal::check().map_err(io::Error::other)?;
            match poll(&mut [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)], 100_u8) {
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => return Ok(nix::unistd::read(&stdin, buffer)?),
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

/// Standard output without a buffer. `Stdout` writes each line by itself; this writes a result with one `write`, so
/// that the runtime gets all of it or nothing.
pub fn unbuffered_stdout() -> Box<dyn Write> {
    match io::stdout().as_fd().try_clone_to_owned() {
        Ok(stdout) => Box::new(File::from(stdout)),
        Err(_) => Box::new(io::stdout()),
    }
}

/// Writes `text` and flushes. Returns the exit code.
pub fn print(to: &mut dyn Write, text: &str) -> i32 {
    i32::from(to.write_all(text.as_bytes()).and_then(|()| to.flush()).is_err())
}

/// Prints the error on stdout (SPEC, section 5). Returns the exit code.
pub fn fail(error: &CniError) -> i32 {
    print(&mut io::stdout(), &go_json(error));
    1
}

//! The machine that ships: Linux, over netlink, `/proc/sys`, files and processes.

pub mod firewalld;
pub mod native;
pub mod netlink;
pub mod netns;
pub mod old;
pub mod process;

use std::io;

/// The error for a container that is gone.
fn no_container() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "the container has no network namespace")
}

//! Network namespaces: opening, comparing and entering them.

pub use crate::value::NetnsId;

use crate::machine::errno::as_go;
use nix::libc;
use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use nix::sys::statfs::{FsType, PROC_SUPER_MAGIC, statfs};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// `NSFS_MAGIC` of `linux/magic.h`.
const NSFS_MAGIC: FsType = FsType(0x6e73_6673);

/// Why a path is no network namespace. The texts are the reference's.
#[derive(Debug, thiserror::Error)]
pub enum OpenNetnsError {
    /// `statfs(2)` failed.
    #[error("failed to Statfs {path:?}")]
    Statfs {
        /// The path as given.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The file is not on a file system of namespaces.
    #[error("unknown FS magic on {path:?}: {:x}", magic.0)]
    Magic {
        /// The path as given.
        path: PathBuf,
        /// `f_type`.
        magic: FsType,
    },
    /// The file is another file of `/proc`, or a namespace of another type.
    #[error("{} is no network namespace", path.display())]
    Kind {
        /// The path as given.
        path: PathBuf,
    },
    /// The file could not be opened.
    #[error("open {}", path.display())]
    Open {
        /// The path as given.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

impl OpenNetnsError {
    /// Whether the path does not exist. For DEL, the container is then gone.
    pub fn is_not_exist(&self) -> bool {
        match self {
            OpenNetnsError::Statfs { source, .. } | OpenNetnsError::Open { source, .. } => {
                source.kind() == io::ErrorKind::NotFound
            }
            OpenNetnsError::Magic { .. } | OpenNetnsError::Kind { .. } => false,
        }
    }
}

/// Whether a file is a network namespace.
#[expect(unsafe_code, reason = "nix does not have this ioctl")]
fn is_network(file: &File) -> bool {
    /// `NS_GET_NSTYPE` of `linux/nsfs.h`.
    const NS_GET_NSTYPE: libc::Ioctl = 0xb703;
    // SAFETY: the call uses no memory of this process, and fails for files that are no namespaces.
    let kind = unsafe { libc::ioctl(file.as_raw_fd(), NS_GET_NSTYPE) };
    kind == libc::CLONE_NEWNET
}

/// `SO_NETNS_COOKIE` of the socket's namespace.
#[expect(unsafe_code, reason = "nix does not have this socket option")]
fn cookie(socket: &OwnedFd) -> Option<u64> {
    let mut cookie = 0_u64;
    let mut length = libc::socklen_t::try_from(size_of::<u64>()).ok()?;
    let (to, len) = ((&raw mut cookie).cast(), &raw mut length);
    // SAFETY: both pointers are to local variables that outlive the call, and `length` is the size of `cookie`.
    let got =
        unsafe { libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_NETNS_COOKIE, to, len) };
    (got == 0).then_some(cookie)
}

/// An open network namespace. As long as it is open, the kernel does not reuse its identity.
#[derive(Debug)]
pub struct NetnsFile {
    path: PathBuf,
    file: File,
    device: u64,
    inode: u64,
}

impl NetnsFile {
    /// Opens the namespace at `path`.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenNetnsError> {
        let path = path.as_ref().to_owned();
        let magic = match statfs(&path) {
            Ok(found) => found.filesystem_type(),
            Err(errno) => return Err(OpenNetnsError::Statfs { path, source: as_go(errno.into()) }),
        };
        if magic != NSFS_MAGIC && magic != PROC_SUPER_MAGIC {
            return Err(OpenNetnsError::Magic { path, magic });
        }
        // The path may lead to another file by now, so the open must not block, and the type is checked again.
        let opened = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(&path);
        match opened.and_then(|file| file.metadata().map(|metadata| (file, metadata))) {
            Ok((file, _)) if !is_network(&file) => Err(OpenNetnsError::Kind { path }),
            Ok((file, metadata)) => {
                Ok(NetnsFile { path, file, device: metadata.dev(), inode: metadata.ino() })
            }
            Err(source) => Err(OpenNetnsError::Open { path, source: as_go(source) }),
        }
    }

    /// The namespace of the calling thread.
    pub fn current() -> Result<Self, OpenNetnsError> {
        Self::open("/proc/thread-self/ns/net")
    }

    /// Whether both are the same namespace, independent of their paths.
    pub fn same_as(&self, other: &NetnsFile) -> bool {
        self.identity() == other.identity()
    }

    /// `st_dev` and `st_ino`, which are unique among the existing namespaces.
    fn identity(&self) -> (u64, u64) {
        (self.device, self.inode)
    }

    /// The identity of the namespace. It also distinguishes later namespaces that get the same inode number.
    ///
    /// To read the cookie (`SO_NETNS_COOKIE`, since Linux 5.14), the thread enters the namespace for a moment. Without
    /// the permission to do so, there is no cookie.
    pub fn id(&self) -> NetnsId {
        let cookie = self.enter().ok().and_then(|_guard| {
            let socket =
                socket(AddressFamily::Unix, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None).ok()?;
            cookie(&socket)
        });
        NetnsId { device: self.device, inode: self.inode, cookie }
    }

    /// The path that it was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Moves the calling thread into the namespace, until the guard is dropped.
    pub fn enter(&self) -> io::Result<Guard> {
        let back = of_thread()?;
        setns(&self.file, CloneFlags::CLONE_NEWNET)?;
        Ok(Guard { back })
    }

    /// The same, if the caller has already opened the thread's own namespace `back` (see [`of_thread`]).
    pub fn enter_from<'a>(&self, back: &'a File) -> io::Result<Guard<&'a File>> {
        setns(&self.file, CloneFlags::CLONE_NEWNET)?;
        Ok(Guard { back })
    }
}

/// The namespace of the calling thread, to return to later.
pub fn of_thread() -> io::Result<File> {
    File::open("/proc/thread-self/ns/net")
}

impl AsFd for NetnsFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// A thread in another namespace. Dropping the guard returns it to its own.
#[derive(Debug)]
#[must_use = "the thread leaves the namespace when this is dropped"]
pub struct Guard<F: AsFd = File> {
    back: F,
}

impl<F: AsFd> Drop for Guard<F> {
    fn drop(&mut self) {
        // If the thread continued in the wrong namespace, it would change the wrong machine.
        if setns(&self.back, CloneFlags::CLONE_NEWNET).is_err() {
            std::process::abort();
        }
    }
}

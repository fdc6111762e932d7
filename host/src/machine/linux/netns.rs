//! Network namespaces: opened once, compared by identity, entered for a moment.

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

/// Why a path is no network namespace; the texts are the reference's.
#[derive(Debug, thiserror::Error)]
pub enum OpenNetnsError {
    /// `statfs(2)` failed.
    #[error("failed to Statfs {path:?}")]
    Statfs {
        /// As given.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It lies on another file system than those that hold namespaces.
    #[error("unknown FS magic on {path:?}: {:x}", magic.0)]
    Magic {
        /// As given.
        path: PathBuf,
        /// `f_type`.
        magic: FsType,
    },
    /// It is a file of `/proc`, or a namespace of another kind.
    #[error("{} is no network namespace", path.display())]
    Kind {
        /// As given.
        path: PathBuf,
    },
    /// It could not be opened.
    #[error("open {}", path.display())]
    Open {
        /// As given.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl OpenNetnsError {
    /// Whether there is nothing at the path: for DEL, the container is gone.
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
    // SAFETY: no memory is involved, and files that are no namespaces refuse it.
    let kind = unsafe { libc::ioctl(file.as_raw_fd(), NS_GET_NSTYPE) };
    kind == libc::CLONE_NEWNET
}

/// `SO_NETNS_COOKIE` of the namespace of a socket.
#[expect(unsafe_code, reason = "nix does not have this socket option")]
fn cookie(socket: &OwnedFd) -> Option<u64> {
    let mut cookie = 0_u64;
    let mut length = libc::socklen_t::try_from(size_of::<u64>()).ok()?;
    let (to, len) = ((&raw mut cookie).cast(), &raw mut length);
    // SAFETY: both point to our own variables, which outlive the call, and the length is that of the first.
    let got =
        unsafe { libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_NETNS_COOKIE, to, len) };
    (got == 0).then_some(cookie)
}

/// A network namespace, held open, so that it is the same one until the end.
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
        // By now the path may lead to another file: one that blocks, or no namespace at all.
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

    /// Whether both are one namespace, by whatever paths they were opened.
    pub fn same_as(&self, other: &NetnsFile) -> bool {
        self.identity() == other.identity()
    }

    /// `st_dev` and `st_ino`: unique among the namespaces that exist at one time.
    fn identity(&self) -> (u64, u64) {
        (self.device, self.inode)
    }

    /// What identifies the namespace, also among later ones with its inode number.
    ///
    /// For the cookie (`SO_NETNS_COOKIE`, Linux 5.14) the thread enters the namespace for a moment; without the permission there is none.
    pub fn id(&self) -> NetnsId {
        let cookie = self.enter().ok().and_then(|_guard| {
            let socket =
                socket(AddressFamily::Unix, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None).ok()?;
            cookie(&socket)
        });
        NetnsId { device: self.device, inode: self.inode, cookie }
    }

    /// The path by which it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Moves the calling thread into the namespace until the guard is dropped.
    pub fn enter(&self) -> io::Result<Guard> {
        let back = of_thread()?;
        setns(&self.file, CloneFlags::CLONE_NEWNET)?;
        Ok(Guard { back })
    }

    /// The same for a thread whose own namespace is `back`, see [`of_thread`].
    pub fn enter_from<'a>(&self, back: &'a File) -> io::Result<Guard<&'a File>> {
        setns(&self.file, CloneFlags::CLONE_NEWNET)?;
        Ok(Guard { back })
    }
}

/// The namespace of the calling thread, to come back to.
pub fn of_thread() -> io::Result<File> {
    File::open("/proc/thread-self/ns/net")
}

impl AsFd for NetnsFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// As long as it lives, the thread is in another namespace.
#[derive(Debug)]
#[must_use = "the thread leaves the namespace when this is dropped"]
pub struct Guard<F: AsFd = File> {
    back: F,
}

impl<F: AsFd> Drop for Guard<F> {
    fn drop(&mut self) {
        // Going on in the wrong namespace would change the wrong machine.
        if setns(&self.back, CloneFlags::CLONE_NEWNET).is_err() {
            std::process::abort();
        }
    }
}

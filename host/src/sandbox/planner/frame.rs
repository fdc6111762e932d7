//! Messages on a socket: the length in four bytes, little-endian, and then JSON. A message may carry one file
//! descriptor.

use crate::sandbox::limits::FRAME_BYTES;
use crate::signal::{self, Ended};
use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// The time for which a receiver polls before it sleeps. Most messages come within it, because answering most queries
/// takes less time than sleeping and waking up.
const SOON: Duration = Duration::from_micros(150);

/// The reason why a message was not sent or received.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The other side closed the socket.
    #[error("the connection ended")]
    Closed,
    /// The deadline has passed.
    #[error("no answer in time")]
    Deadline,
    /// A signal asked the process to end.
    #[error(transparent)]
    Ended(#[from] Ended),
    /// The message is longer than [`FRAME_BYTES`].
    #[error("a message of {0} bytes, more than {FRAME_BYTES}")]
    TooLarge(usize),
    /// The message is not JSON of the expected shape.
    #[error("a message that makes no sense: {0}")]
    Garbage(String),
    /// The socket failed.
    #[error("the socket failed")]
    Socket(#[source] io::Error),
}

/// Sends a message. With `deadline`, it fails when the deadline has passed.
pub fn send(
    socket: &UnixStream,
    message: &impl Serialize,
    descriptor: Option<BorrowedFd<'_>>,
    deadline: Option<Instant>,
) -> Result<(), FrameError> {
    let json = serde_json::to_vec(message).map_err(|e| FrameError::Garbage(e.to_string()))?;
    let length = u32::try_from(json.len()).ok().filter(|_| json.len() <= FRAME_BYTES);
    let length = length.ok_or(FrameError::TooLarge(json.len()))?;
    let frame = [&length.to_le_bytes(), json.as_slice()].concat();

    let raw: Vec<RawFd> = descriptor.iter().map(AsRawFd::as_raw_fd).collect();
    let with = [ControlMessage::ScmRights(&raw)];
    // The descriptor goes with the first byte.
    let mut control: &[ControlMessage<'_>] = if raw.is_empty() { &[] } else { &with };
    let mut rest = frame.as_slice();
    while !rest.is_empty() {
        if let Some(deadline) = deadline {
            socket.set_write_timeout(Some(left(deadline)?)).map_err(FrameError::Socket)?;
        }
        match sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(rest)], control, MsgFlags::MSG_NOSIGNAL, None)
        {
            Ok(sent) => {
                control = &[];
                rest = rest.get(sent..).unwrap_or_default();
            }
            Err(errno) => retry(errno)?,
        }
    }
    Ok(())
}

/// Receives a message before `deadline`. The sender must not pass descriptors.
pub fn receive<T: DeserializeOwned>(socket: &UnixStream, deadline: Instant) -> Result<T, FrameError> {
    message(socket, None, Some(deadline))
}

/// Receives a message and the descriptor that it carries.
pub fn receive_with_descriptor<T: DeserializeOwned>(
    socket: &UnixStream,
) -> Result<(T, Option<OwnedFd>), FrameError> {
    let mut descriptor = None;
    let message = message(socket, Some(&mut descriptor), None)?;
    Ok((message, descriptor))
}

fn message<T: DeserializeOwned>(
    socket: &UnixStream,
    descriptor: Option<&mut Option<OwnedFd>>,
    deadline: Option<Instant>,
) -> Result<T, FrameError> {
    let mut header = [0; 4];
    fill(socket, &mut header, descriptor, deadline)?;
    let length = usize::try_from(u32::from_le_bytes(header)).map_err(|_| FrameError::TooLarge(usize::MAX))?;
    if length > FRAME_BYTES {
        return Err(FrameError::TooLarge(length));
    }
    let mut json = vec![0; length];
    fill(socket, &mut json, None, deadline)?;
    serde_json::from_slice(&json).map_err(|e| FrameError::Garbage(e.to_string()))
}

fn fill(
    socket: &UnixStream,
    buffer: &mut [u8],
    mut descriptor: Option<&mut Option<OwnedFd>>,
    deadline: Option<Instant>,
) -> Result<(), FrameError> {
    let mut filled = 0;
    let mut soon = Some(Instant::now() + SOON);
    while filled < buffer.len() {
        if soon.is_some_and(|soon| Instant::now() >= soon) {
            soon = None;
        }
        let waits = if soon.is_some() { MsgFlags::MSG_DONTWAIT } else { MsgFlags::empty() };
        if soon.is_none()
            && let Some(deadline) = deadline
        {
            socket.set_read_timeout(Some(left(deadline)?)).map_err(FrameError::Socket)?;
        }
        // Without a control buffer, the kernel drops descriptors and sets MSG_CTRUNC.
        let mut control = descriptor.is_some().then(|| nix::cmsg_space!(RawFd));
        let mut into = [IoSliceMut::new(buffer.get_mut(filled..).unwrap_or_default())];
        let flags = MsgFlags::MSG_CMSG_CLOEXEC | waits;
        match recvmsg::<()>(socket.as_raw_fd(), &mut into, control.as_deref_mut(), flags) {
            Ok(received) => {
                if let Some(descriptor) = &mut descriptor {
                    let messages = received.cmsgs().map_err(|e| FrameError::Socket(e.into()))?;
                    for fd in messages.filter_map(rights).flatten() {
                        **descriptor = Some(own(fd));
                    }
                } else if received.flags.contains(MsgFlags::MSG_CTRUNC) {
                    return Err(FrameError::Garbage("descriptors came with it".to_owned()));
                }
                match received.bytes {
                    0 => return Err(FrameError::Closed),
                    bytes => filled += bytes,
                }
            }
            Err(Errno::EAGAIN) if soon.is_some() => {
                // The other side may need this processor to answer.
                let _ = nix::sched::sched_yield();
            }
            Err(errno) => retry(errno)?,
        }
    }
    Ok(())
}

fn rights(message: ControlMessageOwned) -> Option<Vec<RawFd>> {
    match message {
        ControlMessageOwned::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    }
}

#[expect(unsafe_code, reason = "a descriptor by its number")]
fn own(descriptor: RawFd) -> OwnedFd {
    // SAFETY: the kernel just created this descriptor in recvmsg, and nothing else owns it.
    unsafe { OwnedFd::from_raw_fd(descriptor) }
}

/// Decides whether to repeat a failed call. An interrupted call is repeated unless a signal asked the process to end.
/// A timeout is repeated too: the next check of the deadline ends it.
fn retry(errno: Errno) -> Result<(), FrameError> {
    match errno {
        Errno::EINTR => Ok(signal::check()?),
        Errno::EAGAIN => Ok(()),
        Errno::EPIPE | Errno::ECONNRESET => Err(FrameError::Closed),
        errno => Err(FrameError::Socket(errno.into())),
    }
}

/// The time until the deadline. Fails if it has passed.
fn left(deadline: Instant) -> Result<Duration, FrameError> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(FrameError::Deadline) } else { Ok(left) }
}

//! `NETLINK_NETFILTER`: requests and answers as bytes (`linux/netfilter/nfnetlink.h`).

use super::socket::open;
use netlink_packet_core::{NLM_F_DUMP_INTR, NLM_F_REQUEST};
use netlink_sys::protocols::NETLINK_NETFILTER;
use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;
use nix::libc;
use std::io;

pub use netlink_packet_core::{
    NLM_F_ACK as ACK, NLM_F_APPEND as APPEND, NLM_F_CREATE as CREATE, NLM_F_DUMP as DUMP, NLM_F_EXCL as EXCL,
};

/// `NFNL_MSG_BATCH_BEGIN` and `NFNL_MSG_BATCH_END`.
const BATCH: [u16; 2] = [0x10, 0x11];
/// `NLA_F_NESTED`.
pub const NESTED: u16 = 0x8000;
/// The bits of `nla_type` that contain the type.
const TYPE_MASK: u16 = 0x3fff;
/// The size of `struct nlmsghdr`, in bytes.
const HEADER: usize = 16;
/// The size of `struct nfgenmsg`, in bytes.
const FAMILY_HEADER: usize = 4;
const BUFFER_BYTES: usize = 64 * 1024;

/// A message to a subsystem.
pub struct Message {
    /// `NFNL_SUBSYS_* << 8`, and the message number of the subsystem.
    pub kind: u16,
    /// The flags in addition to `NLM_F_REQUEST`.
    pub flags: u16,
    /// `AF_*`.
    pub family: u8,
    /// The encoded attributes.
    pub attributes: Vec<u8>,
}

impl Message {
    fn write(&self, sequence: u32, resource: u16, into: &mut Vec<u8>) {
        let length = u32::try_from(HEADER + FAMILY_HEADER + self.attributes.len()).unwrap_or_default();
        into.extend(length.to_ne_bytes());
        into.extend(self.kind.to_ne_bytes());
        into.extend((NLM_F_REQUEST | self.flags).to_ne_bytes());
        into.extend(sequence.to_ne_bytes());
        into.extend([0; 4]);
        into.extend([self.family, 0]);
        into.extend(resource.to_be_bytes());
        into.extend(&self.attributes);
    }
}

/// A socket in the calling thread's network namespace.
pub struct Netfilter {
    socket: Socket,
    buffer: Vec<u8>,
}

impl Netfilter {
    /// Opens a socket. When it is closed, the kernel waits until pending nf_tables deletions are done.
    pub fn open() -> io::Result<Self> {
        Ok(Netfilter { socket: open(NETLINK_NETFILTER)?, buffer: Vec::with_capacity(BUFFER_BYTES) })
    }

    /// Sends one request with [`ACK`] or [`DUMP`]. Returns the attributes of each message of the answer.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::Interrupted`] if something changed during a dump.
    pub fn ask(&mut self, request: &Message) -> io::Result<Vec<Vec<u8>>> {
        let mut bytes = Vec::new();
        request.write(0, 0, &mut bytes);
        self.socket.send_to(&bytes, &SocketAddr::new(0, 0), 0)?;
        let mut found = Vec::new();
        let mut interrupted = false;
        loop {
            for answer in self.receive()? {
                interrupted |= answer.flags & NLM_F_DUMP_INTR != 0;
                match answer.kind {
                    libc::NLMSG_DONE if interrupted => return Err(io::ErrorKind::Interrupted.into()),
                    libc::NLMSG_DONE => return Ok(found),
                    libc::NLMSG_ERROR => return errno(answer.payload).map(|()| found),
                    _ => found
                        .push(answer.payload.get(FAMILY_HEADER..).map(<[u8]>::to_vec).unwrap_or_default()),
                }
            }
        }
    }

    /// Sends a batch, which the kernel applies completely or not at all. The inner result is the kernel's answer. The
    /// outer error means that the answer was lost, and the batch may have been applied.
    pub fn batch(&mut self, subsystem: u16, mut messages: Vec<Message>) -> io::Result<io::Result<()>> {
        let Some(last) = messages.last_mut() else { return Ok(Ok(())) };
        // The kernel always reports errors, and in order. An acknowledgement of the last message shows the end.
        last.flags |= ACK;
        let [begin, end] = BATCH.map(|kind| Message { kind, flags: 0, family: 0, attributes: Vec::new() });
        let mut bytes = Vec::new();
        begin.write(0, subsystem, &mut bytes);
        let mut sequence = 0;
        for message in &messages {
            sequence += 1;
            message.write(sequence, 0, &mut bytes);
        }
        end.write(sequence + 1, subsystem, &mut bytes);
        if let Err(error) = self.socket.send_to(&bytes, &SocketAddr::new(0, 0), 0) {
            return Ok(Err(error));
        }
        let mut result = Ok(());
        loop {
            for answer in self.receive()?.into_iter().filter(|answer| answer.kind == libc::NLMSG_ERROR) {
                result = result.and(errno(answer.payload));
                // An error of the whole batch has the sequence number of its first message, 0.
                if answer.sequence == sequence || answer.sequence == 0 {
                    return Ok(result);
                }
            }
        }
    }

    /// The messages of one datagram.
    fn receive(&mut self) -> io::Result<Vec<Answer<'_>>> {
        self.buffer.clear();
        while let Err(error) = self.socket.recv(&mut self.buffer, 0) {
            if error.raw_os_error() != Some(Errno::EINTR as i32) {
                return Err(error);
            }
        }
        let mut answers = Vec::new();
        let mut rest = self.buffer.as_slice();
        while let (Some(length), Some(kind), Some(flags), Some(sequence)) =
            (u32_at(rest, 0), u16_at(rest, 4), u16_at(rest, 6), u32_at(rest, 8))
        {
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            let Some(payload) = rest.get(HEADER..length) else { break };
            answers.push(Answer { kind: kind.into(), flags, sequence, payload });
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        Ok(answers)
    }
}

struct Answer<'a> {
    kind: i32,
    flags: u16,
    sequence: u32,
    payload: &'a [u8],
}

/// The error in a `struct nlmsgerr`.
fn errno(payload: &[u8]) -> io::Result<()> {
    match u32_at(payload, 0).map(u32::cast_signed) {
        Some(0) => Ok(()),
        Some(number) => Err(io::Error::from_raw_os_error(number.saturating_neg())),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// The attributes of a message or of a nested attribute, with their types.
pub fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (length, kind) = (usize::from(u16_at(bytes, 0)?), u16_at(bytes, 2)?);
        let payload = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind & TYPE_MASK, payload))
    })
}

/// The payload of the first attribute of this type.
pub fn find(bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    attributes(bytes).find(|(kind, _)| *kind == wanted).map(|(_, payload)| payload)
}

/// The value of a numeric attribute. Netfilter encodes numbers big-endian.
pub fn number(bytes: &[u8], wanted: u16) -> Option<u32> {
    find(bytes, wanted)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

/// The value of a string attribute.
pub fn text(bytes: &[u8], wanted: u16) -> Option<&str> {
    std::str::from_utf8(until_nul(find(bytes, wanted)?)).ok()
}

/// The bytes before the terminating zero.
pub fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// Encodes an attribute.
pub fn attribute(kind: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + payload.len()).unwrap_or_default();
    let mut bytes = Vec::with_capacity(4 + payload.len().next_multiple_of(4));
    bytes.extend(length.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// Encodes an attribute that contains attributes.
pub fn nest(kind: u16, attributes: &[Vec<u8>]) -> Vec<u8> {
    attribute(kind | NESTED, &attributes.concat())
}

/// Encodes a numeric attribute.
pub fn number_attribute(kind: u16, number: u32) -> Vec<u8> {
    attribute(kind, &number.to_be_bytes())
}

/// Encodes a string attribute, with its terminating zero.
pub fn text_attribute(kind: u16, text: &str) -> Vec<u8> {
    attribute(kind, &[text.as_bytes(), &[0]].concat())
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.first_chunk().map(|bytes| u16::from_ne_bytes(*bytes))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}

//! A blocking netlink socket. It sends many requests at once, and reads their answers one by one.

use super::needed::needed;
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkBuffer, NetlinkHeader, NetlinkMessage,
    NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt::ReceiveTimeout};
use nix::sys::time::{TimeVal, TimeValLike};
use std::io;
use std::thread::sleep;
use std::time::Duration;

/// A limit for a kernel that does not answer. Normally it answers at once.
const TIMEOUT_SECONDS: i64 = 5;

/// The largest number of messages in one send. Their answers fit into the smallest receive buffer.
const MAX_BATCH: usize = 64;

/// The largest number of attempts at a dump. If something changes during a dump, it is repeated after a pause.
const MAX_DUMPS: usize = 40;

/// The pause between two attempts at a dump.
const DUMP_PAUSE: Duration = Duration::from_millis(2);

/// The kernel sends no larger datagrams in a dump (`NLMSG_GOODSIZE` in linux/netlink.h, `max_recvmsg_len` in
/// net/netlink/af_netlink.c).
const BUFFER_BYTES: usize = 32 * 1024;

/// A message that changes something, with its flags in addition to `NLM_F_REQUEST` and `NLM_F_ACK`.
#[derive(Debug)]
pub struct Message {
    /// The message itself.
    pub message: RouteNetlinkMessage,
    /// Some of `NLM_F_CREATE`, `NLM_F_EXCL`, `NLM_F_REPLACE`.
    pub flags: u16,
}

/// A socket. It belongs to the network namespace in which it was opened.
#[derive(Debug)]
pub struct Netlink {
    socket: Socket,
    sequence: u32,
}

/// Opens a socket of a protocol in the calling thread's namespace. The socket stays in this namespace.
pub fn open(protocol: isize) -> io::Result<Socket> {
    let mut socket = Socket::new(protocol)?;
    socket.bind_auto()?;
    setsockopt(&socket, ReceiveTimeout, &TimeVal::seconds(TIMEOUT_SECONDS))?;
    Ok(socket)
}

impl Netlink {
    /// Opens a socket in the calling thread's namespace. The socket stays in this namespace.
    pub fn open() -> io::Result<Self> {
        let socket = open(NETLINK_ROUTE)?;
        socket.set_cap_ack(true)?;
        // Available since Linux 4.20. Without it dumps are longer, but all answers are filtered here anyway.
        let _ = socket.set_netlink_get_strict_chk(true);
        Ok(Netlink { socket, sequence: 0 })
    }

    /// Sends all messages in order. Returns one answer for each. After a failed message, the later ones are still done.
    pub fn batch(&mut self, messages: Vec<Message>) -> Vec<io::Result<()>> {
        let mut results = Vec::with_capacity(messages.len());
        let mut messages = messages.into_iter().peekable();
        while messages.peek().is_some() {
            let chunk: Vec<Message> = messages.by_ref().take(MAX_BATCH).collect();
            results.extend(self.send_chunk(chunk));
        }
        results
    }

    /// Requests one object.
    pub fn get(&mut self, message: RouteNetlinkMessage) -> io::Result<RouteNetlinkMessage> {
        let sequence = self.send(vec![(message, NLM_F_REQUEST)])?;
        loop {
            for answer in self.receive(sequence, 1)? {
                match answer.payload {
                    NetlinkPayload::InnerMessage(message) => return Ok(message),
                    NetlinkPayload::Error(error) => return Err(error.to_io()),
                    _ => {}
                }
            }
        }
    }

    /// Requests all objects that pass the kernel's filter. The caller must filter them again.
    pub fn dump(&mut self, message: RouteNetlinkMessage) -> io::Result<Vec<RouteNetlinkMessage>> {
        for _ in 0..MAX_DUMPS {
            if let Some(found) = self.dump_once(message.clone())? {
                return Ok(found);
            }
            sleep(DUMP_PAUSE);
        }
        Err(io::Error::new(io::ErrorKind::Interrupted, "the list changed whenever it was read"))
    }

    /// Requests all objects once. None if something changed during the dump.
    fn dump_once(&mut self, message: RouteNetlinkMessage) -> io::Result<Option<Vec<RouteNetlinkMessage>>> {
        let sequence = self.send(vec![(message, NLM_F_REQUEST | NLM_F_DUMP)])?;
        let mut found = Vec::new();
        let mut interrupted = false;
        loop {
            for answer in self.receive(sequence, 1)? {
                interrupted |= answer.header.flags & NLM_F_DUMP_INTR != 0;
                match answer.payload {
                    NetlinkPayload::InnerMessage(message) => found.push(message),
                    NetlinkPayload::Error(error) => return Err(error.to_io()),
                    NetlinkPayload::Done(done) if done.code != 0 => {
                        return Err(io::Error::from_raw_os_error(done.code.saturating_abs()));
                    }
                    NetlinkPayload::Done(_) => return Ok((!interrupted).then_some(found)),
                    _ => {}
                }
            }
        }
    }

    fn send_chunk(&mut self, messages: Vec<Message>) -> Vec<io::Result<()>> {
        let count = messages.len();
        let mut answers: Vec<Option<io::Result<()>>> = Vec::new();
        answers.resize_with(count, || None);
        let flags = NLM_F_REQUEST | NLM_F_ACK;
        let messages = messages.into_iter().map(|m| (m.message, m.flags | flags)).collect();
        let result = self.send(messages).and_then(|first| self.acknowledge(first, &mut answers));
        let lost = |kind, text: &str| io::Error::new(kind, text.to_owned());
        let (kind, text) = match &result {
            Ok(()) => (io::ErrorKind::Other, "no answer".to_owned()),
            Err(error) => (error.kind(), error.to_string()),
        };
        answers.into_iter().map(|answer| answer.unwrap_or_else(|| Err(lost(kind, &text)))).collect()
    }

    /// Reads answers until each request from `first` on has one.
    fn acknowledge(&mut self, first: u32, answers: &mut [Option<io::Result<()>>]) -> io::Result<()> {
        while answers.iter().any(Option::is_none) {
            for message in self.receive(first, answers.len())? {
                let NetlinkPayload::Error(error) = message.payload else { continue };
                let index = message.header.sequence_number.wrapping_sub(first);
                let slot = usize::try_from(index).ok().and_then(|index| answers.get_mut(index));
                if let Some(slot) = slot {
                    *slot = Some(if error.code.is_none() { Ok(()) } else { Err(error.to_io()) });
                }
            }
        }
        Ok(())
    }

    /// Sends all messages at once. Returns the sequence number of the first.
    fn send(&mut self, messages: Vec<(RouteNetlinkMessage, u16)>) -> io::Result<u32> {
        let first = self.sequence.wrapping_add(1);
        let mut bytes = Vec::new();
        for (message, flags) in messages {
            self.sequence = self.sequence.wrapping_add(1);
            let mut header = NetlinkHeader::default();
            header.flags = flags;
            header.sequence_number = self.sequence;
            let mut message = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(message));
            message.finalize();
            let start = bytes.len();
            // The next message begins at a multiple of four bytes (`NLMSG_ALIGN`).
            bytes.resize(start + message.buffer_len().next_multiple_of(4), 0);
            if let Some(place) = bytes.get_mut(start..) {
                message.serialize(place);
            }
        }
        let sent = loop {
            match self.socket.send_to(&bytes, &SocketAddr::new(0, 0), 0) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                sent => break sent?,
            }
        };
        if sent == bytes.len() { Ok(first) } else { Err(io::ErrorKind::WriteZero.into()) }
    }

    /// The messages of one datagram that answer the `count` requests from `first` on.
    fn receive(&mut self, first: u32, count: usize) -> io::Result<Vec<NetlinkMessage<RouteNetlinkMessage>>> {
        let mut buffer: Vec<u8> = Vec::with_capacity(BUFFER_BYTES);
        loop {
            match self.socket.recv(&mut buffer, 0) {
                Ok(_) => break,
                // A signal, such as the planner's timer. The kernel does not restart the call, because the socket has a
                // timeout.
                Err(error) if error.raw_os_error() == Some(Errno::EINTR as i32) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let text = format!("the kernel gave no answer in {TIMEOUT_SECONDS} s");
                    return Err(io::Error::new(io::ErrorKind::TimedOut, text));
                }
                Err(error) => return Err(error),
            }
        }
        let mut messages = Vec::new();
        let mut rest = buffer.as_slice();
        while let Ok(header) = NetlinkBuffer::new_checked(rest) {
            let length = usize::try_from(header.length()).unwrap_or(usize::MAX);
            let index = header.sequence_number().wrapping_sub(first);
            if usize::try_from(index).is_ok_and(|index| index < count) {
                let bytes = rest.get(..length).unwrap_or(rest);
                let message = NetlinkMessage::deserialize(&needed(bytes));
                messages
                    .push(message.map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e.to_string()))?);
            }
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        Ok(messages)
    }
}

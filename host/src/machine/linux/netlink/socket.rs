//! One blocking socket: many requests in one send, their answers one by one.

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

/// The kernel answers at once; this is for a kernel that does not.
const TIMEOUT_SECONDS: i64 = 5;

/// The most messages in one send: their answers fit the smallest receive buffer.
const MAX_BATCH: usize = 64;

/// The most attempts at a dump during which something changes, with a pause between them.
const MAX_DUMPS: usize = 40;

/// Between two attempts at a dump.
const DUMP_PAUSE: Duration = Duration::from_millis(2);

/// The kernel sends no datagram of a dump that is larger (`NLMSG_GOODSIZE` and `max_recvmsg_len`).
const BUFFER_BYTES: usize = 32 * 1024;

/// A message that changes something, with its flags beyond `NLM_F_REQUEST` and `NLM_F_ACK`.
#[derive(Debug)]
pub struct Message {
    /// The message itself.
    pub message: RouteNetlinkMessage,
    /// `NLM_F_CREATE`, `NLM_F_EXCL`, `NLM_F_REPLACE`.
    pub flags: u16,
}

/// A socket of one network namespace: the one in which it was opened.
#[derive(Debug)]
pub struct Netlink {
    socket: Socket,
    sequence: u32,
}

/// A socket of a protocol in the calling thread's namespace, in which it stays.
pub fn open(protocol: isize) -> io::Result<Socket> {
    let mut socket = Socket::new(protocol)?;
    socket.bind_auto()?;
    setsockopt(&socket, ReceiveTimeout, &TimeVal::seconds(TIMEOUT_SECONDS))?;
    Ok(socket)
}

impl Netlink {
    /// Opens a socket in the calling thread's namespace, in which it stays.
    pub fn open() -> io::Result<Self> {
        let socket = open(NETLINK_ROUTE)?;
        socket.set_cap_ack(true)?;
        // Since Linux 4.20. Without it dumps are longer; all answers are filtered here anyway.
        let _ = socket.set_netlink_get_strict_chk(true);
        Ok(Netlink { socket, sequence: 0 })
    }

    /// Sends all messages in order and gives one answer for each: one that fails does not stop those after it.
    pub fn batch(&mut self, messages: Vec<Message>) -> Vec<io::Result<()>> {
        let mut results = Vec::with_capacity(messages.len());
        let mut messages = messages.into_iter().peekable();
        while messages.peek().is_some() {
            let chunk: Vec<Message> = messages.by_ref().take(MAX_BATCH).collect();
            results.extend(self.send_chunk(chunk));
        }
        results
    }

    /// Asks for one object.
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

    /// Asks for all objects that the kernel's own filters let through; the caller filters again.
    pub fn dump(&mut self, message: RouteNetlinkMessage) -> io::Result<Vec<RouteNetlinkMessage>> {
        for _ in 0..MAX_DUMPS {
            if let Some(found) = self.dump_once(message.clone())? {
                return Ok(found);
            }
            sleep(DUMP_PAUSE);
        }
        Err(io::Error::new(io::ErrorKind::Interrupted, "the list changed whenever it was read"))
    }

    /// None when something changed during the dump.
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

    /// Reads until each request from `first` on has its answer.
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

    /// Sends all messages at once and gives the sequence number of the first.
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
            // NLMSG_ALIGN: the next message begins at a multiple of four bytes.
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
                // A signal (the planner's timer); the call is not restarted because it has a timeout.
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
                let message = NetlinkMessage::deserialize(bytes);
                messages
                    .push(message.map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e.to_string()))?);
            }
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        Ok(messages)
    }
}

//! Connections that the kernel tracks: `conntrack -D`, over `NETLINK_NETFILTER` (`linux/netfilter/nfnetlink_conntrack.h`).

use netlink_sys::protocols::NETLINK_NETFILTER;
use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{setsockopt, sockopt::ReceiveTimeout};
use nix::sys::time::{TimeVal, TimeValLike};
use std::io;

/// `NFNL_SUBSYS_CTNETLINK << 8` with `IPCTNL_MSG_CT_GET` and `IPCTNL_MSG_CT_DELETE`.
const GET: u16 = 0x0101;
const DELETE: u16 = 0x0102;

const CTA_TUPLE_ORIG: u16 = 1;
const CTA_TUPLE_PROTO: u16 = 2;
const CTA_PROTO_NUM: u16 = 1;
const CTA_PROTO_DST_PORT: u16 = 3;

/// The bits of `nla_type` that tell the type.
const TYPE_MASK: u16 = 0x3fff;
const HEADER: usize = 16;
/// `struct nfgenmsg`.
const FAMILY_HEADER: usize = 4;
const TIMEOUT_SECONDS: i64 = 5;
const BUFFER_BYTES: usize = 64 * 1024;

/// Forgets the UDP connections to ports of this machine, as they were before any translation; tells how many there were.
///
/// Packets of a client go where its first one went, as long as the connection is known.
pub fn forget_udp(is_ipv4: bool, ports: &[u16]) -> io::Result<usize> {
    let family = u8::try_from(if is_ipv4 { libc::AF_INET } else { libc::AF_INET6 }).unwrap_or_default();
    let mut socket = Socket::new(NETLINK_NETFILTER)?;
    socket.bind_auto()?;
    setsockopt(&socket, ReceiveTimeout, &TimeVal::seconds(TIMEOUT_SECONDS))?;
    let dump = u16::try_from(libc::NLM_F_DUMP).unwrap_or_default();
    let found = ask(&socket, GET, dump, family, &[])?;
    let meant = found.iter().filter_map(|message| original(message)).filter(|tuple| is_meant(tuple, ports));
    let mut count = 0;
    for tuple in meant {
        let acknowledge = u16::try_from(libc::NLM_F_ACK).unwrap_or_default();
        match ask(&socket, DELETE, acknowledge, family, &attribute(CTA_TUPLE_ORIG | 0x8000, tuple)) {
            Ok(_) => count += 1,
            // It ended by itself meanwhile.
            Err(error) if error.raw_os_error() == Some(Errno::ENOENT as i32) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

/// Sends one request and gives the messages of its answer.
fn ask(socket: &Socket, kind: u16, flags: u16, family: u8, attributes: &[u8]) -> io::Result<Vec<Vec<u8>>> {
    let length = u32::try_from(HEADER + FAMILY_HEADER + attributes.len()).unwrap_or_default();
    let request = u16::try_from(libc::NLM_F_REQUEST).unwrap_or_default();
    let mut bytes = Vec::new();
    bytes.extend(length.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend((request | flags).to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend([family, 0, 0, 0]);
    bytes.extend(attributes);
    socket.send_to(&bytes, &SocketAddr::new(0, 0), 0)?;
    let mut messages = Vec::new();
    loop {
        let mut buffer: Vec<u8> = Vec::with_capacity(BUFFER_BYTES);
        match socket.recv(&mut buffer, 0) {
            Err(error) if error.raw_os_error() == Some(Errno::EINTR as i32) => continue,
            received => received?,
        };
        let mut rest = buffer.as_slice();
        while let (Some(length), Some(kind)) = (u32_at(rest, 0), u16_at(rest, 4)) {
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            let Some(message) = rest.get(HEADER..length) else { break };
            match i32::from(kind) {
                libc::NLMSG_DONE => return Ok(messages),
                libc::NLMSG_ERROR => {
                    let number = u32_at(message, 0).unwrap_or_default().cast_signed();
                    return if number == 0 {
                        Ok(messages)
                    } else {
                        Err(io::Error::from_raw_os_error(-number))
                    };
                }
                _ => messages.push(message.to_vec()),
            }
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
    }
}

/// The attribute with the addresses and ports of a connection's first packet.
fn original(message: &[u8]) -> Option<&[u8]> {
    find(message.get(FAMILY_HEADER..)?, CTA_TUPLE_ORIG)
}

fn is_meant(tuple: &[u8], ports: &[u16]) -> bool {
    let Some(protocol) = find(tuple, CTA_TUPLE_PROTO) else { return false };
    let number = find(protocol, CTA_PROTO_NUM).and_then(|bytes| bytes.first().copied());
    let port = find(protocol, CTA_PROTO_DST_PORT)
        .and_then(|bytes| bytes.first_chunk())
        .map(|b| u16::from_be_bytes(*b));
    number.map(i32::from) == Some(libc::IPPROTO_UDP) && port.is_some_and(|port| ports.contains(&port))
}

/// The payload of an attribute.
fn find(mut attributes: &[u8], wanted: u16) -> Option<&[u8]> {
    while let (Some(length), Some(kind)) = (u16_at(attributes, 0), u16_at(attributes, 2)) {
        let length = usize::from(length);
        let payload = attributes.get(4..length)?;
        if kind & TYPE_MASK == wanted {
            return Some(payload);
        }
        attributes = attributes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    None
}

fn attribute(kind: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + payload.len()).unwrap_or_default();
    let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.first_chunk().map(|bytes| u16::from_ne_bytes(*bytes))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}

//! Connection tracking, as in `conntrack -D`, over `NETLINK_NETFILTER` (`linux/netfilter/nfnetlink_conntrack.h`).

use super::netfilter::{ACK, DUMP, Message, NESTED, Netfilter, attribute, find};
use nix::errno::Errno;
use nix::libc;
use std::io;

/// `NFNL_SUBSYS_CTNETLINK << 8` with `IPCTNL_MSG_CT_GET` and `IPCTNL_MSG_CT_DELETE`.
const GET: u16 = 0x0101;
const DELETE: u16 = 0x0102;

const CTA_TUPLE_ORIG: u16 = 1;
const CTA_TUPLE_PROTO: u16 = 2;
const CTA_PROTO_NUM: u16 = 1;
const CTA_PROTO_DST_PORT: u16 = 3;

/// Deletes the UDP entries whose original destination port (before NAT) is one of these ports.
///
/// As long as an entry exists, the kernel sends all packets of the client to the destination of the first one.
pub fn forget_udp(is_ipv4: bool, ports: &[u16]) -> io::Result<()> {
    let family = u8::try_from(if is_ipv4 { libc::AF_INET } else { libc::AF_INET6 }).unwrap_or_default();
    let mut socket = Netfilter::open()?;
    let all = Message { kind: GET, flags: DUMP, family, attributes: Vec::new() };
    let found = socket.ask(&all)?;
    let tuples = found.iter().filter_map(|connection| find(connection, CTA_TUPLE_ORIG));
    for tuple in tuples.filter(|tuple| is_meant(tuple, ports)) {
        let attributes = attribute(CTA_TUPLE_ORIG | NESTED, tuple);
        match socket.ask(&Message { kind: DELETE, flags: ACK, family, attributes }) {
            Ok(_) => {}
            // The entry has expired since the dump.
            Err(error) if error.raw_os_error() == Some(Errno::ENOENT as i32) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn is_meant(tuple: &[u8], ports: &[u16]) -> bool {
    let Some(protocol) = find(tuple, CTA_TUPLE_PROTO) else { return false };
    let number = find(protocol, CTA_PROTO_NUM).and_then(|bytes| bytes.first().copied());
    let port = find(protocol, CTA_PROTO_DST_PORT)
        .and_then(|bytes| bytes.first_chunk())
        .map(|b| u16::from_be_bytes(*b));
    number.map(i32::from) == Some(libc::IPPROTO_UDP) && port.is_some_and(|port| ports.contains(&port))
}

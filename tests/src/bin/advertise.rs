//! `advertise LINK`: a rogue router (RFC 4861, section 4.2). It sends router advertisements on a link as fast as it
//! can, until it is killed. It waits for a link that does not exist yet.

use nix::net::if_::if_nametoindex;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn6, sendto, setsockopt, socket,
    sockopt,
};
use std::net::{Ipv6Addr, SocketAddrV6};
use std::os::fd::AsRawFd;
use std::time::Duration;

/// The all-nodes multicast address (RFC 4291, section 2.7.1).
const EVERYBODY: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// The content: a prefix of fd66::/64 for address autoconfiguration, and itself as default router.
fn advertisement() -> Vec<u8> {
    let hop_limit = 64;
    let lifetime = 1800u16.to_be_bytes();
    // Type and code; the kernel adds the checksum.
    let mut message = vec![134, 0, 0, 0, hop_limit, 0, lifetime[0], lifetime[1]];
    message.extend([0; 8]);
    let on_link_and_autonomous = 0xc0;
    message.extend([3, 4, 64, on_link_and_autonomous]);
    message.extend(86_400u32.to_be_bytes());
    message.extend(14_400u32.to_be_bytes());
    message.extend([0; 4]);
    message.extend(Ipv6Addr::new(0xfd66, 0, 0, 0, 0, 0, 0, 0).octets());
    message
}

fn main() -> nix::Result<()> {
    let link = std::env::args().nth(1).expect("advertise LINK");
    let raw =
        socket(AddressFamily::Inet6, SockType::Raw, SockFlag::SOCK_CLOEXEC, Some(SockProtocol::IcmpV6))?;
    // Receivers ignore an advertisement with any other hop limit (RFC 4861, section 6.1.2).
    setsockopt(&raw, sockopt::Ipv6MulticastHops, &255)?;
    let message = advertisement();
    loop {
        if let Ok(index) = if_nametoindex(link.as_str()) {
            let to = SockaddrIn6::from(SocketAddrV6::new(EVERYBODY, 0, 0, index));
            // Sending fails until the link is up and has an address.
            let _ = sendto(raw.as_raw_fd(), &message, &to, MsgFlags::empty());
        }
        std::thread::sleep(Duration::from_micros(200));
    }
}

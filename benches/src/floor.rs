//! The lower bound of the kernel: sends prepared messages and waits for each answer.
//!
//! `floor MESSAGES NETNS`: a line of the file is `host HEX` or `container HEX` (one rtnetlink message), or `nft HEX`
//! (a batch of nf_tables). `netns-fd N` is the descriptor number by which the messages name the container's
//! namespace. A second thread sends the rules in parallel with the links, so that only the kernel makes them wait for
//! each other.
//!
//! `floor --peak PROGRAM ARG…` runs a program. It prints the peak resident memory of the largest process on standard
//! error, in KiB.

use anyhow::{Context, Result, bail};
use nix::sched::{CloneFlags, setns};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, sendto, socket,
};
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::{Command, ExitCode};
use std::thread;

/// The size of `struct nlmsghdr`, and the message type of `struct nlmsgerr` (`linux/netlink.h`).
const HEADER: usize = 16;
const NLMSG_ERROR: u16 = 2;
/// `NFNL_MSG_BATCH_BEGIN`, `NFNL_MSG_BATCH_END` (`linux/netfilter/nfnetlink.h`).
const BATCH: [u16; 2] = [0x10, 0x11];
const ACK: u16 = 4;

fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["--peak", program, rest @ ..] => peak(program, rest),
        [messages, netns] => send(messages, netns).map(|()| ExitCode::SUCCESS),
        _ => bail!("usage: floor MESSAGES NETNS"),
    }
}

#[expect(clippy::print_stderr, reason = "standard output is the program's")]
fn peak(program: &str, arguments: &[&str]) -> Result<ExitCode> {
    let status = Command::new(program).args(arguments).status()?;
    eprintln!("{}", getrusage(UsageWho::RUSAGE_CHILDREN)?.max_rss());
    Ok(ExitCode::from(u8::from(!status.success())))
}

fn send(messages: &str, netns: &str) -> Result<()> {
    let text = std::fs::read_to_string(messages)?;
    let mut files = vec![File::open(netns)?];
    let (mut links, mut rules) = (Vec::new(), Vec::new());
    for line in text.lines() {
        let (word, rest) = line.split_once(' ').context("a line without a word")?;
        match word {
            "netns-fd" => {
                let wanted: i32 = rest.parse()?;
                while files.last().is_some_and(|last| last.as_raw_fd() < wanted) {
                    files.push(File::open(netns)?);
                }
            }
            "nft" => rules.push(bytes(rest)?),
            _ => links.push((word, bytes(rest)?)),
        }
    }
    let firewall = thread::spawn(move || -> Result<()> {
        if rules.is_empty() {
            return Ok(());
        }
        let socket = open(SockProtocol::NetlinkNetFilter)?;
        rules.into_iter().try_for_each(|batch| exchange(&socket, batch))
    });
    let host = open(SockProtocol::NetlinkRoute)?;
    let own = File::open("/proc/thread-self/ns/net")?;
    let inside = files.first().context("no namespace")?;
    setns(inside, CloneFlags::CLONE_NEWNET)?;
    let container = open(SockProtocol::NetlinkRoute)?;
    setns(&own, CloneFlags::CLONE_NEWNET)?;
    for (word, message) in links {
        exchange(if word == "host" { &host } else { &container }, message)?;
    }
    firewall.join().ok().context("the thread of the rules panicked")?
}

fn bytes(hex: &str) -> Result<Vec<u8>> {
    let pairs = hex.as_bytes().chunks(2).map(|pair| Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?));
    pairs.collect()
}

fn open(protocol: SockProtocol) -> Result<OwnedFd> {
    let socket = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)?;
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
    Ok(socket)
}

/// Sends one or more messages, each of which requests an acknowledgement, and reads all answers. Fails if any answer
/// is an error.
fn exchange(socket: &OwnedFd, mut data: Vec<u8>) -> Result<()> {
    let mut wanted = 0;
    let mut place = 0;
    while let Some(header) = data.get_mut(place..place + HEADER) {
        let length = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let kind = u16::from_ne_bytes([header[4], header[5]]);
        if !BATCH.contains(&kind) {
            header[6] |= ACK as u8;
            wanted += 1;
        }
        place += length.next_multiple_of(4).max(HEADER);
    }
    sendto(socket.as_raw_fd(), &data, &NetlinkAddr::new(0, 0), MsgFlags::empty())?;
    let mut buffer = vec![0; 65536];
    while wanted > 0 {
        let length = recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
        let mut place = 0;
        while place + HEADER + 4 <= length {
            let word =
                |at: usize| u32::from_ne_bytes([buffer[at], buffer[at + 1], buffer[at + 2], buffer[at + 3]]);
            let kind = u16::from_ne_bytes([buffer[place + 4], buffer[place + 5]]);
            if kind == NLMSG_ERROR {
                let error = word(place + HEADER) as i32;
                if error != 0 {
                    bail!("message {wanted} from the end: {}", std::io::Error::from_raw_os_error(-error));
                }
                wanted -= 1;
            }
            place += (word(place) as usize).next_multiple_of(4).max(HEADER);
        }
    }
    Ok(())
}

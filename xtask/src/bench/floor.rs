//! The kernel's floor: the messages of a real ADD and DEL that change something, taken from `strace`, for the program in `benches`.

use super::rows::walkthrough;
use super::world::{Call, Side, World};
use anyhow::{Context, Result, bail};
use std::collections::HashMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// `RTM_NEWLINK`, and from there on new, delete, get, set of each kind (`linux/rtnetlink.h`).
const RTM_NEWLINK: u16 = 16;
/// Of each four messages of a kind the third only asks.
const GET: u16 = 2;
/// The subsystem of nf_tables, in the upper byte (`linux/netfilter/nfnetlink.h`).
const NFTABLES: u16 = 10;
/// `NFNL_MSG_BATCH_BEGIN`, and its length without the generation that it was written for.
const BATCH_BEGIN: u16 = 0x10;
const BATCH_BEGIN_BYTES: usize = 20;

/// The program, and what it sends.
pub struct Floor {
    /// `benches/src/floor.rs`, built.
    pub program: PathBuf,
    /// Of an ADD.
    pub add: PathBuf,
    /// Of the DEL after it.
    pub del: PathBuf,
}

impl Floor {
    /// Takes the messages of the walkthrough in a world as every call is measured in.
    pub fn capture(side: &Side, program: PathBuf) -> Result<Floor> {
        let text = walkthrough().to_string();
        let world = World::new(1)?;
        let call = Call { side, plugin: "bridge", config: &text, container: 0 };
        let floor = Floor { program, add: "/run/floor.add".into(), del: "/run/floor.del".into() };
        for (verb, to) in [("ADD", &floor.add), ("DEL", &floor.del)] {
            let trace = Path::new("/run/floor.trace");
            let of = call.process(verb)?;
            let mut strace = Command::new("strace");
            strace
                .args(["-f", "-qq", "-xx", "-s", "1000000", "-e", "trace=setns,socket,sendto,sendmsg", "-o"])
                .arg(trace);
            strace.arg(of.get_program()).stdin(call.stdin()?).stdout(fs::File::create("/dev/null")?);
            strace.envs(of.get_envs().filter_map(|(name, value)| Some((name, value?))));
            if !strace.status()?.success() {
                bail!("{verb} under strace failed");
            }
            fs::write(to, messages(&fs::read_to_string(trace)?)?)?;
        }
        world.end()?;
        Ok(floor)
    }
}

/// What is known of a socket.
#[derive(Clone, Copy, PartialEq)]
enum Socket {
    Host,
    Container,
    Nft,
}

/// The lines for the program.
fn messages(trace: &str) -> Result<String> {
    let mut text = String::new();
    let mut sockets: HashMap<(u32, u32), Socket> = HashMap::new();
    let mut inside: HashMap<u32, bool> = HashMap::new();
    let main = trace.split_whitespace().next().and_then(|pid| pid.parse().ok()).context("an empty trace")?;
    for line in trace.lines() {
        let Some((pid, call)) = line.split_once(' ') else { continue };
        let (pid, call): (u32, &str) = (pid.parse()?, call.trim_start());
        let returned = call
            .rsplit_once(" = ")
            .and_then(|(_, value)| value.split_whitespace().next()?.parse::<u32>().ok());
        if call.starts_with("setns(") {
            let is_inside = inside.entry(pid).or_default();
            *is_inside = !*is_inside;
        } else if let (true, Some(fd)) = (call.starts_with("socket(AF_NETLINK"), returned) {
            let socket = match (call.contains("NETLINK_NETFILTER"), inside.get(&pid)) {
                (true, _) => Socket::Nft,
                (false, Some(true)) => Socket::Container,
                (false, _) => Socket::Host,
            };
            sockets.insert((pid, fd), socket);
        } else if call.starts_with("send") {
            let Some(fd) = call.split(['(', ',']).nth(1).and_then(|fd| fd.parse().ok()) else { continue };
            let Some(socket) =
                sockets.get(&(pid, fd)).copied().filter(|socket| *socket == Socket::Nft || pid == main)
            else {
                continue;
            };
            let bytes = payload(call)?;
            if socket == Socket::Nft {
                let changed = split(&bytes);
                if changed.first().is_some_and(|first| kind(first) == BATCH_BEGIN) {
                    let _ = writeln!(text, "nft {}", hex(&without_generation(&changed)));
                }
                continue;
            }
            for message in split(&bytes) {
                if kind(message) < RTM_NEWLINK || (kind(message) - RTM_NEWLINK) % 4 == GET {
                    continue;
                }
                if let Some(fd) = netns_fd(message) {
                    let _ = writeln!(text, "netns-fd {fd}");
                }
                let place = if socket == Socket::Host { "host" } else { "container" };
                let _ = writeln!(text, "{place} {}", hex(message));
            }
        }
    }
    if !text.contains("host ") {
        bail!("no message was found in the trace");
    }
    Ok(text)
}

/// All strings of a call that are bytes, one after the other: `"\x10\x00…"`.
fn payload(call: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for part in call.split('"').skip(1).step_by(2) {
        for byte in part.split("\\x").skip(1) {
            bytes.push(u8::from_str_radix(byte, 16)?);
        }
    }
    Ok(bytes)
}

fn word(bytes: &[u8], at: usize) -> usize {
    bytes.get(at..at + 4).map_or(0, |four| u32::from_ne_bytes([four[0], four[1], four[2], four[3]]) as usize)
}

fn half(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).map_or(0, |two| u16::from_ne_bytes([two[0], two[1]]))
}

fn kind(message: &[u8]) -> u16 {
    half(message, 4)
}

/// The messages of a datagram.
fn split(bytes: &[u8]) -> Vec<&[u8]> {
    let (mut all, mut place) = (Vec::new(), 0);
    while let Some(message) = bytes.get(place..place + word(bytes, place).max(16)) {
        all.push(message);
        place += message.len().next_multiple_of(4);
    }
    all
}

/// A batch that any ruleset takes.
fn without_generation(messages: &[&[u8]]) -> Vec<u8> {
    let mut batch = Vec::new();
    for message in messages {
        if kind(message) == BATCH_BEGIN {
            batch.extend((BATCH_BEGIN_BYTES as u32).to_ne_bytes());
            batch.extend(&message[4..BATCH_BEGIN_BYTES]);
        } else if kind(message) >> 8 == NFTABLES || kind(message) == BATCH_BEGIN + 1 {
            batch.extend(*message);
            batch.resize(batch.len().next_multiple_of(4), 0);
        }
    }
    batch
}

/// The descriptor of `IFLA_NET_NS_FD` within a new veth's peer: link info, data, peer, attributes.
fn netns_fd(message: &[u8]) -> Option<usize> {
    const LINKINFO: u16 = 18;
    const INFO_DATA: u16 = 2;
    const VETH_INFO_PEER: u16 = 1;
    const NET_NS_FD: u16 = 28;
    /// `struct ifinfomsg`.
    const INFO: usize = 16;
    if kind(message) != RTM_NEWLINK {
        return None;
    }
    let attributes = message.get(16 + INFO..)?;
    let direct = attribute(attributes, NET_NS_FD);
    let peer = || {
        let data = attribute(attribute(attributes, LINKINFO)?, INFO_DATA)?;
        attribute(attribute(data, VETH_INFO_PEER)?.get(INFO..)?, NET_NS_FD)
    };
    direct.or_else(peer).map(|value| word(value, 0))
}

fn attribute(bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    let mut place = 0;
    loop {
        let length = usize::from(half(bytes, place));
        let whole = bytes.get(place..place + length.max(4))?;
        // The upper two bits are flags.
        if half(bytes, place + 2) & 0x3fff == wanted {
            return whole.get(4..);
        }
        place += whole.len().next_multiple_of(4);
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

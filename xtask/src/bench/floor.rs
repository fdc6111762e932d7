//! The kernel's floor: the messages of a real ADD and DEL that change something, recorded with `strace`, for the
//! program in `benches`.

use super::rows::walkthrough;
use super::world::{Call, Side, World};
use anyhow::{Context, Result, bail};
use std::collections::HashMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// `RTM_NEWLINK`. From there on, each object has four types: new, delete, get, set (`linux/rtnetlink.h`).
const RTM_NEWLINK: u16 = 16;
/// The third of each four types only reads.
const GET: u16 = 2;
/// The subsystem of nf_tables, in the upper byte (`linux/netfilter/nfnetlink.h`).
const NFTABLES: u16 = 10;
/// `NFNL_MSG_BATCH_BEGIN`, and its length without the ruleset generation that it was written for.
const BATCH_BEGIN: u16 = 0x10;
const BATCH_BEGIN_BYTES: usize = 20;

/// The program and its messages.
pub struct Floor {
    /// The built `benches/src/floor.rs`.
    pub program: PathBuf,
    /// The messages of an ADD.
    pub add: PathBuf,
    /// The messages of the DEL after it.
    pub del: PathBuf,
}

impl Floor {
    /// Records the messages of the walkthrough, in a world like that of every measured call.
    pub fn capture(side: &Side, program: PathBuf) -> Result<Floor> {
        let text = walkthrough().to_string();
        let world = World::new(1)?;
        let call = Call { side, plugin: "bridge", config: &text, container: 0 };
        let floor = Floor { program, add: "/run/floor.add".into(), del: "/run/floor.del".into() };
        for (verb, to) in [("ADD", &floor.add), ("DEL", &floor.del)] {
            let traces = tempfile::tempdir()?;
            let mut strace = call.process_of(Path::new("strace"), verb)?;
            // A file for each process. Data is a hex dump, because strace decodes most of it otherwise.
            strace.args(["-ff", "-qq", "-e", "trace=setns,socket,sendto,sendmsg", "-e", "write=all", "-o"]);
            strace.arg(traces.path().join("trace")).arg(call.program());
            strace.stdout(fs::File::create("/dev/null")?);
            if !strace.status()?.success() {
                bail!("{verb} under strace failed");
            }
            let mut processes: Vec<(u32, String)> = Vec::new();
            for entry in fs::read_dir(traces.path())? {
                let path = entry?.path();
                let pid = path.extension().and_then(|pid| pid.to_str()).and_then(|pid| pid.parse().ok());
                processes.push((pid.context("a trace of no process")?, fs::read_to_string(&path)?));
            }
            // The host comes first, because its children have higher process IDs.
            processes.sort();
            let mut text = String::new();
            for (place, (_, trace)) in processes.iter().enumerate() {
                messages(trace, place == 0, &mut text)?;
            }
            if !text.contains("host ") {
                bail!("no message was found in the trace");
            }
            fs::write(to, text)?;
        }
        world.end()?;
        Ok(floor)
    }
}

/// A socket in a trace.
#[derive(Clone, Copy, PartialEq)]
enum Socket {
    Host,
    Container,
    Nft,
}

/// Adds the lines for the program from the trace of a process: rtnetlink and nf_tables of the host, only nf_tables of
/// another process.
fn messages(trace: &str, is_host: bool, text: &mut String) -> Result<()> {
    let mut sockets: HashMap<u32, Socket> = HashMap::new();
    let mut is_inside = false;
    let mut lines = trace.lines().peekable();
    while let Some(call) = lines.next() {
        let returned = call
            .rsplit_once(" = ")
            .and_then(|(_, value)| value.split_whitespace().next()?.parse::<u32>().ok());
        if call.starts_with("setns(") {
            is_inside = !is_inside;
        } else if let (true, Some(fd)) = (call.starts_with("socket(AF_NETLINK"), returned) {
            let socket = match (call.contains("NETLINK_NETFILTER"), is_inside) {
                (true, _) => Socket::Nft,
                (false, true) => Socket::Container,
                (false, false) => Socket::Host,
            };
            sockets.insert(fd, socket);
        } else if call.starts_with("send") {
            let mut bytes = Vec::new();
            while let Some(line) = lines.next_if(|line| line.starts_with([' ', '*'])) {
                bytes.extend(dumped(line));
            }
            let fd = call.split(['(', ',']).nth(1).and_then(|fd| fd.parse().ok());
            let Some(socket) = fd.and_then(|fd| sockets.get(&fd)) else { continue };
            match socket {
                Socket::Nft => {
                    let batch = split(&bytes);
                    if batch.first().is_some_and(|first| kind(first) == BATCH_BEGIN) {
                        let _ = writeln!(text, "nft {}", hex(&without_generation(&batch)));
                    }
                }
                Socket::Host | Socket::Container if is_host => {
                    let place = if *socket == Socket::Host { "host" } else { "container" };
                    for message in split(&bytes).into_iter().filter(|message| is_change(kind(message))) {
                        if let Some(fd) = netns_fd(message) {
                            let _ = writeln!(text, "netns-fd {fd}");
                        }
                        let _ = writeln!(text, "{place} {}", hex(message));
                    }
                }
                Socket::Host | Socket::Container => {}
            }
        }
    }
    Ok(())
}

fn is_change(kind: u16) -> bool {
    kind >= RTM_NEWLINK && (kind - RTM_NEWLINK) % 4 != GET
}

/// The bytes of a line of a dump: ` | 00010  00 00 00 00 …  ........ |`.
fn dumped(line: &str) -> Vec<u8> {
    let Some(rest) = line.strip_prefix(" | ").and_then(|rest| rest.get(5..)) else { return Vec::new() };
    // Sixteen bytes, in two halves; then the same as text.
    let bytes = rest.get(..51).unwrap_or(rest);
    bytes
        .split_whitespace()
        .map_while(|byte| u8::from_str_radix(byte, 16).ok().filter(|_| byte.len() == 2))
        .collect()
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

/// Removes the generation, so that any ruleset accepts the batch.
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

/// The descriptor of `IFLA_NET_NS_FD` in a new veth's peer: link info, data, peer, attributes.
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

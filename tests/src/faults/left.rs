//! Finds what a call left on the machine.

use std::collections::BTreeSet;

/// The lines in which a machine differs from the allowed states. Each line of its snapshot must be in one of the
/// allowed states, and lines that all of them have must be there.
///
/// So a bridge that a DEL leaves by design does not count, with or without its address. All Ethernet addresses count as
/// equal, because those of the reference are random.
pub fn left(now: &str, allowed: &[&str]) -> Vec<String> {
    let now = lines(now);
    let allowed: Vec<BTreeSet<String>> = allowed.iter().map(|text| lines(text)).collect();
    // A bridge takes the forwarding of the machine at the time when it is made.
    let is_counted = |line: &&String| !line.contains("/forwarding:");
    let extra =
        now.iter().filter(is_counted).filter(|line| !allowed.iter().any(|lines| lines.contains(*line)));
    let mut left: Vec<String> = extra.map(|line| format!("+ {line}")).collect();
    if let Some((first, others)) = allowed.split_first() {
        let needed = first.iter().filter(|line| others.iter().all(|lines| lines.contains(*line)));
        left.extend(needed.filter(|line| !now.contains(*line)).map(|line| format!("- {line}")));
    }
    left
}

/// What the machine lacks for a working attachment: addresses, routes, rules, forwarding.
pub fn missing(now: &str, attached: &str) -> Vec<String> {
    const KINDS: [&str; 6] =
        ["address ", "route ", "iptables ", "ip6tables ", "nft ", "sysctl ipv4/ip_forward"];
    let is_of_attachment = |line: &String| {
        line.split_once(": ").is_some_and(|(_, thing)| KINDS.iter().any(|kind| thing.starts_with(kind)))
    };
    let now = lines(now);
    let lacking = lines(attached).into_iter().filter(|line| is_of_attachment(line) && !now.contains(line));
    lacking.map(|line| format!("- {line}")).collect()
}

fn lines(snapshot: &str) -> BTreeSet<String> {
    snapshot.lines().map(without_macs).collect()
}

/// Replaces `xx:xx:xx:xx:xx:xx` by `MAC`.
fn without_macs(line: &str) -> String {
    const LENGTH: usize = 17;
    let is_mac = |bytes: &[u8]| {
        bytes.iter().enumerate().all(
            |(index, byte)| {
                if index % 3 == 2 { *byte == b':' } else { byte.is_ascii_hexdigit() }
            },
        )
    };
    let mut text = String::new();
    let mut rest = line;
    while let Some(character) = rest.chars().next() {
        match rest.as_bytes().get(..LENGTH).filter(|bytes| is_mac(bytes)) {
            Some(_) => {
                text += "MAC";
                rest = &rest[LENGTH..];
            }
            None => {
                text.push(character);
                rest = &rest[character.len_utf8()..];
            }
        }
    }
    text
}

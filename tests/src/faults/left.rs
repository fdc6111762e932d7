//! What a call left on the machine.

use std::collections::BTreeSet;

/// The lines by which a machine differs from what it may be: each line of its snapshot has to be in one of the allowed ones, and what
/// all of these have has to be there.
///
/// So a bridge that a DEL leaves by design is not counted, with or without its address. Ethernet addresses count as equal: those of the
/// reference are random.
pub fn left(now: &str, allowed: &[&str]) -> Vec<String> {
    let now = lines(now);
    let allowed: Vec<BTreeSet<String>> = allowed.iter().map(|text| lines(text)).collect();
    // The forwarding of a bridge is that of the machine, at the time when it was made.
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

/// What an attachment that works has and the machine lacks: addresses, routes, rules, forwarding.
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

/// `xx:xx:xx:xx:xx:xx` becomes `MAC`.
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

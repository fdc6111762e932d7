//! Short forms in the text of a guest: `(text "…")`, `(address 10.0.0.1)`, `(prefix 10.0.0.0/8)`. Each stands for the
//! constants of the canonical ABI.

use std::fmt::Write;
use std::net::IpAddr;

/// The start of the texts in the guest's memory.
const TEXTS: usize = 4096;

/// Replaces the short forms of a text; returns the text and the data segments that it needs.
pub fn spell_out(text: &str) -> (String, String) {
    let (mut code, mut data, mut next) = (String::new(), String::new(), TEXTS);
    let mut rest = text;
    loop {
        let found = ["(text ", "(address ", "(prefix "].into_iter();
        let found = found.filter_map(|word| Some((rest.find(word)?, word))).min();
        let Some((at, word)) = found else { break };
        let (before, after) = (&rest[..at], &rest[at + word.len()..]);
        code += before;
        if word == "(text " {
            let end = end_of(after);
            let (literal, length) = (&after[..end], length(&after[1..end - 1]));
            writeln!(data, "(data (i32.const {next}) {literal})").expect("a string takes it");
            write!(code, "(i32.const {next}) (i32.const {length})").expect("a string takes it");
            next += length;
            rest = after[end..].strip_prefix(')').expect("a text ends with its bracket");
        } else {
            let (value, after) = after.split_once(')').expect("a word ends with its bracket");
            code += &constants(value);
            rest = after;
        }
    }
    (code + rest, data)
}

/// The end of a string literal that starts here, quotes included.
fn end_of(text: &str) -> usize {
    let mut bytes = text.bytes().enumerate().skip(1);
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return at + 1,
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
    panic!("a text without an end: {text}")
}

/// The bytes of a string literal: `\n`, `\00`.
fn length(literal: &str) -> usize {
    let (mut bytes, mut rest) = (0, literal.as_bytes());
    while let [first, more @ ..] = rest {
        let taken = match (first, more.first()) {
            (b'\\', Some(b'n' | b'r' | b't' | b'"' | b'\'' | b'\\')) => 2,
            (b'\\', _) => 3,
            _ => 1,
        };
        rest = rest.get(taken..).unwrap_or_default();
        bytes += 1;
    }
    bytes
}

/// An `ip-address`, or a `prefix`, as constants: the case, eight fields of which IPv4 uses four, the length.
fn constants(value: &str) -> String {
    let (address, prefix) = value.split_once('/').map_or((value, None), |(a, length)| (a, Some(length)));
    let (case, mut fields): (u16, Vec<u16>) = match address.parse().expect("an address") {
        IpAddr::V4(v4) => (0, v4.octets().map(u16::from).to_vec()),
        IpAddr::V6(v6) => (1, v6.segments().to_vec()),
    };
    fields.resize(8, 0);
    fields.insert(0, case);
    fields.extend(prefix.map(|length| length.parse::<u16>().expect("the length of a prefix")));
    fields.iter().map(|field| format!("(i32.const {field})")).collect()
}

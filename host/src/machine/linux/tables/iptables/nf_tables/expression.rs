//! The expressions of a rule (`linux/netfilter/nf_tables.h`, `nf_tables_compat.h`).

use crate::machine::linux::netlink::netfilter::{
    attribute, attributes, find, nest, number, number_attribute, text, text_attribute, until_nul,
};
use crate::machine::rules::iptables::{Family, Rule};
use crate::value::length;
use ipnetwork::IpNetwork;
use std::net::IpAddr;

const NFTA_LIST_ELEM: u16 = 1;
const NFTA_EXPR_NAME: u16 = 1;
const NFTA_EXPR_DATA: u16 = 2;
const NFTA_DATA_VALUE: u16 = 1;
const NFTA_DATA_VERDICT: u16 = 2;
const NFTA_VERDICT_CODE: u16 = 1;
const NFTA_VERDICT_CHAIN: u16 = 2;
const NFTA_IMMEDIATE_DREG: u16 = 1;
const NFTA_IMMEDIATE_DATA: u16 = 2;
const NFTA_PAYLOAD_DREG: u16 = 1;
const NFTA_PAYLOAD_BASE: u16 = 2;
const NFTA_PAYLOAD_OFFSET: u16 = 3;
const NFTA_PAYLOAD_LEN: u16 = 4;
const NFTA_BITWISE_SREG: u16 = 1;
const NFTA_BITWISE_DREG: u16 = 2;
const NFTA_BITWISE_LEN: u16 = 3;
const NFTA_BITWISE_MASK: u16 = 4;
const NFTA_BITWISE_XOR: u16 = 5;
const NFTA_CMP_SREG: u16 = 1;
const NFTA_CMP_OP: u16 = 2;
const NFTA_CMP_DATA: u16 = 3;
const NFTA_COUNTER_BYTES: u16 = 1;
const NFTA_COUNTER_PACKETS: u16 = 2;
/// Attributes of a match and of a target.
const NFTA_XT_NAME: u16 = 1;
const NFTA_XT_REV: u16 = 2;
const NFTA_XT_INFO: u16 = 3;

/// `NFT_REG_VERDICT` and `NFT_REG_1`.
const VERDICT: u32 = 0;
const REGISTER: u32 = 1;
/// `NFT_PAYLOAD_NETWORK_HEADER`.
const NETWORK_HEADER: u32 = 1;
/// `NFT_CMP_EQ` and `NFT_CMP_NEQ`.
const EQUAL: u32 = 0;
const NOT_EQUAL: u32 = 1;
/// `NF_ACCEPT`, `NFT_JUMP`.
const ACCEPT: u32 = 1;
const JUMP: u32 = (-3_i32).cast_unsigned();

/// The prefix of our chains' names. No target's name begins with it.
pub const OURS: &str = "CNI-";

/// `XT_MAX_COMMENT_LEN`, in bytes, including the terminating zero.
const COMMENT_BYTES: usize = length::IPTABLES_COMMENT + 1;

/// The expressions of a rule. None if it contains something that this module does not support.
pub fn of(rule: &Rule, family: Family) -> Option<Vec<Vec<u8>>> {
    let (source, destination) = offsets(family);
    let mut expressions = Vec::new();
    if let Some(network) = rule.source() {
        expressions.extend(address(source, network, EQUAL, family)?);
    }
    match (rule.destination(), rule.not_destination()) {
        (Some(network), None) => expressions.extend(address(destination, network, EQUAL, family)?),
        (None, Some(network)) => expressions.extend(address(destination, network, NOT_EQUAL, family)?),
        (None, None) => {}
        (Some(_), Some(_)) => return None,
    }
    if let Some(comment) = rule.comment() {
        let mut info = comment.as_bytes().to_vec();
        if info.len() >= COMMENT_BYTES {
            return None;
        }
        info.resize(COMMENT_BYTES, 0);
        expressions.push(extension("match", "comment", &info));
    }
    let zero = 0_u64.to_be_bytes();
    let counter = [attribute(NFTA_COUNTER_BYTES, &zero), attribute(NFTA_COUNTER_PACKETS, &zero)];
    expressions.push(expression("counter", &counter));
    expressions.push(match rule.target()? {
        "ACCEPT" => verdict(&[number_attribute(NFTA_VERDICT_CODE, ACCEPT)]),
        "MASQUERADE" => extension("target", "MASQUERADE", &masquerade(family)),
        chain if chain.starts_with(OURS) => {
            verdict(&[number_attribute(NFTA_VERDICT_CODE, JUMP), text_attribute(NFTA_VERDICT_CHAIN, chain)])
        }
        _ => return None,
    });
    Some(expressions)
}

/// The target's data without options: `struct nf_nat_ipv4_multi_range_compat` with one range, or `struct nf_nat_range`.
fn masquerade(family: Family) -> Vec<u8> {
    match family {
        Family::V4 => [1_u32.to_ne_bytes().as_slice(), &[0; 20]].concat(),
        Family::V6 => vec![0; 40],
    }
}

/// The offsets of source and destination address in `struct iphdr` and `struct ipv6hdr`, in bytes.
fn offsets(family: Family) -> (u32, u32) {
    match family {
        Family::V4 => (12, 16),
        Family::V6 => (8, 24),
    }
}

/// The comparison of an address with a network. If the prefix is a whole number of bytes, no mask is used.
fn address(offset: u32, network: IpNetwork, operator: u32, family: Family) -> Option<Vec<Vec<u8>>> {
    if Family::of(network) != family || (network.prefix() == 0 && operator != EQUAL) {
        return None;
    }
    let (value, mask) = (octets(network.network()), octets(network.mask()));
    let prefix = usize::from(network.prefix());
    let length = if prefix.is_multiple_of(8) { prefix / 8 } else { value.len() };
    if length == 0 {
        return Some(Vec::new());
    }
    let bytes = u32::try_from(length).ok()?;
    let mut expressions = vec![expression(
        "payload",
        &[
            number_attribute(NFTA_PAYLOAD_DREG, REGISTER),
            number_attribute(NFTA_PAYLOAD_BASE, NETWORK_HEADER),
            number_attribute(NFTA_PAYLOAD_OFFSET, offset),
            number_attribute(NFTA_PAYLOAD_LEN, bytes),
        ],
    )];
    if !prefix.is_multiple_of(8) {
        expressions.push(expression(
            "bitwise",
            &[
                number_attribute(NFTA_BITWISE_SREG, REGISTER),
                number_attribute(NFTA_BITWISE_DREG, REGISTER),
                number_attribute(NFTA_BITWISE_LEN, bytes),
                nest(NFTA_BITWISE_MASK, &[attribute(NFTA_DATA_VALUE, &mask)]),
                nest(NFTA_BITWISE_XOR, &[attribute(NFTA_DATA_VALUE, &vec![0; length])]),
            ],
        ));
    }
    expressions.push(expression(
        "cmp",
        &[
            number_attribute(NFTA_CMP_SREG, REGISTER),
            number_attribute(NFTA_CMP_OP, operator),
            nest(NFTA_CMP_DATA, &[attribute(NFTA_DATA_VALUE, value.get(..length)?)]),
        ],
    ));
    Some(expressions)
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// The address at the beginning of the bytes.
fn ip(bytes: &[u8], family: Family) -> Option<IpAddr> {
    Some(match family {
        Family::V4 => IpAddr::from(*bytes.first_chunk::<4>()?),
        Family::V6 => IpAddr::from(*bytes.first_chunk::<16>()?),
    })
}

fn expression(name: &str, data: &[Vec<u8>]) -> Vec<u8> {
    nest(NFTA_LIST_ELEM, &[text_attribute(NFTA_EXPR_NAME, name), nest(NFTA_EXPR_DATA, data)])
}

/// A match or a target of xtables, revision 0.
fn extension(kind: &str, name: &str, info: &[u8]) -> Vec<u8> {
    let name = text_attribute(NFTA_XT_NAME, name);
    expression(kind, &[name, number_attribute(NFTA_XT_REV, 0), attribute(NFTA_XT_INFO, info)])
}

fn verdict(verdict: &[Vec<u8>]) -> Vec<u8> {
    let data = nest(NFTA_IMMEDIATE_DATA, &[nest(NFTA_DATA_VERDICT, verdict)]);
    expression("immediate", &[number_attribute(NFTA_IMMEDIATE_DREG, VERDICT), data])
}

/// The words of a rule. `?` stands for an expression that this module does not support.
pub fn words(expressions: &[u8], family: Family) -> Vec<String> {
    let mut all = Vec::new();
    let (mut loaded, mut mask) = (None, None);
    for (_, expression) in attributes(expressions) {
        let data = find(expression, NFTA_EXPR_DATA).unwrap_or_default();
        let name = text(expression, NFTA_EXPR_NAME).unwrap_or_default();
        let words = match name {
            "counter" => Some(Vec::new()),
            "payload" => {
                let is_header = number(data, NFTA_PAYLOAD_BASE) == Some(NETWORK_HEADER);
                loaded = number(data, NFTA_PAYLOAD_OFFSET).filter(|_| is_header);
                mask = None;
                loaded.map(|_| Vec::new())
            }
            "bitwise" => {
                mask = find(data, NFTA_BITWISE_MASK).and_then(|mask| find(mask, NFTA_DATA_VALUE));
                mask.filter(|_| is_plain_mask(data)).map(|_| Vec::new())
            }
            "cmp" => comparison(loaded.take(), mask.take(), data, family),
            "match" if text(data, NFTA_XT_NAME) == Some("comment") => {
                let comment = std::str::from_utf8(until_nul(find(data, NFTA_XT_INFO).unwrap_or_default()));
                let comment = comment.ok().filter(|comment| !comment.contains(char::is_control));
                comment.map(|comment| owned(["-m", "comment", "--comment", comment]))
            }
            "immediate" => decision(data),
            "target" => text(data, NFTA_XT_NAME).map(|target| {
                let has_options = find(data, NFTA_XT_INFO) != Some(&masquerade(family));
                let mut words = owned(["-j", target]);
                words.extend((has_options || target != "MASQUERADE").then(unknown));
                words
            }),
            // The expression of later versions, without options.
            "masq" if data.is_empty() => Some(owned(["-j", "MASQUERADE"])),
            _ => None,
        };
        all.extend(words.unwrap_or_else(|| vec![unknown()]));
    }
    all
}

/// The word for an unsupported expression.
fn unknown() -> String {
    "?".to_owned()
}

fn owned<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

/// Whether the expression only applies a mask: it inverts no bits, and its operation is `NFT_BITWISE_BOOL`, which old
/// kernels omit.
fn is_plain_mask(data: &[u8]) -> bool {
    const NFTA_BITWISE_OP: u16 = 6;
    let flips = find(data, NFTA_BITWISE_XOR).and_then(|flips| find(flips, NFTA_DATA_VALUE));
    flips.is_some_and(|flips| flips.iter().all(|byte| *byte == 0))
        && number(data, NFTA_BITWISE_OP).unwrap_or_default() == 0
}

fn comparison(loaded: Option<u32>, mask: Option<&[u8]>, data: &[u8], family: Family) -> Option<Vec<String>> {
    let (source, destination) = offsets(family);
    let option = match loaded? {
        offset if offset == source => "-s",
        offset if offset == destination => "-d",
        _ => return None,
    };
    let not = match number(data, NFTA_CMP_OP)? {
        EQUAL => None,
        NOT_EQUAL => Some("!".to_owned()),
        _ => return None,
    };
    let value = find(find(data, NFTA_CMP_DATA)?, NFTA_DATA_VALUE)?;
    let mut bytes = value.to_vec();
    bytes.resize(bytes.len().max(16), 0);
    let address = ip(&bytes, family)?;
    let network = match mask {
        Some(mask) => IpNetwork::with_netmask(address, ip(mask, family)?).ok()?,
        None => IpNetwork::new(address, u8::try_from(value.len() * 8).ok()?).ok()?,
    };
    Some(not.into_iter().chain([option.to_owned(), network.to_string()]).collect())
}

/// The name of a chain. None if it is not a single word, because the kernel accepts any name.
pub fn chain_name(bytes: &[u8], attribute: u16) -> Option<&str> {
    text(bytes, attribute).filter(|name| name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"'))
}

fn decision(data: &[u8]) -> Option<Vec<String>> {
    const NFT_GOTO: u32 = (-4_i32).cast_unsigned();
    const NFT_RETURN: u32 = (-5_i32).cast_unsigned();
    let verdict = find(find(data, NFTA_IMMEDIATE_DATA)?, NFTA_DATA_VERDICT)?;
    let chain = chain_name(verdict, NFTA_VERDICT_CHAIN);
    Some(match number(verdict, NFTA_VERDICT_CODE)? {
        ACCEPT => owned(["-j", "ACCEPT"]),
        0 => owned(["-j", "DROP"]),
        NFT_RETURN => owned(["-j", "RETURN"]),
        JUMP => owned(["-j", chain?]),
        NFT_GOTO => owned(["-g", chain?]),
        _ => return None,
    })
}

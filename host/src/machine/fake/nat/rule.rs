//! The three rules of a masqueraded address.

use super::POSTROUTING;
use crate::action::Masquerade;
use crate::machine::iptables::Family;
use crate::machine::iptables::rule::quote;
use ipnetwork::IpNetwork;

/// `XT_MAX_COMMENT_LEN` without the byte that ends it; the rest of a comment is cut off.
const MAX_COMMENT_BYTES: usize = 255;

/// A rule with nothing but these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// `-s`.
    pub source: Option<IpNetwork>,
    /// `-d`.
    pub destination: Option<IpNetwork>,
    /// `! -d`.
    pub not_destination: Option<IpNetwork>,
    /// `-j`.
    pub target: String,
    /// `--comment`.
    pub comment: String,
}

impl Rule {
    /// As `iptables -S` prints it.
    pub fn line(&self, chain: &str) -> String {
        let mut line = format!("-A {chain}");
        let parts = [(" -s", self.source), (" -d", self.destination), (" ! -d", self.not_destination)];
        for (option, network) in parts {
            if let Some(network) = network {
                line += &format!("{option} {network}");
            }
        }
        format!("{line} -m comment --comment {} -j {}", printed(&self.comment), self.target)
    }

    /// As the kernel keeps it: a list does not print a network of all addresses.
    pub fn kept(self) -> Self {
        let bytes = self.comment.as_bytes();
        let comment = bytes.get(..MAX_COMMENT_BYTES).unwrap_or(bytes);
        Rule {
            destination: self.destination.filter(|network| network.prefix() != 0),
            comment: String::from_utf8_lossy(comment).into_owned(),
            ..self
        }
    }
}

/// A comment as iptables prints it: one word is not quoted, and what is, escapes `'` too.
fn printed(comment: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    if !comment.is_empty() && comment.bytes().all(plain) {
        return comment.to_owned();
    }
    quote(comment).replace('\'', "\\'")
}

/// One of the three rules of an address.
pub struct Part {
    /// The chain that it is in.
    pub chain: String,
    /// What adds it.
    pub line: String,
    /// What is in the list then.
    pub rule: Rule,
    /// It goes before the others of its chain.
    pub first: bool,
}

/// The rules of an address, in the order in which they are made.
pub fn parts(action: &Masquerade) -> [Part; 3] {
    let Masquerade { address, chain, comment } = action;
    let source = IpNetwork::from(address.ip());
    let (network, groups) = (network(*address), Family::of(*address).multicast());
    let said = format!("-m comment --comment {}", quote(comment));
    let rule = |source, destination, not_destination, target: &str| Rule {
        source,
        destination,
        not_destination,
        target: target.to_owned(),
        comment: comment.clone(),
    };
    [
        Part {
            chain: chain.clone(),
            line: format!("-I {chain} 1 -d {network} -j ACCEPT {said}"),
            rule: rule(None, Some(network), None, "ACCEPT"),
            first: true,
        },
        Part {
            chain: chain.clone(),
            line: format!("-A {chain} ! -d {groups} -j MASQUERADE {said}"),
            rule: rule(None, None, groups.parse().ok(), "MASQUERADE"),
            first: false,
        },
        Part {
            chain: POSTROUTING.to_owned(),
            line: format!("-A {POSTROUTING} -s {source} -j {chain} {said}"),
            rule: rule(Some(source), None, None, chain),
            first: false,
        },
    ]
}

/// Without host bits.
pub fn network(address: IpNetwork) -> IpNetwork {
    IpNetwork::new(address.network(), address.prefix()).unwrap_or(address)
}

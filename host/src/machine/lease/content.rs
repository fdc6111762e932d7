//! What a lease file says. Pure.

use crate::value::{ContainerId, Owner};
use sha2::{Digest, Sha256};

/// The content of a lease file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// `<container>\r\n<interface>`; before version 0.7 of the reference a lease named the container alone.
    Owner {
        /// `CNI_CONTAINERID`.
        container: String,
        /// `CNI_IFNAME`; none in the old form.
        interface: Option<String>,
    },
    /// What a crash leaves: nothing, or bytes that nobody wrote as text.
    Broken,
    /// Readable, and no owner that we know: somebody's note. In doubt the address is taken.
    Unknown,
}

impl Content {
    /// Parses a whole file; white space around what it says does not count, as in the reference.
    pub fn parse(bytes: &[u8]) -> Self {
        let Ok(text) = str::from_utf8(bytes) else { return Content::Broken };
        let text = text.trim();
        if text.is_empty() || text.chars().any(|c| c.is_control() && !c.is_whitespace()) {
            return Content::Broken;
        }
        let (container, interface) = match text.split_once("\r\n") {
            Some((container, interface)) => (container.trim(), Some(interface.trim())),
            None => (text, None),
        };
        if ContainerId::parse(container).is_err() {
            return Content::Unknown;
        }
        Content::Owner { container: container.to_owned(), interface: interface.map(str::to_owned) }
    }

    /// Whether it names container and interface.
    pub fn is_of(&self, owner: &Owner) -> bool {
        matches!(self, Content::Owner { container, interface: Some(interface) }
            if container == owner.container.as_str() && interface == owner.interface.as_str())
    }

    /// Whether it names the container in the old form, without interface.
    pub fn is_legacy_of(&self, owner: &Owner) -> bool {
        matches!(self, Content::Owner { container, interface: None } if container == owner.container.as_str())
    }

    /// A short stand-in for the owner; 0, which an owner may have too, where there is none.
    pub fn hash(&self) -> u16 {
        match self {
            Content::Owner { container, interface } => hash(container, interface.as_deref()),
            Content::Broken | Content::Unknown => 0,
        }
    }
}

/// Whether a container ID looks like one that a runtime made up: hexadecimal digits, at least 32 (a SHA-256, a UUID).
pub fn is_generated(container: &str) -> bool {
    let digits = container.bytes().filter(u8::is_ascii_hexdigit).count();
    digits >= 32 && digits + container.bytes().filter(|b| *b == b'-').count() == container.len()
}

/// A lease's file as the reference writes it.
pub fn text(owner: &Owner) -> String {
    format!("{}\r\n{}", owner.container, owner.interface)
}

/// The stand-ins of what names an owner: with the interface, and in the old form.
pub fn hashes(owner: &Owner) -> [u16; 2] {
    let container = owner.container.as_str();
    [hash(container, Some(owner.interface.as_str())), hash(container, None)]
}

/// The first two bytes of a SHA-256: the same in every build, since the index outlives the binary.
fn hash(container: &str, interface: Option<&str>) -> u16 {
    let mut digest = Sha256::new().chain_update(container);
    if let Some(interface) = interface {
        digest.update("\r\n");
        digest.update(interface);
    }
    digest.finalize().first_chunk().map_or(0, |bytes| u16::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_told_from_what_a_crash_leaves_and_from_a_note() {
        let owner = |container: &str, interface: Option<&str>| Content::Owner {
            container: container.to_owned(),
            interface: interface.map(str::to_owned),
        };
        for (bytes, expected) in [
            (b"abc\r\neth0".as_slice(), owner("abc", Some("eth0"))),
            (b" abc \r\n eth0 \r\n", owner("abc", Some("eth0"))),
            (b"abc\n", owner("abc", None)),
            (b"abc\r\n", owner("abc", None)),
            (b"", Content::Broken),
            (b" \r\n", Content::Broken),
            (b"\0\0\0\0", Content::Broken),
            (b"abc\r\neth0\0", Content::Broken),
            (b"\xff\xfeabc", Content::Broken),
            (b"\x01\x02", Content::Broken),
            (b"reserved for the router", Content::Unknown),
            (b"abc\neth0", Content::Unknown),
            (b"-abc\r\neth0", Content::Unknown),
        ] {
            assert_eq!(Content::parse(bytes), expected, "{}", bytes.escape_ascii());
        }
    }
}

//! Names from outside, validated once.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The reason why a name is invalid. The text has the rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {value:?} {rule}")]
pub struct NameError {
    kind: &'static str,
    value: String,
    rule: &'static str,
}

/// Declares a validated string: a newtype that only `parse` makes, also in deserialization.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Validates `value`.
            pub fn parse(value: &str) -> Result<Self, NameError> {
                let check: fn(&str) -> Result<(), &'static str> = $check;
                match check(value) {
                    Ok(()) => Ok(Self(value.to_owned())),
                    Err(rule) => Err(NameError { kind: $kind, value: value.to_owned(), rule }),
                }
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(value: String) -> Result<Self, NameError> {
                Self::parse(&value)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }
    };
}

name!(
    /// The name of a link: 1 to 15 bytes, not `.` or `..`, without `/`, `:` or white space (`dev_valid_name` in the
    /// kernel's `net/core/dev.c`).
    ///
    /// Also refused: `all` and `default`, which are parameters of every link (`sysctl_dev_name_is_allowed` in the
    /// kernel); control characters; U+FFFD, which stands for invalid UTF-8; and `%`, which the kernel would expand.
    IfName, "interface name", |value| match value {
        "" => Err("is empty"),
        "." | ".." => Err("is . or .."),
        "all" | "default" => Err("stands for every link"),
        _ if value.len() > 15 => Err("is longer than 15 bytes"),
        _ if value.chars().any(|c| c == '/' || c == ':' || c.is_whitespace()) => {
            Err("contains / or : or whitespace characters")
        }
        _ if value.chars().any(|c| c.is_control() || c == '%') => Err("contains a control character or %"),
        _ if value.contains('\u{fffd}') => Err("is not UTF-8"),
        _ => Ok(()),
    }
);

name!(
    /// `CNI_CONTAINERID`: a letter or digit, followed by letters, digits, `_`, `.` and `-` (SPEC, section 2).
    ContainerId, "container ID", |value| identifier(value)
);

name!(
    /// The network's `name`, with the characters of container IDs (SPEC, section 1).
    NetworkName, "network name", |value| identifier(value)
);

name!(
    /// The type of a plugin, which is a file name: without `/`, at most 255 bytes.
    PluginName, "plugin name", |value| match value {
        "" => Err("is empty"),
        "." | ".." => Err("is . or .."),
        _ if value.contains('/') => Err("contains /"),
        _ if value.contains('\0') || value.len() > 255 => Err("is no file name"),
        _ => Ok(()),
    }
);

name!(
    /// A parameter below `/proc/sys`, with `/` as separator: `net/ipv4/conf/eth0/arp_notify`.
    SysctlKey, "sysctl", |value| {
        if !value.starts_with("net/") {
            Err("is not below net/")
        } else if value.contains('\0')
            || value.split('/').any(|part| part.is_empty() || part == "." || part == "..")
        {
            Err("is no path of parameters")
        } else {
            Ok(())
        }
    }
);

impl SysctlKey {
    /// The parameter that controls whether a link gets addresses and routes from router advertisements.
    pub fn accept_ra(link: &IfName) -> Self {
        // This is a valid key, because the name of a link has no `/`.
        SysctlKey(format!("net/ipv6/conf/{link}/accept_ra"))
    }

    /// Family and link of a parameter of one link, `net/ipv4/conf/eth0/arp_notify`. `None` for every other parameter,
    /// including those of `all` and `default`.
    pub fn link(&self) -> Option<(&str, &str)> {
        let mut parts = self.0.split('/');
        let (family, kind, link) = (parts.nth(1)?, parts.next()?, parts.next()?);
        let of_link = matches!(family, "ipv4" | "ipv6") && matches!(kind, "conf" | "neigh");
        (of_link && !matches!(link, "all" | "default") && parts.next().is_some()).then_some((family, link))
    }
}

/// The maximum length of a container ID and of a network's name, in bytes. Runtimes and plugins use both as names of
/// directories or files. The reference has no limit. But an owner that does not fit into a lease, or into the comment
/// of a rule, could not be found again.
pub const IDENTIFIER_BYTES: usize = 255;

fn identifier(value: &str) -> Result<(), &'static str> {
    if value.len() > IDENTIFIER_BYTES {
        return Err("is longer than 255 bytes");
    }
    let mut bytes = value.bytes();
    let rest = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    match bytes.next() {
        None => Err("is empty"),
        Some(first) if !first.is_ascii_alphanumeric() => Err("does not begin with a letter or digit"),
        Some(_) if !bytes.all(rest) => Err("contains a character other than letters, digits, _, . and -"),
        Some(_) => Ok(()),
    }
}

/// An Ethernet address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mac(pub [u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl TryFrom<String> for Mac {
    type Error = NameError;

    fn try_from(value: String) -> Result<Self, NameError> {
        let mut bytes = [0; 6];
        let mut parts = value.split(':');
        for byte in &mut bytes {
            // `from_str_radix` alone accepts a sign.
            let is_byte = |p: &&str| p.len() == 2 && p.bytes().all(|digit| digit.is_ascii_hexdigit());
            let part = parts.next().filter(is_byte).and_then(|p| u8::from_str_radix(p, 16).ok());
            *byte = part.ok_or_else(|| bad_mac(&value))?;
        }
        if parts.next().is_some() { Err(bad_mac(&value)) } else { Ok(Mac(bytes)) }
    }
}

impl From<Mac> for String {
    fn from(mac: Mac) -> String {
        mac.to_string()
    }
}

fn bad_mac(value: &str) -> NameError {
    NameError {
        kind: "MAC address",
        value: value.to_owned(),
        rule: "is not six hexadecimal bytes joined by :",
    }
}

//! The parameters below `/proc/sys/net` of a namespace.

use nix::errno::Errno;
use std::collections::{BTreeMap, BTreeSet};

/// Those of a link below `net/ipv4/conf`, with the kernel's defaults.
pub const V4: [(&str, i32); 14] = [
    ("accept_local", 0),
    ("accept_redirects", 1),
    ("arp_accept", 0),
    ("arp_announce", 0),
    ("arp_filter", 0),
    ("arp_ignore", 0),
    ("arp_notify", 0),
    ("forwarding", 0),
    ("log_martians", 0),
    ("proxy_arp", 0),
    ("route_localnet", 0),
    ("rp_filter", 0),
    ("send_redirects", 1),
    ("src_valid_mark", 0),
];

/// Those of a link below `net/ipv6/conf`.
pub const V6: [(&str, i32); 11] = [
    ("accept_dad", 1),
    ("accept_ra", 1),
    ("accept_redirects", 1),
    ("autoconf", 1),
    ("dad_transmits", 1),
    ("disable_ipv6", 0),
    ("enhanced_dad", 1),
    ("forwarding", 0),
    ("keep_addr_on_down", 0),
    ("ndisc_notify", 0),
    ("proxy_ndp", 0),
];

/// What a parameter holds.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    /// One number.
    Number(i32),
    /// Anything, of a parameter that a test brought in.
    Text(String),
}

/// All parameters, by their path below `/proc/sys`.
#[derive(Debug, Clone, Default)]
pub struct Sysctls {
    values: BTreeMap<String, Value>,
}

impl Sysctls {
    /// Without links.
    pub fn new() -> Self {
        let mut sysctls = Sysctls::default();
        for place in ["all", "default"] {
            sysctls.fill("ipv4", place, &V4);
            sysctls.fill("ipv6", place, &V6);
        }
        sysctls.set("net/ipv6/conf/all/accept_dad", 0);
        sysctls
    }

    /// The IPv4 parameters of a new link: those of `default`.
    pub fn add_v4(&mut self, link: &str) {
        self.fill_from_default("ipv4", link, &V4);
    }

    /// The IPv6 parameters of a new link.
    pub fn add_v6(&mut self, link: &str, is_loopback: bool) {
        self.fill_from_default("ipv6", link, &V6);
        if is_loopback {
            self.set(&format!("net/ipv6/conf/{link}/accept_dad"), -1);
        }
    }

    /// Of a link that is gone.
    pub fn remove_link(&mut self, link: &str) {
        let v4 = format!("net/ipv4/conf/{link}/");
        self.values.retain(|key, _| !key.starts_with(&v4));
        self.remove_v6(link);
    }

    /// Of a link that has no IPv6 any more.
    pub fn remove_v6(&mut self, link: &str) {
        let v6 = format!("net/ipv6/conf/{link}/");
        self.values.retain(|key, _| !key.starts_with(&v6));
    }

    /// The value, as the kernel writes it.
    pub fn read(&self, key: &str) -> Result<String, Errno> {
        match self.values.get(canonical(key)) {
            Some(Value::Number(number)) => Ok(number.to_string()),
            Some(Value::Text(text)) => Ok(text.clone()),
            None => Err(self.absence(key)),
        }
    }

    /// Writes a value; of several numbers, a parameter of one takes the first.
    pub fn write(&mut self, key: &str, value: &str) -> Result<(), Errno> {
        let absence = self.absence(key);
        let slot = self.values.get_mut(canonical(key)).ok_or(absence)?;
        // Nothing is sent to the kernel.
        if value.is_empty() {
            return Ok(());
        }
        match slot {
            Value::Text(text) => *text = value.to_owned(),
            Value::Number(number) => {
                let written = value.split_whitespace().next().and_then(parse).ok_or(Errno::EINVAL)?;
                let old = std::mem::replace(number, written);
                self.follow(canonical(key), old, written);
            }
        }
        Ok(())
    }

    /// Brings in a parameter, or sets one that is there, without what follows from it.
    pub fn put(&mut self, key: &str, value: &str) {
        let slot = self.values.entry(canonical(key).to_owned());
        slot.and_modify(|slot| {
            *slot = match (&slot, parse(value)) {
                (Value::Number(_), Some(number)) => Value::Number(number),
                _ => Value::Text(value.to_owned()),
            };
        })
        .or_insert_with(|| Value::Text(value.to_owned()));
    }

    /// Whether a link has IPv6 switched off.
    pub fn is_v6_disabled(&self, link: &str) -> bool {
        let key = format!("net/ipv6/conf/{link}/disable_ipv6");
        matches!(self.values.get(&key), Some(Value::Number(number)) if *number != 0)
    }

    /// Those whose value is not the one that they have at first.
    pub fn changed(&self) -> Vec<(&str, String)> {
        let mut first = Sysctls::new();
        let links = self.values.keys().filter_map(|key| {
            let (family, rest) = key.strip_prefix("net/")?.split_once("/conf/")?;
            Some((family, rest.split_once('/')?.0)).filter(|(_, link)| !matches!(*link, "all" | "default"))
        });
        for (family, link) in links.collect::<BTreeSet<_>>() {
            match family {
                "ipv4" => first.add_v4(link),
                _ => first.add_v6(link, link == "lo"),
            }
        }
        let values = self.values.keys().filter_map(|key| Some((key.as_str(), self.read(key).ok()?)));
        values.filter(|(key, value)| first.read(key).as_ref() != Ok(value)).collect()
    }

    /// The names of the links below `net/ipv4/conf` or `net/ipv6/conf`, `all` and `default` among them.
    pub fn links(&self, directory: &str) -> Vec<String> {
        let below = format!("{directory}/");
        let names = self
            .values
            .keys()
            .filter_map(|key| Some(key.strip_prefix(&below)?.split_once('/')?.0.to_owned()));
        names.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// What the kernel writes because of a write to `all`.
    fn follow(&mut self, key: &str, old: i32, written: i32) {
        // `inet_forward_change`, `addrconf_fixup_forwarding`, `addrconf_disable_ipv6`.
        let (before, after) = match key {
            "net/ipv4/conf/all/forwarding" => ("net/ipv4/conf/", "/forwarding"),
            "net/ipv6/conf/all/forwarding" => ("net/ipv6/conf/", "/forwarding"),
            "net/ipv6/conf/all/disable_ipv6" => ("net/ipv6/conf/", "/disable_ipv6"),
            _ => return,
        };
        if old == written {
            return;
        }
        for (key, value) in &mut self.values {
            if key.starts_with(before)
                && key.ends_with(after)
                && let Value::Number(number) = value
            {
                *number = written;
            }
        }
        // Routers do not listen to redirects.
        if before == "net/ipv4/conf/" {
            self.set("net/ipv4/conf/all/accept_redirects", i32::from(written == 0));
        }
    }

    fn fill(&mut self, family: &str, place: &str, table: &[(&str, i32)]) {
        for (name, value) in table {
            self.set(&format!("net/{family}/conf/{place}/{name}"), *value);
        }
    }

    fn fill_from_default(&mut self, family: &str, link: &str, table: &[(&str, i32)]) {
        for (name, value) in table {
            let default = self.values.get(&format!("net/{family}/conf/default/{name}")).cloned();
            let value = default.unwrap_or(Value::Number(*value));
            self.values.insert(format!("net/{family}/conf/{link}/{name}"), value);
        }
    }

    fn set(&mut self, key: &str, value: i32) {
        self.values.insert(key.to_owned(), Value::Number(value));
    }

    /// Why there is no such file.
    fn absence(&self, key: &str) -> Errno {
        let below =
            |one: &str, other: &str| one.strip_prefix(other).is_some_and(|rest| rest.starts_with('/'));
        if self.values.keys().any(|there| below(there, key)) {
            Errno::EISDIR
        } else if self.values.keys().any(|there| below(key, there)) || below(key, "net/ipv4/ip_forward") {
            Errno::ENOTDIR
        } else {
            Errno::ENOENT
        }
    }
}

/// Two names of one parameter.
fn canonical(key: &str) -> &str {
    if key == "net/ipv4/ip_forward" { "net/ipv4/conf/all/forwarding" } else { key }
}

/// A number as the kernel reads it: decimal, `0x…` or with a leading 0 octal.
fn parse(text: &str) -> Option<i32> {
    let text = text.trim();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let number = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) => i64::from(u32::from_str_radix(hex, 16).ok()?),
        None if digits.starts_with(['+', '-']) => return None,
        None if digits.len() > 1 && digits.starts_with('0') => {
            i64::from(u32::from_str_radix(digits, 8).ok()?)
        }
        None => i64::from(digits.parse::<u32>().ok()?),
    };
    i32::try_from(sign * number).ok()
}

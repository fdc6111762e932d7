//! The kernel parameters of a namespace, in `/proc/sys/net`.

use nix::errno::Errno;
use std::collections::{BTreeMap, BTreeSet};

/// The parameters of a link in `net/ipv4/conf`, with the kernel's defaults.
const V4: &str = "accept_local=0 accept_redirects=1 arp_accept=0 arp_announce=0 arp_filter=0 arp_ignore=0 \
    arp_notify=0 forwarding=0 log_martians=0 proxy_arp=0 route_localnet=0 rp_filter=0 send_redirects=1 \
    src_valid_mark=0";

/// The parameters of a link in `net/ipv6/conf`, with the kernel's defaults.
const V6: &str = "accept_dad=1 accept_ra=1 accept_redirects=1 autoconf=1 dad_transmits=1 disable_ipv6=0 \
    enhanced_dad=1 forwarding=0 keep_addr_on_down=0 ndisc_notify=0 proxy_ndp=0";

/// The family of parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// `net/ipv4/conf`.
    V4,
    /// `net/ipv6/conf`.
    V6,
}

impl Family {
    /// Both families.
    pub const ALL: [Family; 2] = [Family::V4, Family::V6];

    /// The directory that contains one for each link, and for `all` and `default`.
    pub fn directory(self) -> &'static str {
        if self == Family::V4 { "net/ipv4/conf" } else { "net/ipv6/conf" }
    }

    /// The parameters of a link, with the kernel's defaults.
    pub fn defaults(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let all = if self == Family::V4 { V4 } else { V6 };
        all.split(' ').filter_map(|parameter| parameter.split_once('='))
    }

    /// The directory of a link, with a slash at its end.
    fn of(self, link: &str) -> String {
        format!("{}/{link}/", self.directory())
    }
}

/// All parameters with their values, by path below `/proc/sys`.
#[derive(Debug, Clone, Default)]
pub struct Sysctls(BTreeMap<String, String>);

impl Sysctls {
    /// The parameters of a namespace without links.
    pub fn new() -> Self {
        let mut sysctls = Sysctls::default();
        for family in Family::ALL {
            ["all", "default"].iter().for_each(|place| sysctls.add(family, place));
        }
        sysctls.put("net/ipv6/conf/all/accept_dad", "0");
        sysctls
    }

    /// Adds the parameters of a new link, with the values of `default`.
    pub fn add(&mut self, family: Family, link: &str) {
        let (own, default) = (family.of(link), family.of("default"));
        for (name, value) in family.defaults() {
            let value = match (link, name) {
                ("lo", "accept_dad") => "-1",
                _ => self.0.get(&[&default, name].concat()).map_or(value, String::as_str),
            };
            self.0.insert([&own, name].concat(), value.to_owned());
        }
    }

    /// Removes the parameters of a link that no longer exists, or no longer has this family.
    pub fn remove(&mut self, family: Family, link: &str) {
        let own = family.of(link);
        self.0.retain(|key, _| !key.starts_with(&own));
    }

    /// The value of a parameter, in the kernel's format.
    pub fn read(&self, key: &str) -> Result<String, Errno> {
        self.0.get(canonical(key)).cloned().ok_or_else(|| self.absence(key))
    }

    /// Writes a value. If it has several numbers, a parameter with a single number takes the first.
    pub fn write(&mut self, key: &str, value: &str) -> Result<(), Errno> {
        let old = self.read(key)?;
        // An empty write does not reach the kernel.
        if value.is_empty() {
            return Ok(());
        }
        let written = match parse(&old) {
            Some(_) => value.split_whitespace().next().and_then(parse).ok_or(Errno::EINVAL)?.to_string(),
            None => value.to_owned(),
        };
        self.put(key, &written);
        if written != old {
            self.follow(canonical(key), &written);
        }
        Ok(())
    }

    /// Adds a parameter, or sets an existing one, without changing others.
    pub fn put(&mut self, key: &str, value: &str) {
        self.0.insert(canonical(key).to_owned(), value.to_owned());
    }

    /// Whether IPv6 is disabled on a link. None if the link has no IPv6.
    pub fn is_v6_disabled(&self, link: &str) -> Option<bool> {
        self.0.get(&(Family::V6.of(link) + "disable_ipv6")).map(|value| value != "0")
    }

    /// The parameters whose values differ from the initial ones.
    pub fn changed(&self) -> Vec<(&str, &str)> {
        let mut first = Sysctls::new();
        for family in Family::ALL {
            let links = self.names(family.directory()).into_iter();
            links
                .filter(|link| !matches!(link.as_str(), "all" | "default"))
                .for_each(|link| first.add(family, &link));
        }
        let changed = self.0.iter().filter(|(key, value)| first.0.get(*key) != Some(value));
        changed.map(|(key, value)| (key.as_str(), value.as_str())).collect()
    }

    /// The names in a directory. Empty if it does not exist.
    pub fn names(&self, directory: &str) -> BTreeSet<String> {
        let below = format!("{directory}/");
        let name = |key: &String| Some(key.strip_prefix(&below)?.split('/').next()?.to_owned());
        self.0.keys().filter_map(name).collect()
    }

    /// What follows from a write to `all` (`inet_forward_change`, `addrconf_{fixup_forwarding,disable_ipv6}`).
    fn follow(&mut self, key: &str, written: &str) {
        let (family, name) = match key {
            "net/ipv4/conf/all/forwarding" => (Family::V4, "forwarding"),
            "net/ipv6/conf/all/forwarding" => (Family::V6, "forwarding"),
            "net/ipv6/conf/all/disable_ipv6" => (Family::V6, "disable_ipv6"),
            _ => return,
        };
        for link in self.names(family.directory()) {
            self.put(&(family.of(&link) + name), written);
        }
        // Routers ignore ICMP redirects.
        if family == Family::V4 {
            let listens = if written == "0" { "1" } else { "0" };
            self.put("net/ipv4/conf/all/accept_redirects", listens);
        }
    }

    /// The error for a file that does not exist.
    fn absence(&self, key: &str) -> Errno {
        let below =
            |one: &str, other: &str| one.strip_prefix(other).is_some_and(|rest| rest.starts_with('/'));
        let is_below_file = |there: &String| below(key, there) || below(key, "net/ipv4/ip_forward");
        match () {
            () if self.0.keys().any(|there| below(there, key)) => Errno::EISDIR,
            () if self.0.keys().any(is_below_file) => Errno::ENOTDIR,
            () => Errno::ENOENT,
        }
    }
}

/// The canonical one of two names of a parameter.
fn canonical(key: &str) -> &str {
    if key == "net/ipv4/ip_forward" { "net/ipv4/conf/all/forwarding" } else { key }
}

/// Parses a number like the kernel: decimal, `0x…`, or octal with a leading 0.
fn parse(text: &str) -> Option<i32> {
    let text = text.trim();
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let hex = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X"));
    let radix = if digits.len() > 1 && digits.starts_with('0') { 8 } else { 10 };
    let (digits, radix) = hex.map_or((digits, radix), |hex| (hex, 16));
    let number = u32::from_str_radix(digits, radix).ok().filter(|_| !digits.starts_with('+'))?;
    i32::try_from(sign * i64::from(number)).ok()
}

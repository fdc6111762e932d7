//! Kernel parameters below `/proc/sys`, of the calling thread's network namespace.

use super::errno::as_go;
use super::{Effect, MachineError, Undone};
use crate::action::SetSysctl;
use crate::value::{IfName, Netns, SysctlKey};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where they are.
const ROOT: &str = "/proc/sys";

/// Parameters that the kernel writes with another one: `BEFORE` link `AFTER`, `default` among the links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Followers {
    /// `net/ipv4/conf/`.
    pub before: &'static str,
    /// `/forwarding`.
    pub after: &'static str,
}

/// Routers do not listen to redirects, so the kernel writes the opposite of `net/ipv4/ip_forward` here.
const REDIRECTS: &str = "net/ipv4/conf/all/accept_redirects";

/// What follows a parameter (`inet_forward_change`, `addrconf_fixup_forwarding`, `addrconf_disable_ipv6`).
pub fn followers(key: &str) -> Option<Followers> {
    let (before, after) = match key {
        "net/ipv4/ip_forward" | "net/ipv4/conf/all/forwarding" => ("net/ipv4/conf/", "/forwarding"),
        "net/ipv6/conf/all/forwarding" => ("net/ipv6/conf/", "/forwarding"),
        "net/ipv6/conf/all/disable_ipv6" => ("net/ipv6/conf/", "/disable_ipv6"),
        _ => return None,
    };
    Some(Followers { before, after })
}

impl Followers {
    /// Those of IPv4 have one more.
    pub fn redirects(self) -> Option<&'static str> {
        (self.before == "net/ipv4/conf/").then_some(REDIRECTS)
    }
}

/// The value of a parameter with those that would be lost when another one was written and this one again: they differ from what
/// the kernel then gives them. The value, then a line `KEY=VALUE` for each.
///
/// `there` are all links with their value of the followers, and `redirects` is the value of the one beside.
pub fn with_followers(
    value: &str,
    followers: Followers,
    there: impl IntoIterator<Item = (String, String)>,
    redirects: Option<&str>,
) -> String {
    let mut saved = value.to_owned();
    for (link, other) in there {
        if link != "all" && !same(&other, value) {
            saved += &format!("\n{}{link}{}={other}", followers.before, followers.after);
        }
    }
    let opposite = if same(value, "0") { "1" } else { "0" };
    if let Some(redirects) = redirects.filter(|redirects| !same(redirects, opposite)) {
        saved += &format!("\n{REDIRECTS}={redirects}");
    }
    saved
}

/// A text of [`with_followers`] as the parameter's own value and those beside it.
pub fn parse_saved(saved: &str) -> (&str, Vec<(SysctlKey, &str)>) {
    let mut lines = saved.split('\n');
    let value = lines.next().unwrap_or_default();
    let others = lines.filter_map(|line| {
        // A name of a link may have one too.
        let (key, value) = line.rsplit_once('=')?;
        Some((SysctlKey::parse(key).ok()?, value))
    });
    (value, others.collect())
}

/// What undo needs to know of a parameter: its value, which was read, and what [`with_followers`] adds.
pub fn saved(key: &SysctlKey, value: String) -> io::Result<String> {
    let Some(followers) = followers(key.as_str()) else { return Ok(value) };
    let links = fs::read_dir(Path::new(ROOT).join(followers.before))?.flatten();
    let there = links.filter_map(|link| {
        let link = link.file_name().into_string().ok()?;
        let key = SysctlKey::parse(&format!("{}{link}{}", followers.before, followers.after)).ok()?;
        // One that is gone by now has no value to lose.
        Some((link, read(&key).ok()?))
    });
    let redirects = followers.redirects().and_then(|key| read(&SysctlKey::parse(key).ok()?).ok());
    Ok(with_followers(&value, followers, there, redirects.as_deref()))
}

/// The value of a parameter, without its line end.
pub fn read(key: &SysctlKey) -> io::Result<String> {
    fs::read_to_string(path(key)).map(|value| value.trim_end_matches('\n').to_owned())
}

/// Writes a parameter, unless it has the value already.
pub fn set(action: &SetSysctl) -> Result<Effect, MachineError> {
    match replace(&action.key, &action.value) {
        Ok(effect) => Ok(effect),
        Err(error)
            if action.optional
                && matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidInput) =>
        {
            Ok(Effect::AlreadyThere)
        }
        Err(source) => {
            let what = format!("failed to set sysctl {:?} to {:?}", action.key.as_str(), action.value);
            Err(MachineError::File { what, source: as_go(source) })
        }
    }
}

/// Keeps a link from taking addresses and routes out of router advertisements, unless the kernel has no IPv6.
pub fn ignore_advertisements(link: &IfName) -> Result<(), MachineError> {
    let key = SysctlKey::accept_ra(link);
    set(&SetSysctl { netns: Netns::Host, key, value: "0".to_owned(), optional: true }).map(drop)
}

/// Writes the old value back, as [`saved`], if the parameter still has the one that was written.
pub fn restore(key: &SysctlKey, written: &str, old: &str) -> Undone {
    let now = match read(key) {
        Ok(now) => now,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Undone::Gone,
        Err(source) => return failed(key, source),
    };
    let (old, others) = parse_saved(old);
    if same(&now, old) {
        return Undone::Gone;
    }
    if !same(&now, written) {
        return Undone::Left(format!("sysctl {key} was changed to {now:?} by somebody else"));
    }
    if let Err(source) = fs::write(path(key), old) {
        return failed(key, source);
    }
    for (key, value) in others {
        match fs::write(path(&key), value) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return failed(&key, error),
            _ => {}
        }
    }
    Undone::Done
}

/// Whether two values are one: the kernel puts tabs between the numbers of a list.
pub fn same(a: &str, b: &str) -> bool {
    a.split_whitespace().eq(b.split_whitespace())
}

fn replace(key: &SysctlKey, value: &str) -> io::Result<Effect> {
    let now = read(key)?;
    if same(&now, value) {
        return Ok(Effect::AlreadyThere);
    }
    let old = saved(key, now)?;
    fs::write(path(key), value)?;
    Ok(Effect::Replaced(old))
}

fn failed(key: &SysctlKey, source: io::Error) -> Undone {
    Undone::Failed(MachineError::File {
        what: format!("failed to restore sysctl {:?}", key.as_str()),
        source: as_go(source),
    })
}

/// A `SysctlKey` has no `..` and begins with `net/`, so this stays below `/proc/sys/net`.
fn path(key: &SysctlKey) -> PathBuf {
    Path::new(ROOT).join(key.as_str())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{private, sh};
    use super::*;

    fn action(key: &str, value: &str, optional: bool) -> SetSysctl {
        let key = SysctlKey::parse(key).unwrap();
        SetSysctl { netns: Netns::Host, key, value: value.to_owned(), optional }
    }

    #[test]
    fn a_value_is_replaced_once_and_put_back() {
        private(|| {
            let forward = action("net/ipv4/ip_forward", "1", false);
            let old = read(&forward.key).unwrap();
            let flipped = if old == "1" { "0" } else { "1" };
            let forward = action("net/ipv4/ip_forward", flipped, false);
            assert_eq!(set(&forward).unwrap(), Effect::Replaced(old.clone()));
            assert_eq!(set(&forward).unwrap(), Effect::AlreadyThere);
            assert!(matches!(restore(&forward.key, flipped, &old), Undone::Done));
            assert!(matches!(restore(&forward.key, flipped, &old), Undone::Gone));
            assert_eq!(read(&forward.key).unwrap(), old);
        });
    }

    #[test]
    fn what_forwarding_changed_beside_itself_is_put_back() {
        private(|| {
            sh("ip link add own type dummy || ip link add own type veth peer name far
                sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0
                sysctl -qw net.ipv4.conf.own.forwarding=1 net.ipv4.conf.all.accept_redirects=0 net.ipv6.conf.own.forwarding=1");
            let all = || sh("sysctl -a 2>/dev/null | grep -E 'forward|accept_redirects'");
            let before = all();
            for key in ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"] {
                let forward = action(key, "1", false);
                let Effect::Replaced(old) = set(&forward).unwrap() else { panic!("{key} is 0") };
                assert!(all() != before && old.lines().count() >= 2, "{old}");
                assert!(matches!(restore(&forward.key, "1", &old), Undone::Done), "{old}");
                assert_eq!(all(), before, "{old}");
            }
            // A link that went meanwhile is no reason to fail.
            let forward = action("net/ipv4/ip_forward", "1", false);
            let Effect::Replaced(old) = set(&forward).unwrap() else { panic!("it is 0") };
            sh("ip link delete own");
            assert!(matches!(restore(&forward.key, "1", &old), Undone::Done));
        });
    }

    #[test]
    fn only_an_optional_parameter_may_be_missing() {
        let missing = "net/ipv4/conf/no-such-link/arp_notify";
        assert!(matches!(set(&action(missing, "1", false)), Err(MachineError::File { .. })));
        assert_eq!(set(&action(missing, "1", true)).unwrap(), Effect::AlreadyThere);
    }

    #[test]
    fn what_somebody_else_wrote_is_left() {
        private(|| {
            let key = SysctlKey::parse("net/ipv4/tcp_rmem").unwrap();
            set(&action(key.as_str(), "4096 131072 6291456", false)).unwrap();
            assert!(same(&read(&key).unwrap(), "4096\t131072 6291456"));
            assert!(matches!(restore(&key, "1 2 3", "4 5 6"), Undone::Left(_)));
        });
    }
}

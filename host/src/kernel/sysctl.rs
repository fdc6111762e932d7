//! Kernel parameters below `/proc/sys`, of the calling thread's network namespace.

use super::errno::as_go;
use super::{Effect, KernelError, Undone};
use crate::plan::SysctlKey;
use crate::plan::action::SetSysctl;
use std::fs;
use std::io;
use std::path::PathBuf;

/// The value of a parameter, without its line end.
pub fn read(key: &SysctlKey) -> io::Result<String> {
    fs::read_to_string(path(key)).map(|value| value.trim_end_matches('\n').to_owned())
}

/// Writes a parameter, unless it has the value already.
pub fn set(action: &SetSysctl) -> Result<Effect, KernelError> {
    match replace(&action.key, &action.value) {
        Ok(effect) => Ok(effect),
        Err(_) if action.optional => Ok(Effect::AlreadyThere),
        Err(source) => {
            let what = format!("failed to set sysctl {:?} to {:?}", action.key.as_str(), action.value);
            Err(KernelError::File { what, source: as_go(source) })
        }
    }
}

/// Writes the old value back, if the parameter still has the one that was written.
pub fn restore(key: &SysctlKey, written: &str, old: &str) -> Undone {
    let now = match read(key) {
        Ok(now) => now,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Undone::Gone,
        Err(source) => return failed(key, source),
    };
    if same(&now, old) {
        return Undone::Gone;
    }
    if !same(&now, written) {
        return Undone::Left(format!("sysctl {key} was changed to {now:?} by somebody else"));
    }
    match fs::write(path(key), old) {
        Ok(()) => Undone::Done,
        Err(source) => failed(key, source),
    }
}

/// Whether two values are one: the kernel puts tabs between the numbers of a list.
pub fn same(a: &str, b: &str) -> bool {
    a.split_whitespace().eq(b.split_whitespace())
}

fn replace(key: &SysctlKey, value: &str) -> io::Result<Effect> {
    let old = read(key)?;
    if same(&old, value) {
        return Ok(Effect::AlreadyThere);
    }
    fs::write(path(key), value)?;
    Ok(Effect::Replaced(old))
}

fn failed(key: &SysctlKey, source: io::Error) -> Undone {
    Undone::Failed(KernelError::File {
        what: format!("failed to restore sysctl {:?}", key.as_str()),
        source: as_go(source),
    })
}

/// A `SysctlKey` has no `..` and begins with `net/`, so this stays below `/proc/sys/net`.
fn path(key: &SysctlKey) -> PathBuf {
    PathBuf::from("/proc/sys").join(key.as_str())
}

#[cfg(test)]
mod tests {
    use super::super::testing::private;
    use super::*;
    use crate::plan::Netns;

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
    fn only_an_optional_parameter_may_be_missing() {
        let missing = "net/ipv4/conf/no-such-link/arp_notify";
        assert!(matches!(set(&action(missing, "1", false)), Err(KernelError::File { .. })));
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

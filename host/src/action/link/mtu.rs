//! What a link loses with a small MTU, and gets back.

use super::settings::LinkAttribute;
use crate::action::context::{WriteContext, refused};
use crate::action::profile::{OwnUndo, UndoLane};
use crate::action::record::{Old, OldMtu, Undone, is_same_value};
use crate::action::undo::Inverse;
use crate::machine::MachineError;
use crate::machine::errno::as_go;
use crate::machine::port::{Look, Request};
use crate::value::shell::word;
use crate::value::{LinkRef, SysctlKey};
use std::io;

/// The directories with the parameters of a link, and the smallest MTU with which the link has them: `IPV6_MIN_MTU` in
/// the kernel's net/ipv6/addrconf.c, and `inetdev_valid_mtu` in net/ipv4/devinet.c.
const NEEDS: [(&str, u32); 4] =
    [("net/ipv6/conf", 1280), ("net/ipv6/neigh", 1280), ("net/ipv4/conf", 68), ("net/ipv4/neigh", 68)];

/// The value `now` of an attribute of a link, before it is set to `new`: with the parameters that the link loses.
pub fn old(now: LinkAttribute, new: &LinkAttribute, link: &LinkRef, look: &mut dyn Look) -> Old {
    let (LinkAttribute::Mtu(mtu), LinkAttribute::Mtu(new)) = (&now, new) else {
        return Old::Attribute(now);
    };
    let lost = NEEDS.into_iter().filter(|(_, least)| mtu >= least && new < least);
    let mut parameters: Vec<_> = lost.flat_map(|(directory, _)| parameters(directory, link, look)).collect();
    // `net/ipv6/conf/LINK/mtu` follows the MTU of the link.
    parameters.retain(|(key, value)| !key.as_str().ends_with("/mtu") || *value != mtu.to_string());
    match parameters.is_empty() {
        true => Old::Attribute(now),
        false => Old::Mtu(OldMtu { mtu: *mtu, parameters }),
    }
}

/// The parameters of a link in a directory, with their values. One that cannot be read, such as a `stable_secret` that is
/// not set, cannot be restored either.
fn parameters(directory: &str, link: &LinkRef, look: &mut dyn Look) -> Vec<(SysctlKey, String)> {
    let directory = format!("{directory}/{}", link.name);
    let mut names = look.sysctl_names(link.netns, &directory).unwrap_or_default();
    names.sort_unstable();
    let read = |name: String| {
        let key = SysctlKey::parse(&format!("{directory}/{name}")).ok()?;
        let value = look.sysctl(link.netns, &key).ok()?;
        Some((key, value))
    };
    names.into_iter().filter_map(read).collect()
}

/// Restores the MTU of a link, if it still has the one that was set, and the parameters that the link lost with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreMtu {
    /// The link.
    pub link: LinkRef,
    /// The MTU that was set, in bytes.
    pub set: u32,
    /// The MTU before, and the parameters.
    pub old: OldMtu,
}

impl Inverse for RestoreMtu {
    fn lane(&self) -> UndoLane<'_> {
        UndoLane::Own(self)
    }

    fn command(&self) -> String {
        let RestoreMtu { link, old, .. } = self;
        let parameters: Vec<String> =
            old.parameters.iter().map(|(key, value)| word(&format!("{key}={value}"))).collect();
        format!("ip link set {} mtu {}; sysctl -w {}", link.name, old.mtu, parameters.join(" "))
    }
}

impl OwnUndo for RestoreMtu {
    fn perform(&self, cx: &mut WriteContext<'_>) -> Result<Undone, MachineError> {
        let RestoreMtu { link, set, old } = self;
        let Some(found) = cx.seen(link)? else { return Ok(Undone::Gone) };
        if found.mtu != *set && found.mtu == old.mtu {
            return Ok(Undone::Gone);
        }
        if found.mtu != *set {
            let text =
                format!("link {} was changed to {:?} by somebody else", link.name, found.mtu.to_string());
            return Ok(Undone::Left(text));
        }
        // The MTU that was set may have brought the parameters back, with the kernel's values.
        if *set != old.mtu {
            let what = format!("failed to set the MTU of {:?} to {}", link.name.as_str(), old.mtu);
            let sent = cx.machine.send(link.netns, vec![Request::SetMtu(found.index, old.mtu)]);
            sent.into_iter().collect::<io::Result<()>>().map_err(|error| refused(what, error))?;
        }
        for (key, value) in &old.parameters {
            restore(link, key, value, cx)?;
        }
        Ok(Undone::Done)
    }
}

/// Sets a parameter, if it has another value. A parameter that does not exist any more, or that nobody can set, is left.
fn restore(
    link: &LinkRef,
    key: &SysctlKey,
    value: &str,
    cx: &mut WriteContext<'_>,
) -> Result<(), MachineError> {
    if cx.machine.sysctl(link.netns, key).is_ok_and(|now| is_same_value(&now, value)) {
        return Ok(());
    }
    match cx.machine.set_sysctl(link.netns, key, value) {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::InvalidInput | io::ErrorKind::PermissionDenied
            ) =>
        {
            Ok(())
        }
        Err(source) => {
            let what = format!("failed to restore sysctl {:?}", key.as_str());
            Err(MachineError::File { what, source: as_go(source) })
        }
        Ok(()) => Ok(()),
    }
}

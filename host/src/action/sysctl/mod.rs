//! Kernel parameters, as in sysctl(8).

mod grant;

use super::check::Check;
use super::context::{ReadContext, WriteContext};
use super::profile::{Lane, Lasts, Lifetime, Own, OwnUndo, Place, Profile, UndoLane};
use super::record::{
    Before, Difference, Effect, Old, OldSysctl, Replaces, Undoing, Undone, ValueOf, is_same_value,
};
use super::{Action, Inverse, Kind, Undo};
use crate::machine::MachineError;
use crate::machine::errno::as_go;
use crate::machine::port::{Look, Machine};
use crate::policy::{Capability, Refusal};
use crate::value::shell::word;
use crate::value::{IfName, LinkRef, Netns, SysctlKey};
use grant::Parameter;
use serde::{Deserialize, Serialize};
use std::io;

/// See [`Action::SetSysctl`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetSysctl {
    /// The namespace of the parameter.
    pub netns: Netns,
    /// The path below `/proc/sys`, with slashes.
    pub key: SysctlKey,
    /// The value, without a newline.
    pub value: String,
    /// Whether the action succeeds if the parameter does not exist, the kernel refuses the value, or nobody may write it.
    #[serde(default)]
    pub optional: bool,
}

impl SetSysctl {
    /// The link that the parameter belongs to. None for a parameter without a link.
    fn link(&self) -> Option<LinkRef> {
        let (_, name) = self.key.link()?;
        Some(LinkRef { netns: self.netns, name: IfName::parse(name).ok()? })
    }

    fn replace(&self, machine: &mut dyn Machine) -> io::Result<Effect> {
        let now = machine.sysctl(self.netns, &self.key)?;
        if is_same_value(&now, &self.value) {
            return Ok(Effect::AlreadyThere);
        }
        let old = with_followers(machine.as_look(), self.netns, &self.key, now)?;
        machine.set_sysctl(self.netns, &self.key, &self.value)?;
        Ok(Effect::Replaced(Old::Sysctl(old)))
    }
}

impl Kind for SetSysctl {
    fn profile(&self) -> Profile<'_> {
        let on = self.link();
        let lasts = match (self.netns, self.key.link(), &on) {
            // Every attachment needs forwarding, and others on the node may rely on it without a record.
            (Netns::Host, None, _) if is_forwarding(&self.key) => Lasts::For(Lifetime::Node),
            // A link of the host that no action of the plan makes belongs to somebody else, and others may use its
            // parameters.
            (Netns::Host, Some(_), Some(_)) => Lasts::WithLink(Lifetime::Shared),
            (Netns::Host, ..) => Lasts::For(Lifetime::Shared),
            (Netns::Container, ..) => Lasts::For(Lifetime::Attachment),
        };
        let lane = Lane::Own(Place::Netns(self.netns), self);
        Profile { on, lasts, ..Profile::new(lane, Capability::Sysctls) }
    }

    fn commands(&self) -> Vec<String> {
        let optional = if self.optional { "-e " } else { "" };
        vec![format!("sysctl {optional}-w {}={}", self.key, self.value)]
    }

    fn refuse(&self, check: &Check<'_>) -> Vec<Refusal> {
        let SetSysctl { netns, key, value, .. } = self;
        grant::refuse(&Parameter { netns: *netns, key, value, link: self.link() }, check)
    }

    fn observe(&self, cx: &mut ReadContext<'_>) -> Before {
        if !cx.look.has_netns(self.netns) {
            return Before::Unknown;
        }
        match cx.look.sysctl(self.netns, &self.key) {
            Ok(value) if is_same_value(&value, &self.value) => Before::Present,
            Ok(value) => {
                let old = with_followers(cx.look, self.netns, &self.key, value);
                old.map_or(Before::Unknown, |old| Before::Old(Old::Sysctl(old)))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Before::Absent,
            Err(_) => Before::Unknown,
        }
    }

    fn undos(&self, undoing: &Undoing<'_>) -> Vec<Undo> {
        let goes_with_link = self.link().is_some_and(|link| undoing.goes_with_link(&link));
        match undoing.done.old() {
            Some(Old::Sysctl(old)) if !goes_with_link => {
                let (key, written) = (self.key.clone(), self.value.clone());
                vec![RestoreSysctl { netns: self.netns, key, written, old: old.clone() }.into()]
            }
            _ => Vec::new(),
        }
    }

    fn verify(&self, cx: &mut ReadContext<'_>) -> Result<Vec<Difference>, MachineError> {
        // The engine that runs the container may set an optional parameter of the container's namespace to another
        // value, so this is no difference.
        if self.optional && self.netns == Netns::Container {
            return Ok(Vec::new());
        }
        require_netns(cx.look, self.netns)?;
        let SetSysctl { key, value, .. } = self;
        let text = match cx.look.sysctl(self.netns, key) {
            Ok(is) if is_same_value(&is, value) => return Ok(Vec::new()),
            Ok(is) => format!("sysctl {key} is {is:?}, not {value:?}"),
            // If an optional parameter does not exist, this is no difference.
            Err(_) if self.optional => return Ok(Vec::new()),
            Err(_) => format!("sysctl {key} cannot be read"),
        };
        Ok(vec![Difference::repaired(text, self.clone())])
    }

    fn lasts(&self, effect: &Effect) -> bool {
        // An optional action that failed has made no change.
        !(self.optional && *effect == Effect::AlreadyThere)
    }

    fn replaces(&self) -> Option<Replaces> {
        let with = OldSysctl { value: self.value.clone(), others: Vec::new() };
        Some(Replaces { of: ValueOf::Sysctl(self.netns, self.key.clone()), with: Old::Sysctl(with) })
    }

    /// An attachment relies on the value only if its plan sets it too. That it uses the same link is not enough.
    fn is_used_by(&self, other: &Action, _own: &[&Action]) -> bool {
        matches!(other, Action::SetSysctl(other)
            if (other.netns, &other.key) == (self.netns, &self.key) && is_same_value(&other.value, &self.value))
    }

    fn is_superseded(&self, by: &Action) -> bool {
        if let Action::SetSysctl(later) = by {
            (later.netns, &later.key) == (self.netns, &self.key)
        } else {
            false
        }
    }

    fn is_lost_with(&self, repair: &Action) -> bool {
        if let Action::EnsureBridge(bridge) = repair {
            self.link().is_some_and(|link| link.netns == Netns::Host && link.name == bridge.name)
        } else {
            false
        }
    }
}

impl Own for SetSysctl {
    fn perform(&self, cx: &mut WriteContext<'_>) -> Result<Effect, MachineError> {
        require_netns(cx.machine.as_look(), self.netns)?;
        match self.replace(cx.machine) {
            Ok(effect) => Ok(effect),
            Err(error) if self.optional && is_tolerated(&error) => Ok(Effect::AlreadyThere),
            Err(source) => {
                let what = format!("failed to set sysctl {:?} to {:?}", self.key.as_str(), self.value);
                Err(MachineError::File { what, source: as_go(source) })
            }
        }
    }

    /// The action writes a single file.
    fn is_whole(&self) -> bool {
        true
    }
}

/// Whether an optional parameter stays as it is. `/proc/sys` is read-only in nested containers, in LXC, and for systemd
/// services with `ProtectKernelTunables`.
pub(super) fn is_tolerated(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::PermissionDenied
    )
}

/// Restores the old value of a parameter, if it still has the value that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreSysctl {
    /// The namespace of the parameter.
    pub netns: Netns,
    /// The parameter.
    pub key: SysctlKey,
    /// The value that was written.
    pub written: String,
    /// The value before, with other parameters to restore.
    pub old: OldSysctl,
}

impl Inverse for RestoreSysctl {
    fn lane(&self) -> UndoLane<'_> {
        UndoLane::Own(self)
    }

    fn netns(&self) -> Netns {
        self.netns
    }

    fn command(&self) -> String {
        let own = [(&self.key, &self.old.value)].into_iter();
        let all = own.chain(self.old.others.iter().map(|(key, value)| (key, value)));
        let words: Vec<String> = all.map(|(key, value)| word(&format!("{key}={value}"))).collect();
        format!("sysctl -w {}", words.join(" "))
    }
}

impl OwnUndo for RestoreSysctl {
    fn perform(&self, cx: &mut WriteContext<'_>) -> Result<Undone, MachineError> {
        let RestoreSysctl { netns, key, written, old } = self;
        if !cx.machine.has_netns(*netns) {
            return Ok(Undone::Gone);
        }
        let now = match cx.machine.sysctl(*netns, key) {
            Ok(now) => now,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Undone::Gone),
            Err(source) => return Err(failed(key, source)),
        };
        if is_same_value(&now, &old.value) {
            return Ok(Undone::Gone);
        }
        if !is_same_value(&now, written) {
            return Ok(Undone::Left(format!("sysctl {key} was changed to {now:?} by somebody else")));
        }
        cx.machine.set_sysctl(*netns, key, &old.value).map_err(|source| failed(key, source))?;
        for (key, value) in &old.others {
            match cx.machine.set_sysctl(*netns, key, value) {
                // The link is gone.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                written => written.map_err(|source| failed(key, source))?,
            }
        }
        Ok(Undone::Done)
    }
}

fn failed(key: &SysctlKey, source: io::Error) -> MachineError {
    let what = format!("failed to restore sysctl {:?}", key.as_str());
    MachineError::File { what, source: as_go(source) }
}

fn require_netns(look: &mut dyn Look, netns: Netns) -> Result<(), MachineError> {
    if look.has_netns(netns) {
        return Ok(());
    }
    let what = "failed to enter the container's network namespace".to_owned();
    let source = io::Error::new(io::ErrorKind::NotFound, "the container has no network namespace");
    Err(MachineError::File { what, source })
}

/// Whether the parameter makes the host forward packets.
fn is_forwarding(key: &SysctlKey) -> bool {
    matches!(
        key.as_str(),
        "net/ipv4/ip_forward" | "net/ipv4/conf/all/forwarding" | "net/ipv6/conf/all/forwarding"
    )
}

/// The parameters that the kernel writes together with another one: `DIRECTORY/LINK/NAME` for every link and for
/// `default`.
#[derive(Debug, Clone, Copy)]
struct Followers {
    /// For example `net/ipv4/conf`.
    directory: &'static str,
    /// For example `forwarding`.
    name: &'static str,
    /// The parameter that the kernel sets to the opposite value: routers ignore ICMP redirects.
    redirects: Option<&'static str>,
}

/// The parameters that the kernel writes together with `key` (`inet_forward_change` in net/ipv4/devinet.c;
/// `addrconf_fixup_forwarding` and `addrconf_disable_ipv6` in net/ipv6/addrconf.c).
fn followers(key: &SysctlKey) -> Option<Followers> {
    match key.as_str() {
        "net/ipv4/ip_forward" | "net/ipv4/conf/all/forwarding" => Some(Followers {
            directory: "net/ipv4/conf",
            name: "forwarding",
            redirects: Some("net/ipv4/conf/all/accept_redirects"),
        }),
        "net/ipv6/conf/all/forwarding" => {
            Some(Followers { directory: "net/ipv6/conf", name: "forwarding", redirects: None })
        }
        "net/ipv6/conf/all/disable_ipv6" => {
            Some(Followers { directory: "net/ipv6/conf", name: "disable_ipv6", redirects: None })
        }
        _ => None,
    }
}

/// The value of a parameter, with those other parameters that a change of this one and back would not restore: their
/// values differ from what the kernel sets them to.
fn with_followers(
    look: &mut dyn Look,
    netns: Netns,
    key: &SysctlKey,
    value: String,
) -> io::Result<OldSysctl> {
    let Some(Followers { directory, name, redirects }) = followers(key) else {
        return Ok(OldSysctl { value, others: Vec::new() });
    };
    let mut others = Vec::new();
    for link in look.sysctl_names(netns, directory)? {
        let Ok(key) = SysctlKey::parse(&format!("{directory}/{link}/{name}")) else { continue };
        // A parameter that no longer exists has no value to lose.
        if link != "all"
            && let Ok(other) = look.sysctl(netns, &key)
            && !is_same_value(&other, &value)
        {
            others.push((key, other));
        }
    }
    let opposite = if is_same_value(&value, "0") { "1" } else { "0" };
    if let Some(key) = redirects.and_then(|key| SysctlKey::parse(key).ok())
        && let Ok(redirects) = look.sysctl(netns, &key)
        && !is_same_value(&redirects, opposite)
    {
        others.push((key, redirects));
    }
    Ok(OldSysctl { value, others })
}

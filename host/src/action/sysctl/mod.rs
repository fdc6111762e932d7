//! Kernel parameters: `sysctl`.

use super::check::Check;
use super::context::{ReadContext, WriteContext};
use super::profile::{Lane, Lasts, Lifetime, Own, OwnUndo, Place, Profile, UndoLane};
use super::record::{Before, Difference, Effect, Old, OldSysctl, Undoing, Undone};
use super::{Action, Inverse, Kind, Undo};
use crate::machine::MachineError;
use crate::machine::errno::as_go;
use crate::machine::port::{Look, Machine};
use crate::policy::{Capability, Refusal, Resource};
use crate::value::shell::word;
use crate::value::{IfName, LinkRef, Netns, SysctlKey};
use serde::{Deserialize, Serialize};
use std::io;

/// See [`Action::SetSysctl`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetSysctl {
    /// Whose parameter.
    pub netns: Netns,
    /// Below `/proc/sys`, with slashes.
    pub key: SysctlKey,
    /// The value, without a line end.
    pub value: String,
    /// Go on when the parameter does not exist or refuses the value.
    #[serde(default)]
    pub optional: bool,
}

impl SetSysctl {
    /// The link whose parameter it is, if it is one of a link.
    fn link(&self) -> Option<LinkRef> {
        let (_, name) = self.key.link()?;
        Some(LinkRef { netns: self.netns, name: IfName::parse(name).ok()? })
    }

    fn replace(&self, machine: &mut dyn Machine) -> io::Result<Effect> {
        let now = machine.sysctl(self.netns, &self.key)?;
        if same(&now, &self.value) {
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
            (Netns::Host, None, _) => Lasts::For(Lifetime::Node),
            // A link of the host that no action of the plan makes is somebody else's, and others may use it.
            (Netns::Host, Some(_), Some(_)) => Lasts::WithLink(Lifetime::Node),
            (Netns::Host, Some(_), None) | (Netns::Container, ..) => Lasts::For(Lifetime::Attachment),
        };
        let lane = Lane::Own(Place::Netns(self.netns), self);
        Profile { on, lasts, ..Profile::new(lane, Capability::Sysctls) }
    }

    fn commands(&self) -> Vec<String> {
        let optional = if self.optional { "-e " } else { "" };
        vec![format!("sysctl {optional}-w {}={}", self.key, self.value)]
    }

    fn refuse(&self, check: &Check<'_>) -> Vec<Refusal> {
        let Check { grants, rules, .. } = check;
        let thing = match self.netns {
            Netns::Container => {
                return rules.refuse(&Resource::ContainerSysctl(&self.key), true, String::new);
            }
            Netns::Host => Resource::Sysctl(&self.key),
        };
        match self.key.link() {
            Some((_, name)) => {
                // Packets from the host itself reach the container only so.
                let is_routed = self.key.as_str().ends_with("/route_localnet")
                    && grants.routes_to_own.iter().any(|own| own.as_str() == name);
                let is_of_plan = is_routed || self.link().is_some_and(|link| check.link(&link).is_empty());
                rules.refuse(&thing, is_of_plan, || format!("link {name:?} is not of this plan"))
            }
            None => {
                let is_forwarding =
                    matches!(self.key.as_str(), "net/ipv4/ip_forward" | "net/ipv6/conf/all/forwarding");
                let rule = || "on the host only forwarding may be switched on".to_owned();
                rules.refuse(&thing, is_forwarding && self.value == "1", rule)
            }
        }
    }

    fn observe(&self, cx: &mut ReadContext<'_>) -> Before {
        if !cx.look.has_netns(self.netns) {
            return Before::Unknown;
        }
        match cx.look.sysctl(self.netns, &self.key) {
            Ok(value) if same(&value, &self.value) => Before::Present,
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
        // Of the container's own, what may be missing may also be set otherwise, by who runs the container.
        if self.optional && self.netns == Netns::Container {
            return Ok(Vec::new());
        }
        require_netns(cx.look, self.netns)?;
        let SetSysctl { key, value, .. } = self;
        let text = match cx.look.sysctl(self.netns, key) {
            Ok(is) if same(&is, value) => return Ok(Vec::new()),
            Ok(is) => format!("sysctl {key} is {is:?}, not {value:?}"),
            // One that need not be there, and is not, is no difference.
            Err(_) if self.optional => return Ok(Vec::new()),
            Err(_) => format!("sysctl {key} cannot be read"),
        };
        Ok(vec![Difference::repaired(text, self.clone())])
    }

    fn lasts(&self, effect: &Effect) -> bool {
        // An optional one that failed was not done.
        !(self.optional && *effect == Effect::AlreadyThere)
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
            Err(error)
                if self.optional
                    && matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidInput) =>
            {
                Ok(Effect::AlreadyThere)
            }
            Err(source) => {
                let what = format!("failed to set sysctl {:?} to {:?}", self.key.as_str(), self.value);
                Err(MachineError::File { what, source: as_go(source) })
            }
        }
    }

    /// It is one file.
    fn is_whole(&self) -> bool {
        true
    }
}

/// Writes a parameter's old value, if it still has the one that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreSysctl {
    /// Whose.
    pub netns: Netns,
    /// Which.
    pub key: SysctlKey,
    /// What was written.
    pub written: String,
    /// What stood there.
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
        if same(&now, &old.value) {
            return Ok(Undone::Gone);
        }
        if !same(&now, written) {
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

/// Whether two values are one: the kernel puts tabs between the numbers of a list.
fn same(a: &str, b: &str) -> bool {
    a.split_whitespace().eq(b.split_whitespace())
}

/// Parameters that the kernel writes with another one: `DIRECTORY/LINK/NAME`, `default` among the links.
#[derive(Debug, Clone, Copy)]
struct Followers {
    /// `net/ipv4/conf`.
    directory: &'static str,
    /// `forwarding`.
    name: &'static str,
    /// The one that the kernel sets to the opposite: routers do not listen to redirects.
    redirects: Option<&'static str>,
}

/// What follows a parameter (`inet_forward_change`, `addrconf_fixup_forwarding`, `addrconf_disable_ipv6`).
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

/// The value of a parameter, as it was read, with those that would be lost when another one was written and this one again: they differ from what the
/// kernel then gives them.
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
        // One that is gone by now has no value to lose.
        if link != "all"
            && let Ok(other) = look.sysctl(netns, &key)
            && !same(&other, &value)
        {
            others.push((key, other));
        }
    }
    let opposite = if same(&value, "0") { "1" } else { "0" };
    if let Some(key) = redirects.and_then(|key| SysctlKey::parse(key).ok())
        && let Ok(redirects) = look.sysctl(netns, &key)
        && !same(&redirects, opposite)
    {
        others.push((key, redirects));
    }
    Ok(OldSysctl { value, others })
}

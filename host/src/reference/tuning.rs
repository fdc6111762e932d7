//! The type `tuning` (plugins/meta/tuning in containernetworking/plugins).

use super::Type;
use crate::action::link::save::SavedLink;
use crate::action::{Action, SaveLink, SetLink, SetSysctl, Undo, of_kind};
use crate::apply::StateDir;
use crate::cni::{Config, Request};
use crate::machine::port::Look;
use crate::plan::Demand;
use crate::policy::{Capability, Grants};
use crate::value::{Attachment, Kind, LinkRef, Netns, Report, SysctlKey, derive, place};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The plugin reads a list of allowed parameters.
pub const TYPE: Type = Type {
    kind: Some(Kind::Chained),
    capabilities: Some(&[&[Capability::Links, Capability::Sysctls, Capability::Observe]]),
    sets_sysctls: true,
    files: &["/etc/cni/tuning/allowlist.conf"],
    remains: Some(remains),
    demands,
    ..Type::OTHER
};

/// Every configured parameter, with its value.
pub fn demands(grants: &Grants, config: &Config, _: Option<&Report>) -> Vec<Demand> {
    let sysctls = config.sysctls(&grants.attachment.interface);
    if sysctls.is_empty() {
        return Vec::new();
    }
    let is_of_key = |set: &SetSysctl, key: &SysctlKey| set.netns == Netns::Container && set.key == *key;
    let met = move |plan: &[&Action], _: &Report| {
        sysctls.iter().all(|(key, value)| {
            let is_it = |set: &SetSysctl| set.value == *value;
            of_kind::<SetSysctl>(plan).filter(|set| is_of_key(set, key)).last().is_some_and(is_it)
        })
    };
    vec![Demand::new("sysctl", "every parameter with its value", met)]
}

/// The directories for saved attributes: the default one, and the configured one if it is absolute.
pub fn directories(config: &Config) -> Vec<PathBuf> {
    let configured = config.get("dataDir").and_then(Value::as_str).map(PathBuf::from);
    let configured = configured.filter(|dir| dir.is_absolute());
    [PathBuf::from(place::SAVED_LINKS)].into_iter().chain(configured).collect()
}

/// The attributes of the attachment's link that the reference's tuning changed (`plugins/meta/tuning/tuning.go`).
/// They are those in the file in which it saved the old values, in the default directory. Empty if our own `actions`
/// wrote that file.
pub fn changes<'a>(
    attachment: &Attachment,
    mut actions: impl Iterator<Item = &'a Action>,
    look: &mut dyn Look,
) -> Vec<Action> {
    if actions.any(SaveLink::is_it) {
        return Vec::new();
    }
    let path = Path::new(place::SAVED_LINKS).join(derive::saved_link(attachment));
    let link = LinkRef { netns: Netns::Container, name: attachment.interface.clone() };
    let saved = SavedLink::read(look, &path).unwrap_or_default().attributes().into_iter();
    saved.map(|attribute| SetLink { link: link.clone(), attribute }.into()).collect()
}

/// The undos for all saved attributes of the link, in all directories.
fn remains(request: &Request, config: &Config, _: &StateDir, look: &mut dyn Look) -> Vec<Undo> {
    let link = LinkRef { netns: Netns::Container, name: request.attachment.interface.clone() };
    let name = derive::saved_link(&request.attachment);
    let paths = directories(config).into_iter().map(|dir| dir.join(&name));
    let saved = paths.filter_map(|path| Some((SavedLink::read(look, &path)?, path)));
    saved.flat_map(|(saved, path)| saved.undos(&link, path)).collect()
}

//! tuning.

use super::Type;
use crate::action::link::save::SavedLink;
use crate::action::{Action, SaveLink, SetLink, Undo};
use crate::apply::StateDir;
use crate::cni::{Config, Request};
use crate::machine::port::Look;
use crate::value::{Attachment, LinkRef, Netns, derive, place};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// It has a list of parameters that it may set.
pub const TYPE: Type =
    Type { files: &["/etc/cni/tuning/allowlist.conf"], remains: Some(remains), ..Type::OTHER };

/// Where it saves what a link had before: the default directory, and the configured one if it is absolute.
pub fn directories(config: &Config) -> Vec<PathBuf> {
    let configured = config.get("dataDir").and_then(Value::as_str).map(PathBuf::from);
    let configured = configured.filter(|dir| dir.is_absolute());
    [PathBuf::from(place::SAVED_LINKS)].into_iter().chain(configured).collect()
}

/// What it changed of the attachment's link, as the file has it in which it saved what was there before, where it keeps that unless told otherwise
/// (cni-behaviours, section 3.15); nothing, if `actions` are ours that saved it.
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

/// What it saved of the link, wherever it is told to keep that.
fn remains(request: &Request, config: &Config, _: &StateDir, look: &mut dyn Look) -> Vec<Undo> {
    let link = LinkRef { netns: Netns::Container, name: request.attachment.interface.clone() };
    let name = derive::saved_link(&request.attachment);
    let paths = directories(config).into_iter().map(|dir| dir.join(&name));
    let saved = paths.filter_map(|path| Some((SavedLink::read(look, &path)?, path)));
    saved.flat_map(|(saved, path)| saved.undos(&link, path)).collect()
}

//! tuning.

use super::Type;
use crate::apply::StateDir;
use crate::cni::{Config, Request};
use crate::machine::Undo;
use crate::machine::saved::SavedLink;
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

/// What it saved of the attachment's link, where it keeps that unless told otherwise.
pub fn saved(attachment: &Attachment) -> Option<SavedLink> {
    SavedLink::read(&Path::new(place::SAVED_LINKS).join(derive::saved_link(attachment)))
}

/// What it saved of the link, wherever it is told to keep that.
fn remains(request: &Request, config: &Config, _: &StateDir) -> Vec<Undo> {
    let link = LinkRef { netns: Netns::Container, name: request.attachment.interface.clone() };
    let name = derive::saved_link(&request.attachment);
    let paths = directories(config).into_iter().map(|dir| dir.join(&name));
    let saved = paths.filter_map(|path| Some((SavedLink::read(&path)?, path)));
    saved.flat_map(|(saved, path)| saved.undos(&link, path)).collect()
}

//! Uninstalls, and restores the files that the installation replaced.

use super::place::{COMPILER, HOST, Place, failed};
use super::{Done, Report, others};
use crate::cni::{CniError, ErrorKind};
use crate::node::Node;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

/// The pause between removing the last link and the first component.
const PAUSE: Duration = Duration::from_millis(500);

/// Removes what was installed into `dir`, and restores the replaced files, each with one rename. A file that another
/// program has changed since is kept.
///
/// Refuses while attachments need a plugin that no restored file would replace, unless `force`.
pub fn uninstall(node: &Node, dir: &Path, force: bool) -> Result<Report, CniError> {
    let mut place = Place::open(dir, false)?;
    let names = names(&place);
    let orphans = orphans(node, &place, &names);
    if !orphans.is_empty() && !force {
        let msg = format!("containers are attached by what would be gone: {}", orphans.join(", "));
        let details = "nothing was changed\nhint: delete them first (`wasm-cni attachments` lists them), or --force: then a runtime cannot delete them";
        return Err(CniError::new(ErrorKind::NotInstalled, msg).with_details(details));
    }
    let (mut lines, mut paused) = (Vec::new(), false);
    for name in names {
        if name.ends_with(".wasm") && !paused {
            // A call that a link started before its removal opens its component within milliseconds.
            std::thread::sleep(PAUSE);
            paused = true;
        }
        let done = remove(&place, &name).map_err(|e| failed("remove", &place.live(&name), &e))?;
        lines.push((name, done, String::new()));
    }
    let others = others(&place, lines.iter().map(|(name, ..)| name.as_str()).collect());
    place.forget()?;
    Ok(Report { lines, others })
}

/// The names in the order of removal. Links come first, so that their components exist as long as they do. The host
/// comes last, so that a failed uninstall can be repeated.
fn names(place: &Place) -> Vec<String> {
    let files = place.names();
    let components = files.iter().filter(|name| name.ends_with(".wasm"));
    let links = components.clone().filter_map(|name| name.strip_suffix(".wasm"));
    links.map(str::to_owned).chain(components.cloned()).chain([COMPILER, HOST].map(str::to_owned)).collect()
}

/// The plugins that attachments use and that would be missing.
fn orphans(node: &Node, place: &Place, names: &[String]) -> Vec<String> {
    let sections = node.state.sections(None);
    let used: BTreeSet<&str> =
        sections.iter().flat_map(|s| s.header.plugins.iter().map(|(plugin, _)| plugin.as_str())).collect();
    let gone = |name: &&str| {
        let is_ours = names.iter().any(|own| own == name) && place.is_ours(name);
        is_ours && fs::symlink_metadata(place.replaced(name)).is_err()
    };
    used.into_iter().filter(gone).map(str::to_owned).collect()
}

fn remove(place: &Place, name: &str) -> io::Result<Done> {
    let (live, replaced) = (place.live(name), place.replaced(name));
    let is_there = |path: &Path| fs::symlink_metadata(path).is_ok();
    match (is_there(&live), is_there(&replaced)) {
        (true, _) if !place.is_ours(name) => Ok(Done::LeftAlone),
        (_, true) => fs::rename(replaced, live).map(|()| Done::Restored),
        (true, false) => fs::remove_file(live).map(|()| Done::Removed),
        (false, false) => Ok(Done::AsItWas),
    }
}

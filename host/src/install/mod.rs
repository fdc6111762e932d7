//! Installs wasm-cni into the directory in which a runtime looks for plugins, and uninstalls it. Plugins of other
//! vendors stay (`docs/adr/0014-install.md`).

mod place;
mod undo;

pub use place::Place;
pub use undo::uninstall;

use crate::cni::{CniError, ErrorKind};
use crate::node::Node;
use crate::plugin::Plugin;
use crate::sandbox::cache::digest;
use crate::value::PluginName;
use place::{COMPILER, HOST, failed, is_our_link};
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The wanted contents of a name in the directory.
#[derive(Debug)]
enum Content {
    /// A regular file with this digest and mode, copied from `source`.
    File { source: PathBuf, digest: String, mode: u32 },
    /// A symbolic link to the host.
    Link,
}

/// The present contents of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Nothing,
    /// Exactly the wanted contents.
    Same,
    /// Another version of it that we installed.
    Ours,
    /// A plugin or a file that another program installed.
    Others,
}

/// The outcome for a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// It had the wanted contents already.
    AsItWas,
    /// The name was free.
    Installed,
    /// The name had another version.
    Updated,
    /// The name had a file of another program, which is kept at this path.
    Replaced(PathBuf),
    /// The file of another program is restored.
    Restored,
    /// The name is removed.
    Removed,
    /// Another program has replaced our file, so it was not changed.
    LeftAlone,
}

/// The outcome of an installation.
#[derive(Debug)]
pub struct Report {
    /// Our names, each with its outcome and the beginning of the digest of its present contents.
    pub lines: Vec<(String, Done, String)>,
    /// The other plugins in the directory.
    pub others: Vec<String>,
}

struct Item {
    name: String,
    content: Content,
    found: Found,
}

/// Installs the files in `source` into `dir`.
///
/// Every file is first written, checked and compiled in a separate directory. Then each is renamed into place, so
/// that a runtime finds a plugin at any time. After an error, the directory is unchanged.
///
/// `force` also replaces files of other programs that have our names. `progress` gets the number of components and
/// the name of the next one, before each is compiled.
pub fn install(
    node: &Node,
    source: &Path,
    dir: &Path,
    force: bool,
    progress: &mut dyn FnMut(usize, &str),
) -> Result<Report, CniError> {
    // With an invalid policy, no container could start after the installation.
    node.policy()?;
    let contents = contents(source)?;
    let mut place = Place::open(dir, true)?;
    let items = examine(&place, contents, force)?;
    compile(node, &items, progress)?;
    place.prepare()?;
    let changes: Vec<&Item> = items.iter().filter(|item| item.found != Found::Same).collect();
    for item in &changes {
        item.stage(&place)?;
    }
    if changes.iter().any(|item| item.name == HOST) {
        probe(&place.staged(HOST))?;
    }
    let files = items.iter().filter_map(|item| match &item.content {
        Content::File { digest, .. } => Some((item.name.as_str(), digest.as_str())),
        Content::Link => None,
    });
    let before = place.note(files)?;
    if let Err(error) = put(&place, &changes) {
        place.note_again(before);
        return Err(error);
    }
    let lines = items.iter().map(|item| item.line(&place)).collect::<Result<_, _>>()?;
    Ok(Report { lines, others: others(&place, items.iter().map(|item| item.name.as_str()).collect()) })
}

/// The files to install, in their order: a link comes after the files that it needs.
fn contents(source: &Path) -> Result<Vec<(String, Content)>, CniError> {
    let entries = fs::read_dir(source).map_err(|e| failed("read", source, &e))?;
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut components: Vec<String> = names.filter(|name| name.ends_with(".wasm")).collect();
    components.sort();
    if components.is_empty() {
        let msg = format!("there is no component beside {}", source.join(HOST).display());
        return Err(
            CniError::new(ErrorKind::NotInstalled, msg).with_details("hint: --from names their directory")
        );
    }
    let programs = [HOST, COMPILER].map(|name| (name.to_owned(), 0o755));
    let files = programs.into_iter().chain(components.iter().map(|name| (name.clone(), 0o644)));
    let file = |(name, mode): (String, u32)| {
        let source = source.join(&name);
        let digest =
            File::open(&source).and_then(|file| digest(&file)).map_err(|e| failed("read", &source, &e))?;
        Ok((name, Content::File { source, digest, mode }))
    };
    let links = components
        .iter()
        .filter_map(|name| name.strip_suffix(".wasm"))
        .map(|name| Ok((name.to_owned(), Content::Link)));
    files.map(file).chain(links).collect()
}

/// Finds the present contents of each name. Reports all files that may not be replaced at once.
fn examine(place: &Place, contents: Vec<(String, Content)>, force: bool) -> Result<Vec<Item>, CniError> {
    let mut refused = Vec::new();
    let mut items = Vec::new();
    for (name, content) in contents {
        let path = place.live(&name);
        let found = content.find(place, &name)?;
        let is_plain = fs::symlink_metadata(&path).is_ok_and(|m| m.is_file() || m.is_symlink());
        match (&content, found) {
            (_, Found::Others) if !is_plain => refused.push(format!("{} is no file", path.display())),
            (Content::File { .. }, Found::Others) if !force => {
                refused.push(format!("{} is not what was installed, or was changed since", path.display()));
            }
            _ => items.push(Item { name, content, found }),
        }
    }
    if refused.is_empty() {
        return Ok(items);
    }
    let details = format!(
        "{}\nnothing was changed\nhint: --force replaces files, and keeps them for uninstall",
        refused.join("\n")
    );
    let msg = format!("something is in the way in {}", place.dir.display());
    Err(CniError::new(ErrorKind::NotInstalled, msg).with_details(details))
}

impl Content {
    fn find(&self, place: &Place, name: &str) -> Result<Found, CniError> {
        let path = place.live(name);
        let metadata = match fs::symlink_metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
            Err(error) => return Err(failed("read", &path, &error)),
        };
        let same = match self {
            Content::Link => is_our_link(&path),
            Content::File { digest: wanted, mode, .. } => {
                metadata.is_file()
                    && (metadata.mode() & 0o7777, metadata.uid()) == (*mode, 0)
                    && File::open(&path)
                        .and_then(|file| digest(&file))
                        .map_err(|e| failed("read", &path, &e))?
                        == *wanted
            }
        };
        Ok(match self {
            _ if same => Found::Same,
            Content::File { .. } if place.is_ours(name) => Found::Ours,
            Content::File { .. } | Content::Link => Found::Others,
        })
    }
}

/// Compiles all components before anything is installed. So an invalid component, or one that policy denies, is not
/// installed.
fn compile(node: &Node, items: &[Item], progress: &mut dyn FnMut(usize, &str)) -> Result<(), CniError> {
    let component = |item: &'_ Item| match &item.content {
        Content::File { source, .. } => Some((item.name.strip_suffix(".wasm")?.to_owned(), source.clone())),
        Content::Link => None,
    };
    let components: Vec<(String, PathBuf)> = items.iter().filter_map(component).collect();
    for (name, source) in &components {
        progress(components.len(), name);
        let plugin = PluginName::parse(name)
            .map_err(|e| CniError::new(ErrorKind::InvalidPluginName, e.to_string()))?;
        let file = File::open(source).map_err(|e| failed("read", source, &e))?;
        Plugin::from_component(node, &plugin, None, source, &file)?;
    }
    Ok(())
}

impl Item {
    /// Writes the file into the separate directory, and checks its digest.
    fn stage(&self, place: &Place) -> Result<(), CniError> {
        let new = place.staged(&self.name);
        let written = match &self.content {
            Content::Link => symlink(HOST, &new).map(|()| true),
            Content::File { source, digest: wanted, mode } => fs::copy(source, &new).and_then(|_| {
                fs::set_permissions(&new, Permissions::from_mode(*mode))?;
                let file = File::open(&new)?;
                file.sync_all()?;
                Ok(digest(&file)? == *wanted)
            }),
        };
        match written {
            Ok(true) => Ok(()),
            Ok(false) => Err(failed("copy", &new, &io::Error::other("it is not what was written"))),
            Err(error) => Err(failed("write", &new, &error)),
        }
    }

    /// The path at which the replaced file is kept.
    fn kept(&self, place: &Place) -> PathBuf {
        if self.found == Found::Ours { place.old(&self.name) } else { place.replaced(&self.name) }
    }

    fn put(&self, place: &Place) -> io::Result<()> {
        let live = place.live(&self.name);
        if self.found != Found::Nothing {
            // Make a second hard link first, so that the first name always exists.
            let second_name = place.staged(&format!("{}.kept", self.name));
            fs::hard_link(&live, &second_name)?;
            fs::rename(&second_name, self.kept(place))?;
        }
        fs::rename(place.staged(&self.name), &live).inspect_err(|_| drop(fs::remove_file(self.kept(place))))
    }

    fn take_back(&self, place: &Place) -> io::Result<()> {
        let live = place.live(&self.name);
        if self.found == Found::Nothing { fs::remove_file(live) } else { fs::rename(self.kept(place), live) }
    }

    /// The outcome, after the present contents were read once more.
    fn line(&self, place: &Place) -> Result<(String, Done, String), CniError> {
        if self.content.find(place, &self.name)? != Found::Same {
            let msg = format!("{} is not what was just installed", place.live(&self.name).display());
            return Err(CniError::new(ErrorKind::NotInstalled, msg)
                .with_details("hint: somebody else writes there; install again"));
        }
        let digest = match &self.content {
            Content::File { digest, .. } => format!("sha256:{digest}"),
            Content::Link => format!("-> {HOST}"),
        };
        let done = match self.found {
            Found::Same => Done::AsItWas,
            Found::Nothing => Done::Installed,
            Found::Ours => Done::Updated,
            Found::Others => Done::Replaced(place.replaced(&self.name)),
        };
        Ok((self.name.clone(), done, digest))
    }
}

/// Checks that the host can be executed in that directory.
fn probe(host: &Path) -> Result<(), CniError> {
    match Command::new(host).arg("--version").output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(failed("execute", host, &io::Error::other(output.status.to_string()))),
        Err(error) => {
            let hint = "hint: is the file system mounted noexec?";
            Err(failed("execute", host, &error).with_details(hint))
        }
    }
}

/// Renames all files into place. After an error, restores the replaced files.
fn put(place: &Place, changes: &[&Item]) -> Result<(), CniError> {
    for (index, item) in changes.iter().enumerate() {
        let Err(error) = item.put(place) else { continue };
        let error = failed("replace", &place.live(&item.name), &error);
        let begun = changes.get(..index).unwrap_or_default();
        let left = begun.iter().rev().filter_map(|item| {
            let error = item.take_back(place).err()?;
            Some(format!("left: {}: {error}", place.live(&item.name).display()))
        });
        let left: Vec<String> = left.collect();
        let outcome = if left.is_empty() { "nothing was changed".to_owned() } else { left.join("\n") };
        return Err(CniError { details: format!("{}\n{outcome}", error.details).trim().to_owned(), ..error });
    }
    let synced = File::open(&place.dir).and_then(|dir| dir.sync_all());
    synced.map_err(|e| failed("write", &place.dir, &e))
}

/// The other names in the directory.
fn others(place: &Place, ours: Vec<&str>) -> Vec<String> {
    let entries = fs::read_dir(&place.dir).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut others: Vec<String> =
        names.filter(|name| !name.starts_with('.') && !ours.contains(&name.as_str())).collect();
    others.sort();
    others
}

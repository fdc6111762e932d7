//! Finds a plugin on `CNI_PATH`: the component or the executable of that name.

use super::own;
use crate::cni::{CniError, ErrorKind};
use crate::trust;
use crate::value::PluginName;
use std::fs::{self, File};
use std::iter;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The plugin that was found.
#[derive(Debug)]
pub enum Found {
    /// A component with its open file. The host reads only this file later, even if the path changes.
    Component(PathBuf, File),
    /// An executable.
    Native(PathBuf),
}

/// Validates the name of a plugin. The errors have the reference's texts.
pub fn plugin_name(name: &str) -> Result<PluginName, CniError> {
    if name.is_empty() {
        return Err(CniError::new(ErrorKind::InvalidPluginName, "no plugin name provided"));
    }
    PluginName::parse(name).map_err(|e| {
        CniError::new(ErrorKind::InvalidPluginName, format!("invalid plugin name: {name}"))
            .with_details(e.to_string())
    })
}

/// Finds a plugin in the first directory that has `<type>.wasm` or a regular file `<type>`. With both, the component
/// wins. After the directories of `path` comes the one from which this program was executed.
///
/// A relative element of `path` starts at the working directory, as in the reference. A `<type>` that is a program of
/// ours stands for the component in the directory that it is a link to. Without a component it is skipped: it would
/// execute itself without end.
pub fn find(path: &[PathBuf], plugin: &PluginName) -> Result<Found, CniError> {
    if path.is_empty() {
        return Err(CniError::new(ErrorKind::PluginNotFound, "no paths provided"));
    }
    let component_name = format!("{plugin}.wasm");
    let mut looked_at = Vec::new();
    let directories = path.iter().cloned().chain(iter::once_with(own::directories).flatten());
    for directory in directories {
        let component = directory.join(&component_name);
        if is_file(&component) {
            return opened(&directory, component);
        }
        looked_at.push(format!("{}: absent", component.display()));
        let native = directory.join(plugin.as_str());
        match fs::metadata(&native) {
            Ok(found) if found.is_file() && own::is_ours(&native, &found) => {
                for directory in own::link_directories(&native) {
                    let component = directory.join(&component_name);
                    if is_file(&component) {
                        return opened(&directory, component);
                    }
                    looked_at.push(format!("{}: absent", component.display()));
                }
                looked_at.push(format!("{}: wasm-cni itself", native.display()));
            }
            Ok(found) if found.is_file() => return Ok(Found::Native(native)),
            _ => looked_at.push(format!("{}: absent", native.display())),
        }
    }
    let directories: Vec<String> = path.iter().map(|d| d.display().to_string()).collect();
    let message = format!("failed to find plugin {:?} in path [{}]", plugin.as_str(), directories.join(" "));
    Err(CniError::new(ErrorKind::PluginNotFound, message).with_details(looked_at.join("\n")))
}

fn is_file(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.is_file())
}

fn opened(directory: &Path, component: PathBuf) -> Result<Found, CniError> {
    let file = open(&component)?;
    check(directory, &component, &file)?;
    Ok(Found::Component(component, file))
}

/// Whether a runtime that executes `<type>` would execute a program of ours: the first file of that name on `path` is
/// one.
pub fn is_our_link(path: &[PathBuf], plugin: &PluginName) -> bool {
    let files = path.iter().map(|directory| directory.join(plugin.as_str()));
    let mut files =
        files.filter_map(|file| Some((fs::metadata(&file).ok()?, file))).filter(|(m, _)| m.is_file());
    files.next().is_some_and(|(found, file)| own::is_ours(&file, &found))
}

/// Refuses a component if somebody other than root or this user can write it or its directory, as policy files are
/// refused. Whoever could write it would decide what plugins do.
fn check(directory: &Path, component: &Path, file: &File) -> Result<(), CniError> {
    // An empty element of `CNI_PATH` is the working directory.
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    for (path, metadata) in [(component, file.metadata()), (directory, fs::metadata(directory))] {
        let metadata = metadata.map_err(|e| unopened(component, &e))?;
        trust::check(path, &metadata).map_err(|untrusted| {
            CniError::new(ErrorKind::ComponentUntrusted, untrusted.to_string()).with_details(format!(
                "hint: `sudo chown root {0} {1} && sudo chmod go-w {0} {1}`; or install your own build: `sudo wasm-cni install`",
                shlex::try_quote(&component.to_string_lossy()).unwrap_or_default(),
                shlex::try_quote(&directory.to_string_lossy()).unwrap_or_default(),
            ))
        })?;
    }
    Ok(())
}

/// Opens a component. If the file has become a pipe, the open does not block.
fn open(path: &Path) -> Result<File, CniError> {
    let flags = nix::libc::O_NONBLOCK | nix::libc::O_CLOEXEC;
    File::options().read(true).custom_flags(flags).open(path).map_err(|e| unopened(path, &e))
}

fn unopened(path: &Path, error: &std::io::Error) -> CniError {
    CniError::new(ErrorKind::PluginNotFound, format!("failed to open plugin {path:?}"))
        .with_details(error.to_string())
}

#[cfg(test)]
mod test {
    use super::*;
    use crate::cni::code;

    fn name(name: &str) -> PluginName {
        plugin_name(name).unwrap()
    }

    #[test]
    fn the_component_wins_within_a_directory_and_the_first_directory_wins() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(second.path().join("bridge.wasm"), "").unwrap();
        fs::write(second.path().join("bridge"), "").unwrap();
        let path = [first.path().to_owned(), second.path().to_owned()];
        assert!(matches!(find(&path, &name("bridge")).unwrap(), Found::Component(..)));
        fs::write(first.path().join("bridge"), "").unwrap();
        assert!(matches!(find(&path, &name("bridge")).unwrap(), Found::Native(_)));
        fs::create_dir(first.path().join("dhcp.wasm")).unwrap();
        assert!(find(&path, &name("dhcp")).is_err(), "a directory is no plugin");
    }

    #[test]
    fn errors_have_the_texts_of_the_reference() {
        let text = |r: Result<Found, CniError>| r.unwrap_err().msg;
        assert_eq!(plugin_name("").unwrap_err().msg, "no plugin name provided");
        assert_eq!(plugin_name("a/b").unwrap_err().msg, "invalid plugin name: a/b");
        assert_eq!(text(find(&[], &name("x"))), "no paths provided");
        let path = [PathBuf::from("/nonexistent/a"), PathBuf::from("/nonexistent/b")];
        let error = find(&path, &name("x")).unwrap_err();
        assert_eq!(error.msg, "failed to find plugin \"x\" in path [/nonexistent/a /nonexistent/b]");
        assert!(error.details.contains("/nonexistent/b/x.wasm: absent"));
        assert_eq!(error.code, code::INTERNAL);
    }

    #[test]
    fn our_own_binary_is_not_a_plugin() {
        let directory = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(std::env::current_exe().unwrap(), directory.path().join("bridge"))
            .unwrap();
        let error = find(&[directory.path().to_owned()], &name("bridge")).unwrap_err();
        assert!(error.details.contains("bridge: wasm-cni itself"), "{}", error.details);
        let path = [directory.path().to_owned()];
        assert!(is_our_link(&path, &name("bridge")) && !is_our_link(&path, &name("portmap")));
    }

    #[test]
    fn a_link_stands_for_the_component_beside_the_file_that_it_leads_to() {
        let all = tempfile::tempdir().unwrap();
        let [bin, alternatives, package] =
            ["bin", "alternatives", "package"].map(|name| all.path().join(name));
        [&bin, &alternatives, &package].into_iter().for_each(|directory| fs::create_dir(directory).unwrap());
        let link = |target: &Path, at: &Path| std::os::unix::fs::symlink(target, at).unwrap();
        link(&std::env::current_exe().unwrap(), &package.join("bridge"));
        link(&package.join("bridge"), &alternatives.join("cni-bridge"));
        link(Path::new("../alternatives/cni-bridge"), &bin.join("bridge"));
        let path = [bin];
        assert!(find(&path, &name("bridge")).is_err());
        fs::write(package.join("bridge.wasm"), "").unwrap();
        let Found::Component(found, _) = find(&path, &name("bridge")).unwrap() else { panic!("it is ours") };
        assert_eq!(fs::canonicalize(found).unwrap(), fs::canonicalize(package.join("bridge.wasm")).unwrap());
    }
}

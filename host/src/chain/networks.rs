//! The network configuration files, read as libcni reads them (`libcni/conf.go` in containernetworking/cni).

use crate::cni::list::{Entry, List};
use crate::cni::{CniError, ErrorKind, config};
use crate::value::NetworkName;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Loads the network `name` from a directory: the first list (`.conflist`) of that name, otherwise the first
/// configuration (`.conf`, `.json`).
///
/// Files are read in the order of their names. An invalid file is an error for every network after it.
pub fn load(dir: &Path, name: &NetworkName) -> Result<List, CniError> {
    let mut seen = Vec::new();
    let lists = files(dir, &["conflist"])?;
    for file in &lists {
        let list = list(file)?;
        if list.name == name.as_str() {
            return Ok(list);
        }
        seen.push(list.name);
    }
    let singles = files(dir, &["conf", "json"])?;
    for file in &singles {
        let plugin = Entry::parse(&read(file)?).map_err(|e| of_file(file, e))?;
        if plugin.name() == name.as_str() {
            return single(file);
        }
        seen.push(plugin.name().to_owned());
    }
    let error = |text: String| CniError::new(ErrorKind::NetworkNotFound, text);
    if lists.is_empty() && singles.is_empty() {
        let text = format!("no net configurations found in {}", dir.display());
        return Err(error(text));
    }
    let text = format!(r#"no net configuration with name "{name}" in {}"#, dir.display());
    Err(error(text).with_details(format!("networks there: {}", seen.join(", "))))
}

/// Loads the network of a file. It is a list if it has `plugins` or the extension `.conflist`, otherwise a single
/// plugin.
pub fn from_file(file: &Path) -> Result<List, CniError> {
    let object: serde_json::Value = serde_json::from_slice(read(file)?.as_bytes()).unwrap_or_default();
    let is_list = file.extension().is_some_and(|extension| extension == "conflist");
    if is_list || object.get("plugins").is_some() { list(file) } else { single(file) }
}

/// Reads a list, and adds the plugins of the files in the directory with the name of the network.
fn list(file: &Path) -> Result<List, CniError> {
    let mut list = List::parse(&read(file)?).map_err(|e| of_file(file, e))?;
    // An invalid network name must not become a path.
    if !list.only_inlined && NetworkName::parse(&list.name).is_ok() {
        for plugin in files(&file.with_file_name(&list.name), &["conf"])? {
            list.plugins.push(Entry::parse(&read(&plugin)?).map_err(|e| of_file(&plugin, e))?);
        }
    }
    if list.plugins.is_empty() {
        return Err(of_file(file, CniError::new(ErrorKind::InvalidList, "no plugin configs found")));
    }
    Ok(list)
}

fn single(file: &Path) -> Result<List, CniError> {
    List::of_single(&read(file)?).map_err(|e| of_file(file, e))
}

fn of_file(file: &Path, error: CniError) -> CniError {
    CniError { msg: format!("{}: {}", file.display(), error.msg), ..error }
}

/// The files of a directory with one of these extensions, sorted by name. Empty if the directory does not exist.
fn files(dir: &Path, extensions: &[&str]) -> Result<Vec<PathBuf>, CniError> {
    let failed = |e: io::Error| {
        CniError::new(ErrorKind::FileInaccessible, format!("failed to read {}: {e}", dir.display()))
    };
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        let extension = path.extension().unwrap_or_default().to_string_lossy();
        if extensions.contains(&extension.as_ref()) && !path.is_dir() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read(file: &Path) -> Result<String, CniError> {
    let failed = |why: String| {
        CniError::new(ErrorKind::FileInaccessible, format!("failed to read {}: {why}", file.display()))
    };
    let mut text = String::new();
    let opened = File::open(file).map_err(|e| failed(e.to_string()))?;
    let length =
        opened.take(config::MAX_BYTES + 1).read_to_string(&mut text).map_err(|e| failed(e.to_string()))?;
    if length as u64 > config::MAX_BYTES {
        return Err(failed(format!("it is larger than {} bytes", config::MAX_BYTES)));
    }
    Ok(text)
}

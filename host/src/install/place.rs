//! The directory of an installation. Its subdirectory `.wasm-cni` has all records about it. So they stay with the
//! directory, even if it is a volume that another machine mounts:
//!
//! ```text
//! installed.json   every digest that was ever installed under a name: what is ours
//! replaced/        the files that had our names before, for `uninstall`
//! new/, old/       new files before the rename, and our older files after it; both are empty between two runs
//! ```

use crate::apply::lock;
use crate::cni::{CniError, ErrorKind};
use crate::sandbox::cache::digest;
use nix::errno::Errno;
use nix::fcntl::Flock;
use nix::unistd::geteuid;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// The host's binary. The name of every plugin is a link to it.
pub const HOST: &str = "wasm-cni";

/// The binary that compiles components.
pub const COMPILER: &str = "wasm-cni-compile";

const OWN: &str = ".wasm-cni";

const NOTE: &str = "installed.json";

/// The contents of `installed.json`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Installed {
    digests: BTreeMap<String, BTreeSet<String>>,
}

/// A directory of plugins, locked against another `install` or `uninstall`.
#[derive(Debug)]
pub struct Place {
    /// The directory in which the runtime looks for plugins.
    pub dir: PathBuf,
    own: PathBuf,
    installed: Installed,
    is_new: bool,
    _lock: Flock<File>,
}

impl Place {
    /// Opens the directory and takes the lock. With `create`, it makes missing directories.
    pub fn open(dir: &Path, create: bool) -> Result<Self, CniError> {
        if !geteuid().is_root() {
            let msg = format!("only root can do this: runtimes execute what is in {} as root", dir.display());
            return Err(CniError::new(ErrorKind::NotInstalled, msg).with_details("hint: sudo"));
        }
        let own = dir.join(OWN);
        let is_new = create && !dir.exists();
        if create {
            let created = DirBuilder::new().recursive(true).mode(0o755).create(dir);
            created.map_err(|e| failed("create", dir, &e))?;
        }
        let metadata = fs::metadata(dir).map_err(|e| failed("open", dir, &e))?;
        if metadata.mode() & 0o002 != 0 {
            let msg = format!("everybody can write to {}", dir.display());
            let details = format!("who puts a plugin there is root\nhint: chmod o-w {}", dir.display());
            return Err(CniError::new(ErrorKind::NotInstalled, msg).with_details(details));
        }
        if create {
            let created = DirBuilder::new().recursive(true).mode(0o700).create(&own);
            created.map_err(|e| failed("create", &own, &e))?;
        }
        let opened = match File::open(&own) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let msg = format!("wasm-cni is not installed in {}", dir.display());
                return Err(CniError::new(ErrorKind::NotInstalled, msg).with_details("hint: --dir"));
            }
            opened => opened.map_err(|e| failed("open", &own, &e))?,
        };
        let lock = lock::exclusive(opened, &own.display().to_string())?;
        let note = own.join(NOTE);
        let installed = match fs::read(&note) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|e| failed("read", &note, &e.into()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Installed::default(),
            Err(error) => return Err(failed("read", &note, &error)),
        };
        let place = Place { dir: dir.to_owned(), own, installed, is_new, _lock: lock };
        place.clean()?;
        Ok(place)
    }

    /// The path from which a plugin is executed.
    pub fn live(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The path of a new file before it is renamed into place.
    pub fn staged(&self, name: &str) -> PathBuf {
        self.own.join("new").join(name)
    }

    /// The path of our older file until the newer one is in place.
    pub fn old(&self, name: &str) -> PathBuf {
        self.own.join("old").join(name)
    }

    /// The path of a replaced file of another program.
    pub fn replaced(&self, name: &str) -> PathBuf {
        self.own.join("replaced").join(name)
    }

    /// Makes the subdirectories.
    pub fn prepare(&self) -> Result<(), CniError> {
        ["new", "old", "replaced"].into_iter().try_for_each(|name| {
            let dir = self.own.join(name);
            DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(|e| failed("create", &dir, &e))
        })
    }

    /// Removes what a killed run left.
    pub fn clean(&self) -> Result<(), CniError> {
        for name in ["new", "old"] {
            let dir = self.own.join(name);
            match fs::remove_dir_all(&dir) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(failed("remove", &dir, &error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The names of the installed files.
    pub fn names(&self) -> Vec<String> {
        self.installed.digests.keys().cloned().collect()
    }

    /// Whether the contents of a name are ours, of this or an earlier version.
    pub fn is_ours(&self, name: &str) -> bool {
        let path = self.live(name);
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_symlink() => is_our_link(&path),
            Ok(metadata) if metadata.is_file() => {
                let digest = File::open(&path).and_then(|file| digest(&file));
                let known = self.installed.digests.get(name);
                digest.is_ok_and(|digest| known.is_some_and(|known| known.contains(&digest)))
            }
            _ => false,
        }
    }

    /// Records the files that will be renamed into place: from now on they are ours. Returns the previous record.
    pub fn note<'a>(
        &mut self,
        files: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Result<Installed, CniError> {
        let before = self.installed.clone();
        for (name, digest) in files {
            self.installed.digests.entry(name.to_owned()).or_default().insert(digest.to_owned());
        }
        match self.write() {
            Ok(()) => Ok(before),
            Err(error) => {
                self.installed = before;
                Err(error)
            }
        }
    }

    /// Restores the previous record.
    pub fn note_again(&mut self, before: Installed) {
        self.installed = before;
        let undone = if self.installed.digests.is_empty() {
            fs::remove_file(self.own.join(NOTE)).map_err(|e| failed("remove", &self.own, &e))
        } else {
            self.write()
        };
        if let Err(error) = undone {
            tracing::warn!(msg = error.msg, "what is ours is noted, though it is not there");
        }
    }

    fn write(&self) -> Result<(), CniError> {
        let (note, new) = (self.own.join(NOTE), self.staged(NOTE));
        let text = serde_json::to_vec_pretty(&self.installed).map_err(io::Error::from);
        text.and_then(|text| fs::write(&new, text))
            .and_then(|()| File::open(&new)?.sync_all())
            .and_then(|()| fs::rename(&new, &note))
            .map_err(|e| failed("write", &note, &e))
    }

    /// Removes all records, and the kept files with them.
    pub fn forget(&mut self) -> Result<(), CniError> {
        self.installed = Installed::default();
        fs::remove_dir_all(&self.own).map_err(|e| failed("remove", &self.own, &e))
    }
}

impl Drop for Place {
    /// If nothing is installed, remove the subdirectory.
    fn drop(&mut self) {
        let _ = self.clean();
        if self.installed.digests.is_empty() {
            let _ = fs::remove_dir(self.own.join("replaced"));
            let _ = fs::remove_dir(&self.own);
            if self.is_new {
                let _ = fs::remove_dir(&self.dir);
            }
        }
    }
}

/// Whether the file is a link as we make it. Our links are relative, so that the directory may be mounted at another
/// path.
pub fn is_our_link(path: &Path) -> bool {
    fs::read_link(path).is_ok_and(|target| target == Path::new(HOST))
}

/// The error of a file operation, with a hint if there is one.
pub fn failed(what: &str, path: &Path, error: &io::Error) -> CniError {
    let hint = match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EROFS) => {
            "hint: install into a directory that can be written, with --dir, and tell the runtime: containerd `bin_dirs`, \
             CRI-O `plugin_dirs`, podman `cni_plugin_dirs`"
        }
        _ => "",
    };
    CniError::new(ErrorKind::FileInaccessible, format!("failed to {what} {}: {error}", path.display()))
        .with_details(hint)
}

//! The kernel to boot: an installed one, with the modules that it needs.

use anyhow::{Context, Result, bail};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The modules that are needed before the root file system is mounted. The others are loaded from it on demand.
const NEEDED: [&str; 3] = ["virtio_pci", "virtiofs", "overlay"];
/// The module that the tests need; a kernel without it is not used.
const WANTED: [&str; 3] = ["bridge", "8021q", "dummy"];

/// An installed kernel.
pub struct Kernel {
    /// The kernel image.
    pub image: PathBuf,
    /// The module files to load first, in that order.
    pub modules: Vec<PathBuf>,
}

impl Kernel {
    /// The newest kernel that has everything; Debian's cloud flavour has priority.
    pub fn find() -> Result<Kernel> {
        let mut releases: Vec<String> = fs::read_dir("/lib/modules")
            .context("no kernel is installed: /lib/modules")?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        releases.sort_by_key(|release| (release.contains("-cloud-"), numbers(release)));
        let mut refusals = String::new();
        for release in releases.iter().rev() {
            match Kernel::of(release) {
                Ok(kernel) => return Ok(kernel),
                Err(error) => refusals += &format!("\n  {release}: {error:#}"),
            }
        }
        bail!("no kernel is installed that the VM could boot{refusals}")
    }

    fn of(release: &str) -> Result<Kernel> {
        let image = PathBuf::from(format!("/boot/vmlinuz-{release}"));
        fs::metadata(&image).with_context(|| format!("{} is missing", image.display()))?;
        let dir = Path::new("/lib/modules").join(release);
        let read = |name: &str| {
            let path = dir.join(name);
            fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))
        };
        let modules =
            Modules { dir: &dir, loadable: read("modules.dep")?, built_in: read("modules.builtin")? };
        let loadable = modules.index();
        for name in WANTED {
            modules.find(&loadable, name)?;
        }
        let mut files = Vec::new();
        for name in NEEDED {
            for file in modules.find(&loadable, name)? {
                if !files.contains(&file) {
                    files.push(file);
                }
            }
        }
        Ok(Kernel { image, modules: files })
    }
}

/// A release's numbers, so that 6.10 comes after 6.9.
fn numbers(release: &str) -> Vec<u64> {
    release.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect()
}

/// depmod's files about a kernel's modules.
struct Modules<'a> {
    dir: &'a Path,
    /// `modules.dep`: a file, a colon, the files to load before it, in reverse order.
    loadable: String,
    /// `modules.builtin`: one file per line.
    built_in: String,
}

impl Modules<'_> {
    /// The lines of `modules.dep` by name.
    fn index(&self) -> HashMap<String, (&str, &str)> {
        self.loadable
            .lines()
            .filter_map(|line| line.split_once(':'))
            .map(|line| (name(line.0), line))
            .collect()
    }

    /// The files to load for a module, in order; none for a built-in one.
    fn find(&self, loadable: &HashMap<String, (&str, &str)>, wanted: &str) -> Result<Vec<PathBuf>> {
        match loadable.get(wanted) {
            Some((file, before)) => {
                let files = before.split_whitespace().rev().chain([*file]);
                Ok(files.map(|file| self.dir.join(file)).collect())
            }
            None if self.built_in.lines().any(|file| name(file) == wanted) => Ok(Vec::new()),
            None => bail!("it has no module {wanted}"),
        }
    }
}

/// The name of a module, from its file: `kernel/fs/fuse/virtiofs.ko.xz`.
fn name(file: &str) -> String {
    let file = file.rsplit('/').next().unwrap_or_default();
    file.split(".ko").next().unwrap_or_default().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_comes_after_what_it_depends_on() {
        let modules = Modules {
            dir: Path::new("/m"),
            loadable: "fs/virtiofs.ko.xz: virtio.ko.xz virtio-ring.ko.xz fuse.ko.xz\nfuse.ko.xz:\n"
                .to_owned(),
            built_in: "fs/overlay.ko\n".to_owned(),
        };
        let files = |name| {
            let found = modules.find(&modules.index(), name).unwrap();
            found.iter().map(|file| file.display().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(
            files("virtiofs"),
            ["/m/fuse.ko.xz", "/m/virtio-ring.ko.xz", "/m/virtio.ko.xz", "/m/fs/virtiofs.ko.xz"]
        );
        assert_eq!(files("overlay"), [""; 0]);
        assert!(modules.find(&modules.index(), "bridge").is_err());
    }

    #[test]
    fn the_newest_release_is_by_number() {
        assert!(numbers("6.10.0-2-cloud-amd64") > numbers("6.9.12-30-cloud-amd64"));
    }
}

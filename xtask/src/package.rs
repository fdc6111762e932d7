//! The release files: `target/packages` with a tarball and a Debian package of `target/dist`. Equal input files give
//! equal packages, byte for byte.

use crate::sh;
use crate::workspace::Workspace;
use anyhow::{Context, Result};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The directory of the Debian package. It is not the directory that runtimes use, because those files belong to
/// another package. `wasm-cni install` copies them from here.
const LIBRARY: &str = "usr/lib/wasm-cni";

/// Makes both packages of the directory `dist`; returns their paths.
pub fn build(workspace: &Workspace, dist: &Path) -> Result<Vec<PathBuf>> {
    let out = workspace.target_dir.join("packages");
    if out.exists() {
        fs::remove_dir_all(&out).with_context(|| format!("failed to remove {}", out.display()))?;
    }
    fs::create_dir_all(&out).with_context(|| format!("failed to create {}", out.display()))?;
    let tree = tempfile::tempdir().context("no temporary folder")?;
    Ok(vec![tarball(workspace, dist, tree.path(), &out)?, debian(workspace, dist, tree.path(), &out)?])
}

/// `wasm-cni-VERSION-ARCH.tar.gz`, with one directory of that name.
fn tarball(workspace: &Workspace, dist: &Path, tree: &Path, out: &Path) -> Result<PathBuf> {
    let name = format!("wasm-cni-{}-{}", workspace.version()?, std::env::consts::ARCH);
    let folder = tree.join(&name);
    fill(&folder, dist, |_| true)?;
    for file in ["LICENSE", "README.md", "CHANGELOG.md"] {
        copy(&workspace.root.join(file), &folder.join(file))?;
    }
    let path = out.join(format!("{name}.tar.gz"));
    tar(tree, &name, &path)?;
    Ok(path)
}

/// `wasm-cni_VERSION_ARCH.deb` (deb(5)), made without `dpkg`.
fn debian(workspace: &Workspace, dist: &Path, tree: &Path, out: &Path) -> Result<PathBuf> {
    let (data, control) = (tree.join("data"), tree.join("control"));
    // `wasm-cni install` makes the links.
    fill(&data.join(LIBRARY), dist, |file| !file.is_symlink())?;
    create(&data.join("usr/bin"))?;
    symlink("../lib/wasm-cni/wasm-cni", data.join("usr/bin/wasm-cni"))?;
    create(&data.join("usr/share/doc/wasm-cni"))?;
    copy(&workspace.root.join("LICENSE"), &data.join("usr/share/doc/wasm-cni/copyright"))?;
    create(&control)?;
    let (version, arch) = (workspace.version()?, debian_architecture());
    fs::write(control.join("control"), description(&version, arch, size(&data)?))?;
    let (data_tar, control_tar) = (tree.join("data.tar.gz"), tree.join("control.tar.gz"));
    tar(&data, ".", &data_tar)?;
    tar(&control, ".", &control_tar)?;
    let path = out.join(format!("wasm-cni_{version}_{arch}.deb"));
    let mut archive = b"!<arch>\n".to_vec();
    member(&mut archive, "debian-binary", b"2.0\n");
    member(&mut archive, "control.tar.gz", &fs::read(&control_tar)?);
    member(&mut archive, "data.tar.gz", &fs::read(&data_tar)?);
    fs::write(&path, archive).with_context(|| format!("failed to write {}", path.display()))?;
    Ok(path)
}

/// Debian's name for this architecture.
fn debian_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// The package's control file (deb-control(5)); `size` is in KiB.
fn description(version: &str, arch: &str, size: u64) -> String {
    format!(
        "Package: wasm-cni
Version: {version}
Architecture: {arch}
Maintainer: The wasm-cni authors <https://github.com/wasm-cni/wasm-cni>
Installed-Size: {size}
Recommends: iptables | nftables
Section: net
Priority: optional
Homepage: https://github.com/wasm-cni/wasm-cni
Description: CNI plugins as sandboxed WebAssembly components
 A CNI plugin host that runs plugin logic without authority: a plugin records a
 plan, the host checks it, shows it, or applies it, all or nothing.
 .
 This package changes nothing where container runtimes look for plugins:
 \"wasm-cni install\" does, and \"wasm-cni uninstall\" undoes it.
"
    )
}

/// The size of all files below a directory, in KiB.
fn size(dir: &Path) -> Result<u64> {
    let mut total = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        total += if metadata.is_dir() { size(&entry.path())? } else { metadata.len().div_ceil(1024) };
    }
    Ok(total)
}

/// Appends a file to an archive (ar(5)); a newline follows a file with an odd length.
fn member(archive: &mut Vec<u8>, name: &str, contents: &[u8]) {
    let (time, owner, group, mode) = (0, 0, 0, "100644");
    let header = format!("{name:<16}{time:<12}{owner:<6}{group:<6}{mode:<8}{:<10}`\n", contents.len());
    archive.extend_from_slice(header.as_bytes());
    archive.extend_from_slice(contents);
    if contents.len() % 2 == 1 {
        archive.push(b'\n');
    }
}

/// Copies the wanted files of a directory.
fn fill(folder: &Path, dist: &Path, wanted: impl Fn(&Path) -> bool) -> Result<()> {
    create(folder)?;
    for entry in fs::read_dir(dist).with_context(|| format!("failed to list {}", dist.display()))? {
        let (from, to) = {
            let entry = entry?;
            (entry.path(), folder.join(entry.file_name()))
        };
        if !wanted(&from) {
            continue;
        }
        if from.is_symlink() {
            symlink(fs::read_link(&from)?, to)?;
        } else {
            copy(&from, &to)?;
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("failed to copy {}", from.display())).map(drop)
}

fn create(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).with_context(|| format!("failed to create {}", dir.display()))
}

/// Packs a directory, with the same result for every time and user.
fn tar(parent: &Path, name: &str, to: &Path) -> Result<()> {
    let mut tar = Command::new("tar");
    tar.args(["--create", "--use-compress-program=gzip -n", "--format=gnu", "--sort=name", "--mtime=@0"]);
    tar.args(["--owner=root:0", "--group=root:0", "--mode=u=rwX,go=rX"]);
    sh::run(tar.arg("--file").arg(to).arg("--directory").arg(parent).arg(name))
}

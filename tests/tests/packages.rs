//! The files of a release, a Debian package and a tarball: each installs the plugins.

use std::path::{Path, PathBuf};
use wasm_cni_tests::install::{ok, program, uninstall};
use wasm_cni_tests::{Call, Machine, WALKTHROUGH, repository, target};

/// The file of `target/packages` with that extension.
fn package(extension: &str) -> PathBuf {
    let entries = std::fs::read_dir(target().join("packages")).expect("run `cargo xtask dist`").flatten();
    let mut paths = entries.map(|entry| entry.path());
    paths
        .find(|path| path.extension().is_some_and(|found| found == extension))
        .expect("run `cargo xtask dist`")
}

#[test]
fn the_debian_package_installs_and_from_there_the_plugins() {
    let machine = Machine::new();
    machine.netns("1234567890");
    let root = machine.files().join("root");
    let deb = package("deb");
    let dpkg = format!("dpkg --root={} --force-depends", root.display());
    machine.sh(&format!(
        "mkdir -p {root}/var/lib/dpkg/info {root}/var/lib/dpkg/updates; touch {root}/var/lib/dpkg/status; {dpkg} --install {deb}",
        root = root.display(),
        deb = deb.display()
    ));
    assert_eq!(machine.sh(&format!("{dpkg} --verify wasm-cni")), "");
    let version = machine.sh(&format!("dpkg-deb --field {} Version", deb.display()));
    let packaged = root.join("usr/bin/wasm-cni");
    assert_eq!(machine.sh(&format!("{} --version", packaged.display())), format!("wasm-cni {version}"));
    let dir = root.join("opt/cni/bin");
    ok(&program(&machine, &packaged, &["install"], &dir));
    Call::new(&dir, "bridge", "ADD", WALKTHROUGH).ok(&machine);
    // The plugins stay when the package is removed; they have their own uninstallation.
    machine.sh(&format!("{dpkg} --remove wasm-cni"));
    assert!(!packaged.exists());
    Call::new(&dir, "bridge", "DEL", WALKTHROUGH).ok(&machine);
    uninstall(&machine, &dir);
}

#[test]
fn the_tarball_is_a_directory_of_plugins_and_installs() {
    let machine = Machine::new();
    machine.netns("1234567890");
    let tarball = package("gz");
    let list = machine.sh(&format!("tar --list --verbose --file {}", tarball.display()));
    assert!(list.lines().all(|line| line.contains(" root/root ")), "{list}");
    machine.sh(&format!("cd {}; tar --extract --file {}", machine.files().display(), tarball.display()));
    let name = tarball.file_name().unwrap().to_string_lossy().replace(".tar.gz", "");
    let unpacked = machine.files().join(name);
    Call::new(&unpacked, "bridge", "ADD", WALKTHROUGH).ok(&machine);
    let dir = machine.files().join("bin");
    ok(&program(&machine, &unpacked.join("wasm-cni"), &["install"], &dir));
    Call::new(&dir, "bridge", "DEL", WALKTHROUGH).ok(&machine);
}

/// Each installation of the README, executed as a shell script, on a machine with its own `/opt`.
///
/// The shell has functions in place of two programs. `dpkg` installs into a root of its own, because the real one would
/// change the machine that runs the tests. `cargo xtask dist` does nothing, because it built the tree before the tests.
#[test]
fn each_installation_of_the_readme_runs_word_for_word() {
    let readme = std::fs::read_to_string(repository().join("README.md")).unwrap();
    let block = readme.split("```sh\n").find(|block| block.starts_with("dpkg ")).expect("README has it");
    let commands: Vec<&str> = block.split("```").next().unwrap().lines().collect();
    assert_eq!(commands.len(), 3, "{commands:?}");
    for command in commands {
        let machine = Machine::new();
        machine.netns("1234567890");
        let (root, clone) = (machine.files().join("root"), machine.files().join("clone"));
        std::fs::create_dir(&clone).unwrap();
        std::os::unix::fs::symlink(target(), clone.join("target")).unwrap();
        machine.sh(&format!(
            "mount -t tmpfs -o mode=755 tmpfs /opt; mkdir -p {root}/var/lib/dpkg/info {root}/var/lib/dpkg/updates; \
             touch {root}/var/lib/dpkg/status; cd {clone}; export PATH={root}/usr/bin:$PATH WASM_CNI_CACHE_DIR={cache}
             dpkg() {{ command dpkg --root={root} --force-depends \"$@\"; }}
             cargo() {{ test \"$*\" = 'xtask dist'; }}
             set -e\n{command}",
            root = root.display(),
            clone = clone.display(),
            cache = target().join("test-cache").display(),
        ));
        // The directory in which a runtime looks for plugins.
        let dir = Path::new("/opt/cni/bin");
        Call::new(dir, "bridge", "ADD", WALKTHROUGH).ok(&machine);
        Call::new(dir, "bridge", "DEL", WALKTHROUGH).ok(&machine);
        uninstall(&machine, dir);
        assert_eq!(machine.sh("ls -A /opt/cni/bin"), "", "{command}");
    }
}

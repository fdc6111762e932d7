//! What is handed out, a Debian package and a tarball: each installs.

use std::path::PathBuf;
use wasm_cni_tests::install::{ok, program, uninstall};
use wasm_cni_tests::{Call, Machine, WALKTHROUGH, target};

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
    // Without the package the plugins stay, and go by themselves.
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

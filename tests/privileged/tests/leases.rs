//! Lease stores on file systems of each kind, and with a lease that nobody can remove.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use wasm_cni::machine::errno::chain;
use wasm_cni::machine::lease::{LeaseDirectories, RealDirectories, Store};
use wasm_cni::value::{AddressRange, ContainerId, IfName, NetworkName, Owner, StoreRef};
use wasm_cni_privileged::{private, sh};

fn store_in(dir: &Path) -> StoreRef {
    StoreRef { data_dir: dir.join("networks"), network: NetworkName::parse("mynet").unwrap() }
}

/// A store with its lock and its index, as a verb has it.
fn locked(reference: &StoreRef, indexes: &Path) -> Store {
    let directory = RealDirectories.create(reference).unwrap();
    let mut store = Store::new(reference.clone(), directory).with_index(Some(indexes));
    store.lock().unwrap();
    store
}

/// Whether the next process would believe the index.
fn is_believed(reference: &StoreRef, indexes: &Path) -> bool {
    let directory = RealDirectories.open(reference).unwrap().unwrap();
    Store::new(reference.clone(), directory).with_index(Some(indexes)).is_index_believed()
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// What is free of 10.1.2.1 to 10.1.2.10.
fn free(store: &mut Store) -> Vec<String> {
    let within = AddressRange { first: address("10.1.2.1"), last: address("10.1.2.10") };
    store.free(within).unwrap().iter().map(|gap| format!("{}-{}", gap.first, gap.last)).collect()
}

/// A store with a lease of 10.1.2.2 and an index of it.
fn indexed(dir: &Path) -> (StoreRef, PathBuf) {
    let (reference, indexes) = (store_in(dir), dir.join("leases"));
    let mut store = locked(&reference, &indexes);
    assert_eq!(free(&mut store), ["10.1.2.1-10.1.2.10"]);
    let owner =
        Owner { container: ContainerId::parse("abc").unwrap(), interface: IfName::parse("eth0").unwrap() };
    store.reserve(address("10.1.2.2"), 0, &owner).unwrap();
    store.unlock();
    (reference, indexes)
}

#[test]
fn a_change_by_somebody_else_is_seen_in_whatever_instant_it_is_made() {
    // tmpfs distinguishes two changes of one tick on kernels since 6.13; ramfs does not, as no file system did before.
    for file_system in ["tmpfs", "ramfs"] {
        private(|| {
            sh(&format!("mkdir /run/x && mount -t {file_system} none /run/x"));
            every_change_by_somebody_else_is_seen(Path::new("/run/x"));
        });
    }
}

fn every_change_by_somebody_else_is_seen(dir: &Path) {
    let (reference, indexes) = indexed(dir);
    let (theirs, other) = (reference.directory().join("10.1.2.7"), reference.directory().join(".other"));
    fs::write(&other, "def\r\neth0").unwrap();
    for turn in 0..2000 {
        let mut store = locked(&reference, &indexes);
        let is_free = free(&mut store) == ["10.1.2.1-10.1.2.1", "10.1.2.3-10.1.2.10"];
        assert_eq!(is_free, turn % 2 == 0, "turn {turn}");
        store.unlock();
        assert!(is_believed(&reference, &indexes), "turn {turn}");
        // In the same tick as our own change, most of the time.
        match turn % 4 {
            0 => fs::write(&theirs, "def\r\neth0").unwrap(),
            1 => fs::remove_file(&theirs).unwrap(),
            2 => fs::rename(&other, &theirs).unwrap(),
            _ => fs::rename(&theirs, &other).unwrap(),
        }
        assert!(!is_believed(&reference, &indexes), "turn {turn}");
    }
}

#[test]
fn gc_goes_on_after_a_lease_that_cannot_be_removed() {
    private(|| {
        let reference = store_in(Path::new("/run"));
        let mut store = locked(&reference, Path::new("/run/leases"));
        for (name, content) in [
            ("10.1.2.1", "gone\r\neth0"),
            ("10.1.2.3", "gone\r\neth0"),
            ("10.1.2.4", "also-gone\r\neth0"),
            ("10.1.2.7", "reserved for the router"),
        ] {
            fs::write(reference.directory().join(name), content).unwrap();
        }
        // A mount point cannot be unlinked, not even by root.
        let stuck = reference.directory().join("10.1.2.3");
        sh(&format!("mount --bind {0} {0}", stuck.display()));
        let unlisted = store.unlisted(&|_, _| false).unwrap();
        let failed = store.remove_all(&unlisted);
        let texts: Vec<_> = failed.iter().map(|error| chain(error)).collect();
        assert_eq!(texts, [format!("failed to release {}: device or resource busy", stuck.display())]);
        let entries = fs::read_dir(reference.directory()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort_unstable();
        assert_eq!(names, ["10.1.2.3", "10.1.2.7", "lock"]);
        assert_eq!(free(&mut store), ["10.1.2.1-10.1.2.2", "10.1.2.4-10.1.2.6", "10.1.2.8-10.1.2.10"]);
    });
}

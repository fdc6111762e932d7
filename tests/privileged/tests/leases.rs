//! Lease stores on other file systems, and with a lease that cannot be removed.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use wasm_cni::machine::MachineError;
use wasm_cni::machine::errno::chain;
use wasm_cni::machine::lease::{LeaseDirectories, RealDirectories, Store};
use wasm_cni::value::{AddressRange, ContainerId, IfName, NetworkName, Owner, StoreRef};
use wasm_cni_privileged::{private, sh};

fn store_in(dir: &Path) -> StoreRef {
    StoreRef { data_dir: dir.join("networks"), network: NetworkName::parse("mynet").unwrap() }
}

/// A locked store with its index, as a verb uses it.
fn locked(reference: &StoreRef, indexes: &Path) -> Store {
    let directory = RealDirectories.create(reference).unwrap();
    let mut store = Store::new(reference.clone(), directory).with_index(Some(indexes));
    store.lock().unwrap();
    store
}

/// Whether the next process would use the index.
fn is_believed(reference: &StoreRef, indexes: &Path) -> bool {
    let directory = RealDirectories.open(reference).unwrap().unwrap();
    Store::new(reference.clone(), directory).with_index(Some(indexes)).is_index_believed()
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// The free parts of 10.1.2.1 to 10.1.2.10.
fn free(store: &mut Store) -> Vec<String> {
    let within = AddressRange { first: address("10.1.2.1"), last: address("10.1.2.10") };
    store.free(within).unwrap().iter().map(|gap| format!("{}-{}", gap.first, gap.last)).collect()
}

/// A store with a lease of 10.1.2.2, and its index. Returns the index's directory too.
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

/// A store with leases of all kinds.
fn store(dir: &Path) -> (StoreRef, Store) {
    let reference = store_in(dir);
    let store = locked(&reference, &dir.join("leases"));
    for (name, content) in [
        ("10.1.2.1", b"valid\r\neth0".as_slice()),
        ("10.1.2.2", b"valid\r\nnet1"),
        ("10.1.2.3", b"gone\r\neth0"),
        ("10.1.2.4", b"valid"),
        ("10.1.2.5", b"gone"),
        ("10.1.2.6", b""),
        ("10.1.2.7", b"reserved for the router"),
        ("10.1.2.8", b"0123456789abcdef0123456789abcdef"),
        ("fd00::1", b"gone\r\neth0"),
        ("last_reserved_ip.0", b"10.1.2.3"),
    ] {
        fs::write(reference.directory().join(name), content).unwrap();
    }
    (reference, store)
}

fn names(reference: &StoreRef) -> Vec<String> {
    let entries = fs::read_dir(reference.directory()).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

/// Removes all leases that have an owner.
fn collect(store: &mut Store) -> Vec<MachineError> {
    let unlisted = store.unlisted(&|_, _| false).unwrap();
    store.remove_all(&unlisted)
}

#[test]
fn a_change_by_another_process_is_noticed_even_within_one_tick() {
    // On tmpfs, two changes within one tick have different times since Linux 6.13. On ramfs they do not, and before
    // 6.13 on no file system.
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
        // This is mostly within the same tick as our own change.
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
fn gc_continues_after_a_lease_that_cannot_be_removed() {
    private(|| {
        let (reference, mut store) = store(Path::new("/run"));
        // A mount point cannot be unlinked, not even by root.
        let stuck = reference.directory().join("10.1.2.3");
        sh(&format!("mount --bind {0} {0}", stuck.display()));
        let failed = collect(&mut store);
        let texts: Vec<_> = failed.iter().map(|error| chain(error)).collect();
        assert_eq!(texts, [format!("failed to release {}: device or resource busy", stuck.display())]);
        assert_eq!(
            names(&reference),
            ["10.1.2.3", "10.1.2.4", "10.1.2.5", "10.1.2.7", "last_reserved_ip.0", "lock"]
        );
        assert_eq!(free(&mut store), ["10.1.2.1-10.1.2.2", "10.1.2.6-10.1.2.6", "10.1.2.8-10.1.2.10"]);
    });
}

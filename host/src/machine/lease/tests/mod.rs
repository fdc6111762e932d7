mod broken;
mod collect;
mod index;
mod stores;

use super::*;
use crate::value::{ContainerId, IfName, NetworkName};
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

fn owner(container: &str, interface: &str) -> Owner {
    Owner { container: ContainerId::parse(container).unwrap(), interface: IfName::parse(interface).unwrap() }
}

fn store_in(dir: &Path) -> StoreRef {
    StoreRef { data_dir: dir.join("networks"), network: NetworkName::parse("mynet").unwrap() }
}

/// Opens an existing store.
fn open(reference: &StoreRef) -> Store {
    Store::new(reference.clone(), RealDirectories.open(reference).unwrap().unwrap())
}

/// Creates a store and opens it.
fn create(reference: &StoreRef) -> Store {
    Store::new(reference.clone(), RealDirectories.create(reference).unwrap())
}

/// Reserves an address for set 0.
fn reserve(store: &mut Store, text: &str, owner: &Owner) -> Result<Option<IpAddr>, MachineError> {
    store.reserve(address(text), 0, owner)
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn addresses(list: &[&str]) -> Vec<IpAddr> {
    list.iter().map(|text| address(text)).collect()
}

/// The free parts of 10.1.2.1 to 10.1.2.10.
fn free(store: &mut Store) -> Vec<String> {
    let within = AddressRange { first: address("10.1.2.1"), last: address("10.1.2.10") };
    store.free(within).unwrap().iter().map(|gap| format!("{}-{}", gap.first, gap.last)).collect()
}

/// A locked store with its index, as a verb uses it.
fn locked(reference: &StoreRef, indexes: &Path) -> Store {
    let mut store = create(reference).with_index(Some(indexes));
    store.lock().unwrap();
    store
}

#[test]
fn a_lease_is_written_in_the_reference_s_format() {
    let dir = tempfile::tempdir().unwrap();
    let reference = store_in(dir.path());
    let me = owner("abc", "eth0");
    let mut store = create(&reference);
    store.lock().unwrap();
    assert_eq!(reserve(&mut store, "10.1.2.3", &me).unwrap(), None);
    assert_eq!(reserve(&mut store, "fd00:1::2", &me).unwrap(), Some(address("10.1.2.3")));

    let path = |name: &str| reference.directory().join(name);
    let mode = |name: &str| fs::metadata(path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(fs::read(path("10.1.2.3")).unwrap(), b"abc\r\neth0");
    assert_eq!(fs::read(path("fd00:1::2")).unwrap(), b"abc\r\neth0");
    assert_eq!(fs::read(path("last_reserved_ip.0")).unwrap(), b"fd00:1::2");
    assert_eq!((mode("10.1.2.3"), mode("last_reserved_ip.0")), (0o600, 0o600));
    assert_eq!(mode("lock") & !0o750, 0);
    let mut names: Vec<_> = store.directory.names().unwrap();
    names.sort_unstable();
    assert_eq!(names, ["10.1.2.3", "fd00:1::2", "last_reserved_ip.0", "lock"], "nothing temporary is left");
}

#[test]
fn an_address_is_reserved_only_once() {
    let dir = tempfile::tempdir().unwrap();
    let reference = store_in(dir.path());
    let mut store = create(&reference);
    store.lock().unwrap();
    let (mine, theirs, it) = (owner("abc", "eth0"), owner("def", "eth0"), address("10.1.2.3"));
    store.reserve(it, 0, &mine).unwrap();
    let refused = store.reserve(it, 0, &theirs).unwrap_err();
    assert_eq!(refused.to_string(), "requested IP address 10.1.2.3 is not available in network mynet");
    assert!(matches!(store.release(it, &theirs).unwrap(), Reverted::Left(_)));
    assert_eq!(store.release(it, &mine).unwrap(), Reverted::Done);
    assert_eq!(store.release(it, &mine).unwrap(), Reverted::Gone);
}

#[test]
fn an_owner_s_addresses_are_found_including_the_old_form() {
    let dir = tempfile::tempdir().unwrap();
    let reference = store_in(dir.path());
    let mut store = create(&reference);
    let write = |name: &str, content: &[u8]| fs::write(reference.directory().join(name), content).unwrap();
    write("10.1.2.10", b" abc\r\neth0\n");
    write("10.1.2.9", b"abc");
    write("10.1.2.8", b"abc\r\nnet1");
    write("10.1.2.7", b"\xff\xfe");
    write(".10.1.2.6.new", b"abc\r\neth0");
    write("last_reserved_ip.0", b"10.1.2.10");
    write("last_reserved_ip.1", b"nonsense");
    write("lock", b"");
    fs::create_dir(reference.directory().join("10.1.2.5")).unwrap();

    let held = store.held(&owner("abc", "eth0")).unwrap();
    assert_eq!((held.exact, held.legacy), (addresses(&["10.1.2.10"]), addresses(&["10.1.2.9"])));
    assert_eq!(store.last_reserved(0).unwrap(), Some(address("10.1.2.10")));
    assert_eq!(store.last_reserved(1).unwrap(), None, "nonsense counts as none");
    assert_eq!(free(&mut store), ["10.1.2.1-10.1.2.4", "10.1.2.6-10.1.2.6"]);
}

#[test]
fn the_last_reserved_address_is_restored_only_if_it_is_still_ours() {
    let dir = tempfile::tempdir().unwrap();
    let reference = store_in(dir.path());
    let mut store = create(&reference);
    store.lock().unwrap();
    let me = owner("abc", "eth0");
    let (first, second) = (address("10.1.2.2"), address("10.1.2.3"));
    store.reserve(first, 0, &me).unwrap();
    store.reserve(second, 0, &me).unwrap();
    assert!(matches!(store.restore_last(0, first, None).unwrap(), Reverted::Left(_)));
    assert_eq!(store.restore_last(0, second, Some(first)).unwrap(), Reverted::Done);
    assert_eq!(store.restore_last(0, first, None).unwrap(), Reverted::Done);
    assert_eq!(store.restore_last(0, first, None).unwrap(), Reverted::Gone);
    assert!(!reference.directory().join("last_reserved_ip.0").exists());
}

#[test]
fn the_lock_is_the_same_as_the_reference_s() {
    let dir = tempfile::tempdir().unwrap();
    let reference = store_in(dir.path());
    let mut store = create(&reference);
    store.lock().unwrap();
    // flock(1) uses flock(2), like the reference.
    let path = reference.directory().join("lock");
    let other =
        || Command::new("flock").args(["--nonblock".as_ref(), path.as_os_str(), "true".as_ref()]).status();
    assert!(!other().unwrap().success(), "another process took a lock that we hold");
    store.unlock();
    assert!(other().unwrap().success());
}

#[test]
fn a_process_waits_for_another_that_holds_the_lock() {
    let dir = tempfile::tempdir().unwrap();
    let reference = store_in(dir.path());
    let mut store = create(&reference);
    store.lock().unwrap();
    store.unlock();
    let path = reference.directory().join("lock");
    let line = format!("flock {} sh -c 'echo held; sleep 0.3'", path.display());
    let mut other =
        Command::new("sh").args(["-c", &line]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut said = [0; 4];
    other.stdout.as_mut().unwrap().read_exact(&mut said).unwrap();
    let begin = std::time::Instant::now();
    store.lock().unwrap();
    assert!(begin.elapsed().as_millis() > 200, "the lock was taken from somebody who held it");
    other.wait().unwrap();
}

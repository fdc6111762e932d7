mod broken;
mod collect;
mod index;

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

fn lease(store: &StoreRef, address: &str, owner: &Owner) -> ReserveLease {
    ReserveLease { store: store.clone(), address: address.parse().unwrap(), set: 0, owner: owner.clone() }
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn addresses(list: &[&str]) -> Vec<IpAddr> {
    list.iter().map(|text| address(text)).collect()
}

/// What is free of 10.1.2.1 to 10.1.2.10.
fn free(store: &mut Store) -> Vec<String> {
    let within = AddressRange { first: address("10.1.2.1"), last: address("10.1.2.10") };
    store.free(within).unwrap().iter().map(|gap| format!("{}-{}", gap.first, gap.last)).collect()
}

/// A store with its lock and its index, as a verb has it.
fn locked(reference: &StoreRef, indexes: &Path) -> Store {
    let mut store = Store::create(reference).unwrap().with_index(Some(indexes));
    store.lock().unwrap();
    store
}

#[test]
fn a_lease_is_written_as_the_reference_writes_it() {
    let dir = tempfile::tempdir().unwrap();
    let reference = store_in(dir.path());
    let me = owner("abc", "eth0");
    let mut store = Store::create(&reference).unwrap();
    store.lock().unwrap();
    assert_eq!(store.reserve(&lease(&reference, "10.1.2.3", &me)).unwrap(), Effect::Created);
    let replaced = Effect::Replaced("10.1.2.3".to_owned());
    assert_eq!(store.reserve(&lease(&reference, "fd00:1::2", &me)).unwrap(), replaced);

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
fn an_address_is_given_once() {
    let dir = tempfile::tempdir().unwrap();
    let reference = store_in(dir.path());
    let mut store = Store::create(&reference).unwrap();
    store.lock().unwrap();
    let mine = lease(&reference, "10.1.2.3", &owner("abc", "eth0"));
    let theirs = lease(&reference, "10.1.2.3", &owner("def", "eth0"));
    store.reserve(&mine).unwrap();
    let refused = store.reserve(&theirs).unwrap_err();
    assert_eq!(refused.to_string(), "requested IP address 10.1.2.3 is not available in network mynet");
    assert!(matches!(store.release(&theirs), Undone::Left(_)));
    assert!(matches!(store.release(&mine), Undone::Done));
    assert!(matches!(store.release(&mine), Undone::Gone));
}

#[test]
fn what_an_owner_holds_is_told_old_forms_included() {
    let dir = tempfile::tempdir().unwrap();
    let reference = store_in(dir.path());
    let mut store = Store::create(&reference).unwrap();
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
fn the_last_reserved_address_is_put_back_only_while_it_is_ours() {
    let dir = tempfile::tempdir().unwrap();
    let reference = store_in(dir.path());
    let mut store = Store::create(&reference).unwrap();
    store.lock().unwrap();
    let me = owner("abc", "eth0");
    let (first, second) = (lease(&reference, "10.1.2.2", &me), lease(&reference, "10.1.2.3", &me));
    store.reserve(&first).unwrap();
    store.reserve(&second).unwrap();
    assert!(matches!(store.restore_last(&first, None), Undone::Left(_)));
    assert!(matches!(store.restore_last(&second, Some(first.address)), Undone::Done));
    assert!(matches!(store.restore_last(&first, None), Undone::Done));
    assert!(matches!(store.restore_last(&first, None), Undone::Gone));
    assert!(!reference.directory().join("last_reserved_ip.0").exists());
}

#[test]
fn the_lock_is_the_one_of_the_reference() {
    let dir = tempfile::tempdir().unwrap();
    let reference = store_in(dir.path());
    let mut store = Store::create(&reference).unwrap();
    store.lock().unwrap();
    // flock(1) takes flock(2), as the reference does.
    let path = reference.directory().join("lock");
    let other =
        || Command::new("flock").args(["--nonblock".as_ref(), path.as_os_str(), "true".as_ref()]).status();
    assert!(!other().unwrap().success(), "another process took a lock that we hold");
    store.unlock();
    assert!(other().unwrap().success());
}

#[test]
fn of_two_processes_one_waits_for_the_other() {
    let dir = tempfile::tempdir().unwrap();
    let reference = store_in(dir.path());
    let mut store = Store::create(&reference).unwrap();
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

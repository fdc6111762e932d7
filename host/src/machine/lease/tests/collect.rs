//! GC of leases.

use super::*;

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

fn names(store: &Store) -> Vec<String> {
    let mut names = store.directory.names().unwrap();
    names.sort_unstable();
    names
}

/// Removes all leases that have an owner.
fn collect(store: &mut Store) -> Vec<MachineError> {
    let unlisted = store.unlisted(&|_, _| false).unwrap();
    store.remove_all(&unlisted)
}

#[test]
fn gc_frees_every_lease_without_a_valid_owner_and_keeps_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let (reference, mut store) = store(dir.path());
    // The index does not have these files, but GC removes them all the same.
    let is_valid = |container: &str, interface: Option<&str>| {
        container == "valid" && interface.is_none_or(|name| name == "eth0")
    };
    let unlisted = store.unlisted(&is_valid).unwrap();
    assert_eq!(
        unlisted,
        ["10.1.2.2", "10.1.2.3", "10.1.2.6", "10.1.2.8", "fd00::1"].map(|a| a.parse::<IpAddr>().unwrap())
    );
    assert_eq!(store.remove_all(&unlisted).len(), 0);
    assert_eq!(names(&store), ["10.1.2.1", "10.1.2.4", "10.1.2.5", "10.1.2.7", "last_reserved_ip.0", "lock"]);
    let left = ["10.1.2.2-10.1.2.3", "10.1.2.6-10.1.2.6", "10.1.2.8-10.1.2.10"];
    assert_eq!(free(&mut store), left);
    store.unlock();
    let mut next = open(&reference).with_index(Some(&dir.path().join("leases")));
    assert!(next.load().is_some(), "the index is kept valid");
    assert_eq!(free(&mut next), left);
}

#[test]
fn gc_without_valid_attachments_frees_all_leases_with_an_owner() {
    let dir = tempfile::tempdir().unwrap();
    let (_, mut store) = store(dir.path());
    assert_eq!(collect(&mut store).len(), 0);
    assert_eq!(names(&store), ["10.1.2.4", "10.1.2.5", "10.1.2.7", "last_reserved_ip.0", "lock"]);
}

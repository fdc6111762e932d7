//! The open stores of a verb, in memory.

use super::*;
use crate::machine::lease::MemoryDirectories;
use std::collections::BTreeSet;

fn store(network: &str) -> StoreRef {
    StoreRef { data_dir: "/leases".into(), network: NetworkName::parse(network).unwrap() }
}

fn stores(directories: &MemoryDirectories, is_dry: bool) -> Stores {
    Stores::new(Box::new(directories.clone()), is_dry)
}

#[test]
fn a_store_in_memory_has_files_in_the_reference_s_format() {
    let directories = MemoryDirectories::default();
    let (mut stores, reference, me) = (stores(&directories, false), store("mynet"), owner("abc", "eth0"));
    let found = stores.locked_store(&reference).unwrap();
    assert_eq!(reserve(found, "10.1.2.3", &me).unwrap(), None);
    assert_eq!(reserve(found, "10.1.2.4", &me).unwrap(), Some(address("10.1.2.3")));
    let refused = reserve(found, "10.1.2.3", &owner("def", "eth0")).unwrap_err();
    assert_eq!(refused.to_string(), "requested IP address 10.1.2.3 is not available in network mynet");
    assert_eq!(free(found), ["10.1.2.1-10.1.2.2", "10.1.2.5-10.1.2.10"]);
    let files = |names: &[(&str, &str)]| -> std::collections::BTreeMap<String, String> {
        names.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    };
    assert_eq!(
        directories.files(&reference),
        files(&[
            ("10.1.2.3", "abc\r\neth0"),
            ("10.1.2.4", "abc\r\neth0"),
            ("last_reserved_ip.0", "10.1.2.4")
        ])
    );
    assert_eq!(
        found.restore_last(0, address("10.1.2.4"), Some(address("10.1.2.3"))).unwrap(),
        Reverted::Done
    );
    assert_eq!(found.release(address("10.1.2.4"), &me).unwrap(), Reverted::Done);
    assert_eq!(
        directories.files(&reference),
        files(&[("10.1.2.3", "abc\r\neth0"), ("last_reserved_ip.0", "10.1.2.3")])
    );
}

#[test]
fn dry_stores_take_no_lock_and_create_nothing() {
    let directories = MemoryDirectories::default();
    let (reference, me) = (store("mynet"), owner("abc", "eth0"));
    let mut dry = stores(&directories, true);
    assert!(dry.planning_store(&reference).unwrap().is_none());
    assert!(dry.locked_store(&reference).is_err());
    assert!(directories.open(&reference).unwrap().is_none());

    directories.write(&reference, "10.1.2.3", "abc\r\neth0");
    directories.write(&reference, "10.1.2.4", "gone\r\neth0");
    let found = dry.planning_store(&reference).unwrap().unwrap();
    assert_eq!(found.held(&me).unwrap().exact, addresses(&["10.1.2.3"]));
    let (unlisted, failed) = dry.release_unlisted(&reference, &|container, _| container == "abc").unwrap();
    assert_eq!((unlisted, failed.len()), (addresses(&["10.1.2.4"]), 0));
    let mut unread = Vec::new();
    let held = dry.held_leases(&me, std::slice::from_ref(&reference), &mut unread);
    assert_eq!((held, unread.len()), (vec![(reference.clone(), address("10.1.2.3"))], 0));
    assert!(dry.locked().is_empty());
    assert_eq!(directories.files(&reference).len(), 2);
}

#[test]
fn unlock_except_unlocks_only_the_other_stores() {
    let directories = MemoryDirectories::default();
    let (kept, other) = (store("kept"), store("other"));
    let mut stores = stores(&directories, false);
    stores.locked_store(&kept).unwrap();
    let held = stores.locked();
    assert!(stores.existing_store(&store("none")).unwrap().is_none());
    directories.write(&other, "10.1.2.3", "abc\r\neth0");
    stores.existing_store(&other).unwrap().unwrap();
    assert_eq!(stores.locked(), BTreeSet::from([kept.clone(), other]));
    stores.unlock_except(&held);
    assert_eq!(stores.locked(), BTreeSet::from([kept]));
    stores.unlock_all();
    assert!(stores.locked().is_empty());
}

#[test]
fn the_holder_of_an_address_follows_from_its_file_alone() {
    let directories = MemoryDirectories::default();
    let (reference, me) = (store("mynet"), owner("abc", "eth0"));
    let stores = stores(&directories, false);
    let container = ContainerId::parse("abc").unwrap();
    let it = address("10.1.2.3");
    assert_eq!(stores.has_lease(&reference, &container, it), None);
    assert_eq!(stores.holder(&reference, it, &me).unwrap(), Holder::Nobody);
    for (content, is_its, holder) in [
        ("abc\r\neth0", true, Holder::Owner),
        ("abc", true, Holder::Owner),
        ("abc\r\nnet1", true, Holder::Other),
        ("def\r\neth0", false, Holder::Other),
        ("", false, Holder::Other),
    ] {
        directories.write(&reference, "10.1.2.3", content);
        assert_eq!(stores.has_lease(&reference, &container, it), Some(is_its), "{content}");
        assert_eq!(stores.holder(&reference, it, &me).unwrap(), holder, "{content}");
        let is_another = stores.is_leased_to_another(std::slice::from_ref(&reference), &me, it);
        assert_eq!(is_another, holder == Holder::Other, "{content}");
    }
    assert_eq!(stores.has_lease(&reference, &container, address("10.1.2.4")), Some(false));
}

#[test]
fn leases_in_the_old_form_count_only_if_no_lease_names_the_interface() {
    let directories = MemoryDirectories::default();
    let (reference, me) = (store("mynet"), owner("abc", "eth0"));
    let stores = stores(&directories, false);
    let held = || -> Vec<IpAddr> {
        let found = stores.held_leases(&me, std::slice::from_ref(&reference), &mut Vec::new());
        found.into_iter().map(|(_, address)| address).collect()
    };
    assert_eq!(held(), addresses(&[]));
    directories.write(&reference, "10.1.2.3", "abc");
    assert_eq!(held(), addresses(&["10.1.2.3"]));
    directories.write(&reference, "10.1.2.4", "abc\r\neth0");
    assert_eq!(held(), addresses(&["10.1.2.4"]));
}

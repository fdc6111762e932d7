//! Files that crashes left: their addresses count as free, but only while the store is locked.

use super::*;

#[test]
fn an_address_with_a_file_of_a_crash_is_handed_out_again() {
    for left in [b"".as_slice(), b"\n", b"\0\0\0\0\0\0\0\0", b"\xff\xfe\xfd", b"abc\0eth0"] {
        let dir = tempfile::tempdir().unwrap();
        let reference = store_in(dir.path());
        let mut store = create(&reference);
        let file = reference.directory().join("10.1.2.3");
        fs::write(&file, left).unwrap();
        let me = owner("abc", "eth0");
        let text = left.escape_ascii();
        assert_eq!(free(&mut store), ["10.1.2.1-10.1.2.2", "10.1.2.4-10.1.2.10"], "{text}: being written?");
        assert_eq!(store.holder(address("10.1.2.3"), &me).unwrap(), Holder::Other, "{text}");

        store.lock().unwrap();
        assert_eq!(free(&mut store), ["10.1.2.1-10.1.2.10"], "{text}");
        assert_eq!(store.holder(address("10.1.2.3"), &me).unwrap(), Holder::Nobody, "{text}");
        assert_eq!(reserve(&mut store, "10.1.2.3", &me).unwrap(), None, "{text}");
        assert_eq!(fs::read(&file).unwrap(), b"abc\r\neth0");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(free(&mut store), ["10.1.2.1-10.1.2.2", "10.1.2.4-10.1.2.10"], "{text}");
    }
}

#[test]
fn an_address_with_an_unknown_file_counts_as_taken() {
    let dir = tempfile::tempdir().unwrap();
    let reference = store_in(dir.path());
    let mut store = create(&reference);
    store.lock().unwrap();
    let place = |name: &str| reference.directory().join(name);
    fs::create_dir(place("10.1.2.1")).unwrap();
    fs::write(place("10.1.2.2"), "reserved for the router").unwrap();
    fs::write(place("10.1.2.3"), "someold\neth0").unwrap();
    fs::write(place("10.1.2.4"), "x".repeat(5000)).unwrap();
    std::os::unix::fs::symlink("/nowhere/at/all", place("10.1.2.5")).unwrap();
    assert!(Command::new("mkfifo").arg(place("10.1.2.6")).status().unwrap().success());
    fs::write(place("10.1.2.7"), "legacy").unwrap();
    assert_eq!(free(&mut store), ["10.1.2.8-10.1.2.10"]);
    for number in 1..=7 {
        let error = reserve(&mut store, &format!("10.1.2.{number}"), &owner("abc", "eth0")).unwrap_err();
        assert!(!error.is_retryable() && error.to_string().contains("is not available"), "{number}: {error}");
    }
    assert_eq!(fs::read_dir(reference.directory()).unwrap().count(), 8, "those and the lock");
}

#[test]
fn temporary_files_of_a_killed_reservation_are_removed_at_the_next_read() {
    let dir = tempfile::tempdir().unwrap();
    let reference = store_in(dir.path());
    let mut store = create(&reference);
    let place = |name: &str| reference.directory().join(name);
    let left = [".10.1.2.3.new", ".fd00::1.new", ".last_reserved_ip.0.new"];
    let others = [".hidden", ".notes.new", "last_reserved_ip.0", "README"];
    for name in left.iter().chain(&others) {
        fs::write(place(name), "abc\r\neth0").unwrap();
    }
    free(&mut store);
    assert!(
        left.iter().all(|name| place(name).exists()),
        "without the lock, another process may be writing them"
    );
    store.lock().unwrap();
    free(&mut store);
    assert!(left.iter().all(|name| !place(name).exists()));
    assert!(others.iter().all(|name| place(name).exists()));
}

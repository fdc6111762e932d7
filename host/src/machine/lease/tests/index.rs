//! When the index is valid. The tests write to existing files. This does not change the directory, so the index stays
//! valid, but differs from the files. An answer then shows where it came from.

use super::*;

/// Whether the next process would use the index.
fn is_believed(reference: &StoreRef, indexes: &Path) -> bool {
    open(reference).with_index(Some(indexes)).is_index_believed()
}

/// A store with one lease, and its index. Returns the index's directory and file too.
fn indexed(dir: &Path) -> (StoreRef, std::path::PathBuf, std::path::PathBuf) {
    let (reference, indexes) = (store_in(dir), dir.join("leases"));
    let mut store = locked(&reference, &indexes);
    assert_eq!(free(&mut store), ["10.1.2.1-10.1.2.10"]);
    reserve(&mut store, "10.1.2.2", &owner("abc", "eth0")).unwrap();
    store.unlock();
    let mut files: Vec<_> = fs::read_dir(&indexes).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "one index, nothing temporary");
    (reference, indexes, files.pop().unwrap())
}

#[test]
fn answers_come_from_the_index_after_our_own_changes() {
    let dir = tempfile::tempdir().unwrap();
    let (reference, indexes, file) = indexed(dir.path());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&indexes), mode(&file)), (0o700, 0o600));
    let me = owner("abc", "eth0");

    // Each verb opens the store again. Only the first one reads the files.
    let mut changes = 0;
    let all: [&mut dyn FnMut(&mut Store); 5] = [
        &mut |store: &mut Store| assert!(reserve(store, "10.1.2.4", &me).is_ok()),
        &mut |store: &mut Store| assert!(reserve(store, "fd00::4", &me).is_ok()),
        &mut |store: &mut Store| {
            assert_eq!(store.release(address("10.1.2.2"), &me).unwrap(), Reverted::Done);
        },
        &mut |store: &mut Store| {
            let restored = store.restore_last(0, address("fd00::4"), Some(address("10.1.2.4")));
            assert_eq!(restored.unwrap(), Reverted::Done);
        },
        &mut |store: &mut Store| assert_eq!(store.unlisted(&|_, _| true).unwrap().len(), 0),
    ];
    for change in all {
        let mut store = locked(&reference, &indexes);
        change(&mut store);
        store.unlock();
        changes += 1;
        assert!(is_believed(&reference, &indexes), "after change {changes}");
    }

    // An emptied file would count as free, if it were read.
    fs::write(reference.directory().join("10.1.2.4"), "").unwrap();
    let mut store = locked(&reference, &indexes);
    assert_eq!(free(&mut store), ["10.1.2.1-10.1.2.3", "10.1.2.5-10.1.2.10"]);
    // The owner still follows from the files.
    assert_eq!(store.held(&me).unwrap().exact, addresses(&["fd00::4"]));
}

#[test]
fn queries_without_the_lock_use_the_index_and_do_not_write_it() {
    let dir = tempfile::tempdir().unwrap();
    let (reference, indexes, file) = indexed(dir.path());
    let reopened = || open(&reference).with_index(Some(&indexes));
    assert_eq!(free(&mut reopened()), ["10.1.2.1-10.1.2.1", "10.1.2.3-10.1.2.10"]);
    fs::write(reference.directory().join("10.1.2.3"), "def\r\neth0").unwrap();
    let before = fs::read(&file).unwrap();
    assert_eq!(free(&mut reopened()), ["10.1.2.1-10.1.2.1", "10.1.2.4-10.1.2.10"]);
    assert_eq!(reopened().held(&owner("def", "eth0")).unwrap().exact, addresses(&["10.1.2.3"]));
    assert_eq!(fs::read(&file).unwrap(), before);
    fs::remove_dir_all(&indexes).unwrap();
    assert_eq!(reopened().held(&owner("def", "eth0")).unwrap().exact, addresses(&["10.1.2.3"]));
    assert!(!indexes.exists());
}

#[test]
fn a_change_by_another_process_between_ours_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let (reference, indexes, _) = indexed(dir.path());
    let mut store = locked(&reference, &indexes);
    assert_eq!(free(&mut store), ["10.1.2.1-10.1.2.1", "10.1.2.3-10.1.2.10"]);
    // The other process changes the directory without the lock, while we hold it. It does so one tick later, so that
    // every kernel's clock shows the change.
    std::thread::sleep(std::time::Duration::from_millis(20));
    fs::write(reference.directory().join("10.1.2.7"), "def\r\neth0").unwrap();
    reserve(&mut store, "10.1.2.4", &owner("abc", "eth0")).unwrap();
    store.unlock();
    assert!(!is_believed(&reference, &indexes));
    assert_eq!(
        free(&mut locked(&reference, &indexes)),
        ["10.1.2.1-10.1.2.1", "10.1.2.3-10.1.2.3", "10.1.2.5-10.1.2.6", "10.1.2.8-10.1.2.10"]
    );
}

#[test]
fn an_index_of_another_boot_directory_or_format_is_not_used() {
    let dir = tempfile::tempdir().unwrap();
    let (reference, indexes, file) = indexed(dir.path());
    let good = fs::read(&file).unwrap();
    assert!(is_believed(&reference, &indexes));
    // The header: magic, boot ID, device, inode, both times. Then the counts.
    for place in (0..good.len() - 8).step_by(4).map(|place| place + 3) {
        let mut bad = good.clone();
        bad[place] ^= 1;
        fs::write(&file, bad).unwrap();
        assert!(!is_believed(&reference, &indexes), "byte {place}");
    }
    for length in 0..good.len() {
        fs::write(&file, &good[..length]).unwrap();
        assert!(!is_believed(&reference, &indexes), "{length} bytes");
    }
    fs::write(&file, [good.as_slice(), b"more"].concat()).unwrap();
    assert!(!is_believed(&reference, &indexes), "too long");
    fs::write(&file, &good).unwrap();
    assert!(is_believed(&reference, &indexes), "nothing else was wrong with it");

    // The same files, with the same times, in another directory at the same path.
    let place = reference.directory();
    let line = format!("cp -a {0} {0}.copy && mv {0} {0}.old && mv {0}.copy {0}", place.display());
    assert!(Command::new("sh").args(["-c", &line]).status().unwrap().success());
    assert!(!is_believed(&reference, &indexes));
}

#[test]
fn a_killed_process_leaves_no_valid_index() {
    let dir = tempfile::tempdir().unwrap();
    let (reference, indexes, file) = indexed(dir.path());
    let me = owner("abc", "eth0");
    // The process is killed between its change and the index.
    let mut store = locked(&reference, &indexes);
    reserve(&mut store, "10.1.2.4", &me).unwrap();
    store.sidecar = None;
    drop(store);
    assert!(!is_believed(&reference, &indexes));

    // The process is killed after the stamp, while it writes the index.
    let mut store = locked(&reference, &indexes);
    assert_eq!(free(&mut store), ["10.1.2.1-10.1.2.1", "10.1.2.3-10.1.2.3", "10.1.2.5-10.1.2.10"]);
    store.directory.stamp().unwrap().unwrap();
    store.sidecar = None;
    drop(store);
    let half = fs::read(&file).unwrap();
    fs::write(file.with_extension("new"), &half[..half.len() / 2]).unwrap();
    assert!(!is_believed(&reference, &indexes));

    // The next process works as usual.
    let mut store = locked(&reference, &indexes);
    reserve(&mut store, "10.1.2.3", &me).unwrap();
    assert_eq!(free(&mut store), ["10.1.2.1-10.1.2.1", "10.1.2.5-10.1.2.10"]);
    store.unlock();
    assert!(is_believed(&reference, &indexes));
    assert!(!file.with_extension("new").exists());
}

#[test]
fn a_wrong_index_costs_one_attempt() {
    let dir = tempfile::tempdir().unwrap();
    let (reference, indexes, _) = indexed(dir.path());
    let mut store = locked(&reference, &indexes);
    assert_eq!(free(&mut store), ["10.1.2.1-10.1.2.1", "10.1.2.3-10.1.2.10"]);
    // The only moment that the check does not cover: between our comparison of the state and our change.
    fs::write(reference.directory().join("10.1.2.3"), "def\r\neth0").unwrap();
    if let Some(known) = &mut store.known {
        known.state = store.directory.state().unwrap();
    }
    let error = reserve(&mut store, "10.1.2.3", &owner("abc", "eth0")).unwrap_err();
    assert!(error.is_retryable(), "{error}");
    assert_eq!(
        error.to_string(),
        "IP address 10.1.2.3 of network mynet was taken without the store's lock: try again"
    );
    store.unlock();
    assert!(!is_believed(&reference, &indexes));
    assert_eq!(
        free(&mut locked(&reference, &indexes)),
        ["10.1.2.1-10.1.2.1", "10.1.2.4-10.1.2.10"],
        "read again"
    );
}

#[test]
fn a_store_works_without_a_directory_for_its_index() {
    let dir = tempfile::tempdir().unwrap();
    let reference = store_in(dir.path());
    let nowhere = dir.path().join("file");
    fs::write(&nowhere, "").unwrap();
    let mut store = locked(&reference, &nowhere.join("leases"));
    reserve(&mut store, "10.1.2.2", &owner("abc", "eth0")).unwrap();
    store.unlock();
    assert_eq!(free(&mut locked(&reference, &nowhere)), ["10.1.2.1-10.1.2.1", "10.1.2.3-10.1.2.10"]);
}

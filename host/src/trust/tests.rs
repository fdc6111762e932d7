//! Modes and links. Another owner needs root: `tests/tests/trust.rs`.

use super::*;
use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, symlink};

fn with_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_file_that_others_can_write_is_refused_with_its_mode() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    for (mode, is_trusted) in [
        (0o644, true),
        (0o600, true),
        (0o755, true),
        (0o4755, true),
        (0o664, false),
        (0o666, false),
        (0o646, false),
        (0o622, false),
        (0o1666, false),
    ] {
        with_mode(&file, mode);
        let checked = check(&file, &fs::metadata(&file).unwrap());
        assert_eq!(checked.is_ok(), is_trusted, "{mode:o}");
        if let Err(untrusted) = checked {
            let expected = format!("others than its owner can write it (mode {mode:04o})");
            assert_eq!(untrusted, Untrusted { path: file.clone(), reason: expected });
        }
    }
}

#[test]
fn a_directory_is_as_good_as_each_directory_above_it() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("a/b/c");
    fs::create_dir_all(&path).unwrap();
    for at in ["a", "a/b", "a/b/c"] {
        let changed = root.path().join(at);
        for (mode, is_trusted) in
            [(0o755, true), (0o700, true), (0o1777, true), (0o777, false), (0o775, false), (0o757, false)]
        {
            with_mode(&changed, mode);
            for below in ["", "none/yet"] {
                let checked = check_directory(&path.join(below));
                assert_eq!(checked.is_ok(), is_trusted, "{at} {mode:o} {below:?}");
                let names =
                    checked.err().is_none_or(|e| e.to_string().starts_with(changed.to_str().unwrap()));
                assert!(names, "{at} {mode:o}");
            }
        }
        with_mode(&changed, 0o755);
    }
}

#[test]
fn a_link_counts_as_what_it_leads_to() {
    let root = tempfile::tempdir().unwrap();
    let place = |name: &str| root.path().join(name);
    fs::create_dir_all(place("open/inner")).unwrap();
    fs::create_dir(place("closed")).unwrap();
    for (link, target) in [
        ("to-closed", "closed"),
        ("to-inner", "open/inner"),
        ("to-link", "to-inner"),
        ("to-nothing", "nothing"),
    ] {
        symlink(target, place(link)).unwrap();
    }
    with_mode(&place("open"), 0o777);
    for (path, is_trusted) in [
        ("closed", true),
        ("to-closed", true),
        ("to-closed/none/yet", true),
        ("open", false),
        ("to-inner", false),
        ("to-inner/none", false),
        ("to-link", false),
        ("to-nothing", false),
    ] {
        assert_eq!(check_directory(&place(path)).is_ok(), is_trusted, "{path}");
    }
}

#[test]
fn a_directory_is_opened_only_without_a_link() {
    let root = tempfile::tempdir().unwrap();
    let place = |name: &str| root.path().join(name);
    fs::create_dir(place("directory")).unwrap();
    fs::write(place("file"), "").unwrap();
    for (link, target) in [("link", "directory"), ("to-nothing", "nothing"), ("loop", "loop")] {
        symlink(target, place(link)).unwrap();
        let error = open_directory(&place(link)).unwrap_err();
        assert!(error.to_string().ends_with("is not trusted: it is a symbolic link"), "{link}: {error}");
    }
    assert!(open_directory(&place("directory")).is_ok());
    assert_eq!(open_directory(&place("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
    assert_eq!(open_directory(&place("file")).unwrap_err().kind(), io::ErrorKind::NotADirectory);
    with_mode(&place("directory"), 0o777);
    assert!(open_directory(&place("directory")).is_err());
}

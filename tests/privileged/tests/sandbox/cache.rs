//! The host uses machine code only if it is exactly what the compiler wrote.

use super::{compiler, file, plain, recording};
use std::fs::{self, File, Permissions};
use std::io::{Read, Seek};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;
use wasm_cni::sandbox::{Cache, inspect};

/// A cache, a component, and the path of its machine code.
struct Case {
    directory: TempDir,
    wasm: PathBuf,
}

impl Case {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let wasm = directory.path().join("x.wasm");
        fs::write(&wasm, plain("(i32.const 0)")).unwrap();
        let case = Case { directory, wasm };
        case.code();
        case
    }

    fn cache(&self, compiler: PathBuf) -> Cache {
        Cache::new(&[self.directory.path().join("cache")], compiler, false)
    }

    fn code(&self) -> super::Code {
        self.cache(compiler()).code(&File::open(&self.wasm).unwrap(), None).unwrap()
    }

    /// Whether the cache has the code, so that no compiler is needed.
    fn is_cached(&self) -> bool {
        self.cache("/nonexistent".into()).code(&File::open(&self.wasm).unwrap(), None).is_ok()
    }

    fn stored(&self, extension: &str) -> PathBuf {
        let entries = fs::read_dir(self.directory.path().join("cache")).unwrap().map(|e| e.unwrap().path());
        entries.filter(|path| path.extension().is_some_and(|e| e == extension)).max().unwrap()
    }

    /// Damages the stored code, and expects that it is compiled again into a new file.
    fn recovers_from(what: &str, spoil: impl FnOnce(&Path)) {
        let case = Case::new();
        assert!(case.is_cached(), "{what}: cached before");
        let stored = case.stored("cwasm");
        let before = fs::read(&stored).unwrap();
        spoil(&stored);
        assert!(!case.is_cached(), "{what}: not used");
        case.code();
        assert!(case.is_cached(), "{what}: made again");
        assert!(fs::symlink_metadata(&stored).unwrap().is_file());
        assert_eq!(fs::read(&stored).unwrap().len(), before.len(), "{what}");
    }
}

#[test]
fn damaged_code_is_compiled_again() {
    let writable = |path: &Path| fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap();
    Case::recovers_from("truncated", |path| {
        writable(path);
        File::options().write(true).open(path).unwrap().set_len(100).unwrap();
    });
    Case::recovers_from("changed by a byte", |path| {
        writable(path);
        let mut bytes = fs::read(path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(path, bytes).unwrap();
    });
    Case::recovers_from("swapped", |path| {
        let other = path.with_extension("other");
        fs::write(&other, "something else").unwrap();
        fs::rename(other, path).unwrap();
    });
    Case::recovers_from("world-writable", |path| {
        fs::set_permissions(path, Permissions::from_mode(0o666)).unwrap()
    });
    Case::recovers_from("a link", |path| {
        let moved = path.with_extension("elsewhere");
        fs::rename(path, &moved).unwrap();
        symlink(moved, path).unwrap();
    });
    Case::recovers_from("a second name", |path| fs::hard_link(path, path.with_extension("second")).unwrap());
    Case::recovers_from("gone", |path| fs::remove_file(path).unwrap());
    if nix::unistd::geteuid().is_root() {
        Case::recovers_from("somebody else's", |path| {
            std::os::unix::fs::chown(path, Some(4711), None).unwrap()
        });
    }
}

#[test]
fn moved_code_is_used_after_its_digest_is_checked() {
    let case = Case::new();
    let stored = case.stored("cwasm");
    let copy = stored.with_extension("copy");
    fs::copy(&stored, &copy).unwrap();
    fs::rename(copy, &stored).unwrap();
    assert!(case.is_cached());
}

#[test]
fn a_replaced_component_is_detected_even_with_the_old_modification_time() {
    let case = Case::new();
    let first = case.code().digest;
    let old = fs::metadata(&case.wasm).unwrap().modified().unwrap();
    // The new component has the same size and modification time. Only the change time differs.
    let other = plain("(i32.const 8)");
    assert_eq!(fs::metadata(&case.wasm).unwrap().len(), u64::try_from(other.len()).unwrap());
    fs::write(&case.wasm, other).unwrap();
    File::options().write(true).open(&case.wasm).unwrap().set_modified(old).unwrap();
    assert!(!case.is_cached());
    assert_ne!(case.code().digest, first);
}

#[test]
fn a_directory_that_other_users_can_write_is_not_used() {
    let case = Case::new();
    fs::set_permissions(case.directory.path().join("cache"), Permissions::from_mode(0o777)).unwrap();
    assert!(!case.is_cached());
    case.code();
}

#[test]
fn stored_files_are_private_and_unchangeable() {
    let case = Case::new();
    assert_eq!(fs::metadata(case.directory.path().join("cache")).unwrap().mode() & 0o777, 0o700);
    assert_eq!(fs::metadata(case.stored("cwasm")).unwrap().mode() & 0o777, 0o444);
}

#[test]
fn the_newest_components_and_all_foreign_files_are_kept() {
    let case = Case::new();
    let cache = case.directory.path().join("cache");
    let file = |name: String, age: u64| {
        let changed = SystemTime::now() - Duration::from_secs(age);
        File::create(cache.join(name)).unwrap().set_modified(changed).unwrap();
    };
    for number in 0..1000 {
        for kind in ["cwasm", "record", "index", "txt"] {
            file(format!("{number}.{kind}"), 10 + number);
        }
    }
    file(".new-1-0".to_owned(), 7200);
    file(".new-1-1".to_owned(), 60);
    // A component that is not in the cache.
    fs::write(&case.wasm, plain("(i32.const 8)")).unwrap();
    case.code();
    let names: Vec<String> =
        fs::read_dir(&cache).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    let count = |kind: &str| names.iter().filter(|name| name.ends_with(kind)).count();
    assert_eq!((count(".cwasm"), count(".record"), count(".txt")), (257, 257, 1000));
    assert!(count(".index") <= 257, "{}", count(".index"));
    assert!(names.contains(&"0.cwasm".to_owned()) && !names.contains(&"999.cwasm".to_owned()));
    assert!(!names.contains(&".new-1-0".to_owned()) && names.contains(&".new-1-1".to_owned()));
    assert!(case.is_cached());
}

#[test]
fn a_dry_run_stores_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (wasm, cache) = (directory.path().join("x.wasm"), directory.path().join("cache"));
    fs::write(&wasm, recording(1)).unwrap();
    let inspection = inspect(&Cache::new(std::slice::from_ref(&cache), compiler(), true), &wasm).unwrap();
    assert_eq!(inspection.digest.len(), 64);
    assert!(!cache.exists());
}

#[test]
fn a_compiler_that_cannot_be_executed_is_named() {
    let error = Cache::new(&[], "/nonexistent/compile".into(), true).code(&file(b""), None).unwrap_err();
    assert_eq!(error.to_string(), "failed to execute the compiler \"/nonexistent/compile\"");
}

#[test]
fn the_compiler_has_no_environment_and_runs_as_nobody() {
    let directory = tempfile::tempdir().unwrap();
    // No other user may enter this directory, as in a build below /root.
    fs::set_permissions(directory.path(), Permissions::from_mode(0o700)).unwrap();
    let printed_by = |tool: &str| {
        let (copy, printed) = (directory.path().join("compile"), file(b""));
        // Another process makes the copy. A planner that a parallel test forks would inherit our descriptor, and a
        // file that is open for writing cannot be executed (ETXTBSY).
        assert!(std::process::Command::new("cp").arg(tool).arg(&copy).status().unwrap().success());
        let error = wasm_cni::sandbox::cache::compiler::run(&copy, &file(b""), &printed).unwrap_err();
        assert!(error.to_string().starts_with("the compiler wrote no manifest"), "{error}");
        let mut text = String::new();
        (&printed).rewind().unwrap();
        (&printed).read_to_string(&mut text).unwrap();
        text
    };
    assert_eq!(printed_by("/usr/bin/env"), "");
    if nix::unistd::geteuid().is_root() {
        assert_eq!(printed_by("/usr/bin/id"), "uid=4294901760 gid=4294901760 groups=4294901760\n");
    }
}

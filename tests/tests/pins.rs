//! Components that policy pins to digests (`docs/security.md`, S6), with a manipulated cache.

use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use wasm_cni_tests::guest::{component, install};
use wasm_cni_tests::{Call, Machine, NOTHING, dist, walkthrough};

/// A machine whose policy pins the installed `bridge` and `host-local`, with a cache of its own.
struct Place {
    machine: Machine,
    plugins: PathBuf,
    cache: PathBuf,
    policy: PathBuf,
    good: String,
}

impl Place {
    fn new() -> Self {
        let machine = Machine::new();
        machine.netns("1234567890");
        let plugins = machine.plugins();
        let (cache, policy) = (machine.files().join("cache"), machine.files().join("policy.toml"));
        let place = Place { machine, plugins, cache, policy, good: String::new() };
        let (good, ipam) = (place.digest("bridge.wasm"), place.digest("host-local.wasm"));
        let rule =
            format!("[[rule]]\nplugin = [\"bridge\", \"host-local\"]\nsha256 = [\"{good}\", \"{ipam}\"]\n");
        fs::write(&place.policy, rule).unwrap();
        fs::set_permissions(&place.policy, fs::Permissions::from_mode(0o644)).unwrap();
        let place = Place { good, ..place };
        assert!(place.pinned("ADD").ok(&place.machine).contains("eth12"));
        place.pinned("DEL").ok(&place.machine);
        place
    }

    fn digest(&self, name: &str) -> String {
        let printed = self.machine.sh(&format!("sha256sum {}", self.plugins.join(name).display()));
        printed.split(' ').next().unwrap().to_owned()
    }

    fn unpinned(&self, command: &str) -> Call {
        let call = Call::new(&self.plugins, "bridge", command, &walkthrough("1.1.0"));
        call.env("WASM_CNI_CACHE_DIR", &self.cache.display().to_string())
    }

    fn pinned(&self, command: &str) -> Call {
        self.unpinned(command).env("WASM_CNI_POLICY", &self.policy.display().to_string())
    }

    /// Replaces `bridge` by another component; returns its digest.
    fn replace(&self) -> String {
        install(&self.plugins, "bridge", &component("i32.const 0"));
        self.digest("bridge.wasm")
    }

    fn cached(&self) -> Vec<PathBuf> {
        let mut paths: Vec<PathBuf> = fs::read_dir(&self.cache).unwrap().map(|e| e.unwrap().path()).collect();
        paths.sort();
        paths
    }

    /// The file of a component in the cache: `cwasm` or `record`.
    fn of(&self, digest: &str, kind: &str) -> PathBuf {
        let is_it = |path: &PathBuf| {
            path.extension().is_some_and(|extension| extension == kind)
                && path.file_name().unwrap().to_str().unwrap().starts_with(digest)
        };
        self.cached().into_iter().find(is_it).unwrap_or_else(|| panic!("no {kind} of {digest}"))
    }
}

/// Writes a file as the cache does: completely, with its final mode.
fn put(path: &Path, bytes: &[u8]) {
    let new = path.with_extension("new");
    fs::write(&new, bytes).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(0o444)).unwrap();
    fs::rename(&new, path).unwrap();
}

#[test]
fn a_pinned_component_that_differs_is_refused_before_it_is_compiled() {
    let place = Place::new();
    let bad = place.replace();
    let (cached, before) = (place.cached(), place.machine.snapshot());
    for command in ["ADD", "VERSION"] {
        let (code, msg, details) = place.pinned(command).error(&place.machine);
        assert_eq!(code, 100, "{msg}");
        assert!(msg.ends_with("policy pins plugin \"bridge\" to another digest"), "{msg}");
        assert!(details.contains(&bad) && details.contains(&place.good), "{details}");
    }
    assert_eq!(place.cached(), cached, "nothing was compiled");
    assert_eq!(place.machine.changes(&before), NOTHING);
    // DEL works without any component.
    fs::remove_file(place.plugins.join("bridge.wasm")).unwrap();
    place.pinned("DEL").ok(&place.machine);
}

#[test]
fn a_pinned_component_is_identified_by_its_bytes_whatever_the_cache_records_of_its_file() {
    let place = Place::new();
    let bad = place.replace();
    // The cache records nothing about a file until its last change is old enough.
    std::thread::sleep(Duration::from_millis(200));
    assert!(!place.unpinned("VERSION").ok(&place.machine).contains("0.3.1"), "it supports other versions");
    let lies = place.cached().into_iter().filter(|path| {
        let index = path.extension().is_some_and(|extension| extension == "index");
        let text = fs::read_to_string(path).unwrap_or_default();
        index && text.contains(&bad) && {
            put(path, text.replace(&bad, &place.good).as_bytes());
            true
        }
    });
    assert_eq!(lies.count(), 1);
    assert!(
        place.unpinned("VERSION").ok(&place.machine).contains("0.3.1"),
        "without a pin the cache is believed"
    );
    let before = place.machine.snapshot();
    for command in ["ADD", "VERSION"] {
        assert_eq!(place.pinned(command).error(&place.machine).0, 100);
    }
    assert_eq!(place.machine.changes(&before), NOTHING);
}

#[test]
fn machine_code_of_a_pinned_component_is_identified_by_its_bytes_whatever_the_cache_records_of_it() {
    let place = Place::new();
    let bad = place.replace();
    // VERSION compiles nothing.
    place.unpinned("ADD").ok(&place.machine);
    place.unpinned("DEL").ok(&place.machine);
    fs::copy(dist().join("bridge.wasm"), place.plugins.join("bridge.wasm")).unwrap();
    // The code of the other component under this name, with the stamp of its file in the record.
    let code = place.of(&place.good, "cwasm");
    put(&code, &fs::read(place.of(&bad, "cwasm")).unwrap());
    let metadata = fs::metadata(&code).unwrap();
    let record = place.of(&place.good, "record");
    let mut noted: Value = serde_json::from_slice(&fs::read(&record).unwrap()).unwrap();
    noted["code"] = json!({
        "device": metadata.dev(), "inode": metadata.ino(), "size": metadata.len(),
        "changed_seconds": metadata.ctime(), "changed_nanoseconds": metadata.ctime_nsec(),
    });
    put(&record, noted.to_string().as_bytes());

    assert!(
        !place.unpinned("ADD").ok(&place.machine).contains("eth12"),
        "without a pin the cache is believed"
    );
    place.unpinned("DEL").ok(&place.machine);
    for call in [Place::pinned, Place::unpinned] {
        assert!(call(&place, "ADD").ok(&place.machine).contains("eth12"), "it is compiled again");
        call(&place, "DEL").ok(&place.machine);
    }
}

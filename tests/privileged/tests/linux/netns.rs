//! Network namespaces.

use wasm_cni::machine::errno::chain;
use wasm_cni::machine::netns::NetnsFile;
use wasm_cni_privileged::{new_netns, private};

#[test]
fn a_missing_path_and_a_file_that_is_no_namespace_are_distinguished() {
    let absent = NetnsFile::open("/nowhere/netns").unwrap_err();
    assert!(absent.is_not_exist());
    assert_eq!(chain(&absent), "failed to Statfs \"/nowhere/netns\": no such file or directory");
    assert!(NetnsFile::open("").unwrap_err().is_not_exist());

    private(|| {
        // The private /run is a tmpfs, whose magic number is 1021994.
        std::fs::write("/run/plain", "").unwrap();
        let plain = NetnsFile::open("/run/plain").unwrap_err();
        assert!(!plain.is_not_exist());
        assert_eq!(chain(&plain), "unknown FS magic on \"/run/plain\": 1021994");
    });
    for path in ["/proc/self/ns/mnt", "/proc/self/status", "/proc"] {
        let other = NetnsFile::open(path).unwrap_err();
        assert_eq!((chain(&other), other.is_not_exist()), (format!("{path} is no network namespace"), false));
    }
}

#[test]
fn namespaces_are_distinguished_by_their_cookies() {
    private(|| {
        let (ours, other) = (NetnsFile::current().unwrap().id(), new_netns().id());
        assert!(ours.cookie.is_some() && ours.cookie != other.cookie, "{ours:?} {other:?}");
        assert_eq!(ours, NetnsFile::current().unwrap().id());
    });
}

#[test]
fn the_guard_enters_a_namespace_and_returns() {
    private(|| {
        let ours = NetnsFile::current().unwrap();
        let other = new_netns();
        assert!(!ours.same_as(&other));
        {
            let _guard = other.enter().unwrap();
            assert!(NetnsFile::current().unwrap().same_as(&other));
        }
        assert!(NetnsFile::current().unwrap().same_as(&ours));
    });
}

//! Tests of the library that need root, programs that a fresh machine lacks, or the compiler. `cargo xtask test` runs
//! them. They run in private namespaces, so they do not change the machine's own links, rules or files.

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use std::path::{Path, PathBuf};
use std::process::Command;
use wasm_cni::machine::netns::NetnsFile;

/// Runs a test in network and mount namespaces of its own, with an empty `/run` and an empty `/var/lib`.
///
/// # Panics
/// If the test does, and without root.
pub fn private<T: Send>(test: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let inside = scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).expect("tests here run as root");
            let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
            mount(None::<&str>, "/", None::<&str>, private, None::<&str>).unwrap();
            for dir in ["/run", "/var/lib"] {
                mount(Some("none"), dir, Some("tmpfs"), MsFlags::empty(), None::<&str>).unwrap();
            }
            test()
        });
        inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// The directory `target`.
pub fn target() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
    std::env::var_os("CARGO_TARGET_DIR").map_or(own, PathBuf::from)
}

/// A new network namespace, which takes the place of a container's.
///
/// # Panics
/// Without root.
pub fn new_netns() -> NetnsFile {
    let thread = std::thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        NetnsFile::current().unwrap()
    });
    thread.join().unwrap()
}

/// Runs a shell command in the thread's namespaces, and returns its output.
///
/// # Panics
/// If it fails.
pub fn sh(line: &str) -> String {
    let output = Command::new("sh").args(["-c", line]).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

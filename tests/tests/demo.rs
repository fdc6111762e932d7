//! The demo, as an ordinary user who may create user namespaces. As root, it is a check of `cargo xtask test`.

use nix::unistd::Uid;
use std::process::Command;
use wasm_cni_tests::{Machine, repository};

#[test]
fn the_demo_runs_as_an_ordinary_user() {
    let machine = Machine::new();
    let plugins = machine.plugins();
    let open = Command::new("chmod").arg("-R").arg("a+rX").arg(machine.files()).status().unwrap();
    assert!(open.success());
    let script = std::fs::read_to_string(repository().join("xtask/src/demo.sh")).unwrap();
    // The same setup as in `xtask/src/netns.rs` for an ordinary user.
    let inside = "mount -t tmpfs -o mode=755 none /run; mount -t tmpfs -o mode=755 none /var/lib; ip link set lo up; exec \"$@\"";
    let mut demo = Command::new("setpriv");
    if Uid::effective().is_root() {
        demo.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    }
    demo.args([
        "unshare",
        "--map-root-user",
        "--net",
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-euc",
        inside,
        "sh",
    ]);
    demo.args(["sh", "-euc", &script, "demo"]).current_dir("/").env_clear();
    demo.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("DIST", &plugins)
        .env("WASM_CNI_CACHE_DIR", "/run/wasm-cni/cache");
    let output = demo.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    for shown in [
        "nothing changed",
        "inet 10.15.20.2/24",
        "1 received",
        "as it was made",
        "Nothing of the container is left.",
    ] {
        assert!(text.contains(shown), "{shown:?} is not in:\n{text}");
    }
}

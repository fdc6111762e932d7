//! Namespaces for a command: everything that a process does there ends with it.

use crate::{machine, sh};
use anyhow::{Result, bail};
use std::path::Path;
use std::process::Command;

/// The parent directory of lease stores. It is covered as a whole, because only root could make the directory below it.
const LEASES: &str = "/var/lib/cni";

/// Paths below these are not visible inside.
fn covered() -> &'static str {
    if Path::new(LEASES).is_dir() { LEASES } else { "/var/lib" }
}

/// An error if an installed tree would not be visible inside.
pub fn ensure_visible(dist: &Path) -> Result<()> {
    for dir in ["/run", covered()] {
        if dist.starts_with(dir) {
            bail!(
                "{} is below {dir}, which is covered here: build elsewhere, with CARGO_TARGET_DIR",
                dist.display()
            );
        }
    }
    Ok(())
}

/// A process in network and mount namespaces of its own, with an empty `/run` and no leases.
///
/// For an ordinary user it is root in a user namespace, if these are allowed. `dist`, which it uses, must not be below
/// a covered directory.
pub fn process(dist: &Path, program: &Path) -> Result<Command> {
    ensure_visible(dist)?;
    let mut process = Command::new("unshare");
    if !machine::is_root()? {
        if !sh::succeeds(Command::new("unshare").args(["--map-root-user", "true"])) {
            bail!("this machine allows no user namespaces to ordinary users: run it as root");
        }
        process.arg("--map-root-user");
    }
    process.args(["--net", "--mount", "--propagation", "private", "sh", "-euc"]);
    process.arg(format!(
        "mount -t tmpfs -o mode=755 none /run; mount -t tmpfs -o mode=755 none {}; ip link set lo up; exec \"$@\"",
        covered()
    ));
    process.arg("sh").arg(program).env("PATH", sh::search_path());
    // Covers the host's own directories, so that nothing of an installed wasm-cni is used or changed.
    process.env("WASM_CNI_CACHE_DIR", "/run/wasm-cni/cache").env_remove("WASM_CNI_STATE_DIR");
    Ok(process)
}

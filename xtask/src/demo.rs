//! `cargo xtask demo`: a session with an attachment, in namespaces that end with it.

use crate::workspace::Workspace;
use crate::{dist, machine, netns};
use anyhow::Result;
use std::path::Path;

/// Installs what is missing, builds, and runs `demo.sh`; an error if any step of it fails.
pub fn run() -> Result<()> {
    machine::ensure_packages(&[machine::IPTABLES, machine::IP, machine::PING, machine::UNSHARE])?;
    let dist = dist::build_demo(&Workspace::read()?)?;
    println!(
        "built with profile demo: faster to build, slower to run; `cargo xtask dist` builds what you install"
    );
    play(&dist)
}

/// Runs `demo.sh` with the files of a directory.
pub fn play(dist: &Path) -> Result<()> {
    let mut session = netns::process(dist, "sh".as_ref())?;
    session.args(["-euc", include_str!("demo.sh"), "demo"]).env("DIST", dist);
    let status = session.status()?;
    // The message leaves the script out; the failed step is the last thing on the screen.
    anyhow::ensure!(status.success(), "the demo failed: {status}");
    Ok(())
}

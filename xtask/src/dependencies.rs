//! Checks our dependencies with cargo-deny against `deny.toml`.

use crate::sh;
use crate::workspace::Workspace;
use anyhow::{Context, Result};

/// The version to install if there is none.
const CARGO_DENY: &str = "cargo-deny@0.20.2";

/// The fuzzers, a workspace of their own.
const FUZZ: &str = "fuzz/Cargo.toml";

/// Licences, bans and sources.
pub fn check(workspace: &Workspace) -> Result<()> {
    ensure_cargo_deny(workspace)?;
    // The rules of each workspace are in the nearest `deny.toml` above it.
    for manifest in ["Cargo.toml", FUZZ] {
        let mut deny = workspace.cargo(&["deny", "--manifest-path", manifest, "check"]);
        sh::run(deny.args(["--hide-inclusion-graph", "licenses", "bans", "sources"]))?;
    }
    Ok(())
}

/// Fetches the advisory database. If it is not reachable, prints a line and returns false.
pub fn fetch_advisories(workspace: &Workspace) -> bool {
    let fetch = ensure_cargo_deny(workspace)
        .and_then(|()| sh::run(&mut workspace.cargo(&["deny", "--log-level", "off", "fetch", "db"])));
    if let Err(error) = &fetch {
        eprintln!("advisories are NOT checked, their database can't be had here: {error:#}");
    }
    fetch.is_ok()
}

/// Known vulnerabilities and yanked versions, from the fetched database.
pub fn check_advisories(workspace: &Workspace) -> Result<()> {
    sh::run(&mut workspace.cargo(&["deny", "check", "--disable-fetch", "advisories"]))
}

/// Installs cargo-deny. An unoptimised build is several times faster, and its checks still take two seconds.
fn ensure_cargo_deny(workspace: &Workspace) -> Result<()> {
    if sh::succeeds(&mut workspace.cargo(&["deny", "--version"])) {
        return Ok(());
    }
    eprintln!("cargo-deny is missing: installing it");
    let mut install = workspace.cargo(&["install", "--locked", "--debug", CARGO_DENY]);
    sh::run(install.env_remove("CARGO_TARGET_DIR"))
        .context("cargo-deny is missing and could not be installed")
}

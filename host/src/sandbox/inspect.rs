//! What a component is, without running it.

use super::cache::{Cache, CodeError};
use super::manifest::Manifest;
use serde::Serialize;
use std::fs::File;
use std::path::Path;

/// What `wasm-cni inspect` shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Inspection {
    /// SHA-256 of the component, lower-case hexadecimal.
    pub digest: String,
    /// What it imports, exports and declares.
    #[serde(flatten)]
    pub manifest: Manifest,
}

/// Reads a component's digest and manifest; a dry cache stores nothing.
pub fn inspect(cache: &Cache, component: &Path) -> Result<Inspection, CodeError> {
    let file = File::open(component).map_err(CodeError::Read)?;
    let code = cache.code(&file, None)?;
    Ok(Inspection { digest: code.digest, manifest: code.manifest })
}

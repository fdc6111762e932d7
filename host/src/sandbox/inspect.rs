//! Describes a component without running it.

use super::cache::{Cache, CodeError};
use super::manifest::Manifest;
use serde::Serialize;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

/// The data that `wasm-cni inspect` shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Inspection {
    /// SHA-256 of the component, in lower-case hexadecimal.
    pub digest: String,
    /// The imports, exports and declarations of the component.
    #[serde(flatten)]
    pub manifest: Manifest,
}

/// Reads the digest and the manifest of a component. A dry cache stores nothing.
pub fn inspect(cache: &Cache, component: &Path) -> Result<Inspection, CodeError> {
    let file = File::open(component).map_err(CodeError::Read)?;
    let code = cache.code(&file, None)?;
    Ok(Inspection { digest: code.digest, manifest: Arc::unwrap_or_clone(code.manifest) })
}

//! The manifest of a component: what the host knows without running it. `wasm-cni-compile` includes this file by its
//! path, because it writes what the host reads.

use super::Kind;
use serde::{Deserialize, Deserializer, Serialize, de};

/// The version of the contract that this build implements. A component for any `0.1.x` is accepted if this build has
/// all functions that it imports.
pub const INTERFACE: &str = "wasm-cni:plugin@0.1.0";

/// The name of the custom section with a [`Declaration`] as JSON, in the component or in one nested in it.
pub const SECTION: &str = "wasm-cni";

/// The declaration of a plugin in the section [`SECTION`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Declaration {
    /// The kind of the plugin.
    pub kind: Kind,
    /// The type of a shipped plugin that it claims to be, whatever its file's name.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub claimed_type: Option<String>,
    /// The supported versions of the CNI specification.
    #[serde(deserialize_with = "versions")]
    pub cni_versions: Vec<String>,
}

/// The imports, exports and declarations of a component, read from its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Package and version of the contract: [`INTERFACE`].
    pub interface: String,
    /// The kind of the plugin.
    pub kind: Kind,
    /// See [`Declaration::claimed_type`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed_type: Option<String>,
    /// The supported versions of the CNI specification.
    #[serde(deserialize_with = "versions")]
    pub cni_versions: Vec<String>,
    /// The imported functions except those of WASI, sorted: `links.[static]link.bridge`.
    pub imports: Vec<String>,
    /// The imported interfaces of WASI, sorted: `wasi:cli/stderr@0.2.6`.
    pub wasi: Vec<String>,
    /// The exported verbs, sorted: `add`.
    pub exports: Vec<String>,
}

/// Versions of the specification. `noop`, a plugin for tests of runtimes, has `0.-42.0`.
fn versions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let versions = Vec::<String>::deserialize(deserializer)?;
    let is_version = |version: &&String| {
        !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit() || b".-".contains(&byte))
    };
    match versions.iter().find(|version| !is_version(version)) {
        Some(version) => Err(de::Error::custom(format!(
            "the CNI version {version:?} has more than digits, dots and minus"
        ))),
        None => Ok(versions),
    }
}

impl Manifest {
    /// Whether the component reserves addresses in a lease store.
    pub fn keeps_leases(&self) -> bool {
        self.imports.iter().any(|function| function == "leases.[method]store.reserve")
    }

    /// Whether the component can delegate to another plugin.
    pub fn delegates(&self) -> bool {
        self.imports.iter().any(|function| function == "delegate.add")
    }

    /// Whether the component exports `status`.
    pub fn has_status(&self) -> bool {
        self.exports.iter().any(|verb| verb == "status")
    }
}

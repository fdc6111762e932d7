//! What is known of a component without running it. `wasm-cni-compile` includes this file by its path: it writes what the
//! host reads.

use serde::{Deserialize, Serialize};

/// The contract that this build speaks; a component of any `0.1.x` is told by its functions.
pub const INTERFACE: &str = "wasm-cni:plugin@0.1.0";

/// The custom section of a component, at whatever depth, with [`Declaration`] as JSON.
pub const SECTION: &str = "wasm-cni";

/// What a plugin is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It makes an interface: `bridge`.
    Main,
    /// It is delegated to for addresses: `host-local`.
    Ipam,
    /// It changes what an earlier one made: `portmap`.
    Chained,
}

/// What a plugin says of itself, in the section [`SECTION`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Declaration {
    /// What it is for.
    pub kind: Kind,
    /// The versions of the specification that it supports.
    pub cni_versions: Vec<String>,
}

/// A component's capabilities and promises, read from its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Package and version of the contract: [`INTERFACE`].
    pub interface: String,
    /// What it is for.
    pub kind: Kind,
    /// The versions of the specification that it supports.
    pub cni_versions: Vec<String>,
    /// The functions that it imports, sorted: `links.[static]link.bridge`; WASI apart.
    pub imports: Vec<String>,
    /// The interfaces of WASI that it imports, sorted: `wasi:cli/stderr@0.2.6`.
    pub wasi: Vec<String>,
    /// The verbs that it exports, sorted: `add`.
    pub exports: Vec<String>,
}

impl Manifest {
    /// Whether it takes addresses from a lease store.
    pub fn keeps_leases(&self) -> bool {
        self.imports.iter().any(|function| function == "leases.[method]store.reserve")
    }

    /// Whether it can delegate to another plugin.
    pub fn delegates(&self) -> bool {
        self.imports.iter().any(|function| function == "delegate.add")
    }

    /// Whether it has the verb `status`.
    pub fn has_status(&self) -> bool {
        self.exports.iter().any(|verb| verb == "status")
    }
}

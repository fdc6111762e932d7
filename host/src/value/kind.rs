//! The kind of a plugin. `wasm-cni-compile` includes this file by its path, because it writes what the host reads.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The kind of a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The plugin creates an interface: `bridge`.
    Main,
    /// The plugin assigns addresses for a plugin that delegates to it: `host-local`.
    Ipam,
    /// The plugin changes what an earlier plugin made: `portmap`.
    Chained,
}

impl fmt::Display for Kind {
    /// As in the manifest.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Main => "main",
            Kind::Ipam => "ipam",
            Kind::Chained => "chained",
        })
    }
}

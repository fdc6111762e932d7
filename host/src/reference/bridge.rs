//! The type `bridge` (plugins/main/bridge in containernetworking/plugins).

use super::Type;

/// The default name of the bridge.
pub const TYPE: Type = Type { links: &["cni0"], ..Type::OTHER };

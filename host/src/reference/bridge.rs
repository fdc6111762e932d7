//! bridge.

use super::Type;

/// Its bridge has a name where the configuration gives none.
pub const TYPE: Type = Type { links: &["cni0"], ..Type::OTHER };

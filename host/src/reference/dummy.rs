//! The type `dummy` (plugins/main/dummy in containernetworking/plugins).

use super::Type;

/// The link in the container is of kind `dummy`.
pub const TYPE: Type =
    Type { inside: "dummy", no_previous: "dummy: Required prevResult missing", ..Type::OTHER };

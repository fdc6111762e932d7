//! dummy.

use super::Type;

/// Its link in the container has no other end.
pub const TYPE: Type =
    Type { inside: "dummy", no_previous: "dummy: Required prevResult missing", ..Type::OTHER };

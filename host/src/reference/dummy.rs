//! The type `dummy` (plugins/main/dummy in containernetworking/plugins).

use super::{Type, kinds};
use crate::policy::Capability;
use crate::value::Kind;

/// The link in the container is of kind `dummy`.
pub const TYPE: Type = Type {
    kind: Some(Kind::Main),
    capabilities: Some(&[kinds::LINKS, &[Capability::Delegate]]),
    keys: Some(&[]),
    is_gateway: |_| false,
    makes_pairs: false,
    inside: "dummy",
    no_previous: "dummy: Required prevResult missing",
    ..Type::OTHER
};

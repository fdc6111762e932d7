//! The type `dummy` (plugins/main/dummy in containernetworking/plugins).

use super::Type;
use crate::policy::Capability;
use crate::value::Kind;

/// The link in the container is of kind `dummy`.
pub const TYPE: Type = Type {
    kind: Some(Kind::Main),
    capabilities: Some(&[
        Capability::Links,
        Capability::Addresses,
        Capability::Routes,
        Capability::Sysctls,
        Capability::Delegate,
        Capability::Observe,
    ]),
    keys: Some(&[]),
    is_gateway: |_| false,
    makes_pairs: false,
    inside: "dummy",
    no_previous: "dummy: Required prevResult missing",
    ..Type::OTHER
};

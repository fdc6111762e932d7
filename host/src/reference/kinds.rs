//! What a plugin of each kind may use by default, whatever its type.

use crate::cni::named::{Names, NamingKey};
use crate::policy::Capability;
use crate::value::Kind;

/// What every plugin that makes or changes links needs.
pub const LINKS: &[Capability] =
    &[Capability::Links, Capability::Addresses, Capability::Routes, Capability::Sysctls, Capability::Observe];

/// The capabilities of a kind, in groups.
pub fn capabilities(kind: Kind) -> &'static [&'static [Capability]] {
    match kind {
        Kind::Main => &[LINKS, &[Capability::Delegate, Capability::Nat]],
        Kind::Ipam => &[&[Capability::Leases, Capability::Observe]],
        Kind::Chained => &[LINKS],
    }
}

/// The keys of a configuration that name something for a plugin of a kind. For a main plugin, those of its IPAM plugin
/// are added.
pub fn keys(kind: Kind) -> &'static [NamingKey] {
    match kind {
        Kind::Main => &[
            NamingKey { path: "bridge", names: Names::Link("") },
            NamingKey { path: "master", names: Names::Link("") },
        ],
        // What whoever starts the container chooses must be leased from a range of the configuration.
        Kind::Ipam => &[
            NamingKey { path: "runtimeConfig.ipRanges", names: Names::RangeSets },
            NamingKey { path: "ipam", names: Names::Range },
            NamingKey { path: "ipam.ranges", names: Names::RangeSets },
            NamingKey { path: "ipam.addresses", names: Names::Addresses },
        ],
        Kind::Chained => &[],
    }
}

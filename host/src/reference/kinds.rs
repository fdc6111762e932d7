//! What a plugin of each kind may use by default, whatever its type.

use crate::cni::named::{Names, NamingKey};
use crate::policy::Capability;
use crate::value::Kind;

/// The capabilities of a kind.
pub fn capabilities(kind: Kind) -> &'static [Capability] {
    use Capability::{Addresses, Delegate, Leases, Links, Nat, Observe, Routes, Sysctls};
    match kind {
        Kind::Main => &[Links, Addresses, Routes, Sysctls, Nat, Delegate, Observe],
        Kind::Ipam => &[Leases, Observe],
        Kind::Chained => &[Links, Addresses, Routes, Sysctls, Observe],
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

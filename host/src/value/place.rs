//! Where things are kept on the host unless a configuration says otherwise: as the reference does, and as the contract tells plugins.

/// Lease stores, one directory a network.
pub const LEASES: &str = "/var/lib/cni/networks";

/// What links had before a plugin changed them.
pub const SAVED_LINKS: &str = "/run/cni/tuning";

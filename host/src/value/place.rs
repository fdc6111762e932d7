//! Default directories on the host: those of the reference, which the contract promises to plugins.

/// The lease stores, one subdirectory per network.
pub const LEASES: &str = "/var/lib/cni/networks";

/// The saved attributes of links that plugins changed.
pub const SAVED_LINKS: &str = "/run/cni/tuning";

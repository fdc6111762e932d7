//! Rules of `nat`, through `iptables-restore`: one transaction per family.

pub mod masquerade;
pub mod restore;
pub mod rule;

pub use restore::Family;

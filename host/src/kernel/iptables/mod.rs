//! Rules of `nat`, through `iptables-restore`: one transaction per family.

pub mod masquerade;
pub mod restore;
pub mod rule;

pub use restore::Family;

/// Whether there is an `iptables` on the search path.
pub fn is_installed() -> bool {
    super::on_path("iptables-restore")
}

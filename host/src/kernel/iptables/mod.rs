//! Rules of `nat` and `filter`, through `iptables-restore`: one transaction per family.

mod change;
pub mod filter;
pub mod masquerade;
mod part;
pub mod portmap;
pub mod restore;
pub mod rule;

pub use restore::Family;

/// Whether there is an `iptables` on the search path.
pub fn is_installed() -> bool {
    super::on_path("iptables-restore")
}

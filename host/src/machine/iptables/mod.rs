//! Rules of `nat` and `filter`, of the nft variant over netlink, else through `iptables-restore`: one transaction per family.

mod change;
pub mod filter;
pub mod masquerade;
mod nat;
mod nf_tables;
mod part;
pub mod portmap;
pub mod restore;
pub mod rule;

pub use restore::Family;

/// Whether there is an `iptables` on the search path.
pub fn is_installed() -> bool {
    super::on_path("iptables-restore")
}

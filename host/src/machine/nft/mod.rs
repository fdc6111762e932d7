//! Rules of nftables, through `nft`: a listing, then one transaction.

pub mod masquerade;
pub mod portmap;
mod process;
pub mod source_mac;
mod table;

/// Whether there is an `nft` on the search path.
pub fn is_installed() -> bool {
    super::on_path("nft")
}

//! Rules of nftables, through `nft`: one transaction per call.

pub mod masquerade;
pub mod source_mac;

/// Whether there is an `nft` on the search path.
pub fn is_installed() -> bool {
    super::on_path("nft")
}

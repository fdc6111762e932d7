//! Port maps.

mod iptables;
mod nft;

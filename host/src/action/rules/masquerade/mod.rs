//! Masquerading: packets of a container get the host's address as their source.

pub mod iptables;
pub mod nft;

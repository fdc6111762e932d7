//! Masquerading: addresses of a container behind those of the host.

pub mod iptables;
pub mod nft;

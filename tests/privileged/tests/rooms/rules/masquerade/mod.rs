//! Masquerading.

mod iptables;
mod nft;

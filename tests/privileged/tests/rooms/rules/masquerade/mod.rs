//! Rooms that hide an address behind the host's.

mod iptables;
mod nft;

//! Rooms that lead ports of the host to a container.

mod iptables;
mod nft;

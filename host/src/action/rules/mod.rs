//! Rules of packet filters.

pub mod filter;
pub mod masquerade;
pub mod port_map;
pub mod source_mac;
#[cfg(test)]
mod testing;

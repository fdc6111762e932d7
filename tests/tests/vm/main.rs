//! What takes VLAN filtering or dummy links, which small kernels are built without: `cargo xtask vm` runs these under Debian's.

mod check;
mod differential;
mod dummy;
mod failure;
mod gateway;
mod journal_v1;
mod network;
mod port;
mod repair;

//! Tests that need VLAN filtering or dummy links, which small kernels do not have: `cargo xtask vm` runs them under
//! Debian's kernel.

mod check;
mod differential;
mod dummy;
mod failure;
mod gateway;
mod journal_v1;
mod network;
mod port;
mod repair;

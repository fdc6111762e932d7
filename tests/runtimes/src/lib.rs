//! Nodes on which a real runtime starts real containers, with wasm-cni for the network.

pub mod containerd;
pub mod cri;
pub mod image;
pub mod node;
pub mod podman;

pub use node::Node;

//! host-local: assigns addresses from the ranges of the configuration, and keeps the leases in files on this machine.

mod order;

use wasm_cni_sdk::{Error, ipam};

wasm_cni_sdk::plugin!(kind: Ipam, type: "host-local", versions: wasm_cni_sdk::ALL_VERSIONS, add: add, status: ipam::status);

fn add() -> Result<(), Error> {
    ipam::add(order::next)
}

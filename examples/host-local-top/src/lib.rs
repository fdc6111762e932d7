//! A host-local that allocates addresses from the top of the range.
//!
//! Copied over `host-local.wasm`, it changes only the choice of addresses. Configuration, lease files and error texts
//! are those of host-local.

use std::net::IpAddr;
use wasm_cni_sdk::ipam::{self, Free, RangeSet, Span};
use wasm_cni_sdk::{ALL_VERSIONS, Error};

wasm_cni_sdk::plugin!(kind: Ipam, versions: ALL_VERSIONS, add: add, status: ipam::status);

fn add() -> Result<(), Error> {
    ipam::add(highest)
}

/// The highest free address; the address that was allocated last does not matter.
fn highest(set: &RangeSet, _last: Option<IpAddr>, free: &Free) -> Option<IpAddr> {
    set.ranges().iter().rev().find_map(|range| free.highest(Span::of(range)))
}

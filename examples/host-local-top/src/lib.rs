//! A host-local that hands out addresses from the top of the range.
//!
//! Copied over `host-local.wasm` it changes how addresses are chosen, and nothing else: configuration, lease files and
//! the texts of errors stay host-local's.

use std::net::IpAddr;
use wasm_cni_sdk::ipam::{self, Free, RangeSet, Span};
use wasm_cni_sdk::{ALL_VERSIONS, Error};

wasm_cni_sdk::plugin!(kind: Ipam, versions: ALL_VERSIONS, add: add, status: ipam::status);

fn add() -> Result<(), Error> {
    ipam::add(highest)
}

/// The highest free address, whatever was given last.
fn highest(set: &RangeSet, _last: Option<IpAddr>, free: &Free) -> Option<IpAddr> {
    set.ranges().iter().rev().find_map(|range| free.highest(Span::of(range)))
}

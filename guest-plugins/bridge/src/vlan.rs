//! VLANs: the VLANs of the bridge port, and the gateway in a VLAN.

use super::config::Config;
use wasm_cni_sdk::links::Link;

/// The VLAN of untagged frames on a trunk, if the configuration names none. The reference uses 1.
const DEFAULT: u16 = 1;

/// Adds the port to its VLANs, and switches VLAN filtering on for a new bridge.
pub fn assign(config: &Config, bridge: &Link, port: &Link) {
    let trunk = config.vlan_trunk.as_deref();
    // An empty list switches filtering on too, as in the reference.
    if config.vlan.is_some() || trunk.is_some() {
        bridge.set_vlan_filtering(true);
    }
    let tagged = trunk.unwrap_or_default();
    if config.vlan.is_none() && tagged.is_empty() {
        return;
    }
    if !config.preserve_default_vlan {
        port.drop_default_vlans();
    }
    if let Some(vid) = config.vlan {
        port.add_native_vlan(vid);
    }
    for (first, last) in tagged {
        port.add_tagged_vlans(*first, *last);
    }
    if config.vlan.is_none() {
        port.add_native_vlan(DEFAULT);
    }
}

/// The name of the link that gets the addresses of the gateways.
pub fn gateway_name(config: &Config) -> String {
    match config.vlan {
        Some(vid) => format!("{}.{vid}", config.bridge),
        None => config.bridge.clone(),
    }
}

/// The reference's error text for a gateway address that cannot be set.
pub fn failed_gateway(config: &Config) -> &'static str {
    match config.vlan {
        Some(_) => "failed to set vlan interface for bridge with addr",
        None => "failed to set bridge addr",
    }
}

/// Records the gateway interface in the container's VLAN. `None` if the configuration names no VLAN.
pub fn gateway(config: &Config, bridge: &Link) -> Option<Link> {
    let gateway = Link::vlan_gateway(bridge, config.vlan?);
    if !config.preserve_default_vlan {
        gateway.peer().drop_default_vlans();
    }
    Some(gateway)
}

//! VLANs: which ones the port is in, and where the gateway is.

use super::config::Config;
use wasm_cni_sdk::links::Link;

/// The VLAN of frames without a tag on a trunk for which the configuration names none, as in the reference.
const DEFAULT: u16 = 1;

/// Puts the port into its VLANs, and lets a bridge that is made tell them apart.
pub fn assign(config: &Config, bridge: &Link, port: &Link) {
    let trunk = config.vlan_trunk.as_deref();
    // An empty list counts too, as in the reference.
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

/// The link that gets the gateways' addresses.
pub fn gateway_name(config: &Config) -> String {
    match config.vlan {
        Some(vid) => format!("{}.{vid}", config.bridge),
        None => config.bridge.clone(),
    }
}

/// The reference's words for a gateway's address that cannot be set.
pub fn failed_gateway(config: &Config) -> &'static str {
    match config.vlan {
        Some(_) => "failed to set vlan interface for bridge with addr",
        None => "failed to set bridge addr",
    }
}

/// The gateway in the container's VLAN, if it has one.
pub fn gateway(config: &Config, bridge: &Link) -> Option<Link> {
    let gateway = Link::vlan_gateway(bridge, config.vlan?);
    if !config.preserve_default_vlan {
        gateway.peer().drop_default_vlans();
    }
    Some(gateway)
}

//! VLANs: which ones the port is in, and where the gateway is.

use super::config::Config;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use wasm_cni_sdk::links::Link;

/// The VLAN of frames without a tag on a trunk for which the configuration names none, as in the reference.
const DEFAULT: u16 = 1;

/// The IDs that a VLAN can have.
const IDS: RangeInclusive<i64> = 1..=4094;

/// An entry of `vlanTrunk`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Trunk {
    #[serde(rename = "minID")]
    min: Option<i64>,
    #[serde(rename = "maxID")]
    max: Option<i64>,
    id: Option<i64>,
}

/// The VLANs that entries name, ascending, as ranges without neighbours.
///
/// # Errors
/// The reference's texts, of the first thing that makes no sense.
pub fn collect(entries: &[Trunk]) -> Result<Vec<(u16, u16)>, &'static str> {
    let mut vids = BTreeSet::new();
    for entry in entries {
        match (entry.min, entry.max) {
            (Some(min), Some(max)) => {
                let first = vid(min).ok_or("incorrect trunk minID parameter")?;
                let last = vid(max).ok_or("incorrect trunk maxID parameter")?;
                if first > last {
                    return Err("minID is greater than maxID in trunk parameter");
                }
                vids.extend(first..=last);
            }
            (None, Some(_)) => {
                return Err("minID and maxID should be configured simultaneously, minID is missing");
            }
            (Some(_), None) => {
                return Err("minID and maxID should be configured simultaneously, maxID is missing");
            }
            (None, None) => {}
        }
        if let Some(id) = entry.id {
            vids.insert(vid(id).ok_or("incorrect trunk id parameter")?);
        }
    }
    let mut ranges: Vec<(u16, u16)> = Vec::new();
    for vid in vids {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == vid => *last = vid,
            _ => ranges.push((vid, vid)),
        }
    }
    Ok(ranges)
}

fn vid(id: i64) -> Option<u16> {
    u16::try_from(id).ok().filter(|_| IDS.contains(&id))
}

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

#[cfg(test)]
mod tests {
    use super::*;

    fn collected(json: &str) -> Result<Vec<(u16, u16)>, String> {
        let config = Config::parse(&format!(r#"{{"vlanTrunk": {json}}}"#), "");
        config.map(|config| config.vlan_trunk.expect("it was given")).map_err(|error| error.msg)
    }

    #[test]
    fn trunks_are_sorted_and_merged() {
        assert_eq!(collected("[]"), Ok(vec![]));
        assert_eq!(collected("[{}]"), Ok(vec![]));
        let json = r#"[{"minID": 200, "maxID": 210}, {"id": 101}, {"id": 205}, {"id": 211}, {"minID": 4094, "maxID": 4094, "id": 1}]"#;
        assert_eq!(collected(json), Ok(vec![(1, 1), (101, 101), (200, 211), (4094, 4094)]));
        assert_eq!(collected(r#"[{"minID": 1, "maxID": 4094}, {"id": 7}]"#), Ok(vec![(1, 4094)]));
    }

    #[test]
    fn refusals_have_the_texts_of_the_reference() {
        for (json, text) in [
            (r#"[{"minID": 0, "maxID": 10}]"#, "incorrect trunk minID parameter"),
            (r#"[{"minID": 4095, "maxID": 5000}]"#, "incorrect trunk minID parameter"),
            (r#"[{"minID": 1, "maxID": 4095}]"#, "incorrect trunk maxID parameter"),
            (r#"[{"minID": 1, "maxID": -1}]"#, "incorrect trunk maxID parameter"),
            (r#"[{"minID": 10, "maxID": 5}]"#, "minID is greater than maxID in trunk parameter"),
            (r#"[{"maxID": 5}]"#, "minID and maxID should be configured simultaneously, minID is missing"),
            (r#"[{"minID": 5}]"#, "minID and maxID should be configured simultaneously, maxID is missing"),
            (r#"[{"id": 0}]"#, "incorrect trunk id parameter"),
            (r#"[{"id": 65541}]"#, "incorrect trunk id parameter"),
            (r#"[{"id": 7}, {"id": 4095}]"#, "incorrect trunk id parameter"),
            (r#"[{"minID": 0, "maxID": 1, "id": 0}]"#, "incorrect trunk minID parameter"),
        ] {
            assert_eq!(collected(json), Err(text.to_owned()), "{json}");
        }
    }
}

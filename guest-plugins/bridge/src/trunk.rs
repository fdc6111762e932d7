//! `vlanTrunk`: the VLANs whose frames keep their tag.

use serde::Deserialize;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

/// The valid VLAN IDs.
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

/// The VLANs that the entries name, in ascending order, as ranges. Adjacent ranges are merged.
///
/// # Errors
/// The first invalid entry is an error with the reference's text.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn collected(json: &str) -> Result<Vec<(u16, u16)>, String> {
        let entries: Vec<Trunk> = wasm_cni_sdk::config::parse(json).expect(json);
        collect(&entries).map_err(str::to_owned)
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

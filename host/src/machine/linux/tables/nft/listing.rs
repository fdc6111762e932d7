//! The output of `nft -j list table` (`libnftables-json(5)`).

use crate::machine::rules::nftables::{Listing, Rule};
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Deserialize)]
struct Document {
    nftables: Vec<Map<String, Value>>,
}

#[derive(Deserialize)]
struct ListedChain {
    name: String,
}

#[derive(Deserialize)]
struct ListedRule {
    chain: String,
    handle: u64,
    #[serde(default)]
    comment: Option<String>,
    #[serde(rename = "expr")]
    statements: Vec<Value>,
}

/// Parses the listing of an existing table.
pub fn decode(text: &str) -> Result<Listing, serde_json::Error> {
    let mut table = Listing { exists: true, ..Listing::default() };
    for (kind, value) in serde_json::from_slice::<Document>(text.as_bytes())?.nftables.into_iter().flatten() {
        match kind.as_str() {
            "metainfo" | "table" => {}
            "chain" => table.chains.push(serde_json::from_value::<ListedChain>(value)?.name),
            "rule" => {
                let ListedRule { chain, handle, comment, statements } = serde_json::from_value(value)?;
                table.rules.push(Rule { chain, handle: Some(handle), comment, statements });
            }
            _ => table.has_others = true,
        }
    }
    Ok(table)
}

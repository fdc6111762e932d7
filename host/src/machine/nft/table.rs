//! What `nft -j list table` prints, as far as our rules go (`libnftables-json(5)`).

use serde::Deserialize;
use serde_json::{Map, Value};

/// A table; the default is one that is not there.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    /// Whether it is there.
    pub exists: bool,
    /// All chains, in order.
    pub chains: Vec<String>,
    /// All rules, in order.
    pub rules: Vec<Rule>,
    /// Whether it has anything else: a set, a map, a counter.
    pub has_others: bool,
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Rule {
    /// The chain that it is in.
    pub chain: String,
    /// What deletes it.
    pub handle: u64,
    /// None, if it has no comment.
    #[serde(default)]
    pub comment: Option<String>,
    /// Its statements.
    #[serde(rename = "expr")]
    pub statements: Value,
}

#[derive(Deserialize)]
struct Document {
    nftables: Vec<Map<String, Value>>,
}

#[derive(Deserialize)]
struct Chain {
    name: String,
}

impl Table {
    /// Reads a listing of one table that is there.
    pub fn decode(text: &str) -> Result<Self, serde_json::Error> {
        let mut table = Table { exists: true, ..Table::default() };
        for (kind, value) in
            serde_json::from_slice::<Document>(text.as_bytes())?.nftables.into_iter().flatten()
        {
            match kind.as_str() {
                "metainfo" | "table" => {}
                "chain" => table.chains.push(serde_json::from_value::<Chain>(value)?.name),
                "rule" => table.rules.push(serde_json::from_value(value)?),
                _ => table.has_others = true,
            }
        }
        Ok(table)
    }

    /// Whether it has a chain.
    pub fn has_chain(&self, name: &str) -> bool {
        self.chains.iter().any(|chain| chain == name)
    }

    /// The rules of a chain, in order.
    pub fn rules_of<'a>(&'a self, chain: &'a str) -> impl Iterator<Item = &'a Rule> {
        self.rules.iter().filter(move |rule| rule.chain == chain)
    }

    /// Whether a chain has these rules and no others, in this order.
    pub fn is_filled(&self, chain: &str, with: &[Value]) -> bool {
        self.rules_of(chain).map(|rule| &rule.statements).eq(with)
    }
}

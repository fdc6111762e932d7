//! The network configuration, parsed as leniently as Go parses JSON, because users depend on it.
//!
//! Keys match in any letter case: an exact match wins, then the last key in byte order. Unknown keys are ignored,
//! `null` keeps the default, and of duplicate keys the last one wins. Do not use `#[serde(flatten)]`: it hides the
//! names of the fields from this parser.

use crate::request;
use serde::Deserialize;
use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, Visitor,
};
use serde_json::Value;
use std::{fmt, vec};

/// Parses the configuration of the request.
pub fn load<T: DeserializeOwned>() -> Result<T, ConfigError> {
    parse(&request::config())
}

/// Parses a configuration from JSON.
pub fn parse<T: DeserializeOwned>(json: &str) -> Result<T, ConfigError> {
    let value =
        serde_json::from_str(json).map_err(|e| ConfigError { path: String::new(), text: e.to_string() })?;
    T::deserialize(Lenient(value))
}

/// `args` of a configuration. Plugins read its member `cni` (CONVENTIONS.md).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Args<T> {
    /// `cni`: arguments for every plugin.
    pub cni: T,
}

/// The reason why a configuration cannot be parsed: `ipam.subnet: invalid CIDR address: x`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    path: String,
    text: String,
}

impl ConfigError {
    fn within(self, field: &str) -> Self {
        let path = if self.path.is_empty() { field.to_owned() } else { format!("{field}.{}", self.path) };
        ConfigError { path, ..self }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() { f.write_str(&self.text) } else { write!(f, "{}: {}", self.path, self.text) }
    }
}

impl std::error::Error for ConfigError {}

impl de::Error for ConfigError {
    fn custom<T: fmt::Display>(text: T) -> Self {
        ConfigError { path: String::new(), text: text.to_string() }
    }
}

/// A JSON value that deserializes as in Go.
struct Lenient(Value);

impl<'de> Deserializer<'de> for Lenient {
    type Error = ConfigError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConfigError> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(value),
            Value::Number(value) => value.deserialize_any(visitor).map_err(de::Error::custom),
            Value::String(value) => visitor.visit_string(value),
            Value::Array(values) => visitor.visit_seq(SeqDeserializer::new(values.into_iter().map(Lenient))),
            Value::Object(map) => {
                visitor.visit_map(MapDeserializer::new(map.into_iter().map(|(k, v)| (k, Lenient(v)))))
            }
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ConfigError> {
        match self.0 {
            Value::Object(map) => visitor.visit_map(Fields::matching(map, fields)),
            Value::Null => visitor.visit_map(Fields::matching(serde_json::Map::new(), fields)),
            // A derived visitor would accept a list as the fields in their order.
            Value::Array(_) => Err(de::Error::invalid_type(de::Unexpected::Seq, &visitor)),
            other => Lenient(other).deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConfigError> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ConfigError> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq
        tuple tuple_struct map enum identifier ignored_any
    }
}

impl IntoDeserializer<'_, ConfigError> for Lenient {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// The entries of an object that match a field of a struct, under the name of the field.
struct Fields {
    rest: vec::IntoIter<(&'static str, Value)>,
    current: Option<(&'static str, Value)>,
}

impl Fields {
    fn matching(map: serde_json::Map<String, Value>, fields: &'static [&'static str]) -> Self {
        let exact: Vec<&str> = fields
            .iter()
            .copied()
            .filter(|field| map.get(*field).is_some_and(|value| !value.is_null()))
            .collect();
        let mut known: Vec<(&str, Value)> = Vec::new();
        for (key, value) in map {
            let Some(&field) = fields.iter().find(|field| field.eq_ignore_ascii_case(&key)) else { continue };
            if value.is_null() || (key != field && exact.contains(&field)) {
                continue;
            }
            match known.iter_mut().find(|(name, _)| *name == field) {
                Some(entry) => entry.1 = value,
                None => known.push((field, value)),
            }
        }
        Fields { rest: known.into_iter(), current: None }
    }
}

impl<'de> MapAccess<'de> for Fields {
    type Error = ConfigError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ConfigError> {
        self.current = self.rest.next();
        self.current.as_ref().map(|(field, _)| seed.deserialize((*field).into_deserializer())).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ConfigError> {
        let (field, value) = self.current.take().unwrap_or_default();
        seed.deserialize(Lenient(value)).map_err(|e| e.within(field))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Conf {
        name: String,
        mtu: u32,
        ip_masq: bool,
        ipam: Option<Ipam>,
        sysctl: BTreeMap<String, String>,
    }

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Ipam {
        ranges: Vec<Vec<Range>>,
    }

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Range {
        range_start: String,
    }

    impl Default for Conf {
        fn default() -> Self {
            Conf { name: "net".to_owned(), mtu: 7, ip_masq: false, ipam: None, sysctl: BTreeMap::new() }
        }
    }

    fn conf(json: &str) -> Conf {
        parse(json).expect(json)
    }

    #[test]
    fn keys_match_in_any_letter_case_at_every_depth() {
        let read = conf(r#"{"IPMASQ": true, "Ipam": {"RANGES": [[{"rangestart": "10.0.0.9"}]]}}"#);
        assert!(read.ip_masq);
        assert_eq!(read.ipam.expect("ipam").ranges[0][0].range_start, "10.0.0.9");
    }

    #[test]
    fn exact_key_wins_and_the_last_duplicate_wins() {
        assert_eq!(conf(r#"{"mtu": 1, "MTU": 2}"#).mtu, 1);
        assert_eq!(conf(r#"{"MTU": 2, "mtu": 1}"#).mtu, 1);
        assert_eq!(conf(r#"{"mtu": 1, "mtu": 2}"#).mtu, 2);
        assert_eq!(conf(r#"{"mtU": 3, "MTU": 1, "Mtu": 2}"#).mtu, 3, "the last in byte order");
        assert_eq!(conf(r#"{"MTU": 1, "mtu": null}"#).mtu, 1);
    }

    #[test]
    fn null_is_the_default_and_unknown_keys_are_ignored() {
        assert_eq!(conf(r#"{"name": null, "mtu": null, "ipam": null, "x": {"y": [1.5]}}"#), Conf::default());
    }

    #[test]
    fn keys_of_maps_stay_as_they_are() {
        assert_eq!(conf(r#"{"sysctl": {"Net.A": "1"}}"#).sysctl.keys().collect::<Vec<_>>(), ["Net.A"]);
    }

    #[test]
    fn errors_name_the_field() {
        let refusal = |json| parse::<Conf>(json).expect_err(json).to_string();
        assert_eq!(refusal(r#"{"mtu": "1500"}"#), r#"mtu: invalid type: string "1500", expected u32"#);
        assert_eq!(refusal(r#"{"mtu": 1500.0}"#), "mtu: invalid type: floating point `1500.0`, expected u32");
        assert_eq!(refusal(r#"{"ipam": []}"#), "ipam: invalid type: sequence, expected struct Ipam");
        assert_eq!(
            refusal(r#"{"ipam": {"ranges": [[{"rangeStart": 1}]]}}"#),
            "ipam.ranges.rangeStart: invalid type: integer `1`, expected a string"
        );
    }
}

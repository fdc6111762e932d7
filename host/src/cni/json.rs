//! JSON as Go reads it: member names in any letter case, and values with a required type.

use ipnetwork::IpNetwork;
use serde_json::{Map, Value};
use std::net::IpAddr;

/// An object.
pub type Object = Map<String, Value>;

/// The member with that key. It prefers an exact match, and otherwise ignores case and takes the last one in byte
/// order, as the SDK does for plugins. `null` counts as absent.
pub fn member<'a>(object: &'a Object, key: &str) -> Option<&'a Value> {
    let given = |value: &&Value| !value.is_null();
    object.get(key).filter(given).or_else(|| {
        let spelled = object.iter().filter(|(name, _)| name.eq_ignore_ascii_case(key));
        spelled.map(|(_, value)| value).rfind(given)
    })
}

/// A text member. `null` counts as absent. Every other type is an error, which is the name of the JSON type.
pub fn text_of(object: &Object, key: &str) -> Result<Option<String>, &'static str> {
    match member(object, key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(kind_of(other)),
    }
}

/// Go's name for the type of a value.
pub fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// A member, found as in Go. `None` if it is absent or `null`.
pub fn optional<T>(
    object: &Object,
    key: &str,
    read: impl Fn(&Value) -> Result<T, String>,
) -> Result<Option<T>, String> {
    match member(object, key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => read(value).map(Some).map_err(|e| format!("{key}: {e}")),
    }
}

/// A required member.
pub fn required<T>(
    object: &Object,
    key: &str,
    read: impl Fn(&Value) -> Result<T, String>,
) -> Result<T, String> {
    optional(object, key, read)?.ok_or_else(|| format!("{key} is missing"))
}

/// Parses a list whose items `read` parses.
pub fn list<T>(read: impl Fn(&Value) -> Result<T, String>) -> impl Fn(&Value) -> Result<Vec<T>, String> {
    move |value| {
        let list = value.as_array().ok_or_else(|| format!("{value} is no list"))?;
        list.iter().map(&read).collect()
    }
}

/// Parses an object.
pub fn as_object(value: &Value) -> Result<&Object, String> {
    value.as_object().ok_or_else(|| format!("{value} is no object"))
}

/// Parses a text.
pub fn text(value: &Value) -> Result<String, String> {
    value.as_str().map(str::to_owned).ok_or_else(|| format!("{value} is no text"))
}

/// Parses a number that fits into the type.
pub fn number<T: TryFrom<u64>>(value: &Value) -> Result<T, String> {
    let number = value.as_u64().and_then(|number| T::try_from(number).ok());
    number.ok_or_else(|| format!("{value} is no number that is allowed here"))
}

/// Parses a network and keeps host bits, as Go's `ParseCIDR`. An IPv4-mapped network becomes IPv4.
pub fn network(value: &Value) -> Result<IpNetwork, String> {
    let text = text(value)?;
    let parsed = || {
        let (address, length) = text.split_once('/')?;
        let length: u8 = length.bytes().all(|b| b.is_ascii_digit()).then(|| length.parse().ok())??;
        let address: IpAddr = address.parse().ok()?;
        match address.to_canonical() {
            v4 @ IpAddr::V4(_) if address.is_ipv6() => IpNetwork::new(v4, length.checked_sub(96)?).ok(),
            _ => IpNetwork::new(address, length).ok(),
        }
    };
    parsed().ok_or_else(|| format!("invalid CIDR address: {text}"))
}

/// Parses an address. Empty text is `None`.
pub fn address(value: &Value) -> Result<Option<IpAddr>, String> {
    let text = text(value)?;
    if text.is_empty() {
        return Ok(None);
    }
    let address: IpAddr = text.parse().map_err(|_| format!("invalid IP address: {text}"))?;
    Ok(Some(address.to_canonical()))
}

//! The CNI result of every version, encoded as the reference encodes it.

use super::json::member;
use super::{CniError, ErrorKind, previous, version};
use crate::value::{Dns, Interface, Ip, Report, Route};
use serde::Serialize;
use serde_json::{Map, Value};
use std::net::IpAddr;

/// A complete result: its links have names and MAC addresses from the kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CniResult {
    /// `interfaces`.
    pub interfaces: Vec<Interface>,
    /// `ips`.
    pub ips: Vec<Ip>,
    /// `routes`.
    pub routes: Vec<Route>,
    /// `dns`.
    pub dns: Dns,
}

/// Encodes a result as JSON with the indentation (four spaces), key order and escapes of the reference, without a
/// final newline.
pub fn encode(result: &CniResult, cni_version: &str) -> Result<String, CniError> {
    match cni_version {
        "0.1.0" | "0.2.0" => legacy(result, cni_version),
        "0.3.0" | "0.3.1" | "0.4.0" => Ok(go_json(&V04 {
            cni_version,
            interfaces: &result.interfaces,
            ips: result.ips.iter().map(V04Ip::from).collect(),
            routes: &result.routes,
            dns: &result.dns,
        })),
        _ => Ok(go_json(&current(result, cni_version))),
    }
}

/// Checks that a version can encode the report: before 0.3.0, a result needs an address.
pub fn check(report: &Report, cni_version: &str) -> Result<(), CniError> {
    check_ips(report.ips.is_empty() && report.with_addresses.is_empty(), cni_version)
}

fn check_ips(is_without: bool, cni_version: &str) -> Result<(), CniError> {
    if is_without && matches!(cni_version, "0.1.0" | "0.2.0") {
        return Err(CniError::new(ErrorKind::InvalidResult, "cannot convert: no valid IP addresses"));
    }
    Ok(())
}

/// Reduces the result of a delegate to what a version can encode, before the calling plugin gets it. Before 0.3.0,
/// these are the first address of each family, the routes of these families, and of each route destination and
/// gateway.
pub fn in_version(mut report: Report, cni_version: &str) -> Result<Report, CniError> {
    check(&report, cni_version)?;
    if matches!(cni_version, "0.1.0" | "0.2.0") {
        let first = |v4: bool| report.ips.iter().find(|ip| ip.address.is_ipv4() == v4).cloned();
        let (ip4, ip6) = (first(true), first(false));
        let routes = |ip: &Option<Ip>| -> Vec<Route> {
            let v4 = ip.as_ref().map(|ip| ip.address.is_ipv4());
            let routes = report.routes.iter().filter(|route| Some(route.dst.is_ipv4()) == v4);
            routes.map(|route| Route { gw: route.gw, ..Route::to(route.dst) }).collect()
        };
        report.routes = [routes(&ip4), routes(&ip6)].concat();
        report.ips = ip4.into_iter().chain(ip6).collect();
    }
    Ok(report)
}

/// Versions 0.3.0 to 0.4.0: keys in the order of declaration, and `dns` always present.
#[derive(Serialize)]
struct V04<'a> {
    #[serde(rename = "cniVersion")]
    cni_version: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    interfaces: &'a [Interface],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ips: Vec<V04Ip>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    routes: &'a [Route],
    dns: &'a Dns,
}

#[derive(Serialize)]
struct V04Ip {
    version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    interface: Option<usize>,
    address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway: Option<IpAddr>,
}

impl From<&Ip> for V04Ip {
    fn from(ip: &Ip) -> Self {
        V04Ip {
            version: if ip.address.is_ipv4() { "4" } else { "6" },
            interface: ip.interface,
            address: ip.address.to_string(),
            gateway: ip.gateway,
        }
    }
}

/// Versions 0.1.0 and 0.2.0: the first address of each family with the routes of that family, and `dns` always
/// present.
fn legacy(result: &CniResult, cni_version: &str) -> Result<String, CniError> {
    #[derive(Serialize)]
    struct Legacy<'a> {
        #[serde(rename = "cniVersion")]
        cni_version: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        ip4: Option<Family>,
        #[serde(skip_serializing_if = "Option::is_none")]
        ip6: Option<Family>,
        dns: &'a Dns,
    }
    #[derive(Serialize)]
    struct Family {
        ip: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        gateway: Option<IpAddr>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        routes: Vec<LegacyRoute>,
    }
    #[derive(Serialize)]
    struct LegacyRoute {
        dst: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        gw: Option<IpAddr>,
    }
    let family = |v4: bool| {
        let ip = result.ips.iter().find(|ip| ip.address.is_ipv4() == v4)?;
        let routes = result.routes.iter().filter(|route| route.dst.is_ipv4() == v4);
        let routes = routes.map(|route| LegacyRoute { dst: route.dst.to_string(), gw: route.gw }).collect();
        Some(Family { ip: ip.address.to_string(), gateway: ip.gateway, routes })
    };
    let (ip4, ip6) = (family(true), family(false));
    check_ips(result.ips.is_empty(), cni_version)?;
    Ok(go_json(&Legacy { cni_version, ip4, ip6, dns: &result.dns }))
}

/// Version 1.0.0 and later: keys sorted at every level, and empty values omitted.
fn current(result: &CniResult, cni_version: &str) -> Value {
    let sorted = |value| serde_json::to_value(value).unwrap_or(Value::Null);
    let mut object = Map::new();
    object.insert("cniVersion".into(), cni_version.into());
    if result.dns != Dns::default() {
        object.insert("dns".into(), sorted(serde_json::json!(result.dns)));
    }
    for (key, list) in [
        ("interfaces", serde_json::json!(result.interfaces)),
        ("ips", serde_json::json!(result.ips)),
        ("routes", serde_json::json!(result.routes)),
    ] {
        if list.as_array().is_some_and(|list| !list.is_empty()) {
            object.insert(key.into(), list);
        }
    }
    Value::Object(object)
}

/// Encodes JSON as Go does: indented by four spaces, and `<`, `>`, `&`, U+2028 and U+2029 escaped.
pub fn go_json(value: &impl Serialize) -> String {
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
    // Serializing our own types with text keys into memory cannot fail. If it did, the empty text would show it.
    if value.serialize(&mut serializer).is_err() {
        bytes.clear();
    }
    go_escape(&String::from_utf8_lossy(&bytes))
}

/// Converts a result of any version to another version. Drops what that version cannot encode.
pub fn convert(value: &Value, cni_version: &str) -> Result<Value, CniError> {
    let own = value.as_object().and_then(|object| member(object, "cniVersion")).and_then(Value::as_str);
    if own.is_some_and(|own| own == cni_version && version::ALL.contains(&own)) {
        return Ok(value.clone());
    }
    let report = previous::of_delegate(value, "0.1.0")?;
    let result = CniResult {
        interfaces: previous::interfaces(value)?,
        ips: report.ips,
        routes: report.routes,
        dns: report.dns,
    };
    let cni_version = if cni_version.is_empty() { "0.1.0" } else { cni_version };
    if !version::ALL.contains(&cni_version) {
        return Err(CniError::new(
            ErrorKind::InvalidResult,
            format!("unsupported CNI result version {cni_version:?}"),
        ));
    }
    serde_json::from_slice(encode(&result, cni_version)?.as_bytes())
        .map_err(|e| CniError::new(ErrorKind::Bug, format!("failed to convert the result: {e}")))
}

/// Escapes characters as Go does. In JSON they occur only inside strings, so they can be replaced everywhere.
pub fn go_escape(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                escaped.push_str(&format!("\\u{:04x}", u32::from(c)))
            }
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walkthrough() -> CniResult {
        let route = |dst: &str, gw: Option<&str>| Route {
            gw: gw.map(|gw| gw.parse().unwrap()),
            ..Route::to(dst.parse().unwrap())
        };
        CniResult {
            interfaces: vec![Interface {
                name: "eth12".into(),
                mac: "0a:58:0a:0f:14:02".into(),
                sandbox: "/n".into(),
            }],
            ips: vec![Ip {
                address: "10.15.20.2/24".parse().unwrap(),
                gateway: Some("10.15.20.1".parse().unwrap()),
                interface: Some(0),
            }],
            routes: vec![route("0.0.0.0/0", None), route("1.1.1.1/32", Some("10.15.20.1"))],
            dns: Dns::default(),
        }
    }

    #[test]
    fn each_version_has_the_shape_of_the_reference() {
        let text = |version| encode(&walkthrough(), version).unwrap();
        assert!(text("0.2.0").starts_with(
            "{\n    \"cniVersion\": \"0.2.0\",\n    \"ip4\": {\n        \"ip\": \"10.15.20.2/24\",\n        \
             \"gateway\": \"10.15.20.1\",\n        \"routes\": ["
        ));
        assert!(text("0.2.0").ends_with("},\n    \"dns\": {}\n}"));
        assert!(text("0.4.0").contains("{\n            \"version\": \"4\",\n            \"interface\": 0,"));
        assert!(text("1.0.0").contains(
            "{\n            \"mac\": \"0a:58:0a:0f:14:02\",\n            \"name\": \"eth12\",\n            \"sandbox\""
        ));
        assert!(!text("1.1.0").contains("dns"));
    }

    #[test]
    fn a_result_without_addresses_has_no_encoding_before_0_3_0() {
        let error = encode(&CniResult::default(), "0.2.0").unwrap_err();
        assert_eq!(error.msg, "cannot convert: no valid IP addresses");
    }

    #[test]
    fn an_encoded_result_is_decoded_in_every_version() {
        for version in version::ALL {
            let text = encode(&walkthrough(), version).unwrap();
            let report = previous::decode(&serde_json::from_str(&text).unwrap(), version).unwrap();
            assert_eq!(report.ips[0].address, walkthrough().ips[0].address, "{version}");
            assert_eq!(report.routes, walkthrough().routes, "{version}");
        }
    }

    #[test]
    fn an_old_version_keeps_only_the_fields_that_it_can_encode() {
        let ip = |text: &str| Ip { address: text.parse().unwrap(), gateway: None, interface: None };
        let route = |text: &str| Route { mtu: Some(1400), ..Route::to(text.parse().unwrap()) };
        let report = Report {
            ips: vec![ip("10.0.0.1/24"), ip("10.0.0.2/24")],
            routes: vec![route("fd00::/64"), route("10.1.0.0/16")],
            ..Report::default()
        };
        assert_eq!(in_version(report.clone(), "0.3.0").unwrap(), report);
        let old = in_version(report, "0.2.0").unwrap();
        assert_eq!(old.ips, [ip("10.0.0.1/24")]);
        assert_eq!(old.routes, [Route::to("10.1.0.0/16".parse().unwrap())]);
        assert_eq!(
            in_version(Report::default(), "0.2.0").unwrap_err().msg,
            "cannot convert: no valid IP addresses"
        );
    }

    #[test]
    fn html_characters_are_escaped_as_go_does() {
        assert_eq!(go_json(&"<&>\u{2028}"), "\"\\u003c\\u0026\\u003e\\u2028\"");
    }
}

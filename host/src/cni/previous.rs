//! Decodes a result of any version into today's shape: `prevResult`, and the result of a delegate.

use super::json::{Object, address, as_object, list, member, network, number, optional, required, text};
use super::{CniError, ErrorKind};
use crate::value::{Dns, Interface, Ip, Report, Route};
use serde_json::Value;

/// The versions of each shape. The first shape is also that of a result without a version. A result may have any
/// version of the expected shape.
const SHAPES: [&[&str]; 3] = [&["", "0.1.0", "0.2.0"], &["0.3.0", "0.3.1", "0.4.0"], &["1.0.0", "1.1.0"]];

/// Decodes `prevResult` of a configuration of that version (`version.ParsePrevResult` of the reference). Its links
/// are claims of earlier plugins, so they are passed on and not treated as links of this plan.
///
/// The result's version must have the same shape as the configuration's. A result without a version has the
/// configuration's.
pub fn decode(value: &Value, config_version: &str) -> Result<Report, CniError> {
    let report = read(value, config_version).map_err(|text| {
        CniError::new(ErrorKind::InvalidPrevResult, format!("could not parse prevResult: {text}"))
    })?;
    let has_interfaces = !SHAPES[0].contains(&config_version);
    let passed = if has_interfaces { interfaces(value)? } else { Vec::new() };
    Ok(Report { passed, ..report })
}

/// Decodes the result of a delegate. Its version is the one in it, otherwise the configuration's.
pub fn of_delegate(value: &Value, config_version: &str) -> Result<Report, CniError> {
    let own = value.as_object().and_then(|object| member(object, "cniVersion")).and_then(Value::as_str);
    let version = own.filter(|version| !version.is_empty()).unwrap_or(config_version);
    read(value, version).map_err(|text| CniError::new(ErrorKind::InvalidNativeResult, text))
}

/// The interfaces of `prevResult`. Versions before 0.3.0 have none.
pub fn interfaces(value: &Value) -> Result<Vec<Interface>, CniError> {
    let interface = |value: &Value| {
        let object = as_object(value)?;
        let part = |key| Ok::<_, String>(optional(object, key, text)?.unwrap_or_default());
        Ok(Interface { name: part("name")?, mac: part("mac")?, sandbox: part("sandbox")? })
    };
    let read = as_object(value).and_then(|object| optional(object, "interfaces", list(interface)));
    read.map(Option::unwrap_or_default).map_err(|text| {
        CniError::new(ErrorKind::InvalidPrevResult, format!("could not parse prevResult: {text}"))
    })
}

fn read(value: &Value, config_version: &str) -> Result<Report, String> {
    let object = value.as_object().ok_or("it is no object")?;
    let own = own_version(object, config_version)?;
    let shape = SHAPES.iter().find(|shape| shape.contains(&config_version));
    let shape = shape.ok_or_else(|| format!("unsupported CNI result version {config_version:?}"))?;
    if !shape.contains(&own) {
        let shape = shape.join(" ");
        return Err(format!("result type supports [{shape}] but unmarshalled CNIVersion is {own:?}"));
    }
    let mut report = Report { dns: optional(object, "dns", dns)?.unwrap_or_default(), ..Report::default() };
    if shape.contains(&"") {
        for key in ["ip4", "ip6"] {
            let Some((ip, routes)) = optional(object, key, family)? else { continue };
            report.ips.push(ip);
            report.routes.extend(routes);
        }
    } else {
        report.ips = optional(object, "ips", list(ip))?.unwrap_or_default();
        report.routes = optional(object, "routes", list(route))?.unwrap_or_default();
    }
    Ok(report)
}

/// The version that the reference finds. It adds the configuration's version as `CNIVersion` if that key is absent or
/// empty. Then, of all spellings of the key, it reads the last one in byte order, in which upper case comes first.
fn own_version<'a>(object: &'a Object, config_version: &'a str) -> Result<&'a str, String> {
    let injected = match object.get("CNIVersion").and_then(Value::as_str) {
        None | Some("") => config_version,
        Some(given) => given,
    };
    let mut version = injected;
    // The keys are sorted.
    for (key, value) in object.iter().filter(|(key, _)| key.eq_ignore_ascii_case("cniVersion")) {
        version = match value {
            Value::Null => version,
            Value::String(_) if key == "CNIVersion" => injected,
            Value::String(text) => text,
            other => return Err(format!("cniVersion: {other} is no text")),
        };
    }
    Ok(version)
}

/// `ip4` or `ip6` of the oldest shape.
fn family(value: &Value) -> Result<(Ip, Vec<Route>), String> {
    let object = as_object(value)?;
    let ip = Ip {
        address: required(object, "ip", network)?,
        gateway: optional(object, "gateway", address)?.flatten(),
        interface: None,
    };
    Ok((ip, optional(object, "routes", list(route))?.unwrap_or_default()))
}

fn ip(value: &Value) -> Result<Ip, String> {
    let object = as_object(value)?;
    Ok(Ip {
        address: required(object, "address", network)?,
        gateway: optional(object, "gateway", address)?.flatten(),
        interface: optional(object, "interface", number)?,
    })
}

fn route(value: &Value) -> Result<Route, String> {
    let object = as_object(value)?;
    Ok(Route {
        dst: required(object, "dst", network)?,
        gw: optional(object, "gw", address)?.flatten(),
        mtu: optional(object, "mtu", number)?.filter(is_set),
        advmss: optional(object, "advmss", number)?.filter(is_set),
        priority: optional(object, "priority", number)?.filter(is_set),
        table: optional(object, "table", number)?,
        scope: optional(object, "scope", number)?,
    })
}

/// Whether a number is set: in Go, an absent number is 0.
fn is_set(number: &u32) -> bool {
    *number != 0
}

fn dns(value: &Value) -> Result<Dns, String> {
    let object = as_object(value)?;
    let texts = |key| Ok::<_, String>(optional(object, key, list(text))?.unwrap_or_default());
    Ok(Dns {
        nameservers: texts("nameservers")?,
        domain: optional(object, "domain", text)?.filter(|domain| !domain.is_empty()),
        search: texts("search")?,
        options: texts("options")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cni::code;
    use serde_json::json;

    fn refusal(value: Value, config_version: &str) -> String {
        let error = decode(&value, config_version).unwrap_err();
        assert_eq!(error.code, code::INTERNAL);
        error.msg.strip_prefix("could not parse prevResult: ").unwrap().to_owned()
    }

    /// The texts of the portmap plugin in Debian, for the versions that it supports.
    #[test]
    fn a_result_of_another_shape_has_the_error_of_the_reference() {
        let other = |version| json!({"cniVersion": version});
        for (value, config_version, expected) in [
            (
                other("1.0.0"),
                "0.2.0",
                r#"result type supports [ 0.1.0 0.2.0] but unmarshalled CNIVersion is "1.0.0""#,
            ),
            (
                other("1.0.0"),
                "0.4.0",
                r#"result type supports [0.3.0 0.3.1 0.4.0] but unmarshalled CNIVersion is "1.0.0""#,
            ),
            (
                other("0.4.0"),
                "1.0.0",
                r#"result type supports [1.0.0 1.1.0] but unmarshalled CNIVersion is "0.4.0""#,
            ),
            (other(""), "1.0.0", r#"result type supports [1.0.0 1.1.0] but unmarshalled CNIVersion is """#),
        ] {
            assert_eq!(refusal(value, config_version), expected);
        }
        for (version, config_version) in
            [("1.1.0", "1.0.0"), ("0.3.0", "0.4.0"), ("", "0.2.0"), ("0.1.0", "0.2.0")]
        {
            assert_eq!(decode(&other(version), config_version), Ok(Report::default()));
        }
    }

    #[test]
    fn the_last_spelling_of_the_version_key_in_byte_order_wins() {
        let version = |value: Value| own_version(value.as_object().unwrap(), "1.0.0").map(str::to_owned);
        for (value, expected) in [
            (json!({}), "1.0.0"),
            (json!({"CNIVersion": "0.4.0"}), "0.4.0"),
            (json!({"CNIVersion": ""}), "1.0.0"),
            (json!({"CNIVersion": "0.4.0", "cniVersion": "1.1.0"}), "1.1.0"),
            (json!({"cNiVersion": "0.4.0"}), "0.4.0"),
            (json!({"CNIVersion": "0.4.0", "cniVersion": null}), "0.4.0"),
        ] {
            assert_eq!(version(value.clone()), Ok(expected.to_owned()), "{value}");
        }
        assert_eq!(refusal(json!({"cniVersion": 5}), "1.0.0"), "cniVersion: 5 is no text");
    }

    #[test]
    fn addresses_are_read_as_go_reads_them_and_keys_in_any_case() {
        let read = |ip: Value| Ok::<_, CniError>(decode(&json!({"IPS": [ip]}), "1.0.0")?.ips.remove(0));
        let mapped = read(json!({"Address": "::ffff:10.0.0.1/120", "GATEWAY": "", "interface": 0})).unwrap();
        assert_eq!(mapped, Ip { address: "10.0.0.1/24".parse().unwrap(), gateway: None, interface: Some(0) });
        for (ip, expected) in [
            (json!({"address": "10.0.0.1"}), "ips: address: invalid CIDR address: 10.0.0.1"),
            (
                json!({"address": "10.0.0.1/255.0.0.0"}),
                "ips: address: invalid CIDR address: 10.0.0.1/255.0.0.0",
            ),
            (json!({"address": ""}), "ips: address: invalid CIDR address: "),
            (json!({"address": "10.0.0.1/8", "gateway": "x"}), "ips: gateway: invalid IP address: x"),
            (
                json!({"address": "10.0.0.1/8", "interface": -1}),
                "ips: interface: -1 is no number that is allowed here",
            ),
            (json!({}), "ips: address is missing"),
        ] {
            assert_eq!(refusal(json!({"ips": [ip]}), "1.0.0"), expected);
        }
    }

    #[test]
    fn zero_counts_as_absent_except_in_table_and_scope() {
        let route =
            json!({"dst": "10.0.0.0/8", "mtu": 0, "advmss": 0, "priority": 0, "table": 0, "scope": 0});
        let report = decode(&json!({"routes": [route], "dns": {"domain": ""}}), "1.1.0").unwrap();
        let expected = Route { table: Some(0), scope: Some(0), ..Route::to("10.0.0.0/8".parse().unwrap()) };
        assert_eq!((report.routes, report.dns), (vec![expected], Dns::default()));
    }

    #[test]
    fn the_oldest_shape_has_one_address_of_each_family() {
        let value = json!({"IP6": {"ip": "fd00::2/64", "gateway": "fd00::1", "routes": [{"dst": "::/0"}]},
            "ip4": {"ip": "10.0.0.2/8", "Routes": [{"DST": "0.0.0.0/0", "gw": "10.0.0.1"}]}, "dns": {"domain": "x"}});
        let report = decode(&value, "0.2.0").unwrap();
        let ips: Vec<String> = report.ips.iter().map(|ip| ip.address.to_string()).collect();
        let routes: Vec<String> = report.routes.iter().map(|route| route.dst.to_string()).collect();
        assert_eq!(
            (ips, routes),
            (
                vec!["10.0.0.2/8".to_owned(), "fd00::2/64".to_owned()],
                vec!["0.0.0.0/0".to_owned(), "::/0".to_owned()],
            )
        );
        assert_eq!(report.dns.domain.as_deref(), Some("x"));
    }
}

//! The parts of the network configuration that the host itself reads.

use super::json::{Object, kind_of, member, text_of};
use super::named::{self, Named, NamingKey};
use super::{CniError, ErrorKind, previous};
use crate::value::{IDENTIFIER_BYTES, Interface, NetworkName, PluginName, Report};
use serde_json::Value;

/// The maximum size of a configuration, in bytes. It is above any real one and limits the memory for it. A reader
/// reads one byte more, so that [`network`] refuses a longer one.
pub const MAX_BYTES: u64 = 1 << 20;

/// A decoded configuration. It is decoded in the reference's order: object, name, version.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Standard input, unchanged. The plugin gets it.
    pub text: String,
    /// `name`.
    pub name: NetworkName,
    /// `cniVersion`. `0.1.0` if it is absent or empty.
    pub cni_version: String,
    object: Object,
}

/// Decodes standard input.
pub fn decode(stdin: &[u8]) -> Result<Config, CniError> {
    let (text, object, name) = network(stdin)?;
    let version = text_of(&object, "cniVersion").map_err(|kind| {
        let text = format!("json: cannot unmarshal {kind} into Go struct field .cniVersion of type string");
        CniError::new(ErrorKind::InvalidJson, format!("decoding version from network config: {text}"))
    })?;
    let cni_version = version.filter(|v| !v.is_empty()).unwrap_or_else(|| "0.1.0".to_owned());
    Ok(Config { text, name, cni_version, object })
}

/// The first part of [`decode`]: the text, its object, and `name`. An unknown command needs only this part.
pub fn network(stdin: &[u8]) -> Result<(String, Object, NetworkName), CniError> {
    let decoding = |what: &str| {
        CniError::new(ErrorKind::InvalidJson, format!("error unmarshall network config: {what}"))
    };
    if u64::try_from(stdin.len()).unwrap_or(u64::MAX) > MAX_BYTES {
        let msg = format!("network configuration is larger than {MAX_BYTES} bytes");
        return Err(CniError::new(ErrorKind::ConfigTooLarge, msg));
    }
    if stdin.iter().all(u8::is_ascii_whitespace) {
        return Err(decoding("unexpected end of JSON input"));
    }
    let text = String::from_utf8_lossy(stdin).into_owned();
    let object = match serde_json::from_slice(text.as_bytes()).map_err(|e| decoding(&e.to_string()))? {
        Value::Object(object) => object,
        // Go decodes `null` into an unchanged structure.
        Value::Null => Object::new(),
        other => {
            let kind = kind_of(&other);
            return Err(decoding(&format!(
                "json: cannot unmarshal {kind} into Go value of type types.NetConf"
            )));
        }
    };
    let name = text_of(&object, "name").map_err(|kind| {
        decoding(&format!("json: cannot unmarshal {kind} into Go struct field .name of type string"))
    })?;
    let name = network_name(name.as_deref().unwrap_or_default())?;
    Ok((text, object, name))
}

/// Validates the name of a network. The errors have the reference's texts.
pub fn network_name(name: &str) -> Result<NetworkName, CniError> {
    let invalid = |msg: String| CniError::new(ErrorKind::InvalidNetworkName, msg);
    match NetworkName::parse(name) {
        Ok(name) => Ok(name),
        Err(_) if name.is_empty() => Err(invalid("missing network name".into())),
        Err(_) if name.len() > IDENTIFIER_BYTES => {
            Err(invalid(format!("network name is longer than {IDENTIFIER_BYTES} bytes")))
        }
        Err(_) => Err(invalid("invalid characters found in network name".into()).with_details(name)),
    }
}

impl Config {
    /// The member with that key. Like Go's `encoding/json`, it prefers an exact match, and otherwise ignores case and
    /// takes the last one.
    pub fn get(&self, key: &str) -> Option<&Value> {
        member(&self.object, key)
    }

    /// Checks the types of the keys that every plugin except IPAM plugins reads (`types.NetConf` of the reference).
    /// The error names the key.
    pub fn check_common(&self) -> Result<(), CniError> {
        let is = |value: Option<&Value>, kind: &str| match value {
            None | Some(Value::Null) => true,
            Some(value) => kind_of(value) == kind,
        };
        let part = |key: &str, field: &str| member(self.get(key)?.as_object()?, field);
        let refuse = |what: String| {
            Err(CniError::new(ErrorKind::InvalidConfig, format!("failed to load netconf: {what}")))
        };
        for (key, kind) in [
            ("type", "string"),
            ("capabilities", "object"),
            ("ipam", "object"),
            ("dns", "object"),
            ("prevResult", "object"),
        ] {
            if !is(self.get(key), kind) {
                return refuse(format!("{key}: not of type {kind}"));
            }
        }
        for (key, field, kind) in [
            ("ipam", "type", "string"),
            ("dns", "domain", "string"),
            ("dns", "nameservers", "array"),
            ("dns", "search", "array"),
            ("dns", "options", "array"),
        ] {
            if !is(part(key, field), kind) {
                return refuse(format!("{key}.{field}: not of type {kind}"));
            }
        }
        let capabilities = self.get("capabilities").and_then(Value::as_object);
        match capabilities.into_iter().flatten().find(|(_, on)| !is(Some(on), "bool")) {
            Some((name, on)) => refuse(format!("capabilities.{name}: {on} is not of type bool")),
            None => Ok(()),
        }
    }

    /// `type` of the `ipam` object.
    pub fn ipam_type(&self) -> Option<&str> {
        member(self.get("ipam")?.as_object()?, "type")?.as_str()
    }

    /// Whether `plugin` is an IPAM plugin, which has no link of its own. It is one if the configuration names it
    /// under `ipam`, or if it is not the plugin that the configuration names as `type`.
    pub fn is_ipam(&self, plugin: &PluginName) -> bool {
        let main = self.get("type").and_then(Value::as_str);
        self.ipam_type() == Some(plugin.as_str()) || main.is_some_and(|main| main != plugin.as_str())
    }

    /// `dataDir` of the `ipam` object: the directory of the lease stores. `None`: the default.
    pub fn data_dir(&self) -> Option<&str> {
        member(self.get("ipam")?.as_object()?, "dataDir")?.as_str().filter(|dir| !dir.is_empty())
    }

    /// `resolvConf` of the `ipam` object: the file with the DNS settings.
    pub fn resolv_conf(&self) -> Option<&str> {
        member(self.get("ipam")?.as_object()?, "resolvConf")?.as_str().filter(|path| !path.is_empty())
    }

    /// `prevResult`. `None` if it is absent or `null`.
    pub fn previous(&self) -> Result<Option<Report>, CniError> {
        match self.get("prevResult") {
            None | Some(Value::Null) => Ok(None),
            Some(value) => previous::decode(value, &self.cni_version).map(Some),
        }
    }

    /// The interfaces of `prevResult`.
    pub fn previous_interfaces(&self) -> Result<Vec<Interface>, CniError> {
        match self.get("prevResult") {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(value) => previous::interfaces(value),
        }
    }

    /// What these keys of the configuration, and `CNI_ARGS`, name.
    pub fn named(&self, args: &str, keys: &[NamingKey]) -> Named {
        named::read(&self.object, args, keys)
    }

    /// `cni.dev/valid-attachments` (GC): container and interface of each. `None` if the key is absent. `null` is an
    /// empty list: libcni encodes a list without entries that way, and leaves the key out if it has no list.
    pub fn valid_attachments(&self) -> Result<Option<Vec<(String, String)>>, CniError> {
        let keys = ["cni.dev/valid-attachments", "cni.dev/attachments"];
        let is_given = |key: &str| self.object.keys().any(|name| name.eq_ignore_ascii_case(key));
        let Some(list) = keys.into_iter().find_map(|key| self.get(key)) else {
            return Ok(keys.into_iter().any(is_given).then(Vec::new));
        };
        attachments(list)
            .map(Some)
            .map_err(|error| CniError { msg: format!("cni.dev/valid-attachments {}", error.msg), ..error })
    }
}

/// Parses a list of attachments as in GC (SPEC 1.1.0): `[{"containerID": "…", "ifname": "…"}]`.
pub fn attachments(list: &Value) -> Result<Vec<(String, String)>, CniError> {
    let Some(list) = list.as_array() else {
        return Err(CniError::new(ErrorKind::InvalidAttachments, "is not an array"));
    };
    let entry = |value: &Value| {
        let object = value.as_object()?;
        let text = |key| Some(member(object, key)?.as_str()?.to_owned());
        Some((text("containerID")?, text("ifname")?))
    };
    let entries = list.iter().map(|value| {
        entry(value).ok_or_else(|| {
            CniError::new(ErrorKind::InvalidAttachments, "has an entry without containerID and ifname")
                .with_details(value.to_string())
        })
    });
    entries.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cni::code;

    #[test]
    fn errors_come_in_the_reference_order_with_its_codes() {
        let error = |stdin: &str| decode(stdin.as_bytes()).unwrap_err();
        assert_eq!(error("").msg, "error unmarshall network config: unexpected end of JSON input");
        assert_eq!(error("{} x").code, code::DECODING_FAILURE);
        assert_eq!(error("[]").code, code::DECODING_FAILURE);
        assert_eq!(error("{\"cniVersion\": 5}").msg, "missing network name");
        assert_eq!(error("{\"name\": \"a b\"}").details, "a b");
        assert_eq!(error("{\"name\": \"n\", \"cniVersion\": 5}").code, code::DECODING_FAILURE);
    }

    #[test]
    fn null_is_an_empty_object_and_the_name_is_checked_before_the_version() {
        let error = |stdin: &str| decode(stdin.as_bytes()).unwrap_err();
        assert_eq!(error("null").msg, "missing network name");
        assert_eq!(error(r#"{"name": null}"#).msg, "missing network name");
        assert_eq!(decode(br#"{"name": "n", "cniVersion": null}"#).unwrap().cni_version, "0.1.0");
        assert_eq!(decode(br#"{"name": "a", "name": "b"}"#).unwrap().name.as_str(), "b");
        assert!(network(br#"{"name": "n", "cniVersion": 5}"#).is_ok());
    }

    #[test]
    fn a_list_of_valid_attachments_that_is_null_is_empty_and_an_absent_one_is_none() {
        let valid =
            |part: &str| decode(format!(r#"{{"name": "n"{part}}}"#).as_bytes()).unwrap().valid_attachments();
        let one = r#"[{"containerID": "c", "ifname": "eth0"}]"#;
        let kept = Ok(Some(vec![("c".to_owned(), "eth0".to_owned())]));
        assert_eq!(valid(""), Ok(None));
        for null in [r#", "cni.dev/valid-attachments": null"#, r#", "cni.dev/attachments": null"#] {
            assert_eq!(valid(null), Ok(Some(Vec::new())), "{null}");
        }
        assert_eq!(
            valid(&format!(r#", "cni.dev/valid-attachments": null, "cni.dev/attachments": {one}"#)),
            kept
        );
        assert_eq!(
            valid(&format!(r#", "cni.dev/valid-attachments": {one}, "cni.dev/attachments": null"#)),
            kept
        );
        assert!(valid(r#", "cni.dev/valid-attachments": {}"#).is_err());
    }

    #[test]
    fn common_keys_must_have_the_right_type() {
        let check = |part: &str| {
            let config = decode(format!(r#"{{"name": "n", {part}}}"#).as_bytes()).unwrap();
            config.check_common().map_err(|e| e.msg)
        };
        for fine in [
            r#""capabilities": {"ips": true, "mac": null}"#,
            r#""capabilities": null, "ipam": {"type": null}, "dns": {}, "prevResult": {}"#,
            r#""dns": {"nameservers": []}, "type": "bridge""#,
        ] {
            assert_eq!(check(fine), Ok(()), "{fine}");
        }
        for (wrong, what) in [
            (r#""capabilities": {"ips": 5}"#, "capabilities.ips: 5 is not of type bool"),
            (r#""capabilities": ["ips"]"#, "capabilities: not of type object"),
            (r#""TYPE": 5"#, "type: not of type string"),
            (r#""ipam": {"Type": 5}"#, "ipam.type: not of type string"),
            (r#""dns": []"#, "dns: not of type object"),
            (r#""prevResult": "x""#, "prevResult: not of type object"),
        ] {
            assert_eq!(check(wrong), Err(format!("failed to load netconf: {what}")), "{wrong}");
        }
    }

    #[test]
    fn keys_are_found_in_any_letter_case() {
        let config =
            decode(br#"{"NAME": "n", "CniVersion": "1.0.0", "Ipam": {"TYPE": "host-local"}}"#).unwrap();
        assert_eq!((config.name.as_str(), config.cni_version.as_str()), ("n", "1.0.0"));
        assert_eq!(config.ipam_type(), Some("host-local"));
        // The SDK reads them in the same way, so policy grants exactly the file that the plugin asks for.
        let ipam = |members: &str| {
            let text = format!(r#"{{"name": "n", "ipam": {{{members}}}}}"#);
            decode(text.as_bytes()).unwrap().resolv_conf().map(str::to_owned)
        };
        assert_eq!(ipam(r#""resolvconf": "c", "RESOLVCONF": "a", "ResolvConf": "b""#).as_deref(), Some("c"));
        assert_eq!(ipam(r#""resolvconf": "c", "resolvConf": "exact""#).as_deref(), Some("exact"));
        assert_eq!(ipam(r#""RESOLVCONF": "a", "resolvConf": null"#).as_deref(), Some("a"));
    }
}

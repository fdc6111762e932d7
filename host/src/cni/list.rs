//! A network list as a runtime reads it: the configurations of its plugins. Rules and error texts are those of
//! libcni's `NetworkConfigList` (`libcni/conf.go` in containernetworking/cni).

use super::json::member;
use super::{CniError, ErrorKind, version};
use serde_json::{Map, Value};

type Object = Map<String, Value>;

/// A configuration list (`.conflist`), or the configuration of one plugin as a list of one.
#[derive(Debug, Clone, PartialEq)]
pub struct List {
    /// `name`, not validated.
    pub name: String,
    /// The newest supported version in `cniVersions`, otherwise `cniVersion`. Empty if neither is given.
    pub cni_version: String,
    /// `disableCheck`: CHECK succeeds without calling a plugin.
    pub disable_check: bool,
    /// `disableGC`: GC succeeds without calling a plugin.
    pub disable_gc: bool,
    /// `loadOnlyInlinedPlugins`: plugins in the directory of the network's name are not added.
    pub only_inlined: bool,
    /// The plugins, in the order of ADD.
    pub plugins: Vec<Entry>,
    /// The whole configuration, unchanged.
    pub text: String,
}

/// A plugin of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// `type`. Not empty.
    pub kind: String,
    object: Object,
}

fn invalid(text: impl Into<String>) -> CniError {
    CniError::new(ErrorKind::InvalidList, text)
}

impl List {
    /// Parses a list. `plugins` may be missing, because files may add plugins.
    pub fn parse(text: &str) -> Result<Self, CniError> {
        let wrong = |what: String| invalid(format!("error parsing configuration list: {what}"));
        let object: Object = serde_json::from_slice(text.as_bytes()).map_err(|e| wrong(e.to_string()))?;
        let name = match object.get("name") {
            None => return Err(wrong("no name".into())),
            Some(Value::String(name)) => name.clone(),
            Some(other) => return Err(wrong(format!("invalid name type: {other}"))),
        };
        let only_inlined = flag(&object, "loadOnlyInlinedPlugins").map_err(wrong)?;
        let plugins = match object.get("plugins") {
            None if only_inlined => {
                return Err(wrong("`loadOnlyInlinedPlugins` is true, and no 'plugins' key".into()));
            }
            None => Vec::new(),
            Some(Value::Array(list)) if list.is_empty() => return Err(wrong("no plugins in list".into())),
            Some(Value::Array(list)) => list.clone(),
            Some(other) => return Err(wrong(format!("invalid 'plugins' type: {other}"))),
        };
        let entry = |(index, value): (usize, &Value)| {
            Entry::of(value).map_err(|error| CniError {
                msg: format!("failed to parse plugin config {index}: {}", error.msg),
                ..error
            })
        };
        Ok(List {
            name,
            cni_version: cni_version(&object).map_err(wrong)?,
            disable_check: flag(&object, "disableCheck").map_err(wrong)?,
            disable_gc: flag(&object, "disableGC").map_err(wrong)?,
            only_inlined,
            plugins: plugins.iter().enumerate().map(entry).collect::<Result<_, _>>()?,
            text: text.to_owned(),
        })
    }

    /// Parses the configuration of one plugin (`.conf`) into a list of one.
    pub fn of_single(text: &str) -> Result<Self, CniError> {
        let plugin = Entry::parse(text)?;
        let part = |key| member(&plugin.object, key).cloned().unwrap_or_else(|| "".into());
        let list = serde_json::json!({
            "name": part("name"), "cniVersion": part("cniVersion"), "plugins": [plugin.object],
        });
        List::parse(&list.to_string())
    }

    /// Whether the list's version is at least `floor`.
    pub fn is_at_least(&self, floor: &str) -> Result<bool, CniError> {
        version::at_least(&self.cni_version, floor)
            .map_err(|text| CniError::new(ErrorKind::InvalidVersion, text))
    }
}

impl Entry {
    /// Parses the configuration of one plugin.
    pub fn parse(text: &str) -> Result<Self, CniError> {
        let value = serde_json::from_slice(text.as_bytes());
        Entry::of(&value.map_err(|e| invalid(format!("error parsing configuration: {e}")))?)
    }

    fn of(value: &Value) -> Result<Self, CniError> {
        let wrong = |what: &str| invalid(format!("error parsing configuration: {what}"));
        let object = value.as_object().ok_or_else(|| wrong("it is not an object"))?.clone();
        let kind = match member(&object, "type") {
            None => return Err(wrong("missing 'type'")),
            Some(Value::String(kind)) if kind.is_empty() => return Err(wrong("missing 'type'")),
            Some(Value::String(kind)) => kind.clone(),
            Some(other) => return Err(wrong(&format!("type {other} is not a string"))),
        };
        Ok(Entry { kind, object })
    }

    /// `name` in the plugin's own configuration, as a `.conf` has it. Empty if absent.
    pub fn name(&self) -> &str {
        member(&self.object, "name").and_then(Value::as_str).unwrap_or_default()
    }

    /// The plugin's description in errors.
    pub fn description(&self) -> String {
        match self.name() {
            "" => format!("type={:?}", self.kind),
            name => format!("type={:?} name={name:?}", self.kind),
        }
    }

    /// The configuration that the plugin gets: its own, with the list's name and version, and the members `more`.
    pub fn with(&self, list: &List, more: impl IntoIterator<Item = (&'static str, Value)>) -> String {
        let mut object = self.object.clone();
        object.insert("name".into(), list.name.as_str().into());
        object.insert("cniVersion".into(), list.cni_version.as_str().into());
        object.extend(more.into_iter().map(|(key, value)| (key.to_owned(), value)));
        Value::Object(object).to_string()
    }

    /// `runtimeConfig`: the capability arguments that the plugin declares to support. `None` if there are none.
    pub fn runtime_config(&self, capabilities: &Object) -> Option<Value> {
        let taken = member(&self.object, "capabilities").and_then(Value::as_object)?;
        let is_taken = |name: &String| taken.get(name).and_then(Value::as_bool) == Some(true);
        let given = capabilities.iter().filter(|(name, _)| is_taken(name));
        let given: Object = given.map(|(name, value)| (name.clone(), value.clone())).collect();
        (!given.is_empty()).then_some(Value::Object(given))
    }
}

/// The newest version in `cniVersions` that we support. Without `cniVersions`, it is `cniVersion`.
fn cni_version(object: &Object) -> Result<String, String> {
    let single = match object.get("cniVersion") {
        None => "",
        Some(Value::String(version)) => version,
        Some(other) => return Err(format!("invalid cniVersion type: {other}")),
    };
    let several = match object.get("cniVersions") {
        None => return Ok(single.to_owned()),
        Some(Value::Array(several)) => several,
        Some(other) => return Err(format!("invalid type for cniVersions: {other}")),
    };
    let current = version::parse(version::CURRENT)?;
    let mut best = None;
    let entries = several.iter().enumerate().map(|(index, value)| {
        let text =
            value.as_str().ok_or_else(|| format!("invalid type for cniVersions index {index}: {value}"))?;
        let parsed = version::parse(text);
        parsed
            .map(|parsed| (parsed, text))
            .map_err(|e| format!("invalid cniVersions entry {text} at index {index}: {e}"))
    });
    let own = (!single.is_empty()).then(|| {
        version::parse(single)
            .map(|parsed| (parsed, single))
            .map_err(|e| format!("invalid cniVersion {single}: {e}"))
    });
    for entry in entries.chain(own) {
        let (parsed, text) = entry?;
        if parsed <= current && best.is_none_or(|(least, _)| least <= parsed) {
            best = Some((parsed, text));
        }
    }
    Ok(best.map_or(single, |(_, text)| text).to_owned())
}

/// Parses a boolean, given as JSON boolean or as text.
fn flag(object: &Object, key: &str) -> Result<bool, String> {
    match object.get(key) {
        None => Ok(false),
        Some(Value::Bool(on)) => Ok(*on),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("true") => Ok(true),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("false") => Ok(false),
        Some(Value::String(text)) => Err(format!("invalid value {text:?} for {key}")),
        Some(other) => Err(format!("invalid type for {key}: {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn list(more: Value) -> Result<List, String> {
        let mut whole = json!({"name": "n", "plugins": [{"type": "bridge"}]});
        let fields = whole.as_object_mut().unwrap();
        for (key, value) in more.as_object().unwrap() {
            if value.is_null() {
                fields.remove(key)
            } else {
                fields.insert(key.clone(), value.clone())
            };
        }
        List::parse(&whole.to_string()).map_err(|e| e.msg)
    }

    #[test]
    fn the_newest_supported_version_is_used() {
        for (fields, expected) in [
            (json!({}), ""),
            (json!({"cniVersion": "0.4.0"}), "0.4.0"),
            (json!({"cniVersions": ["0.3.1", "1.1.0", "1.0.0"]}), "1.1.0"),
            (json!({"cniVersion": "1.0.0", "cniVersions": ["0.4.0", "99.0.0"]}), "1.0.0"),
            (json!({"cniVersion": "99.0.0", "cniVersions": ["0.10.0", "0.9.0"]}), "0.10.0"),
            (json!({"cniVersion": "0.4.0", "cniVersions": []}), "0.4.0"),
        ] {
            assert_eq!(list(fields.clone()).unwrap().cni_version, expected, "{fields}");
        }
    }

    #[test]
    fn errors_of_a_list_have_the_texts_of_libcni() {
        for (fields, expected) in [
            (json!({"name": null}), "no name"),
            (json!({"name": 5}), "invalid name type: 5"),
            (json!({"cniVersion": 1}), "invalid cniVersion type: 1"),
            (json!({"cniVersions": "1.0.0"}), r#"invalid type for cniVersions: "1.0.0""#),
            (json!({"cniVersions": [1]}), "invalid type for cniVersions index 0: 1"),
            (json!({"disableCheck": "yes"}), r#"invalid value "yes" for disableCheck"#),
            (json!({"disableGC": 1}), "invalid type for disableGC: 1"),
            (json!({"plugins": []}), "no plugins in list"),
            (json!({"plugins": {}}), "invalid 'plugins' type: {}"),
            (
                json!({"plugins": null, "loadOnlyInlinedPlugins": true}),
                "`loadOnlyInlinedPlugins` is true, and no 'plugins' key",
            ),
        ] {
            let error = list(fields.clone()).unwrap_err();
            assert_eq!(error, format!("error parsing configuration list: {expected}"), "{fields}");
        }
        let untyped = list(json!({"plugins": [{"type": "a"}, {}]})).unwrap_err();
        assert_eq!(untyped, "failed to parse plugin config 1: error parsing configuration: missing 'type'");
        let part = list(json!({"cniVersions": ["1.0.0", "x"]})).unwrap_err();
        assert!(
            part.contains("invalid cniVersions entry x at index 1: failed to convert major version part"),
            "{part}"
        );
    }

    #[test]
    fn switches_may_be_texts() {
        let read =
            list(json!({"disableCheck": "TRUE", "disableGC": "false", "loadOnlyInlinedPlugins": true}))
                .unwrap();
        assert!(read.disable_check && !read.disable_gc && read.only_inlined);
    }

    #[test]
    fn a_plugin_gets_the_lists_name_and_version_and_its_capability_arguments() {
        let text = r#"{"cniVersion": "1.0.0", "name": "n", "type": "portmap", "capabilities": {"portMappings": true, "mac": false}}"#;
        let single = List::of_single(text).unwrap();
        let plugin = &single.plugins[0];
        assert_eq!((single.name.as_str(), single.cni_version.as_str()), ("n", "1.0.0"));
        assert_eq!(plugin.description(), r#"type="portmap" name="n""#);
        let runtime = json!({"portMappings": [1], "mac": "x", "ips": []});
        let runtime = plugin.runtime_config(runtime.as_object().unwrap()).unwrap();
        assert_eq!(runtime, json!({"portMappings": [1]}));
        assert_eq!(plugin.runtime_config(&Map::new()), None);
        let renamed = List { name: "m".into(), cni_version: "1.1.0".into(), ..single.clone() };
        let sent: Value = serde_json::from_str(&plugin.with(&renamed, [("runtimeConfig", runtime)])).unwrap();
        assert_eq!(
            sent,
            json!({"cniVersion": "1.1.0", "name": "m", "type": "portmap", "capabilities": {"portMappings": true, "mac": false},
                "runtimeConfig": {"portMappings": [1]}})
        );
    }
}

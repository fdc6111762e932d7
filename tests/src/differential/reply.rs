//! The fields of a reply.

use super::names::{Names, without_macs};
use super::{Case, Fields};
use crate::Reply;
use serde_json::Value;
use std::path::Path;

/// The fields of standard output and the exit code: those of an error, or those of a result.
///
/// The bytes are compared as well, as `text`. A 1.0.0 result of the reference is first put into HEAD's order, because
/// 1.1.1 does not sort keys and writes an empty `dns`.
pub fn fields(case: &Case, reply: &Reply, verb: &str, directory: &Path, names: &Names) -> Fields {
    let mut fields = Fields::new();
    let mut put = |name: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            fields.insert(name.to_owned(), lines);
        }
    };
    let plain = |text: &str| {
        let text = names.replace(text).replace(&directory.display().to_string(), "CNI_PATH");
        without_macs(&text, |mac| case.names(&mac.to_ascii_lowercase()))
    };
    let lines = |text: &str| -> Vec<String> { plain(text).split('\n').map(str::to_owned).collect() };
    put("exit", vec![reply.code.map_or_else(|| "signal".to_owned(), |code| code.to_string())]);
    if verb == "NONE" {
        let own = concat!("wasm-cni ", env!("CARGO_PKG_VERSION"), "\n");
        put("stderr", lines(&reply.stderr.replace(own, "wasm-cni VERSION\n")));
    }
    if reply.stdout.is_empty() {
        return fields;
    }
    let Ok(Value::Object(document)) = serde_json::from_str(&reply.stdout) else {
        put("text", lines(&reply.stdout));
        return fields;
    };
    if reply.code != Some(0) {
        for (key, value) in &document {
            put(key, lines(value.as_str().unwrap_or(&value.to_string())));
        }
        if reply.stdout != error_text(&document) {
            put("text", lines(&reply.stdout));
        }
        return fields;
    }
    for (key, value) in &document {
        // The machine has a field `routes`, too.
        let key = if key == "routes" { "result-routes" } else { key };
        match value {
            Value::Array(items) => {
                put(key, items.iter().map(|item| plain(&item_text(item, names))).collect())
            }
            Value::Object(keys) if keys.is_empty() => {}
            other => put(key, vec![plain(&other.to_string())]),
        }
    }
    let version = document.get("cniVersion").and_then(Value::as_str).unwrap_or_default();
    let is_reference = directory == super::Implementation::Reference.directory();
    let text = if is_reference && version == "1.0.0" { head_text(document) } else { reply.stdout.clone() };
    put("text", lines(&text));
    fields
}

/// An interface says whether its MAC is that of the link.
fn item_text(item: &Value, names: &Names) -> String {
    let text = |key: &str| item[key].as_str().unwrap_or_default();
    let mac = names.mac(text("sandbox"), text("name"));
    let mut item = item.clone();
    if mac.is_some_and(|mac| item["mac"] == mac) {
        item["mac"] = "as the link".into();
    }
    item.to_string()
}

/// A 1.0.0 result as HEAD prints it: keys sorted, no empty `dns`, four spaces.
fn head_text(mut document: serde_json::Map<String, Value>) -> String {
    document.retain(|_, value| *value != Value::Object(serde_json::Map::new()));
    let text = serde_json::to_string_pretty(&Value::Object(document)).expect("JSON is printed");
    let indented = text.lines().map(|line| {
        let spaces = line.len() - line.trim_start().len();
        format!("{}{}", " ".repeat(2 * spaces), line.trim_start())
    });
    escape(&indented.collect::<Vec<_>>().join("\n"))
}

fn error_text(document: &serde_json::Map<String, Value>) -> String {
    let pairs = ["code", "msg", "details"].iter().filter_map(|key| {
        document.get(*key).map(|value| format!("    \"{key}\": {}", escape(&value.to_string())))
    });
    format!("{{\n{}\n}}", pairs.collect::<Vec<_>>().join(",\n"))
}

/// As Go's JSON encoder does.
fn escape(text: &str) -> String {
    text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

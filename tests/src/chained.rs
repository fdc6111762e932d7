//! Chained plugins: they continue with the result of an earlier plugin.

use crate::{Call, dist};
use serde_json::Value;

/// A call of the plugin whose configuration this is, for `eth0` of a container.
///
/// # Panics
///
/// If the configuration has no `type`.
pub fn call(command: &str, config: &Value, container: &str) -> Call {
    let plugin = config["type"].as_str().expect("a type");
    Call::new(&dist(), plugin, command, &config.to_string()).container(container).env("CNI_IFNAME", "eth0")
}

/// A configuration with the result of the previous plugin.
///
/// # Panics
///
/// If a text is no JSON.
pub fn after(config: &Value, result: &str) -> Value {
    let mut config = config.clone();
    config["prevResult"] = serde_json::from_str(result).expect("a result");
    config
}

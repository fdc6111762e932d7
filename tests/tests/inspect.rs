//! `wasm-cni inspect` reads a component's capabilities from its imports, without running it.

use serde_json::Value;
use wasm_cni_tests::{Machine, dist};

fn inspect(machine: &Machine, file: &str, arguments: &[&str]) -> String {
    let mut command = machine.command(dist().join("wasm-cni"));
    command.arg("inspect").arg(dist().join(file)).args(arguments);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn inspect_prints_interface_digest_and_capabilities() {
    let machine = Machine::new();
    let text = inspect(&machine, "bridge.wasm", &[]);
    let digest = machine.sh(&format!("sha256sum < {}", dist().join("bridge.wasm").display()));
    assert!(text.contains(digest.split(' ').next().unwrap()), "{text}");
    assert!(text.contains("wasm-cni:plugin@0.1.0"), "{text}");
    for capability in ["links", "addresses", "routes", "sysctls", "nat", "delegate", "observe"] {
        assert!(text.lines().any(|line| line.trim_start().starts_with(capability)), "{capability}: {text}");
    }
    assert!(!text.contains("leases"), "bridge does not touch leases itself: {text}");
}

#[test]
fn a_plugin_imports_only_what_it_uses() {
    let machine = Machine::new();
    let value: Value =
        serde_json::from_str(&inspect(&machine, "host-local.wasm", &["--output", "json"])).unwrap();
    assert_eq!(value["kind"], "ipam");
    assert_eq!(value["cni_versions"].as_array().unwrap().len(), 7);
    let capabilities: Vec<&str> =
        value["capabilities"].as_object().unwrap().keys().map(String::as_str).collect();
    for foreign in ["links", "addresses", "routes", "sysctls", "nat", "delegate"] {
        assert!(!capabilities.contains(&foreign), "{foreign} in {capabilities:?}");
    }
    assert!(capabilities.contains(&"leases"), "{capabilities:?}");
    assert_eq!(value["capabilities"]["observe"], serde_json::json!(["read-file"]), "no links");
    assert_eq!(value["verbs"], serde_json::json!(["add", "status"]));
    let value: Value =
        serde_json::from_str(&inspect(&machine, "static.wasm", &["--output", "json"])).unwrap();
    assert_eq!(value["verbs"], serde_json::json!(["add"]));
}

//! The type of a component: by its name, by its digest, or by a line of policy.

use serde_json::json;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use wasm_cni_tests::chained::after;
use wasm_cni_tests::guest::{component, install};
use wasm_cni_tests::{Call, Machine, NOTHING, walkthrough};

/// A machine with a container that bridge has connected, and the configuration of a chained plugin of this type.
fn chained(of_type: &str) -> (Machine, PathBuf, String) {
    let machine = Machine::new();
    machine.netns("1234567890");
    let plugins = machine.plugins();
    let result = Call::new(&plugins, "bridge", "ADD", &walkthrough("1.1.0")).ok(&machine);
    let config = json!({
        "cniVersion": "1.1.0", "name": "mybridge", "type": of_type, "sysctl": {"net.core.somaxconn": "77"},
    });
    (machine, plugins, after(&config, &result).to_string())
}

/// A call of a renamed plugin, for the interface of the walkthrough.
fn call(plugins: &Path, of_type: &str, verb: &str, config: &str) -> Call {
    if !plugins.join(of_type).exists() {
        symlink("wasm-cni", plugins.join(of_type)).unwrap();
    }
    Call::new(plugins, of_type, verb, config)
}

#[test]
fn a_renamed_shipped_component_keeps_what_its_type_may_do() {
    let (machine, plugins, config) = chained("cnv-tuning");
    std::fs::copy(plugins.join("tuning.wasm"), plugins.join("cnv-tuning.wasm")).unwrap();
    let before = machine.snapshot();
    call(&plugins, "cnv-tuning", "ADD", &config).ok(&machine);
    let value = || machine.sh("ip netns exec 1234567890 cat /proc/sys/net/core/somaxconn");
    assert_eq!(value().trim(), "77");
    call(&plugins, "cnv-tuning", "CHECK", &config).ok(&machine);
    call(&plugins, "cnv-tuning", "DEL", &config).ok(&machine);
    assert_ne!(value().trim(), "77");
    assert_eq!(machine.changes(&before), NOTHING);
}

#[test]
fn another_component_that_claims_a_shipped_type_needs_the_line_that_the_refusal_has() {
    let (machine, plugins, config) = chained("cnv-tuning");
    // The bytes differ, and so does the digest: a custom section at the end.
    let mut wasm = std::fs::read(plugins.join("tuning.wasm")).unwrap();
    wasm.extend([0, 5, 4, b'n', b'o', b't', b'e']);
    install(&plugins, "cnv-tuning", &wasm);
    let before = machine.snapshot();
    let (code, msg, details) = call(&plugins, "cnv-tuning", "ADD", &config).error(&machine);
    assert_eq!((code, machine.changes(&before).as_slice()), (100, NOTHING.as_slice()), "{details}");
    assert!(msg.contains("claims to be \"tuning\""), "{msg}");
    let (_, lines) = details.split_once("policy:\n").unwrap();
    let policy = machine.files().join("policy.toml");
    std::fs::write(&policy, lines).unwrap();
    std::fs::set_permissions(&policy, std::fs::Permissions::from_mode(0o644)).unwrap();
    let allowed = call(&plugins, "cnv-tuning", "ADD", &config);
    allowed.env("WASM_CNI_POLICY", &policy.display().to_string()).ok(&machine);
}

#[test]
fn the_name_of_a_shipped_plugin_fixes_its_kind() {
    let (machine, plugins, config) = chained("tuning");
    let before = machine.snapshot();
    for of_type in ["tuning", "portmap", "firewall", "host-local"] {
        install(&plugins, of_type, &component("(i32.const 0)"));
        let (code, msg, _) = call(&plugins, of_type, "ADD", &config).error(&machine);
        assert_eq!(code, 100, "{of_type}: {msg}");
        assert!(msg.contains("and its component claims main"), "{msg}");
    }
    assert_eq!(machine.changes(&before), NOTHING);
}

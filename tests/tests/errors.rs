//! Invalid input and invalid plugins: one clear CNI error on stdout, exit code 1, and the machine as before.

use std::collections::BTreeSet;
use std::path::Path;
use wasm_cni_tests::guest::{component_for, install, with_bridges};
use wasm_cni_tests::{Call, Machine, NOTHING, WALKTHROUGH, dist, repository};

/// Makes the call on a machine with one container; checks that the machine does not change, and returns the error.
fn error(call: &Call) -> (u64, String, String) {
    let machine = Machine::new();
    machine.netns("1234567890");
    let before = machine.snapshot();
    let error = call.error(&machine);
    assert_eq!(machine.changes(&before), NOTHING);
    assert_eq!(machine.sh("find /run/wasm-cni/attachments -mindepth 1 2>/dev/null || true"), "");
    error
}

fn add(config: &str) -> Call {
    Call::bridge("ADD", config)
}

#[test]
fn a_missing_variable_is_named() {
    let call = add(WALKTHROUGH).env("CNI_NETNS", "").env("CNI_IFNAME", "");
    assert_eq!(
        error(&call),
        (4, "required env variables [CNI_NETNS,CNI_IFNAME] missing".into(), String::new())
    );
}

#[test]
fn an_invalid_variable_is_refused_with_its_value() {
    let (code, msg, details) = error(&add(WALKTHROUGH).env("CNI_CONTAINERID", "../x"));
    assert_eq!((code, msg.as_str(), details.as_str()), (4, "invalid characters in containerID", "../x"));
    let (code, msg, _) = error(&add(WALKTHROUGH).env("CNI_IFNAME", "a/b"));
    assert_eq!((code, msg.as_str()), (4, "interface name contains / or : or whitespace characters"));
}

#[test]
fn an_unknown_command_is_named_after_the_configuration_was_read() {
    let (code, msg, _) = error(&add(WALKTHROUGH).env("CNI_COMMAND", "FOO"));
    assert_eq!((code, msg.as_str()), (4, "unknown CNI_COMMAND: FOO"));
    let (code, _, _) = error(&add("").env("CNI_COMMAND", "FOO"));
    assert_eq!(code, 6);
}

#[test]
fn input_that_is_no_json_is_a_decoding_failure() {
    assert_eq!(error(&add("")).1, "error unmarshall network config: unexpected end of JSON input");
    assert_eq!(error(&add("{ \"name\": ")).0, 6);
    assert_eq!(error(&add("[]")).0, 6);
}

#[test]
fn a_configuration_without_name_is_refused() {
    let (code, msg, _) = error(&add("{\"cniVersion\": \"1.0.0\"}"));
    assert_eq!((code, msg.as_str()), (7, "missing network name"));
    let (code, msg, details) = error(&add("{\"cniVersion\": \"1.0.0\", \"name\": \"a b\"}"));
    assert_eq!(
        (code, msg.as_str(), details.as_str()),
        (7, "invalid characters found in network name", "a b")
    );
}

#[test]
fn a_version_that_is_not_supported_is_refused_with_those_that_are() {
    let (code, msg, details) = error(&add(&WALKTHROUGH.replace("0.2.0", "0.9.9")));
    assert_eq!((code, msg.as_str()), (1, "incompatible CNI versions"));
    let expected =
        r#"config is "0.9.9", plugin supports ["0.1.0" "0.2.0" "0.3.0" "0.3.1" "0.4.0" "1.0.0" "1.1.0"]"#;
    assert_eq!(details, expected);
}

#[test]
fn the_hosts_own_namespace_is_refused_before_anything_is_done() {
    let (code, msg, _) = error(&add(WALKTHROUGH).env("CNI_NETNS", "/proc/self/ns/net"));
    assert_eq!((code, msg.as_str()), (8, "plugin's netns and netns from CNI_NETNS should not be the same"));
}

#[test]
fn a_missing_namespace_is_named() {
    let (code, msg, _) = error(&add(WALKTHROUGH).env("CNI_NETNS", "/run/netns/none"));
    let expected = r#"failed to open netns "/run/netns/none": failed to Statfs "/run/netns/none": no such file or directory"#;
    assert_eq!((code, msg.as_str()), (999, expected));
    let (_, msg, _) = error(&add(WALKTHROUGH).env("CNI_NETNS", "/etc/passwd"));
    assert!(
        msg.starts_with("failed to open netns \"/etc/passwd\": unknown FS magic on \"/etc/passwd\": "),
        "{msg}"
    );
}

#[test]
fn a_missing_plugin_is_named_with_the_searched_directories() {
    let machine = Machine::new();
    let plugins = machine.plugins();
    machine.netns("1234567890");
    std::fs::remove_file(plugins.join("bridge.wasm")).unwrap();
    let elsewhere = Call::new(&plugins, "bridge", "ADD", WALKTHROUGH).env("CNI_PATH", "/none:/nowhere");
    let (code, msg, details) = elsewhere.error(&machine);
    assert_eq!((code, msg.as_str()), (999, r#"failed to find plugin "bridge" in path [/none /nowhere]"#));
    assert!(details.contains("/none/bridge.wasm"), "{details}");
    assert!(details.contains(&format!("{}/bridge.wasm: absent", plugins.display())), "our own: {details}");
    // A link to our own binary without its component is no plugin. The binary must not execute itself for ever.
    std::fs::copy(dist().join("bridge.wasm"), plugins.join("bridge.wasm")).unwrap();
    std::fs::remove_file(plugins.join("host-local.wasm")).unwrap();
    let (code, msg, _) = Call::new(&plugins, "bridge", "ADD", WALKTHROUGH).error(&machine);
    assert_eq!(code, 999);
    assert!(msg.starts_with("failed to find plugin \"host-local\" in path ["), "{msg}");
}

/// ADD with `bridge.wasm` replaced; the machine must not change.
fn with_bridge(component: &[u8]) -> (u64, String, String) {
    let machine = Machine::new();
    let plugins = machine.plugins();
    install(&plugins, "bridge", component);
    machine.netns("1234567890");
    let before = machine.snapshot();
    let error = Call::new(&plugins, "bridge", "ADD", WALKTHROUGH).error(&machine);
    assert_eq!(machine.changes(&before), NOTHING);
    error
}

#[test]
fn a_file_that_is_no_component_is_refused() {
    let (code, msg, details) = with_bridge(b"#!/bin/sh\n");
    assert_eq!(code, 108, "{msg}\n{details}");
    // A core module is WebAssembly, but no component.
    let (code, msg, _) = with_bridge(&wat_module());
    assert_eq!(code, 108, "{msg}");
}

fn wat_module() -> Vec<u8> {
    b"\0asm\x01\0\0\0".to_vec()
}

#[test]
fn a_component_for_another_version_of_the_interface_is_refused_with_both() {
    let (code, msg, details) = with_bridge(&component_for("wasm-cni:plugin/add@0.9.0"));
    assert_eq!(code, 108);
    let text = format!("{msg}\n{details}");
    assert!(text.contains("0.9.0") && text.contains("expected wasm-cni:plugin/add@0.1"), "{text}");
}

#[test]
fn an_exhausted_subnet_says_so_and_leaves_no_link() {
    let machine = Machine::new();
    let config = WALKTHROUGH.replace("10.15.20.0/24", "10.15.20.0/30");
    machine.netns("first");
    Call::bridge("ADD", &config).container("first").ok(&machine);
    machine.netns("1234567890");
    let before = machine.snapshot();
    let (code, msg, _) = add(&config).error(&machine);
    let expected =
        "failed to allocate for range 0: no IP addresses available in range set: 10.15.20.1-10.15.20.2";
    assert_eq!((code, msg.as_str()), (999, expected));
    assert_eq!(machine.changes(&before), NOTHING);
}

#[test]
fn version_and_no_command_are_like_the_reference() {
    let machine = Machine::new();
    let call = |command: &str| Call::bridge(command, "this is not read").env("CNI_PATH", "").run(&machine);
    let version = call("VERSION");
    let expected = concat!(
        r#"{"cniVersion":"1.1.0","supportedVersions":["0.1.0","0.2.0","0.3.0","0.3.1","0.4.0","1.0.0","1.1.0"]}"#,
        "\n"
    );
    assert_eq!((version.code, version.stdout.as_str()), (Some(0), expected));
    let banner = call("");
    assert_eq!((banner.code, banner.stdout.as_str()), (Some(0), ""));
    let expected = concat!(
        "CNI bridge plugin v1.9.1\nCNI protocol versions supported: 0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0\n",
        "wasm-cni ",
        env!("CARGO_PKG_VERSION"),
        "\n"
    );
    assert_eq!(banner.stderr, expected);
}

/// nerdctl isolates its networks only if the first line of `firewall` has at least v1.1.0 in this form. nomad takes the
/// first version in the whole text.
#[test]
fn a_runtime_that_reads_the_version_of_a_plugin_finds_the_reference_s() {
    let machine = Machine::new();
    let plugins = std::fs::read_dir(repository().join("guest-plugins")).unwrap();
    let names = plugins.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    for plugin in names.filter(|name| name != "sdk") {
        let reply = Call::new(&dist(), &plugin, "", "").run(&machine);
        let first = reply.stderr.lines().next().unwrap_or_default();
        assert_eq!((reply.code, first), (Some(0), format!("CNI {plugin} plugin v1.9.1").as_str()));
    }
}

#[test]
fn an_interface_that_exists_in_the_container_is_an_error_and_stays() {
    let machine = Machine::new();
    machine.netns("1234567890");
    machine.sh("ip -n 1234567890 link add eth12 type veth peer name other");
    let before = machine.snapshot();
    let (code, msg, _) = add(WALKTHROUGH).error(&machine);
    assert_eq!(code, 999);
    assert!(msg.contains("eth12") && msg.contains("already exists"), "{msg}");
    assert_eq!(machine.changes(&before), NOTHING);
}

#[test]
fn a_bridge_name_that_is_something_else_is_an_error() {
    let machine = Machine::new();
    machine.netns("1234567890");
    machine.sh("ip link add cni_bridge0 type veth peer name other");
    let before = machine.snapshot();
    let (_, msg, _) = add(WALKTHROUGH).error(&machine);
    assert!(msg.contains("\"cni_bridge0\" already exists but is not a bridge"), "{msg}");
    assert_eq!(machine.changes(&before), NOTHING);
}

#[test]
fn the_installed_tree_is_what_an_installer_expects() {
    let names = |dir: &Path| {
        let entries = std::fs::read_dir(dir).unwrap();
        let names: BTreeSet<String> =
            entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names
    };
    // A link and a component for each plugin, and the two binaries.
    let plugins = names(&repository().join("guest-plugins")).into_iter().filter(|name| name != "sdk");
    let mut expected: BTreeSet<String> = plugins.flat_map(|name| [format!("{name}.wasm"), name]).collect();
    expected.extend(["wasm-cni", "wasm-cni-compile"].map(str::to_owned));
    assert!(expected.contains("host-local.wasm"));
    assert_eq!(names(&dist()), expected);
    assert_eq!(std::fs::read_link(dist().join("bridge")).unwrap(), Path::new("wasm-cni"));
}

#[test]
fn a_refusal_names_action_and_rule_and_nothing_is_done() {
    // A main plugin of its own asks for a bridge that its configuration does not name.
    let machine = Machine::new();
    let plugins = machine.plugins();
    install(&plugins, "other", &with_bridges(&["cni0"]));
    std::os::unix::fs::symlink("wasm-cni", plugins.join("other")).unwrap();
    machine.netns("1234567890");
    let before = machine.snapshot();
    let config = WALKTHROUGH
        .replace("\"bridge\": \"cni_bridge0\",", "")
        .replace("\"type\": \"bridge\"", "\"type\": \"other\"");
    let (code, msg, details) = Call::new(&plugins, "other", "ADD", &config).error(&machine);
    assert_eq!(code, 100, "{msg}");
    assert!(details.contains("cni0") && details.contains("the configuration names no link"), "{details}");
    assert_eq!(machine.changes(&before), NOTHING);
}

#[test]
fn a_version_that_cannot_express_the_result_is_refused_before_anything_is_done() {
    let config = r#"{"cniVersion": "0.2.0", "name": "l2", "type": "bridge", "bridge": "l2br"}"#;
    let (code, msg, details) = error(&add(config));
    assert_eq!((code, msg.as_str(), details.as_str()), (999, "cannot convert: no valid IP addresses", ""));
    let machine = Machine::new();
    machine.netns("1234567890");
    let stdout = Call::bridge("ADD", &config.replace("0.2.0", "1.0.0")).ok(&machine);
    assert!(stdout.contains("\"name\": \"eth12\"") && !stdout.contains("ips"), "{stdout}");
}

#[test]
fn add_and_plan_report_every_violation_at_once() {
    let machine = Machine::new();
    let plugins = machine.plugins();
    install(&plugins, "bridge", &with_bridges(&["cni_bridge0", "docker0", "virbr0"]));
    machine.netns("1234567890");
    let before = machine.snapshot();
    let (code, _, details) = Call::new(&plugins, "bridge", "ADD", WALKTHROUGH).error(&machine);
    let violations = details.split("what would allow it").next().unwrap();
    assert_eq!((code, violations.lines().count()), (100, 2), "{details}");
    let mut plan = machine.command(plugins.join("wasm-cni"));
    plan.arg("plan")
        .arg(repository().join("examples/mybridge.conf"))
        .args(["--netns", "/var/run/netns/1234567890"]);
    let output = plan.args(["--container-id", "1234567890", "--cni-path"]).arg(&plugins).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8_lossy(&output.stderr);
    let refused = text.split("refused by policy").nth(1).unwrap_or_else(|| panic!("{text}{stderr}"));
    for name in ["docker0", "virbr0"] {
        assert!(details.contains(&format!("ip link add {name} ")), "{details}");
        assert!(refused.contains(&format!("the configuration names no link \"{name}\"")), "{text}");
    }
    assert!(!refused.contains("cni_bridge0"), "{text}");
    assert_eq!(machine.changes(&before), NOTHING);
}

#[test]
fn status_reports_whether_an_add_would_find_its_plugins() {
    let machine = Machine::new();
    let plugins = machine.plugins();
    let status = Call::new(&plugins, "bridge", "STATUS", &WALKTHROUGH.replace("0.2.0", "1.1.0"));
    assert_eq!(status.ok(&machine), "");
    std::fs::remove_file(plugins.join("host-local.wasm")).unwrap();
    let (code, msg, _) = status.error(&machine);
    assert_eq!(code, 50);
    assert!(msg.contains("host-local"), "{msg}");
    let (code, msg, _) = Call::new(&plugins, "bridge", "STATUS", WALKTHROUGH).error(&machine);
    assert_eq!((code, msg.as_str()), (1, "config version does not allow STATUS"));
}

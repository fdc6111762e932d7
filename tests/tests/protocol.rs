//! The protocol compared with Debian's reference: the same variables and the same input give the same error text,
//! except for texts of Go's JSON decoder.

use std::path::{Path, PathBuf};
use wasm_cni_tests::{Call, Machine, dist};

const REFERENCE: &str = "/usr/lib/cni";

/// Our plugin and the reference's.
fn directories() -> [PathBuf; 2] {
    assert!(
        Path::new(REFERENCE).join("bridge").exists(),
        "Debian's containernetworking-plugins is not installed"
    );
    [dist(), REFERENCE.into()]
}

/// Variables that differ from those of [`Call`]; empty ones count as missing.
type Variables<'a> = &'a [(&'a str, &'a str)];

fn call(dir: &Path, plugin: &str, command: &str, config: &str, variables: Variables) -> Call {
    let call = Call::new(dir, plugin, command, config);
    variables.iter().fold(call, |call, (name, value)| call.env(name, value))
}

/// Both replies to a call that must fail, without the versions that Debian's plugins do not support yet.
fn errors(plugin: &str, command: &str, config: &str, variables: Variables) -> [(u64, String, String); 2] {
    directories().map(|dir| {
        let machine = Machine::new();
        machine.netns("1234567890");
        let (code, msg, details) = call(&dir, plugin, command, config, variables).error(&machine);
        (code, msg, details.replace(" \"1.1.0\"", ""))
    })
}

const MINIMAL: &str = r#"{"cniVersion": "1.0.0", "name": "n", "type": "bridge"}"#;

#[test]
fn variables_are_asked_for_in_the_reference_order() {
    for (command, variables) in [
        ("ADD", &[("CNI_CONTAINERID", ""), ("CNI_NETNS", ""), ("CNI_IFNAME", ""), ("CNI_PATH", "")][..]),
        ("CHECK", &[("CNI_CONTAINERID", ""), ("CNI_NETNS", ""), ("CNI_IFNAME", ""), ("CNI_PATH", "")]),
        ("DEL", &[("CNI_CONTAINERID", ""), ("CNI_NETNS", ""), ("CNI_IFNAME", ""), ("CNI_PATH", "")]),
        ("ADD", &[("CNI_PATH", "")]),
        ("ADD", &[("CNI_CONTAINERID", "-x")]),
        ("ADD", &[("CNI_CONTAINERID", "a b")]),
        ("ADD", &[("CNI_IFNAME", "sixteen-bytes-xx")]),
        ("ADD", &[("CNI_IFNAME", ".")]),
        ("ADD", &[("CNI_IFNAME", "..")]),
        ("ADD", &[("CNI_IFNAME", "a:b")]),
        ("ADD", &[("CNI_IFNAME", "a\u{a0}b")]),
        ("DEL", &[("CNI_IFNAME", "a/b")]),
    ] {
        for plugin in ["bridge", "host-local"] {
            let [ours, theirs] = errors(plugin, command, MINIMAL, variables);
            assert_eq!(ours, theirs, "{plugin} {command} {variables:?}");
        }
    }
}

#[test]
fn input_is_decoded_in_the_reference_order() {
    for (command, config) in [
        ("ADD", ""),
        ("ADD", " \n"),
        ("ADD", "null"),
        ("ADD", "{}"),
        ("ADD", r#"{"name": null}"#),
        ("ADD", r#"{"name": ""}"#),
        ("ADD", r#"{"name": "-n", "cniVersion": 5}"#),
        ("ADD", r#"{"Name": "ä"}"#),
        ("ADD", r#"{"name": "n", "name": "-"}"#),
        ("ADD", r#"{"name": "n", "cniVersion": "1.0"}"#),
        ("ADD", r#"{"name": "n", "cniVersion": "v1.0.0"}"#),
        ("DEL", r#"{"name": "n", "CNIVERSION": "9.9.9"}"#),
        ("DEL", r#"{"cniVersion": "1.0.0"}"#),
        ("FOO", r#"{"name": "n", "cniVersion": 5}"#),
        ("add", r#"{"name": "n", "cniVersion": "9.9.9"}"#),
        ("FOO", r#"{"name": "<&>"}"#),
        ("CHECK", r#"{"name": "n"}"#),
        ("CHECK", r#"{"name": "n", "cniVersion": "0.3.1"}"#),
        ("CHECK", r#"{"name": "n", "cniVersion": "0.5.0"}"#),
        ("CHECK", r#"{"name": "n", "cniVersion": "1.0"}"#),
        ("CHECK", r#"{"name": "n", "cniVersion": "9.0"}"#),
        ("CHECK", r#"{"name": "n", "cniVersion": "-1"}"#),
        ("CHECK", r#"{"name": "n", "cniVersion": "adsfsadf"}"#),
        ("CHECK", r#"{"name": "n", "cniVersion": "1.x"}"#),
        ("CHECK", r#"{"name": "n", "cniVersion": "1.0.99999999999999999999"}"#),
        ("CHECK", r#"{"name": "n", "cniVersion": "1.2.3.4"}"#),
    ] {
        for plugin in ["bridge", "host-local"] {
            // Debian's plugins require the variables of an attachment for any command.
            let [ours, theirs] = errors(plugin, command, config, &[]);
            assert_eq!(ours, theirs, "{plugin} {command} {config}");
        }
    }
}

#[test]
fn invalid_json_has_the_reference_code_and_the_position() {
    for (config, part) in [
        ("{", ""),
        ("[]", "array"),
        ("\"x\"", "string"),
        (r#"{"name": 5}"#, "number"),
        (r#"{"name": "n"} x"#, ""),
        (r#"{"name": "n", "cniVersion": 5}"#, "number"),
        (r#"{"name": "n", "cniVersion": "1.0.0", "capabilities": {"ips": 5}}"#, "capabilities"),
        (r#"{"name": "n", "cniVersion": "1.0.0", "CAPABILITIES": []}"#, "capabilities"),
        (r#"{"name": "n", "cniVersion": "1.0.0", "type": 5}"#, "type"),
        (r#"{"name": "n", "cniVersion": "1.0.0", "ipam": "x"}"#, "ipam"),
        (r#"{"name": "n", "cniVersion": "1.0.0", "ipam": {"type": []}}"#, "ipam"),
        (r#"{"name": "n", "cniVersion": "1.0.0", "dns": {"search": "x"}}"#, "dns"),
        (r#"{"name": "n", "cniVersion": "1.0.0", "prevResult": "x"}"#, "prevResult"),
        (r#"{"name": "n", "cniVersion": "1.0.0", "mtu": "x"}"#, "mtu"),
        (r#"{"name": "n", "cniVersion": "1.0.0", "isGateway": 1}"#, "isGateway"),
        (r#"{"name": "n", "cniVersion": "1.0.0", "runtimeConfig": []}"#, "runtimeConfig"),
        (r#"{"name": "n", "cniVersion": "1.0.0", "args": {"cni": "x"}}"#, "cni"),
    ] {
        let [ours, theirs] = errors("bridge", "ADD", config, &[]);
        assert_eq!(ours.0, theirs.0, "{config}: {ours:?} {theirs:?}");
        let prefix = theirs.1.split(": ").next().unwrap();
        assert!(ours.1.starts_with(prefix) && ours.1.contains(part), "{config}: {ours:?} {theirs:?}");
    }
}

#[test]
fn a_prev_result_is_read_as_the_reference_reads_it() {
    let version = |result: &str| {
        format!(
            r#"{{"name": "n", "cniVersion": "0.4.0", "type": "static", "ipam": {{}}, "prevResult": {result}}}"#
        )
    };
    for result in [
        r#"{"cniVersion": "1.0.0"}"#,
        r#"{"cniVersion": "0.2.0"}"#,
        r#"{"cniVersion": ""}"#,
        r#"{"CNIVersion": "1.0.0"}"#,
        r#"{"CNIVersion": "0.4.0", "cniVersion": "1.0.0"}"#,
        "null",
    ] {
        let [ours, theirs] = errors("static", "CHECK", &version(result), &[]);
        assert_eq!(ours, theirs, "{result}");
    }
}

#[test]
fn add_of_bridge_and_host_local_do_not_read_it() {
    let config = r#"{"cniVersion": "1.0.0", "name": "n", "type": "bridge", "ipam": {"type": "host-local", "subnet": "10.1.2.0/24"},
        "prevResult": {"cniVersion": "0.4.0", "ips": 5}}"#;
    for dir in directories() {
        let machine = Machine::new();
        machine.netns("1234567890");
        for plugin in ["bridge", "host-local"] {
            call(&dir, plugin, "ADD", config, &[("CNI_IFNAME", plugin)]).ok(&machine);
        }
    }
}

#[test]
fn arguments_are_as_strict_as_the_reference() {
    let ipam =
        r#"{"cniVersion": "1.0.0", "name": "n", "ipam": {"type": "host-local", "subnet": "10.1.2.0/24"}}"#;
    for args in [
        "x",
        "IP",
        "IP=a=b",
        "IP=10.1.2.3;",
        "ip=10.1.2.3",
        "MAC=02:00:00:00:00:01",
        "K8S_POD_NAME=x;FOO=y",
        "IgnoreUnknown=yes",
        "IgnoreUnknown=YES;A=b",
        "IgnoreUnknown=0;A=b",
        "IP=x",
        "CommonArgs=1",
        "=x",
        "IP=10.1.2.1",
        "IP=10.9.9.9",
    ] {
        let [ours, theirs] = errors("host-local", "ADD", ipam, &[("CNI_ARGS", args)]);
        assert_eq!(ours, theirs, "{args}");
    }
    for args in ["x", "MAC=a=b", "IP=10.1.2.3", "mac=02:00:00:00:00:01", "IgnoreUnknown=2"] {
        let [ours, theirs] = errors("bridge", "ADD", MINIMAL, &[("CNI_ARGS", args)]);
        assert_eq!(ours, theirs, "{args}");
    }
}

#[test]
fn an_error_has_the_shape_of_the_reference_to_the_byte() {
    for (config, variables) in [
        (r#"{"name": "<a & b>\u2028"}"#, &[][..]),
        (MINIMAL, &[("CNI_CONTAINERID", "a\"<b>\\")][..]),
        (MINIMAL, &[("CNI_NETNS", "")]),
        (r#"{"name": "n", "cniVersion": "9"}"#, &[]),
    ] {
        let [ours, theirs] = directories().map(|dir| {
            let machine = Machine::new();
            let reply = call(&dir, "bridge", "ADD", config, variables).run(&machine);
            (reply.code, reply.stdout.replace(" \\\"1.1.0\\\"", ""))
        });
        assert_eq!(ours, theirs);
    }
}

#[test]
fn version_reads_nothing_and_differs_by_the_version_that_debian_lacks() {
    let [ours, theirs] = directories().map(|dir| {
        let machine = Machine::new();
        let empty = [("CNI_CONTAINERID", "-"), ("CNI_NETNS", ""), ("CNI_IFNAME", "/"), ("CNI_ARGS", "x")];
        call(&dir, "host-local", "VERSION", "{", &empty).ok(&machine)
    });
    assert_eq!(ours.replace(",\"1.1.0\"]", "]").replace("\"1.1.0\"", "\"1.0.0\""), theirs);
}

//! Native IPAM plugins that violate the SPEC: the error describes the violation, and nothing is left.

use std::os::unix::fs::PermissionsExt;
use wasm_cni_tests::native::Plugins;
use wasm_cni_tests::{Call, Machine, NOTHING};

/// A bridge with the IPAM plugin `odd`.
const CONF: &str = r#"{"cniVersion": "1.0.0", "name": "net", "type": "bridge", "bridge": "br0", "isGateway": true,
    "ipMasq": true, "ipam": {"type": "odd"}}"#;

/// Its behaviour on ADD, and the runtime's error: code and a part of the message.
const ODDITIES: [(&str, u64, &str); 24] = [
    // No output, or no JSON.
    ("true", 999, "failed to unmarshal raw result"),
    ("echo", 999, "failed to unmarshal raw result"),
    ("echo nonsense", 999, "failed to unmarshal raw result"),
    (r#"echo '{"ips": ['"#, 999, "failed to unmarshal raw result"),
    (r#"echo '{"ips": [{"address": "10.1.2.2/24"}]} {}'"#, 999, "failed to unmarshal raw result"),
    (r"printf '\377\376'", 999, "failed to unmarshal raw result"),
    ("head -c 100000 /dev/zero | tr '\\0' '['", 999, "failed to unmarshal raw result"),
    // JSON that is no result.
    ("echo null", 999, "IPAM plugin returned missing IP config"),
    ("echo '[]'", 999, ""),
    ("echo 42", 999, ""),
    (r#"echo '{"cniVersion": "1.0.0"}'"#, 999, "IPAM plugin returned missing IP config"),
    (r#"echo '{"cniVersion": "1.0.0", "ips": []}'"#, 999, "IPAM plugin returned missing IP config"),
    (
        r#"echo '{"code": 11, "msg": "an error with exit code 0"}'"#,
        999,
        "IPAM plugin returned missing IP config",
    ),
    (r#"echo '{"ips": [{"address": "10.1.2.2"}]}'"#, 999, "invalid CIDR address: 10.1.2.2"),
    (r#"echo '{"ips": [{"address": "10.1.2.2/24", "gateway": "x"}]}'"#, 999, ""),
    (r#"echo '{"cniVersion": "9.9.9"}'"#, 999, "unsupported CNI result version \"9.9.9\""),
    (r#"echo '{"cniVersion": 1}'"#, 999, ""),
    // Failures, reported in various ways.
    (r#"echo '{"code": 11, "msg": "no lease", "details": "later"}'; exit 1"#, 11, "no lease"),
    (
        r#"echo '{"cniVersion": "1.0.0", "code": 133, "msg": "é \"x\""}'; echo log >&2; exit 7"#,
        133,
        "é \"x\"",
    ),
    (
        "echo nonsense; exit 1",
        0,
        "netplugin failed but error parsing its diagnostic message \"nonsense\\n\": ",
    ),
    ("echo woe >&2; exit 3", 0, "netplugin failed: \"woe\\n\""),
    ("exit 3", 0, "netplugin failed with no error message: exit status 3"),
    ("kill -9 $$", 0, "netplugin failed with no error message: signal: 9"),
    ("kill -TERM $$", 0, "netplugin failed with no error message: signal: 15"),
];

/// An ADD with the plugin that `prepare` installs; returns the error, and the recorded calls of the plugin.
fn add(prepare: impl FnOnce(&Plugins), variables: &[(&str, &str)]) -> ((u64, String, String), Vec<String>) {
    let machine = Machine::new();
    machine.netns("1234567890");
    let plugins = Plugins::with_bridge(&machine);
    prepare(&plugins);
    let before = machine.snapshot();
    let call = Call::new(plugins.path(), "bridge", "ADD", CONF);
    let call = variables.iter().fold(call, |call, (name, value)| call.env(name, value));
    let error = call.error(&machine);
    assert_eq!(machine.changes(&before), NOTHING, "{error:?}");
    assert_eq!(machine.sh("find /run/wasm-cni/attachments -mindepth 1 2>/dev/null || true"), "", "{error:?}");
    // A plugin that does not exist needs no DEL either.
    Call::new(plugins.path(), "bridge", "DEL", CONF).run(&machine);
    assert_eq!(machine.changes(&before), NOTHING, "{error:?}");
    let mut log = plugins.log();
    log.truncate(2);
    (error, log)
}

fn with_script(body: &str) -> ((u64, String, String), Vec<String>) {
    add(|plugins| plugins.script("odd", &format!("[ $CNI_COMMAND = ADD ] || exit 0\n{body}")), &[])
}

#[test]
fn every_violation_of_a_native_plugin_is_reported_and_leaves_nothing() {
    for (body, code, text) in ODDITIES {
        let ((found, msg, details), log) = with_script(body);
        assert!(found == code && msg.contains(text), "`{body}` gives {found} {msg:?} {details:?}");
        assert!(!msg.is_empty(), "`{body}`");
        // A failed ADD is followed by a DEL (SPEC, section 4).
        assert_eq!(log, ["ADD", "DEL"], "`{body}`");
        if code == 11 || code == 133 {
            assert_eq!((msg.as_str(), details.as_str()), (text, if code == 11 { "later" } else { "" }));
        }
    }
}

#[test]
fn a_plugin_that_never_ends_is_killed_with_its_children() {
    let hang = "sleep 1000 & echo $! > $LOG.pid; wait";
    let prepare =
        |plugins: &Plugins| plugins.script("odd", &format!("[ $CNI_COMMAND = ADD ] || exit 0\n{hang}"));
    let ((code, msg, _), log) = add(prepare, &[("WASM_CNI_DELEGATE_SECONDS", "1")]);
    assert_eq!(code, 999, "{msg}");
    assert!(msg.contains("/odd: it did not end within 1 s"), "{msg}");
    assert_eq!(log, ["ADD", "DEL"]);
}

#[test]
fn a_plugin_with_too_much_output_is_killed() {
    for body in ["yes", "yes >&2"] {
        let ((code, msg, _), log) = with_script(body);
        assert_eq!(code, 999, "{msg}");
        assert!(msg.contains("/odd: it printed more than 1024 KiB"), "{msg}");
        assert_eq!(log, ["ADD", "DEL"]);
    }
}

#[test]
fn a_plugin_that_cannot_be_executed_is_named() {
    let not_executable = |plugins: &Plugins| {
        plugins.script("odd", "exit 0");
        let mode = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(plugins.path().join("odd"), mode).unwrap();
    };
    let ((code, msg, _), log) = add(not_executable, &[]);
    assert_eq!((code, log.as_slice()), (999, NOTHING.as_slice()));
    assert!(msg.contains("plugins/odd: Permission denied"), "{msg}");

    let no_interpreter = |plugins: &Plugins| {
        plugins.script("odd", "exit 0");
        std::fs::write(plugins.path().join("odd"), "#!/no/such/interpreter\n").unwrap();
    };
    let ((code, msg, _), _) = add(no_interpreter, &[]);
    assert_eq!(code, 999);
    assert!(msg.contains("plugins/odd: No such file or directory"), "{msg}");

    let ((code, msg, _), _) = add(|_| {}, &[]);
    assert_eq!(code, 999);
    assert!(msg.starts_with("failed to find plugin \"odd\" in path ["), "{msg}");
}

#[test]
fn a_result_of_another_version_is_converted() {
    for result in [
        r#"{"cniVersion": "0.2.0", "ip4": {"ip": "10.1.2.2/24", "gateway": "10.1.2.1", "routes": [{"dst": "10.9.0.0/16"}]}}"#,
        r#"{"cniVersion": "0.4.0", "ips": [{"version": "4", "address": "10.1.2.2/24", "gateway": "10.1.2.1"}],
            "routes": [{"dst": "10.9.0.0/16"}]}"#,
        r#"{"ips": [{"address": "10.1.2.2/24", "gateway": "10.1.2.1"}], "routes": [{"dst": "10.9.0.0/16"}]}"#,
    ] {
        let machine = Machine::new();
        machine.netns("1234567890");
        let plugins = Plugins::with_bridge(&machine);
        plugins.script("odd", &format!("cat <<'EOF'\n{result}\nEOF"));
        let added = Call::new(plugins.path(), "bridge", "ADD", CONF).ok(&machine);
        let added: serde_json::Value = serde_json::from_str(&added).unwrap();
        assert_eq!(added["cniVersion"], "1.0.0", "{result}");
        assert_eq!(added["ips"][0]["address"], "10.1.2.2/24", "{result}");
        let routes = machine.sh("ip -n 1234567890 route");
        assert!(routes.contains("10.9.0.0/16 via 10.1.2.1 dev eth12"), "{result}: {routes}");
    }
}

#[test]
fn a_del_that_a_plugin_refuses_is_reported_as_a_command_and_done_by_the_next_one() {
    let machine = Machine::new();
    machine.netns("1234567890");
    let plugins = Plugins::with_bridge(&machine);
    let before = machine.snapshot();
    plugins.script(
        "odd",
        r#"case $CNI_COMMAND in
        ADD) echo '{"ips": [{"address": "10.1.2.2/24"}]}';;
        DEL) [ -e $LOG.repaired ] || { echo '{"code": 11, "msg": "not now"}'; exit 1; }; echo done >> $LOG;;
        esac"#,
    );
    let call = |verb| Call::new(plugins.path(), "bridge", verb, CONF);
    call("ADD").ok(&machine);
    for _ in 0..2 {
        let (code, _, details) = call("DEL").error(&machine);
        assert_eq!(code, 105, "{details}");
        assert!(details.contains("not now") && details.contains("CNI_COMMAND=DEL"), "{details}");
    }
    assert_eq!(machine.sh("ip -n 1234567890 -o link").lines().count(), 1, "what could be undone is undone");
    // The printed command does the same.
    let (_, _, details) = call("DEL").error(&machine);
    std::fs::write(plugins.path().join("log.repaired"), "").unwrap();
    let command = details.split("left: `").nth(1).and_then(|rest| rest.split("` removes it").next()).unwrap();
    machine.sh(command);
    assert_eq!(plugins.log().last().map(String::as_str), Some("done"));
    call("DEL").ok(&machine);
    call("DEL").ok(&machine);
    let left = machine.changes(&before);
    assert!(
        left.iter().all(|line| ["br0", "forward", "accept_redirects"].iter().any(|part| line.contains(part))),
        "{left:?}"
    );
}

#[test]
fn a_failed_check_of_a_plugin_is_relayed() {
    let machine = Machine::new();
    machine.netns("1234567890");
    let plugins = Plugins::with_bridge(&machine);
    plugins.script(
        "odd",
        r#"case $CNI_COMMAND in
        ADD) echo '{"ips": [{"address": "10.1.2.2/24"}]}';;
        CHECK) echo '{"code": 130, "msg": "the lease has expired", "details": "at noon"}'; exit 1;;
        esac"#,
    );
    let added = Call::new(plugins.path(), "bridge", "ADD", CONF).ok(&machine);
    let conf = CONF.replacen('{', &format!(r#"{{"prevResult": {added},"#), 1);
    let error = Call::new(plugins.path(), "bridge", "CHECK", &conf).error(&machine);
    assert_eq!(error, (130, "the lease has expired".to_owned(), "at noon".to_owned()));
}

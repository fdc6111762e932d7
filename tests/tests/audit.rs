//! The audit log: one line for each plan that was applied, refused or undone. A failing log does not stop the network,
//! unless policy requires the log.

use serde_json::Value;
use std::path::{Path, PathBuf};
use wasm_cni_tests::guest::{install, with_bridges};
use wasm_cni_tests::{CHAIN, Call, Machine, NOTHING, WALKTHROUGH, dist, repository};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn machine() -> Machine {
    let machine = Machine::new();
    machine.netns("1234567890");
    machine
}

/// A policy with a log at `file`.
fn policy(machine: &Machine, file: &Path, more: &str) -> PathBuf {
    let path = machine.files().join("policy.toml");
    std::fs::write(&path, format!("[audit]\nfile = {file:?}\n{more}\n")).unwrap();
    path
}

fn call(plugins: &Path, command: &str, policy: &Path) -> Call {
    Call::new(plugins, "bridge", command, WALKTHROUGH)
        .env("WASM_CNI_POLICY", &policy.display().to_string())
        .env("TRACEPARENT", &format!("00-{TRACE}-00f067aa0ba902b7-01"))
}

fn lines(machine: &Machine, log: &str) -> Vec<Value> {
    let text = machine.sh(&format!("cat {log}"));
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

#[test]
fn each_plan_that_was_applied_refused_or_undone_is_a_line() {
    let machine = machine();
    let plugins = machine.plugins();
    let policy = policy(&machine, Path::new("/var/lib/audit.jsonl"), "");
    let mut plan = machine.command(plugins.join("wasm-cni"));
    plan.env("WASM_CNI_CACHE_DIR", wasm_cni_tests::target().join("test-cache"));
    plan.arg("plan").arg(repository().join("examples/mybridge.conf")).args([
        "--output",
        "json",
        "--cni-path",
    ]);
    plan.arg(&plugins).args([
        "--netns",
        "/var/run/netns/1234567890",
        "--container-id",
        "1234567890",
        "--ifname",
        "eth12",
    ]);
    let planned = plan.output().unwrap();
    let planned: Value = serde_json::from_slice(&planned.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&planned.stderr)));

    call(&plugins, "ADD", &policy).ok(&machine);
    call(&plugins, "DEL", &policy).ok(&machine);
    let path = machine.with_iptables("exit 1");
    call(&plugins, "ADD", &policy).env("PATH", &path).error(&machine);
    call(&plugins, "ADD", &policy).env("CNI_NETNS", "/run/netns/none").error(&machine);
    install(&plugins, "bridge", &with_bridges(&["docker0"]));
    call(&plugins, "ADD", &policy).env("TRACEPARENT", "nonsense").error(&machine);

    let lines = lines(&machine, "/var/lib/audit.jsonl");
    let outcomes: Vec<(&str, &str)> = lines
        .iter()
        .map(|line| (line["verb"].as_str().unwrap(), line["outcome"].as_str().unwrap()))
        .collect();
    let expected = [
        ("ADD", "applied"),
        ("DEL", "undone"),
        ("ADD", "rolled-back"),
        ("ADD", "failed"),
        ("ADD", "refused"),
    ];
    assert_eq!(outcomes, expected);
    let [applied, _, _, _, refused] = lines.as_slice() else { panic!("{lines:?}") };
    for (key, value) in [
        ("network", "mybridge"),
        ("container", "1234567890"),
        ("interface", "eth12"),
        ("plugin", "bridge"),
        ("trace_id", TRACE),
    ] {
        assert_eq!(applied[key], value, "{applied}");
    }
    let digest = |name: &str| {
        let printed = machine.sh(&format!("sha256sum {}", dist().join(name).display()));
        printed.split(' ').next().unwrap().to_owned()
    };
    assert_eq!(applied["components"][0]["sha256"], digest("bridge.wasm"));
    assert_eq!(applied["components"][1]["plugin"], "host-local");
    assert_eq!(applied["plan"], planned[0]["digest"], "what was shown is what was done");
    assert!(applied["plan"].as_str().is_some_and(|digest| digest.len() == 64), "{applied}");
    assert!(applied["duration_us"].as_u64().is_some_and(|us| us > 100), "{applied}");
    for phase in ["plan", "check", "journal", "host", "container", "rules"] {
        assert!(applied["phases_us"][phase].as_u64().is_some_and(|us| us > 0), "{phase} of {applied}");
    }
    let time = applied["time"].as_str().unwrap();
    assert!(
        time.ends_with('Z') && machine.sh(&format!("date -d {time} +%Y")) == machine.sh("date +%Y"),
        "{time}"
    );
    assert_eq!(refused["error"]["code"], 100);
    assert!(refused["error"]["details"].as_str().unwrap().contains("docker0"), "{refused}");
    assert_eq!(refused["trace_id"], Value::Null);
    assert_eq!(machine.sh("stat -c %a /var/lib/audit.jsonl"), "600\n");
}

#[test]
fn violations_that_audit_mode_allows_are_in_the_line() {
    let machine = machine();
    let plugins = machine.plugins();
    install(&plugins, "bridge", &with_bridges(&["docker0"]));
    let policy = policy(&machine, Path::new("/var/lib/audit.jsonl"), "[[rule]]\nmode = \"audit\"");
    let config = WALKTHROUGH.replace("0.2.0", "1.0.0");
    let add =
        Call::new(&plugins, "bridge", "ADD", &config).env("WASM_CNI_POLICY", &policy.display().to_string());
    add.ok(&machine);
    let lines = lines(&machine, "/var/lib/audit.jsonl");
    assert_eq!(lines[0]["outcome"], "applied");
    assert!(lines[0]["tolerated"][0].as_str().unwrap().contains("names no link \"docker0\""), "{lines:?}");
}

#[test]
fn a_log_that_cannot_be_written_stops_nothing_unless_policy_requires_it() {
    let machine = machine();
    let plugins = machine.plugins();
    machine.sh(
        "mkdir /run/full && mount -t tmpfs -o size=8k tmpfs /run/full && printf 'x\\n' > /run/full/log && \
         { cat /dev/zero > /run/full/rest || true; }",
    );
    for (file, cause) in
        [("/run/full/log", "the disk is full"), ("/run/none/log", "No such file or directory")]
    {
        let stderr_of = |reply: wasm_cni_tests::Reply| {
            assert_eq!(reply.code, Some(0), "{file}: {}", reply.stdout);
            reply.stderr
        };
        let optional = policy(&machine, Path::new(file), "");
        machine.sh("head -c 4000 /dev/zero | tr '\\0' x >> /run/full/log || true");
        let warning = stderr_of(call(&plugins, "ADD", &optional).run(&machine));
        assert!(warning.contains(&format!("the audit log {file} cannot be written")), "{warning}");
        stderr_of(call(&plugins, "DEL", &optional).run(&machine));

        let required = policy(&machine, Path::new(file), "required = true");
        let before = machine.snapshot();
        let (code, msg, details) = call(&plugins, "ADD", &required).error(&machine);
        let expected = format!("the audit log {file} cannot be written, and policy requires it");
        assert_eq!((code, msg), (5, expected), "{details}");
        assert!(details.contains(cause) || details.contains("No space left"), "{details}");
        assert_eq!(machine.changes(&before), NOTHING);
        // A DEL works whatever happens to the log.
        stderr_of(call(&plugins, "DEL", &required).run(&machine));
    }
}

#[test]
fn no_line_is_lost_or_torn_when_the_log_is_rotated_by_rename() {
    const CALLS: usize = 25;
    let machine = machine();
    let plugins = machine.plugins();
    let policy = policy(&machine, Path::new("/var/lib/audit.jsonl"), "");
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..4)
            .map(|caller| {
                let (machine, plugins, policy) = (&machine, &plugins, &policy);
                scope.spawn(move || {
                    for number in 0..CALLS {
                        let container = format!("c{caller}-{number}");
                        call(plugins, "DEL", policy).container(&container).env("CNI_NETNS", "").ok(machine);
                    }
                })
            })
            .collect();
        let mut rotations = 0;
        while callers.iter().any(|caller| !caller.is_finished()) {
            rotations += 1;
            machine
                .sh(&format!("mv /var/lib/audit.jsonl /var/lib/audit.jsonl.{rotations} 2>/dev/null || true"));
        }
        assert!(rotations > 1);
    });
    let mut containers: Vec<String> = lines(&machine, "/var/lib/audit.jsonl*")
        .iter()
        .map(|line| line["container"].as_str().unwrap().to_owned())
        .collect();
    containers.sort();
    containers.dedup();
    assert_eq!(containers.len(), 4 * CALLS);
}

/// Runs `wasm-cni` under that policy, with that `PATH`; returns its exit code and output.
fn wasm_cni(machine: &Machine, policy: &Path, path: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = machine.command(dist().join("wasm-cni"));
    command.env("WASM_CNI_POLICY", policy).env("PATH", path).args(arguments);
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

/// Among them the ifb, whose MAC address is in the result that portmap gets.
#[test]
fn each_plugin_of_a_chain_is_applied_as_it_was_planned_and_has_its_own_durations() {
    let machine = machine();
    let policy = policy(&machine, Path::new("/var/lib/audit.jsonl"), "");
    let list = r#"{"cniVersion": "1.0.0", "name": "net", "plugins": [
        {"type": "bridge", "bridge": "br0", "ipam": {"type": "host-local", "subnet": "10.1.2.0/24"}},
        {"type": "bandwidth", "egressRate": 8000000, "egressBurst": 800000},
        {"type": "portmap", "capabilities": {"portMappings": true}, "snat": false}]}"#;
    machine.sh("mkdir -p /var/lib/net");
    let file = machine.files().join("net.conflist");
    std::fs::write(&file, list).unwrap();
    let wasm_cni = |arguments: &str| {
        machine.sh(&format!(
            "export WASM_CNI_POLICY={} WASM_CNI_CACHE_DIR={} CNI_PATH={dist}
             export CAP_ARGS='{{\"portMappings\": [{{\"hostPort\": 8080, \"containerPort\": 80, \"protocol\": \"tcp\"}}]}}'
             {dist}/wasm-cni {arguments}",
            policy.display(),
            wasm_cni_tests::target().join("test-cache").display(),
            dist = dist().display(),
        ))
    };
    let netns = "/var/run/netns/1234567890";
    let planned =
        wasm_cni(&format!("plan {} --output json --netns {netns} --container-id 1234567890", file.display()));
    let planned: Vec<Value> = serde_json::from_str(&planned).unwrap();
    wasm_cni(&format!("add net {netns} --conf-dir {} --container-id 1234567890", machine.files().display()));
    let lines = lines(&machine, "/var/lib/audit.jsonl");
    let digests = |values: &[Value], key: &str| -> Vec<String> {
        values.iter().map(|value| value[key].to_string()).collect()
    };
    assert_eq!(digests(&lines, "plan"), digests(&planned, "digest"));
    for line in &lines {
        let phases = line["phases_us"].as_object().unwrap();
        let sum: u64 = phases.values().filter_map(Value::as_u64).sum();
        assert!(sum > 0 && sum <= line["duration_us"].as_u64().unwrap(), "{line}");
    }
}

#[test]
fn each_repaired_attachment_is_a_line() {
    const LOG: &str = "/var/lib/audit.jsonl";
    let machine = machine();
    machine.netns("second");
    let policy = policy(&machine, Path::new(LOG), "");
    let usual = std::env::var("PATH").unwrap();
    let repair = |path: &str| wasm_cni(&machine, &policy, path, &["repair"]);
    call(&dist(), "ADD", &policy).ok(&machine);
    call(&dist(), "ADD", &policy).container("second").ok(&machine);
    machine.sh(&format!("rm {LOG}"));

    assert_eq!(repair(&usual).0, Some(0));
    machine.sh("ip -n second link set eth12 down; ip -n second route flush table main");
    assert_eq!(repair(&usual).0, Some(0));
    machine.sh("iptables -t nat -F");
    let (code, text) = repair(&machine.with_iptables("echo no >&2; exit 1"));
    assert_eq!(code, Some(1), "{text}");
    assert_eq!(repair(&usual).0, Some(0));
    // There is nothing to repair, and so no plan.
    machine.sh("ip -n second link delete eth12");
    assert_eq!(repair(&usual).0, Some(1));

    let lines = lines(&machine, LOG);
    let outcomes: Vec<[&str; 4]> = lines
        .iter()
        .map(|line| ["verb", "container", "plugin", "outcome"].map(|key| line[key].as_str().unwrap()))
        .collect();
    let expected = [
        ["REPAIR", "second", "bridge", "applied"],
        ["REPAIR", "1234567890", "bridge", "incomplete"],
        ["REPAIR", "second", "bridge", "incomplete"],
        ["REPAIR", "1234567890", "bridge", "applied"],
        ["REPAIR", "second", "bridge", "applied"],
    ];
    assert_eq!(outcomes, expected, "{lines:?}");
    assert!(lines[1]["error"]["details"].as_str().unwrap().contains("iptables-restore"), "{lines:?}");
    for line in &lines {
        assert_eq!((&line["network"], &line["interface"]), (&"mybridge".into(), &"eth12".into()), "{line}");
        assert!(line["plan"].as_str().is_some_and(|digest| digest.len() == 64), "{line}");
        let phases = line["phases_us"].as_object().unwrap();
        assert!(phases.values().any(|took| took.as_u64() > Some(0)), "{line}");
        assert_eq!(line["components"], serde_json::json!([]), "no component is run");
    }
}

#[test]
fn a_repair_that_cannot_be_logged_does_not_start_if_policy_requires_the_log() {
    let machine = machine();
    let optional = policy(&machine, Path::new("/run/none/log"), "");
    call(&dist(), "ADD", &optional).ok(&machine);
    machine.sh("iptables -t nat -F");
    let broken = machine.snapshot();
    let required = policy(&machine, Path::new("/run/none/log"), "required = true");
    let usual = std::env::var("PATH").unwrap();
    let (code, text) = wasm_cni(&machine, &required, &usual, &["repair"]);
    assert_eq!(code, Some(1));
    assert!(text.contains("the audit log /run/none/log cannot be written, and policy requires it"), "{text}");
    assert_eq!(machine.changes(&broken), NOTHING);
    let optional = policy(&machine, Path::new("/run/none/log"), "");
    assert_eq!(wasm_cni(&machine, &optional, &usual, &["repair"]).0, Some(0));
    assert!(machine.sh("iptables-save -t nat").contains(CHAIN));
}

#[test]
fn each_gc_of_an_operator_is_a_line() {
    let machine = machine();
    let policy = policy(&machine, Path::new("/var/lib/audit.jsonl"), "");
    call(&dist(), "ADD", &policy).ok(&machine);
    let usual = std::env::var("PATH").unwrap();
    let gc = |more: &[&str]| {
        let arguments = [&["gc", "--dead-namespaces"], more].concat();
        assert_eq!(wasm_cni(&machine, &policy, &usual, &arguments).0, Some(0));
    };
    gc(&[]);
    machine.sh("ip netns delete 1234567890");
    gc(&["--dry-run"]);
    gc(&["mybridge"]);
    let lines = lines(&machine, "/var/lib/audit.jsonl");
    let outcomes: Vec<[&Value; 3]> =
        lines.iter().map(|line| ["verb", "network", "outcome"].map(|key| &line[key])).collect();
    assert_eq!(outcomes, [["ADD", "mybridge", "applied"], ["GC", "mybridge", "undone"]], "{lines:?}");
}

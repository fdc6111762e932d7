//! A verb ends in bounded time, whatever a guest recorded or said and whoever reads it, and says truly what happened: logs
//! that nobody reads, waits that cannot end, many rules, texts that the kernel cuts, and codes that are not a guest's.

use serde_json::{Value, json};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use wasm_cni_tests::guest::{component, install, with_bridges};
use wasm_cni_tests::native::{Plugins, REFERENCE};
use wasm_cni_tests::{Call, Machine, NOTHING, WALKTHROUGH, dist, walkthrough};

const C: &str = "1234567890";

fn machine() -> Machine {
    let machine = Machine::new();
    machine.netns(C);
    machine
}

/// A component that writes `times` messages of `bytes` bytes to the log.
fn chatty(times: u32, bytes: usize) -> Vec<u8> {
    let text = "x".repeat(bytes);
    component(&format!(
        "(local $left i32)
        (local.set $left (i32.const {times}))
        (loop $again
          (call $log.write (i32.const 2) (text \"{text}\"))
          (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
        (i32.const 0)"
    ))
}

/// Makes a call whose standard error nobody reads. Returns its exit code.
fn unread(call: &Call, machine: &Machine) -> Option<i32> {
    let begun = Instant::now();
    let mut child = call.start(machine, Stdio::null());
    // Standard error is a pipe that is not read, and stays open.
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if begun.elapsed() > Duration::from_secs(10) => {
                child.kill().unwrap();
                panic!("the verb waits for somebody who reads its standard error");
            }
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    status.code()
}

#[test]
fn a_log_that_nobody_reads_does_not_block_a_verb() {
    let machine = machine();
    let plugins = machine.plugins();
    let before = machine.snapshot();
    let config = walkthrough("1.0.0");
    let call = |command| Call::new(&plugins, "bridge", command, &config);
    // In one line, in lines that a pipe takes at once, and in many.
    for (times, bytes) in [(3, 30_000), (40, 4000), (1000, 60)] {
        install(&plugins, "bridge", &chatty(times, bytes));
        assert_eq!(unread(&call("ADD"), &machine), Some(0), "{times} lines of {bytes} bytes");
        assert_eq!(unread(&call("DEL"), &machine), Some(0), "{times} lines of {bytes} bytes");
        assert_eq!(machine.changes(&before), NOTHING);
    }
    // What a reader reads is complete.
    install(&plugins, "bridge", &chatty(20, 3000));
    let reply = call("ADD").run(&machine);
    assert!(reply.stderr.matches('x').count() >= 20 * 3000, "{}", reply.stderr.len());
    call("DEL").ok(&machine);
}

#[test]
fn what_a_native_plugin_says_and_nobody_reads_does_not_block_a_verb() {
    let machine = machine();
    let plugins = Plugins::with_bridge(&machine);
    let result = r#"{"cniVersion": "1.0.0", "ips": [{"address": "10.1.2.2/24"}]}"#;
    plugins.script(
        "odd",
        &format!(
            "head -c 300000 /dev/zero | tr '\\0' x >&2\n[ $CNI_COMMAND = ADD ] && echo '{result}'\nexit 0"
        ),
    );
    let config = r#"{"cniVersion": "1.0.0", "name": "net", "type": "bridge", "bridge": "br0", "ipam": {"type": "odd"}}"#;
    for command in ["ADD", "CHECK", "DEL"] {
        let config = match command {
            "ADD" => config.to_owned(),
            _ => config
                .replace("\"type\": \"bridge\"", &format!("\"type\": \"bridge\", \"prevResult\": {result}")),
        };
        let code = unread(&Call::new(plugins.path(), "bridge", command, &config), &machine);
        assert!(command == "CHECK" || code == Some(0), "{command}: {code:?}");
    }
}

#[test]
fn the_host_s_own_log_and_a_dry_run_that_nobody_reads_do_not_block() {
    let machine = machine();
    let call = Call::bridge("ADD", WALKTHROUGH).env("WASM_CNI_LOG", "debug").env("WASM_CNI_TIMINGS", "1");
    assert_eq!(unread(&call, &machine), Some(0));
    assert_eq!(unread(&Call::bridge("DEL", WALKTHROUGH).env("WASM_CNI_LOG", "debug"), &machine), Some(0));
    assert_eq!(unread(&Call::bridge("ADD", WALKTHROUGH).env("WASM_CNI_DRY_RUN", "1"), &machine), Some(1));
}

/// A component that waits for a link of the container again and again.
fn waits(times: usize, before: &str) -> Vec<u8> {
    let settle = "(call $links.link.settle (local.get $lo))";
    component(&format!(
        "(local $lo i32)
        (call $links.link.existing (i32.const 1) (text \"lo\") (i32.const 512))
        (local.set $lo (i32.load (i32.const 516))) {before} {} (i32.const 0)",
        settle.repeat(times)
    ))
}

#[test]
fn a_wait_that_cannot_end_is_none() {
    let machine = machine();
    let plugins = machine.plugins();
    let before = machine.snapshot();
    for (times, prepare) in
        [(1, ""), (6, ""), (6, "(call $links.link.set-promiscuous (local.get $lo) (i32.const 0))")]
    {
        install(&plugins, "bridge", &waits(times, prepare));
        let begun = Instant::now();
        let (code, msg, _) = Call::new(&plugins, "bridge", "ADD", &walkthrough("1.0.0")).error(&machine);
        assert_eq!((code, msg.as_str()), (999, "link lo is down"), "{times}");
        assert!(begun.elapsed() < Duration::from_secs(4), "{times} waits took {:?}", begun.elapsed());
        assert_eq!(machine.changes(&before), NOTHING);
    }
}

/// The chains and rules of a machine.
fn rules(machine: &Machine) -> String {
    machine.sh("iptables -t nat -S; iptables -S")
}

fn with_id(plugins: &Path, plugin: &str, command: &str, config: &Value, id: &str) -> Call {
    Call::new(plugins, plugin, command, &config.to_string()).env("CNI_CONTAINERID", id)
}

#[test]
fn rules_whose_comment_the_kernel_cuts_are_found_again() {
    // The comment is shorter than 255 bytes, as long, and longer; cut within the container, and within the network.
    for (network, id) in [(7, 226), (7, 227), (7, 228), (7, 229), (7, 255), (200, 200), (255, 255)] {
        let machine = machine();
        let (name, id) = ("n".repeat(network), "c".repeat(id));
        let config = json!({"cniVersion": "1.0.0", "name": name, "type": "bridge", "bridge": "br0", "isGateway": true,
            "ipMasq": true, "ipam": {"type": "host-local", "subnet": "10.1.2.0/24"}});
        let before = rules(&machine);
        let what = format!("a network of {network} bytes, a container of {} bytes", id.len());
        let plugins = dist();
        let result = with_id(&plugins, "bridge", "ADD", &config, &id).ok(&machine);
        assert_ne!(rules(&machine), before, "{what}");
        let mut check = config.clone();
        check["prevResult"] = serde_json::from_str(&result).unwrap();
        with_id(&plugins, "bridge", "CHECK", &check, &id).ok(&machine);
        with_id(&plugins, "bridge", "DEL", &config, &id).ok(&machine);
        assert_eq!(rules(&machine), before, "{what}");
        // Without the journal, from the names alone.
        with_id(&plugins, "bridge", "ADD", &config, &id).ok(&machine);
        machine.sh("rm -rf /run/wasm-cni/attachments");
        with_id(&plugins, "bridge", "DEL", &config, &id).ok(&machine);
        assert_eq!(rules(&machine), before, "{what}, without a journal");
        // Either deletes what the other added.
        let reference = Path::new(REFERENCE);
        with_id(&plugins, "bridge", "ADD", &config, &id).ok(&machine);
        let deleted =
            with_id(reference, "bridge", "DEL", &config, &id).env("CNI_PATH", REFERENCE).run(&machine);
        assert_eq!((deleted.code, rules(&machine)), (Some(0), before.clone()), "{what}: {}", deleted.stdout);
        machine.sh("rm -rf /run/wasm-cni/attachments");
        with_id(reference, "bridge", "ADD", &config, &id).env("CNI_PATH", REFERENCE).ok(&machine);
        with_id(&plugins, "bridge", "DEL", &config, &id).ok(&machine);
        assert_eq!(rules(&machine), before, "{what}, of the reference");
    }
}

/// What a component's error becomes: the code that SPEC or libcni gives to plugins, or 999.
#[test]
fn a_component_reports_only_codes_that_plugins_have() {
    let machine = machine();
    let plugins = machine.plugins();
    let before = machine.snapshot();
    let same = [1, 2, 3, 4, 5, 6, 7, 8, 11, 50, 51, 111, 999, 4711];
    let other = [0, 9, 10, 12, 49, 52, 99, 100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110];
    let codes = same.map(|code| (code, code)).into_iter().chain(other.map(|code| (code, 999)));
    for (code, reported) in codes {
        let body = format!("(return (call $fail (i32.const {code}) (text \"no\")))");
        install(&plugins, "bridge", &component(&body));
        let (is, msg, _) = Call::new(&plugins, "bridge", "ADD", &walkthrough("1.0.0")).error(&machine);
        assert_eq!((is, msg.as_str()), (reported, "no"), "{code}");
    }
    assert_eq!(machine.changes(&before), NOTHING);
}

/// The outcome says who refused, and the line names the component, however the call ended.
#[test]
fn the_audit_log_tells_a_refusal_from_a_guest_that_claims_one() {
    let machine = machine();
    let plugins = machine.plugins();
    let policy = machine.files().join("policy.toml");
    std::fs::write(&policy, "[audit]\nfile = \"/var/lib/audit.jsonl\"\n").unwrap();
    let fails = |code: u32| component(&format!("(return (call $fail (i32.const {code}) (text \"no\")))"));
    let asks = "(call $links.link.existing (i32.const 0) (text \"docker0\") (i32.const 512)) (i32.const 0)";
    let cases = [
        (fails(100), "failed", 999),
        (fails(105), "failed", 999),
        (fails(11), "failed", 11),
        (component("unreachable"), "failed", 101),
        (component("(loop $again (br $again)) (i32.const 0)"), "failed", 102),
        (component(asks), "refused", 100),
        (with_bridges(&["docker0"]), "refused", 100),
    ];
    let count = cases.len();
    for (component, _, code) in &cases {
        install(&plugins, "bridge", component);
        let call = Call::new(&plugins, "bridge", "ADD", WALKTHROUGH)
            .env("WASM_CNI_POLICY", &policy.display().to_string());
        assert_eq!(call.error(&machine).0, *code);
    }
    let log = machine.sh("cat /var/lib/audit.jsonl");
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), count, "{log}");
    for (line, (_, outcome, _)) in lines.iter().zip(&cases) {
        assert_eq!(line["outcome"], *outcome, "{line}");
        assert_eq!(line["components"][0]["plugin"], "bridge", "{line}");
        assert!(line["components"][0]["sha256"].as_str().is_some_and(|digest| digest.len() == 64), "{line}");
    }
}

/// A native plugin's code stays as it is, and a code of the host's is no refusal by policy.
#[test]
fn the_code_of_a_native_plugin_is_passed_on_and_is_no_refusal() {
    let machine = machine();
    let plugins = Plugins::with_bridge(&machine);
    plugins.script("odd", r#"[ $CNI_COMMAND = ADD ] || exit 0; echo '{"code": 100, "msg": "mine"}'; exit 1"#);
    let policy = machine.files().join("policy.toml");
    std::fs::write(&policy, "[audit]\nfile = \"/var/lib/audit.jsonl\"\n").unwrap();
    let config = r#"{"cniVersion": "1.0.0", "name": "net", "type": "bridge", "bridge": "br0", "ipam": {"type": "odd"}}"#;
    let call = Call::new(plugins.path(), "bridge", "ADD", config)
        .env("WASM_CNI_POLICY", &policy.display().to_string());
    let (code, msg, _) = call.error(&machine);
    assert_eq!((code, msg.as_str()), (100, "mine"));
    let line: Value = serde_json::from_str(&machine.sh("cat /var/lib/audit.jsonl")).unwrap();
    assert_eq!(
        (&line["outcome"], &line["components"][0]["plugin"]),
        (&json!("rolled-back"), &json!("bridge")),
        "{line}"
    );
}

/// Two chains with `tuning` on the same link, deleted in the order of their ADDs; and an MTU without IPv6.
#[test]
fn two_tunings_of_one_link_leave_nothing_in_any_order() {
    let machine = machine();
    let config = json!({"cniVersion": "1.0.0", "name": "net", "type": "bridge", "bridge": "br0",
        "ipam": {"type": "host-local", "subnet": "10.1.2.0/24"}});
    let call = |command: &str, plugin: &str, config: &Value| {
        Call::new(&dist(), plugin, command, &config.to_string()).env("CNI_IFNAME", "eth0")
    };
    let result = call("ADD", "bridge", &config).ok(&machine);
    machine.sh(&format!(
        "ip netns exec {C} sysctl -qw net.ipv6.conf.eth0.accept_ra=0 net.ipv6.conf.eth0.dad_transmits=3"
    ));
    // The kernel shows these after a link's MTU was large enough again, whatever they were before.
    let parameters = || {
        machine.sh(&format!(
            "ip netns exec {C} sysctl -a 2>/dev/null | grep 'conf.eth0' | grep -v stable_secret"
        ))
    };
    let (before, old) = (machine.snapshot(), parameters());
    assert!(old.contains("accept_ra = 0") && old.contains("dad_transmits = 3"), "{old}");
    let tuning = |network: &str, keys: Value| {
        let mut config = json!({"cniVersion": "1.0.0", "name": network, "type": "tuning",
            "prevResult": serde_json::from_str::<Value>(&result).unwrap(), "dataDir": format!("/run/tuning-{network}")});
        for (key, value) in keys.as_object().unwrap() {
            config[key] = value.clone();
        }
        config
    };
    for (first, second) in [
        (json!({"mtu": 1400, "mac": "0a:11:22:33:44:55"}), json!({"mtu": 1300, "mac": "0a:11:22:33:44:66"})),
        (
            json!({"promisc": true, "allmulti": true, "txQLen": 7}),
            json!({"promisc": true, "allmulti": true, "txQLen": 8}),
        ),
        (json!({"mtu": 1000}), json!({"mtu": 1400})),
        (json!({"mtu": 1400}), json!({"mtu": 1000})),
        (
            json!({"sysctl": {"net.ipv4.conf.IFNAME.arp_ignore": "2"}}),
            json!({"sysctl": {"net.ipv4.conf.IFNAME.arp_ignore": "1"}}),
        ),
    ] {
        let (one, other) = (tuning("one", first), tuning("other", second));
        for order in [[&one, &other], [&other, &one]] {
            call("ADD", "tuning", &one).ok(&machine);
            call("ADD", "tuning", &other).ok(&machine);
            for config in order {
                call("DEL", "tuning", config).ok(&machine);
            }
            assert_eq!(machine.changes(&before), NOTHING, "{order:?}");
            assert_eq!(parameters(), old, "{order:?}");
        }
    }
}

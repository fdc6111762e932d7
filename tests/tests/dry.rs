//! Dry runs show the whole plan and change nothing.

use serde_json::Value;
use std::process::Command;
use wasm_cni_tests::{CHAIN, Call, Machine, NOTHING, WALKTHROUGH, dist};

fn plan(machine: &Machine, arguments: &[&str]) -> std::process::Output {
    let config = machine.files().join("mybridge.conf");
    std::fs::write(&config, WALKTHROUGH).unwrap();
    let mut command = machine.command(dist().join("wasm-cni"));
    command.arg("plan").arg(&config).args([
        "--netns",
        "/var/run/netns/1234567890",
        "--container-id",
        "1234567890",
    ]);
    command.args(["--ifname", "eth12", "--cni-path"]).arg(dist()).args(arguments);
    command.output().unwrap()
}

fn text(output: &std::process::Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_plan_shows_every_change_as_a_command_and_makes_none() {
    let machine = Machine::new();
    machine.netns("1234567890");
    let before = machine.snapshot();
    let files = machine.sh("find /run /var/lib /var/cache | sort");
    let plan = text(&plan(&machine, &[]));
    for expected in [
        "lease /var/lib/cni/networks/mybridge/10.15.20.2 for 1234567890 eth12",
        "ip link add cni_bridge0 address 0a:58:0a:0f:14:01 type bridge",
        "type veth peer name eth12 netns CONTAINER address 0a:58:0a:0f:14:02",
        "container namespace /var/run/netns/1234567890",
        "ip address add 10.15.20.2/24 broadcast 10.15.20.255 dev eth12",
        "ip route prepend 0.0.0.0/0 via 10.15.20.1 dev eth12",
        "ip route prepend 1.1.1.1/32 via 10.15.20.1 dev eth12",
        "ip address add 10.15.20.1/24 broadcast 10.15.20.255 dev cni_bridge0",
        "sysctl -w net/ipv4/ip_forward=1",
        &format!("iptables -t nat -A POSTROUTING -s 10.15.20.2/32 -j {CHAIN}"),
        "address 10.15.20.2/24 gateway 10.15.20.1",
    ] {
        assert!(plan.contains(expected), "{expected:?} is not in:\n{plan}");
    }
    assert!(!plan.contains("there already"), "{plan}");
    assert_eq!(machine.changes(&before), NOTHING);
    assert_eq!(
        machine.sh("find /run /var/lib /var/cache | sort"),
        files,
        "not even a lock file or a compiled component"
    );
}

#[test]
fn what_exists_already_is_marked_as_such() {
    let machine = Machine::new();
    machine.netns("other");
    machine.netns("1234567890");
    Call::bridge("ADD", WALKTHROUGH).container("other").ok(&machine);
    let plan = text(&plan(&machine, &[]));
    let marked: Vec<&str> = plan.lines().filter(|line| line.contains("there already")).collect();
    for present in ["ip link add cni_bridge0", "ip address add 10.15.20.1/24", "net/ipv4/ip_forward=1"] {
        assert!(marked.iter().any(|line| line.contains(present)), "{present:?} is not marked in:\n{plan}");
    }
    assert!(plan.contains("networks/mybridge/10.15.20.3 "), "the address that would be leased:\n{plan}");
    assert!(!marked.iter().any(|line| line.contains("type veth") || line.contains("lease")), "{plan}");
}

#[test]
fn the_planned_changes_are_the_changes_that_add_makes() {
    let machine = Machine::new();
    machine.netns("1234567890");
    let planned: Value = serde_json::from_str(&text(&plan(&machine, &["--output", "json"]))).unwrap();
    Call::bridge("ADD", WALKTHROUGH).ok(&machine);
    let journal = machine.sh("cat /run/wasm-cni/attachments/*/bridge.0");
    let mut done = Vec::new();
    for line in journal.lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        for pair in record["intent"].as_array().into_iter().flatten() {
            done.push(pair[0]["action"].clone());
        }
    }
    let planned: Vec<Value> =
        planned[0]["actions"].as_array().unwrap().iter().map(|line| line["action"].clone()).collect();
    assert_eq!(planned, done);
}

#[test]
fn an_ordinary_user_sees_the_plan_with_what_cannot_be_read_marked() {
    let machine = Machine::new();
    machine.netns("1234567890");
    machine.sh("mkdir -p /var/lib/cni/networks/mybridge; chmod 700 /var/lib/cni");
    let config = machine.files().join("mybridge.conf");
    std::fs::write(&config, WALKTHROUGH).unwrap();
    let open = |path: &std::path::Path| {
        assert!(Command::new("chmod").args(["-R", "a+rX"]).arg(path).status().unwrap().success());
    };
    open(machine.files());
    let plugins = machine.plugins();
    open(&plugins);
    let mut command = machine.command("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "env", "-i", "HOME=/nonexistent"]);
    command
        .arg(plugins.join("wasm-cni"))
        .arg("plan")
        .arg(&config)
        .args(["--netns", "/var/run/netns/1234567890"]);
    command.args(["--container-id", "1234567890", "--ifname", "eth12", "--cni-path"]).arg(&plugins);
    let output = command.output().unwrap();
    let plan = text(&output);
    assert!(plan.contains("ip address add 10.15.20.2/24"), "{plan}");
    assert!(
        plan.contains("lease store /var/lib/cni/networks/mybridge"),
        "what is not readable is told:\n{plan}"
    );
    assert!(plan.contains("not known whether it is there"), "{plan}");
}

#[test]
fn a_dry_call_of_a_runtime_fails_so_that_no_container_starts_without_network() {
    let machine = Machine::new();
    machine.netns("1234567890");
    let before = machine.snapshot();
    let reply = Call::bridge("ADD", WALKTHROUGH).env("WASM_CNI_DRY_RUN", "1").run(&machine);
    assert_eq!(reply.code, Some(1));
    let (code, msg, _) = reply.error();
    assert_eq!((code, msg.as_str()), (109, "dry run of ADD: nothing was changed"));
    assert!(reply.stderr.contains("ip address add 10.15.20.2/24"), "{}", reply.stderr);
    assert_eq!(machine.changes(&before), NOTHING);
}

#[test]
fn a_dry_del_shows_what_it_would_undo_and_undoes_nothing() {
    let machine = Machine::new();
    machine.netns("1234567890");
    Call::bridge("ADD", WALKTHROUGH).ok(&machine);
    let before = machine.snapshot();
    let reply = Call::bridge("DEL", WALKTHROUGH).env("WASM_CNI_DRY_RUN", "1").run(&machine);
    assert_eq!(reply.error().0, 109);
    for undo in [
        "ip link delete veth",
        "rm /var/lib/cni/networks/mybridge/10.15.20.2",
        &format!("iptables -t nat -X {CHAIN}"),
    ] {
        assert!(reply.stderr.contains(undo), "{undo:?} is not in:\n{}", reply.stderr);
    }
    assert_eq!(machine.changes(&before), NOTHING);
}

#[test]
fn each_plugin_of_a_list_is_planned_on_top_of_the_plans_before_it() {
    let machine = Machine::new();
    machine.netns("1234567890");
    let list = machine.files().join("two.conflist");
    let ipam = |subnet| format!(r#"{{"type": "host-local", "subnet": "{subnet}"}}"#);
    let plugin = |subnet| {
        format!(r#"{{"type": "bridge", "isGateway": true, "forceAddress": false, "ipam": {}}}"#, ipam(subnet))
    };
    std::fs::write(
        &list,
        format!(
            r#"{{"cniVersion": "1.0.0", "name": "n", "plugins": [{}, {}]}}"#,
            plugin("10.1.0.0/24"),
            plugin("10.2.0.0/24")
        ),
    )
    .unwrap();
    let mut command = machine.command(dist().join("wasm-cni"));
    command.arg("plan").arg(&list).args([
        "--netns",
        "/var/run/netns/1234567890",
        "--container-id",
        "c",
        "--cni-path",
    ]);
    let output = command.arg(dist()).output().unwrap();
    // The second plugin finds the bridge that the first plugin's plan makes, with a conflicting address.
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr.contains("\"cni0\" already has an IP address different from 10.2.0.1/24"), "{stderr}");
}

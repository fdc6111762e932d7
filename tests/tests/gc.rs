//! GC, by a runtime and by an operator: it removes what is not valid, and nothing else.

use serde_json::{Value, json};
use std::process::Output;
use wasm_cni_tests::{Background, Call, Machine, NOTHING, WALKTHROUGH, dist, walkthrough};

fn machine() -> Machine {
    let machine = Machine::new();
    for container in ["1234567890", "second", "third"] {
        machine.netns(container);
        Call::bridge("ADD", WALKTHROUGH).container(container).ok(&machine);
    }
    machine
}

fn gc(valid: Value) -> Call {
    let mut config: Value = serde_json::from_str(&walkthrough("1.1.0")).unwrap();
    config["cni.dev/valid-attachments"] = valid;
    Call::bridge("GC", &config.to_string())
        .env("CNI_CONTAINERID", "")
        .env("CNI_NETNS", "")
        .env("CNI_IFNAME", "")
}

fn valid(container: &str) -> Value {
    json!({"containerID": container, "ifname": "eth12"})
}

fn operator(machine: &Machine, arguments: &[&str]) -> (Option<i32>, String) {
    let output: Output = machine.command(dist().join("wasm-cni")).arg("gc").args(arguments).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

/// Holds an attachment's lock, as a running ADD does.
fn flight(machine: &Machine, container: &str) -> Background {
    let file = machine.sh(&format!("grep -l '\"container\":\"{container}\"' /run/wasm-cni/attachments/*/*"));
    let directory = std::path::Path::new(file.trim()).parent().unwrap();
    Background::holding(machine, &directory.display().to_string())
}

#[test]
fn an_attachment_in_flight_keeps_all_that_it_has() {
    let machine = machine();
    let before = machine.snapshot();
    let flight = flight(&machine, "second");
    let reply = gc(json!([valid("1234567890"), valid("third")])).run(&machine);
    assert_eq!((reply.code, reply.stdout.as_str()), (Some(0), ""));
    assert!(reply.stderr.contains("left alone") && reply.stderr.contains("second"), "{}", reply.stderr);
    assert_eq!(machine.changes(&before), NOTHING, "link, lease and rules stay");
    let (code, text) = operator(&machine, &["mybridge", "--valid", "/dev/stdin"]);
    assert!(code == Some(1) && text.contains("is not JSON"), "{text}");
    drop(flight);
    gc(json!([valid("1234567890"), valid("third")])).ok(&machine);
    let after = machine.snapshot();
    assert!(!after.contains("id: \\\"second\\\"") && !after.contains("mybridge/10.15.20.3"), "{after}");
    machine.sh("ip netns exec third ping -c 1 -W 3 10.15.20.2");
}

/// libcni encodes an empty list as `null`. CRI-O sends one after a reboot, when no pod is valid any more.
#[test]
fn gc_with_a_list_that_is_null_keeps_nothing_as_an_empty_one() {
    let machine = machine();
    gc(Value::Null).ok(&machine);
    assert_eq!(
        machine.sh("ls /run/wasm-cni/attachments; ls /var/lib/cni/networks/mybridge"),
        "last_reserved_ip.0\nlock\n"
    );
    assert_eq!(
        machine.sh("iptables -t nat -S | grep -c CNI || true; ip -o link | grep -c veth || true"),
        "0\n0\n"
    );
}

/// cnitool has no list. Every plugin of the chain gets the call.
#[test]
fn gc_of_a_chain_without_a_list_is_one_message_and_removes_nothing() {
    let machine = machine();
    let before = machine.snapshot();
    let refused = |plugin: &str| {
        let mut config: Value = serde_json::from_str(&walkthrough("1.1.0")).unwrap();
        config["type"] = json!(plugin);
        if plugin != "bridge" {
            config.as_object_mut().unwrap().remove("ipam");
        }
        let call = Call::new(&dist(), plugin, "GC", &config.to_string());
        call.env("CNI_CONTAINERID", "").env("CNI_NETNS", "").env("CNI_IFNAME", "").run(&machine)
    };
    let replies = ["bridge", "portmap", "firewall", "tuning", "bandwidth"].map(refused);
    let failures: Vec<&str> =
        replies.iter().filter(|r| r.code != Some(0)).map(|r| r.stdout.as_str()).collect();
    assert_eq!(failures.len(), 1, "{failures:?}");
    assert!(failures[0].contains("GC needs cni.dev/valid-attachments: nothing was removed"), "{failures:?}");
    for chained in &replies[1..] {
        assert!(
            chained.stdout.is_empty() && chained.stderr.contains("nothing was removed"),
            "{}",
            chained.stderr
        );
    }
    assert_eq!(machine.changes(&before), NOTHING);
}

#[test]
fn a_dry_run_shows_what_goes_and_changes_nothing() {
    let machine = machine();
    machine.sh("printf 'gone\\r\\neth0' > /var/lib/cni/networks/mybridge/10.15.20.9");
    let before = machine.snapshot();
    let list = machine.files().join("valid.json");
    std::fs::write(&list, json!([valid("1234567890"), valid("third")]).to_string()).unwrap();
    let file = list.display().to_string();
    let (code, planned) = operator(&machine, &["mybridge", "--valid", &file, "--dry-run"]);
    assert_eq!(code, Some(0), "{planned}");
    for line in [
        "interface eth12 of container second on network mybridge, plugin bridge",
        "rm /var/lib/cni/networks/mybridge/10.15.20.3",
        "rm /var/lib/cni/networks/mybridge/10.15.20.9",
        "iptables -t nat -D POSTROUTING -s 10.15.20.3",
        "ip link delete veth",
    ] {
        assert!(planned.contains(line), "{line} is not in:\n{planned}");
    }
    assert!(!planned.contains("10.15.20.2") && !planned.contains("third"), "{planned}");
    assert_eq!(machine.changes(&before), NOTHING);
    // A runtime's GC can be a dry run, too.
    let reply = gc(json!([valid("1234567890"), valid("third")])).env("WASM_CNI_DRY_RUN", "1").run(&machine);
    assert!(
        reply.stderr.contains("10.15.20.3") && reply.stdout.contains("dry run of GC"),
        "{}",
        reply.stderr
    );
    assert_eq!(machine.changes(&before), NOTHING);

    let (code, done) = operator(&machine, &["mybridge", "--valid", &file]);
    assert_eq!((code, done.as_str()), (Some(0), planned.as_str()), "what was shown is what is done");
    assert_eq!(machine.sh("ls /var/lib/cni/networks/mybridge | grep 10"), "10.15.20.2\n10.15.20.4\n");
    assert_eq!(
        operator(&machine, &["mybridge", "--valid", &file]),
        (Some(0), "nothing was removed\n".into())
    );
}

#[test]
fn dead_namespaces_are_found_without_a_list() {
    let machine = machine();
    machine.sh("ip netns delete second");
    // Another namespace at the same path does not belong to the container.
    machine.sh("ip netns delete third");
    machine.netns("third");
    assert_eq!(operator(&machine, &["other", "--dead-namespaces"]).1, "nothing was removed\n");
    let (code, planned) = operator(&machine, &["--dead-namespaces", "--dry-run"]);
    assert!(code == Some(0) && planned.contains("second") && planned.contains("third"), "{planned}");
    assert_eq!(operator(&machine, &["--dead-namespaces"]).0, Some(0));
    let after = machine.snapshot();
    assert!(
        !after.contains("id: \\\"second")
            && !after.contains("mybridge/10.15.20.3")
            && !after.contains("10.15.20.4/32"),
        "{after}"
    );
    machine.sh("ip netns exec 1234567890 ping -c 1 -W 3 10.15.20.1");
    assert_eq!(machine.sh("ls /run/wasm-cni/attachments | wc -l"), "1\n");
}

#[test]
fn what_stays_is_never_guessed() {
    let machine = machine();
    let before = machine.snapshot();
    for arguments in [
        &["mybridge"][..],
        &[],
        &["--valid", "/dev/null"],
        &["mybridge", "--valid", "/none"],
        &["mybridge", "--valid", "/dev/null"],
    ] {
        let (code, text) = operator(&machine, arguments);
        assert!(code.is_some_and(|code| code != 0), "{arguments:?}: {text}");
    }
    let list = machine.files().join("valid.json");
    for wrong in ["{}", "[{\"containerID\": \"second\"}]", "[5]", "null"] {
        std::fs::write(&list, wrong).unwrap();
        let (code, text) = operator(&machine, &["mybridge", "--valid", &list.display().to_string()]);
        assert_eq!(code, Some(1), "{wrong}: {text}");
    }
    let without = Call::bridge("GC", &walkthrough("1.1.0"));
    let without = without.env("CNI_CONTAINERID", "").env("CNI_NETNS", "").env("CNI_IFNAME", "");
    assert_eq!(without.error(&machine).0, 7);
    assert_eq!(machine.changes(&before), NOTHING);
}

#[test]
fn an_empty_list_removes_all_of_this_network_and_nothing_of_another() {
    let machine = machine();
    machine.netns("other");
    let other = WALKTHROUGH
        .replace("mybridge", "other")
        .replace("cni_bridge0", "br-other")
        .replace("10.15.20", "10.15.21");
    Call::bridge("ADD", &other).container("other").ok(&machine);
    let of_other = |text: &str| -> Vec<String> {
        text.lines()
            .filter(|line| line.contains("other") || line.contains("10.15.21"))
            .map(str::to_owned)
            .collect()
    };
    let before = of_other(&machine.snapshot());
    gc(json!([])).ok(&machine);
    let after = machine.snapshot();
    assert_eq!(of_other(&after), before);
    assert!(!after.contains("mybridge/10.15") && !after.contains("name: \\\"mybridge\\\""), "{after}");
    assert_eq!(machine.sh("ls /run/wasm-cni/attachments | wc -l"), "1\n");
    machine.sh("ip netns exec other ping -c 1 -W 3 10.15.21.1");
}

#[test]
fn leases_of_a_store_with_two_names_go_with_their_journals_alone() {
    let machine = Machine::new();
    machine.sh("cd /var/lib; mkdir -p cni/networks; cd cni/networks; mkdir shared mybridge; mount --bind shared mybridge");
    for (container, config) in
        [("1234567890", WALKTHROUGH.to_owned()), ("second", WALKTHROUGH.replace("mybridge", "shared"))]
    {
        machine.netns(container);
        Call::bridge("ADD", &config).container(container).ok(&machine);
    }
    machine.sh("printf 'theirs\\r\\neth0' > /var/lib/cni/networks/shared/10.15.20.9");
    gc(json!([])).ok(&machine);
    assert_eq!(machine.sh("ls /var/lib/cni/networks/shared | grep 10"), "10.15.20.3\n10.15.20.9\n");
}

#[test]
fn a_note_of_the_operators_is_no_lease() {
    let machine = Machine::new();
    let old = "5e".repeat(32);
    machine.sh(&format!(
        "mkdir -p /var/lib/cni/networks/mybridge; cd /var/lib/cni/networks/mybridge; printf router > 10.15.20.5; printf {old} > 10.15.20.6"
    ));
    gc(json!([])).ok(&machine);
    assert_eq!(
        machine.sh("ls /var/lib/cni/networks/mybridge | grep 10"),
        "10.15.20.5\n",
        "that of an old version goes"
    );
}

#[test]
fn chains_for_a_source_mac_whose_port_is_gone_are_found_without_a_journal() {
    let machine = Machine::new();
    let mut config: Value = serde_json::from_str(&walkthrough("1.1.0")).unwrap();
    config["macspoofchk"] = true.into();
    for container in ["1234567890", "second", "third"] {
        machine.netns(container);
        Call::bridge("ADD", &config.to_string()).container(container).ok(&machine);
    }
    machine.sh("rm -r /run/wasm-cni; ip netns delete 1234567890; ip netns delete third");
    // Without its lease nothing shows whose port that of the second container is. With it, GC removes the port too.
    machine.sh("rm /var/lib/cni/networks/mybridge/10.15.20.3");
    // The kernel needs some time to remove the links.
    machine.sh(
        "for i in $(seq 500); do [ $(ip link | grep -c ': veth') = 1 ] && exit 0; sleep 0.02; done; exit 1",
    );
    config["cni.dev/valid-attachments"] = json!([valid("third")]);
    Call::bridge("GC", &config.to_string()).ok(&machine);
    let rules = machine.sh("nft list ruleset bridge");
    assert!(!rules.contains("1234567890"), "{rules}");
    assert!(rules.contains("macspoofchk-second-eth12"), "its port is there:\n{rules}");
    assert!(rules.contains("macspoofchk-third-eth12"), "it is in the list:\n{rules}");
}

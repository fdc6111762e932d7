//! Attachments that Debian's reference plugins made, or made again: each is deleted like our own, and an unrelated
//! journal does no harm.

use serde_json::{Value, json};
use std::path::Path;
use wasm_cni_tests::{Call, Machine, NOTHING, WALKTHROUGH, dist, walkthrough};

fn reference(command: &str, config: &str) -> Call {
    Call::new(Path::new("/usr/lib/cni"), "bridge", command, config)
}

fn machine() -> Machine {
    let machine = Machine::new();
    machine.netns("1234567890");
    machine
}

/// A network with two addresses: the third container gets the address of the first.
fn small() -> String {
    let mut config: Value = serde_json::from_str(&walkthrough("1.0.0")).unwrap();
    config["ipam"] = json!({"type": "host-local", "ranges": [[{"subnet": "10.15.20.0/24", "rangeStart": "10.15.20.2", "rangeEnd": "10.15.20.2"}]]});
    config.to_string()
}

fn gc(config: &str, valid: Value) -> Call {
    let mut config: Value = serde_json::from_str(config).unwrap();
    config["cniVersion"] = "1.1.0".into();
    config["cni.dev/valid-attachments"] = valid;
    Call::bridge("GC", &config.to_string())
        .env("CNI_CONTAINERID", "")
        .env("CNI_NETNS", "")
        .env("CNI_IFNAME", "")
}

#[test]
fn del_removes_what_the_reference_added_with_and_without_its_namespace() {
    let masquerade_later = json!({"ipMasq": true, "macspoofchk": true});
    for netns in [true, false] {
        for twist in [
            "true",
            "iptables -t nat -F POSTROUTING",
            "rm /var/lib/cni/networks/mybridge/10.15.20.2",
            "ip link delete cni_bridge0",
        ] {
            let mut config: Value = serde_json::from_str(&walkthrough("1.0.0")).unwrap();
            config.as_object_mut().unwrap().extend(masquerade_later.as_object().unwrap().clone());
            let config = config.to_string();
            let machine = machine();
            let before = machine.snapshot();
            reference("ADD", &config).ok(&machine);
            machine.sh(twist);
            if !netns {
                machine.sh("ip netns delete 1234567890");
            }
            let del = Call::bridge("DEL", &config);
            del.ok(&machine);
            let left: Vec<String> = machine
                .changes(&before)
                .into_iter()
                .filter(|line| {
                    // A DEL leaves the bridge, forwarding, the nftables table and the address that was given last.
                    ![
                        "cni_bridge0",
                        "forward",
                        "accept_redirects",
                        "nft ",
                        "last_reserved_ip",
                        "- 1234567890:",
                    ]
                    .iter()
                    .any(|shared| line.contains(shared))
                })
                .collect();
            assert_eq!(left, NOTHING, "{netns} {twist}");
            assert!(!machine.snapshot().contains("macspoofchk"), "{netns} {twist}");
            del.ok(&machine);
            assert_eq!(machine.sh("find /run/wasm-cni/attachments -mindepth 1"), "");
        }
    }
}

#[test]
fn an_address_that_went_to_another_container_is_left_to_it_whatever_verb_comes() {
    let config = small();
    let verbs = ["DEL", "GC", "ADD", "gc"];
    for verb in verbs {
        let machine = machine();
        machine.netns("other");
        Call::bridge("ADD", &config).ok(&machine);
        reference("DEL", &config).ok(&machine);
        reference("ADD", &config).container("other").ok(&machine);
        assert!(machine.sh("cat /var/lib/cni/networks/mybridge/10.15.20.2").starts_with("other"));
        let before = machine.snapshot();
        let is_ours = |line: &String| line.contains("/run/wasm-cni/attachments");
        match verb {
            "DEL" => drop(Call::bridge("DEL", &config).ok(&machine)),
            "GC" => drop(gc(&config, json!([{"containerID": "other", "ifname": "eth12"}])).ok(&machine)),
            "gc" => {
                machine.sh("ip netns delete 1234567890");
                machine.sh(&format!("{} gc --dead-namespaces", dist().join("wasm-cni").display()));
            }
            // No address is left for it.
            _ => drop(Call::bridge("ADD", &config).error(&machine)),
        }
        let changes: Vec<String> = machine
            .changes(&before)
            .into_iter()
            .filter(|line| !is_ours(line) && !line.starts_with("- 1234567890:"))
            .collect();
        assert_eq!(changes, NOTHING, "{verb}");
        machine.sh("ip netns exec other ping -c 1 -W 3 10.15.20.1");
        assert_eq!(
            machine.sh("find /run/wasm-cni/attachments -mindepth 1"),
            "",
            "{verb}: the journal is forgotten"
        );
        reference("DEL", &config).container("other").ok(&machine);
    }
}

#[test]
fn an_attachment_that_the_reference_made_again_is_its_own() {
    let config = small();
    // The same container, interface and address: only the link distinguishes them.
    let again = || {
        let machine = machine();
        Call::bridge("ADD", &config).ok(&machine);
        reference("DEL", &config).ok(&machine);
        let result: Value = serde_json::from_str(&reference("ADD", &config).ok(&machine)).unwrap();
        (machine, result)
    };

    let (machine, result) = again();
    let before = machine.snapshot();
    let (_, msg, details) = Call::bridge("ADD", &config).error(&machine);
    assert!(msg.contains("container veth name (\"eth12\") already exists"), "{msg}");
    assert!(details.contains("made the attachment again"), "{details}");
    assert_eq!(machine.changes(&before), NOTHING, "an ADD changes nothing");
    gc(&config, json!([{"containerID": "1234567890", "ifname": "eth12"}])).ok(&machine);
    let wasm_cni = dist().join("wasm-cni");
    machine.sh(&format!("{0} gc --dead-namespaces; {0} repair || true", wasm_cni.display()));
    assert_eq!(machine.changes(&before), NOTHING, "nor does a GC for which it is valid, nor a repair");
    let mut with_result: Value = serde_json::from_str(&config).unwrap();
    with_result["prevResult"] = result;
    Call::bridge("CHECK", &with_result.to_string()).ok(&machine);

    // DEL is meant for this attachment.
    Call::bridge("DEL", &config).ok(&machine);
    let after = machine.snapshot();
    assert!(
        !after.contains("eth12") && !after.contains("CNI-") && !after.contains("mybridge/10.15.20.2"),
        "{after}"
    );
    assert_eq!(machine.sh("find /run/wasm-cni/attachments -mindepth 1"), "");
}

#[test]
fn a_late_del_does_not_touch_what_another_network_made_under_the_same_name() {
    let machine = machine();
    Call::bridge("ADD", WALKTHROUGH).ok(&machine);
    reference("DEL", WALKTHROUGH).ok(&machine);
    let other = WALKTHROUGH
        .replace("mybridge", "other")
        .replace("cni_bridge0", "br-other")
        .replace("10.15.20", "10.15.21");
    reference("ADD", &other).ok(&machine);
    let before = machine.snapshot();
    Call::bridge("DEL", WALKTHROUGH).ok(&machine);
    let changes: Vec<String> =
        machine.changes(&before).into_iter().filter(|line| !line.contains("/run/wasm-cni")).collect();
    assert_eq!(changes, NOTHING);
    machine.sh("ip netns exec 1234567890 ping -c 1 -W 3 10.15.21.1");
}

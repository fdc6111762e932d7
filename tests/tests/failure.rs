//! An ADD that fails or is killed leaves nothing; DEL needs neither plugin nor namespace.

use wasm_cni_tests::{Call, Machine, NOTHING, WALKTHROUGH, workers};

fn machine() -> Machine {
    let machine = Machine::new();
    machine.netns("1234567890");
    machine
}

#[test]
fn a_last_step_that_fails_undoes_all_before_it() {
    let machine = machine();
    let before = machine.snapshot();
    let path = machine.with_iptables("echo 'out of luck' >&2; exit 1");
    let (code, msg, details) = Call::bridge("ADD", WALKTHROUGH).env("PATH", &path).error(&machine);
    assert_eq!(code, 999);
    assert!(msg.contains("out of luck"), "{msg}");
    assert!(details.contains("all that was done before is undone"), "{details}");
    assert_eq!(machine.changes(&before), NOTHING);
    Call::bridge("ADD", WALKTHROUGH).ok(&machine);
}

#[test]
fn a_middle_step_that_fails_undoes_all_before_it() {
    let machine = machine();
    let before = machine.snapshot();
    let config = WALKTHROUGH.replace("\"gw\": \"10.15.20.1\"", "\"gw\": \"10.99.0.1\"");
    let (code, msg, _) = Call::bridge("ADD", &config).error(&machine);
    assert_eq!(code, 999);
    assert!(msg.contains("network is unreachable"), "{msg}");
    assert_eq!(machine.changes(&before), NOTHING);
}

#[test]
fn what_others_use_stays_when_an_add_fails() {
    let machine = machine();
    machine.netns("other");
    Call::bridge("ADD", WALKTHROUGH).container("other").ok(&machine);
    let before = machine.snapshot();
    let path = machine.with_iptables("exit 1");
    Call::bridge("ADD", WALKTHROUGH).env("PATH", &path).error(&machine);
    assert_eq!(machine.changes(&before), NOTHING);
    machine.sh("ip netns exec other ping -c 1 -W 3 10.15.20.1");
}

#[test]
fn a_bridge_of_the_operator_is_used_and_left_as_it_was() {
    let machine = machine();
    machine.sh(
        "ip link add cni_bridge0 address 02:00:00:00:00:01 type bridge; ip link set cni_bridge0 mtu 1400 up; \
         ip address add 192.0.2.1/24 dev cni_bridge0",
    );
    let before = machine.snapshot();
    let config = WALKTHROUGH.replace("\"isGateway\": true,", "");
    let path = machine.with_iptables("exit 1");
    Call::bridge("ADD", &config).env("PATH", &path).error(&machine);
    assert_eq!(machine.changes(&before), NOTHING);
}

#[test]
fn no_file_that_cannot_be_opened_leaves_anything() {
    let failed = workers::map(&(1..=30).collect::<Vec<u32>>(), |nth| {
        let machine = machine();
        let before = machine.snapshot();
        let fault = format!("open:error=EACCES:when={nth}");
        let reply = Call::bridge("ADD", WALKTHROUGH).with_fault(&fault).run(&machine);
        let has_failed = reply.code != Some(0);
        if has_failed {
            assert_eq!(machine.changes(&before), NOTHING, "{fault}: {}", reply.stdout);
        }
        usize::from(has_failed)
    });
    // Not all files are needed; each needed one is tested.
    assert!((5..30).contains(&failed.iter().sum::<usize>()), "{failed:?}");
}

#[test]
fn a_killed_add_is_cleaned_up_by_the_next_verb() {
    // The tool kills the plugin that runs it: after the links, before the rules, with the last step's intent in the
    // journal.
    for verb in ["DEL", "ADD"] {
        let machine = machine();
        let before = machine.snapshot();
        let path = machine.with_iptables("kill -KILL $PPID; sleep 0.2");
        let reply = Call::bridge("ADD", WALKTHROUGH).env("PATH", &path).run(&machine);
        assert_ne!(reply.code, Some(0), "it was killed");
        assert!(machine.snapshot().contains("eth12"), "there is something to clean up");
        match verb {
            "DEL" => assert_eq!(Call::bridge("DEL", WALKTHROUGH).ok(&machine), ""),
            _ => {
                Call::bridge("ADD", WALKTHROUGH).ok(&machine);
                machine.sh("ip netns exec 1234567890 ping -c 1 -W 3 10.15.20.1");
                continue;
            }
        }
        assert_eq!(machine.changes(&before), NOTHING);
    }
}

#[test]
fn the_next_verb_waits_for_rules_of_a_killed_add() {
    for verb in ["DEL", "ADD"] {
        let machine = machine();
        let before = machine.snapshot();
        // The plugin has written all lines to the tool and waits.
        let path = machine.with_iptables(
            "lines=$(cat); kill -KILL $PPID; sleep 1; echo \"$lines\" | /usr/sbin/iptables-restore \"$@\"",
        );
        Call::bridge("ADD", WALKTHROUGH).env("PATH", &path).run(&machine);
        Call::bridge(verb, WALKTHROUGH).ok(&machine);
        if verb == "ADD" {
            let rules = machine.sh("iptables -t nat -S POSTROUTING");
            assert_eq!(rules.lines().filter(|line| line.contains("CNI-")).count(), 1, "{rules}");
            Call::bridge("DEL", WALKTHROUGH).ok(&machine);
        }
        std::thread::sleep(std::time::Duration::from_secs(2));
        assert!(!machine.sh("iptables -t nat -S").contains("CNI-"), "after {verb}");
        if verb == "DEL" {
            assert_eq!(machine.changes(&before), NOTHING);
        }
    }
}

#[test]
fn a_killed_add_is_cleaned_up_by_gc() {
    let machine = machine();
    let before = machine.snapshot();
    let path = machine.with_iptables("kill -KILL $PPID; sleep 0.2");
    Call::bridge("ADD", WALKTHROUGH).env("PATH", &path).run(&machine);
    machine.wait_for_locks();
    let config = WALKTHROUGH.replace("0.2.0", "1.1.0");
    let gc = |valid: &str| {
        let config = config.trim_end().strip_suffix('}').unwrap().to_owned()
            + ", \"cni.dev/valid-attachments\": "
            + valid
            + "}";
        Call::bridge("GC", &config).ok(&machine)
    };
    gc(r#"[{"containerID": "1234567890", "ifname": "eth12"}]"#);
    assert!(machine.snapshot().contains("eth12"), "what is listed stays");
    gc("[]");
    assert_eq!(machine.changes(&before), NOTHING);
    let (code, _, _) = Call::bridge("GC", &config).error(&machine);
    assert_eq!(code, 7, "without a list nothing is removed");
}

#[test]
fn del_without_netns_leaves_nothing() {
    for netns in ["", "/run/netns/none", "/proc/self/ns/net"] {
        let machine = machine();
        Call::bridge("ADD", WALKTHROUGH).ok(&machine);
        machine.sh("ip netns delete 1234567890");
        let del = Call::bridge("DEL", WALKTHROUGH).env("CNI_NETNS", netns);
        assert_eq!(del.ok(&machine), "", "{netns}");
        let after = machine.snapshot();
        assert!(!after.contains("CNI-") && !after.contains("veth"), "{netns}: {after}");
        assert_eq!(machine.sh("ls /var/lib/cni/networks/mybridge"), "last_reserved_ip.0\nlock\n");
        assert!(machine.sh("ip -o link show lo").contains("UP"), "the host's own loopback is never touched");
        assert_eq!(del.ok(&machine), "", "{netns}");
    }
}

#[test]
fn del_does_not_enter_a_namespace_that_has_replaced_the_containers() {
    let machine = machine();
    Call::bridge("ADD", WALKTHROUGH).ok(&machine);
    machine.sh("ip netns delete 1234567890");
    machine.netns("1234567890");
    machine.sh("ip -n 1234567890 link add eth12 type veth peer name other");
    Call::bridge("DEL", WALKTHROUGH).ok(&machine);
    assert!(machine.sh("ip -n 1234567890 -o link").contains("eth12"), "that one is somebody else's");
    assert!(!machine.sh("iptables -t nat -S").contains("CNI-"));
}

#[test]
fn del_needs_no_component_and_no_config_that_fits() {
    let machine = machine();
    let plugins = machine.plugins();
    Call::new(&plugins, "bridge", "ADD", WALKTHROUGH).ok(&machine);
    std::fs::remove_file(plugins.join("bridge.wasm")).unwrap();
    std::fs::write(plugins.join("host-local.wasm"), "broken").unwrap();
    let config = r#"{"cniVersion": "1.0.0", "name": "mybridge", "type": "bridge", "prevResult": "garbage"}"#;
    for _ in 0..2 {
        assert_eq!(Call::new(&plugins, "bridge", "DEL", config).ok(&machine), "");
        let after = machine.snapshot();
        assert!(
            !after.contains("CNI-") && !after.contains("eth12") && !after.contains("10.15.20.2:"),
            "{after}"
        );
    }
}

#[test]
fn del_works_with_a_lost_or_broken_journal() {
    for damage in [
        "rm -r /run/wasm-cni/attachments",
        "for f in /run/wasm-cni/attachments/*/*; do echo nonsense > $f; done",
    ] {
        let machine = machine();
        Call::bridge("ADD", WALKTHROUGH).ok(&machine);
        machine.sh(damage);
        Call::bridge("DEL", WALKTHROUGH).ok(&machine);
        assert!(!machine.sh("iptables -t nat -S").contains("CNI-"), "{damage}");
        assert!(!machine.sh("ip netns exec 1234567890 ip -o link; ip -o link").contains("veth"), "{damage}");
        assert_eq!(machine.sh("ls /var/lib/cni/networks/mybridge"), "last_reserved_ip.0\nlock\n", "{damage}");
    }
}

#[test]
fn an_add_whose_interface_is_gone_is_replaced() {
    let machine = machine();
    Call::bridge("ADD", WALKTHROUGH).ok(&machine);
    machine.sh("ip -n 1234567890 link delete eth12");
    assert!(Call::bridge("ADD", WALKTHROUGH).ok(&machine).contains("10.15.20.3/24"));
    assert!(
        !machine.snapshot().contains("10.15.20.2/"),
        "the first address is given back, its rules are gone"
    );
    machine.sh("ip netns exec 1234567890 ping -c 1 -W 3 10.15.20.1");
    assert_eq!(machine.sh("ip -o link show master cni_bridge0 | wc -l"), "1\n");
    Call::bridge("DEL", WALKTHROUGH).ok(&machine);
    assert!(!machine.snapshot().contains("veth"));
}

#[test]
fn two_interfaces_of_one_container_share_a_chain_and_each_goes_alone() {
    let machine = machine();
    let call = |command: &str, name: &str| Call::bridge(command, WALKTHROUGH).env("CNI_IFNAME", name);
    // The kernel would refuse the second default route, because both interfaces are on one network.
    let config = WALKTHROUGH
        .replace("{ \"dst\": \"0.0.0.0/0\" }, { \"dst\": \"1.1.1.1/32\", \"gw\": \"10.15.20.1\" }", "");
    call("ADD", "eth0").ok(&machine);
    Call::bridge("ADD", &config).env("CNI_IFNAME", "eth1").ok(&machine);
    call("DEL", "eth0").ok(&machine);
    let rules = machine.sh("iptables -t nat -S");
    assert!(rules.contains("-s 10.15.20.3/32") && rules.contains("MASQUERADE"), "{rules}");
    call("DEL", "eth1").ok(&machine);
    assert!(!machine.sh("iptables -t nat -S").contains("CNI-"));
}

/// The host's end of the walkthrough's veth, with the name of a first ADD.
fn host_veth(machine: &Machine) -> String {
    machine.sh("ip -o link show master cni_bridge0 | sed -E 's/^[0-9]+: ([^@:]+).*/\\1/'").trim().to_owned()
}

#[test]
fn a_host_link_of_somebody_else_with_our_name_is_left_alone() {
    let machine = machine();
    Call::bridge("ADD", WALKTHROUGH).ok(&machine);
    let name = host_veth(&machine);
    Call::bridge("DEL", WALKTHROUGH).ok(&machine);
    machine.sh(&format!("ip link add {name} type veth peer name foreign"));
    let foreign = machine.sh("cat /proc/net/dev | grep -c foreign");
    Call::bridge("ADD", WALKTHROUGH).ok(&machine);
    let next = host_veth(&machine);
    assert!(next.starts_with("veth") && next != name, "{next}");
    Call::bridge("DEL", WALKTHROUGH).ok(&machine);
    assert_eq!(machine.sh("cat /proc/net/dev | grep -c foreign"), foreign);
    assert!(!machine.snapshot().contains(&next));
}

#[test]
fn a_dead_link_of_this_attachment_is_replaced() {
    let machine = machine();
    Call::bridge("ADD", WALKTHROUGH).ok(&machine);
    let name = host_veth(&machine);
    let alias = machine.sh(&format!("ip link show {name} | sed -n 's/^ *alias //p'")).trim().to_owned();
    Call::bridge("DEL", WALKTHROUGH).ok(&machine);
    // What an ADD leaves if its journal is lost, too.
    machine.sh(&format!("ip link add {name} type veth peer name dead; ip link set {name} alias '{alias}'"));
    Call::bridge("ADD", WALKTHROUGH).ok(&machine);
    assert_eq!(host_veth(&machine), name);
    assert!(!machine.sh("ip -o link").contains("dead"));
    machine.sh("ip netns exec 1234567890 ping -c 1 -W 3 10.15.20.1");
}

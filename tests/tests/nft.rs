//! Masquerading with nftables and the source MAC check, with the installed plugin.

use serde_json::{Value, json};
use wasm_cni_tests::{Call, Machine, NOTHING};

/// The comment of container 1234567890, interface eth12, on network mybridge.
const COMMENT: &str = "6c7c6497465b641a-dfc628d3b344bdb0, net: mybridge, if: eth12, id: 1234567890";

fn config(keys: &Value) -> String {
    let mut config = json!({
        "cniVersion": "1.0.0", "name": "mybridge", "type": "bridge", "bridge": "cni_bridge0", "isGateway": true,
        "ipam": {
            "type": "host-local",
            "ranges": [[{"subnet": "10.15.20.0/24"}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    });
    config.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    config.to_string()
}

fn masquerade() -> String {
    config(&json!({"ipMasq": true, "ipMasqBackend": "nftables"}))
}

fn dual_stack() -> String {
    let mut config: Value = serde_json::from_str(&masquerade()).unwrap();
    config["ipam"]["ranges"] = json!([[{"subnet": "10.15.20.0/24"}], [{"subnet": "fd00:15::/64"}]]);
    config["ipam"]["routes"] = json!([{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]);
    config.to_string()
}

fn check_mac() -> String {
    config(&json!({"macspoofchk": true}))
}

fn both() -> String {
    config(&json!({"ipMasq": true, "ipMasqBackend": "nftables", "macspoofchk": true}))
}

fn machine() -> Machine {
    let machine = Machine::new();
    machine.netns("1234567890");
    machine
}

fn ruleset(machine: &Machine) -> String {
    machine.sh("nft list ruleset")
}

/// A `PATH` with only these programs, each a link or a script.
fn path_with(machine: &Machine, programs: &[(&str, Option<&str>)]) -> String {
    let dir = machine.files().join("path");
    std::fs::create_dir_all(&dir).unwrap();
    // The test needs it to enter the machine.
    for (name, script) in programs.iter().chain(&[("nsenter", None)]) {
        let file = dir.join(name);
        let _ = std::fs::remove_file(&file);
        match script {
            Some(script) => {
                std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
                machine.sh(&format!("chmod +x {}", file.display()));
            }
            None => {
                let found = machine.sh(&format!("command -v {name}"));
                std::os::unix::fs::symlink(found.trim(), &file).unwrap();
            }
        }
    }
    dir.display().to_string()
}

/// The reference's ruleset (plugins `pkg/ip/ipmasq_nftables_linux.go`) with these rules for addresses.
fn masquerading(rules: &str) -> String {
    format!(
        r#"table inet cni_plugins_masquerade {{
	comment "Masquerading for plugins from github.com/containernetworking/plugins"
	chain masq_checks {{
		comment "Masquerade traffic from certain IPs to any (non-multicast) IP outside their subnet"
{rules}	}}

	chain postrouting {{
		type nat hook postrouting priority srcnat; policy accept;
		ip daddr 224.0.0.0/4 return
		ip6 daddr ff00::/8 return
		goto masq_checks
	}}
}}
"#
    )
}

#[test]
fn add_check_and_del_of_a_dual_stack_network_leave_what_the_reference_leaves() {
    let machine = machine();
    let result: Value = serde_json::from_str(&Call::bridge("ADD", &dual_stack()).ok(&machine)).unwrap();
    assert_eq!(
        ruleset(&machine),
        masquerading(&format!(
            "\t\tip saddr 10.15.20.2 ip daddr != 10.15.20.0/24 masquerade comment \"{COMMENT}\"\n\
             \t\tip6 saddr fd00:15::2 ip6 daddr != fd00:15::/64 masquerade comment \"{COMMENT}\"\n"
        ))
    );

    let mut with_result: Value = serde_json::from_str(&dual_stack()).unwrap();
    with_result["prevResult"] = result;
    let check = Call::bridge("CHECK", &with_result.to_string());
    check.ok(&machine);
    machine.sh("nft flush chain inet cni_plugins_masquerade masq_checks");
    let (code, _, details) = check.error(&machine);
    assert!(code == 106 && details.contains("10.15.20.2") && details.contains("fd00:15::2"), "{details}");

    // An ADD whose interface is gone replaces them. DEL leaves the table, as the reference does, and succeeds twice.
    machine.sh("ip -n 1234567890 link delete eth12");
    Call::bridge("ADD", &dual_stack()).ok(&machine);
    Call::bridge("DEL", &dual_stack()).ok(&machine);
    assert_eq!(ruleset(&machine), masquerading(""));
    Call::bridge("DEL", &dual_stack()).ok(&machine);
    assert_eq!(ruleset(&machine), masquerading(""));
}

#[test]
fn the_container_reaches_the_outside_through_nat_and_only_so() {
    let machine = machine();
    // An outside without a route to the container's networks.
    machine.sh("ip netns add outside; ip link add out0 type veth peer name out1 netns outside; \
         ip address add 192.0.2.1/24 dev out0; ip address add 2001:db8::1/64 dev out0 nodad; ip link set out0 up; \
         ip -n outside address add 192.0.2.2/24 dev out1; ip -n outside address add 2001:db8::2/64 dev out1 nodad; \
         ip -n outside link set out1 up");
    Call::bridge("ADD", &dual_stack()).ok(&machine);
    let ping = |options: &str| {
        machine.try_sh(&format!("ip netns exec 1234567890 ping -c 1 {options}")).status.success()
    };
    assert!(ping("-W 3 192.0.2.2") && ping("-W 3 2001:db8::2"));
    machine.sh("nft flush chain inet cni_plugins_masquerade masq_checks");
    assert!(!ping("-W 1 192.0.2.2") && !ping("-W 1 2001:db8::2"));
}

#[test]
fn a_frame_with_another_source_mac_is_dropped() {
    let machine = machine();
    Call::bridge("ADD", &check_mac()).ok(&machine);
    let ping =
        |wait: u8| machine.try_sh(&format!("ip netns exec 1234567890 ping -c 1 -W {wait} 10.15.20.1")).status;
    assert!(ping(3).success());
    machine.sh("ip -n 1234567890 link set eth12 address 02:00:00:00:00:66; ip neighbour flush all");
    assert!(!ping(1).success());
    let learnt = machine.sh("bridge fdb show br cni_bridge0");
    assert!(!learnt.contains("02:00:00:00:00:66"), "{learnt}");
    // Without the jump the frame passes, so the check dropped it.
    machine.sh("nft flush chain bridge nat PREROUTING");
    assert!(ping(3).success());
}

#[test]
fn check_compares_the_source_mac_rules_and_del_removes_them() {
    let machine = machine();
    let result: Value = serde_json::from_str(&Call::bridge("ADD", &check_mac()).ok(&machine)).unwrap();
    Call::bridge("ADD", &check_mac()).env("CNI_IFNAME", "eth13").ok(&machine);
    let rules = ruleset(&machine);
    let (port, mac) = (&result["interfaces"][1]["name"], &result["interfaces"][2]["mac"]);
    let (port, mac) = (port.as_str().unwrap(), mac.as_str().unwrap());
    let (chain, mark) = ("cni-br-iface-1234567890-eth12", "comment \"macspoofchk-1234567890-eth12\"");
    for rule in [
        format!("iifname \"{port}\" jump {chain} {mark}"),
        format!("jump {chain}-mac {mark}"),
        format!("ether saddr {mac} return {mark}"),
        format!("drop {mark}"),
    ] {
        assert_eq!(rules.lines().filter(|line| line.trim() == rule).count(), 1, "{rule}\nin\n{rules}");
    }

    let mut with_result: Value = serde_json::from_str(&check_mac()).unwrap();
    with_result["prevResult"] = result.clone();
    let check = Call::bridge("CHECK", &with_result.to_string());
    check.ok(&machine);
    machine.sh(&format!("nft insert rule bridge nat {chain}-mac ether saddr 02:00:00:00:00:66 return"));
    let (code, _, details) = check.error(&machine);
    assert!(code == 106 && details.contains("lets 02:00:00:00:00:66 pass"), "{details}");

    Call::bridge("DEL", &check_mac()).ok(&machine);
    let rules = ruleset(&machine);
    assert!(!rules.contains("eth12") && rules.contains("cni-br-iface-1234567890-eth13-mac"), "{rules}");
    Call::bridge("DEL", &check_mac()).env("CNI_IFNAME", "eth13").ok(&machine);
    let empty = "table bridge nat {\n\tchain PREROUTING {\n\t\ttype filter hook prerouting priority dstnat; \
                 policy accept;\n\t}\n}\n";
    assert_eq!(ruleset(&machine), empty);
    Call::bridge("DEL", &check_mac()).ok(&machine);
    assert_eq!(ruleset(&machine), empty);
}

#[test]
fn without_iptables_the_backend_is_nftables() {
    let machine = machine();
    let config = config(&json!({"ipMasq": true}));
    let path = path_with(&machine, &[("nft", None)]);
    let call = |command| Call::bridge(command, &config).env("PATH", &path);
    call("ADD").ok(&machine);
    assert!(ruleset(&machine).contains(COMMENT), "{}", ruleset(&machine));
    call("DEL").ok(&machine);
    assert_eq!(ruleset(&machine), masquerading(""));
    // If both exist, iptables is used.
    Call::bridge("ADD", &config).ok(&machine);
    assert!(!ruleset(&machine).contains(COMMENT));
    assert!(machine.sh("iptables -t nat -S").contains("-s 10.15.20.3/32"));
}

#[test]
fn del_without_a_journal_finds_the_rules() {
    let machine = machine();
    machine.netns("other");
    Call::bridge("ADD", &both()).ok(&machine);
    Call::bridge("ADD", &both()).container("other").ok(&machine);
    machine.sh("rm -r /run/wasm-cni; ip netns delete 1234567890");
    Call::bridge("DEL", &both()).ok(&machine);
    let rules = ruleset(&machine);
    assert!(!rules.contains("1234567890") && !rules.contains("10.15.20.2 "), "{rules}");
    assert!(rules.contains("10.15.20.3 ") && rules.contains("cni-br-iface-other-eth12-mac"), "{rules}");
    Call::bridge("DEL", &both()).container("other").ok(&machine);
    let rules = ruleset(&machine);
    assert!(!rules.contains("saddr") && !rules.contains("cni-br"), "{rules}");
}

#[test]
fn a_failed_add_leaves_nothing_tables_included() {
    let machine = machine();
    let before = machine.snapshot();
    let nft = machine.sh("command -v nft").trim().to_owned();
    let fails = |when: &str| {
        let script =
            format!("case \"$*\" in '{when}') echo 'out of luck' >&2; exit 1;; esac; exec {nft} \"$@\"");
        Call::bridge("ADD", &both()).env("PATH", &path_with(&machine, &[("nft", Some(&script))]))
    };
    for (when, text) in [
        ("-f -", "could not run nftables command: nft -f -: exit status 1: out of luck"),
        ("-j -f -", "failed to setup spoof-check: failed to execute nft -j -f -: exit status 1: out of luck"),
    ] {
        let (code, msg, details) = fails(when).error(&machine);
        assert!(code == 999 && msg.contains(text), "{msg}");
        assert!(details.contains("all that was done before is undone"), "{details}");
        assert_eq!(machine.changes(&before), NOTHING);
        assert_eq!(ruleset(&machine), "");
    }

    // A tool that is killed after it has done everything.
    for when in ["-f -", "-j -f -"] {
        machine.sh("touch /run/first");
        let script = format!(
            "[ -e /run/first ] && [ \"$*\" = '{when}' ] || exec {nft} \"$@\"; \
             {nft} \"$@\"; rm /run/first; kill -KILL $$"
        );
        let path = path_with(&machine, &[("nft", Some(&script)), ("rm", None)]);
        let (_, msg, details) = Call::bridge("ADD", &both()).env("PATH", &path).error(&machine);
        assert!(msg.contains("signal: 9"), "{msg}");
        assert!(details.contains("all that was done before is undone"), "{details}");
        assert_eq!(machine.changes(&before), NOTHING, "{when}");
    }

    // Tables of others stay, with their rules.
    machine.netns("other");
    Call::bridge("ADD", &both()).container("other").ok(&machine);
    let before = machine.snapshot();
    for when in ["-f -", "-j -f -"] {
        fails(when).error(&machine);
        assert_eq!(machine.changes(&before), NOTHING);
    }
}

#[test]
fn without_nft_only_an_add_that_needs_it_fails() {
    let machine = machine();
    let before = machine.snapshot();
    let path = path_with(&machine, &[]);
    let call = |command: &str, config: &str| Call::bridge(command, config).env("PATH", &path);
    for (config, text) in [
        (masquerade(), "could not find nftables binary: exec: \"nft\": executable file not found in $PATH"),
        (check_mac(), "failed to setup spoof-check: exec: \"nft\": executable file not found in $PATH"),
    ] {
        let (code, msg, _) = call("ADD", &config).error(&machine);
        assert!(code == 999 && msg.contains(text), "{msg}");
        assert_eq!(machine.changes(&before), NOTHING);
    }
    let plain = config(&json!({}));
    call("ADD", &plain).ok(&machine);
    machine.sh("rm -r /run/wasm-cni");
    call("DEL", &plain).ok(&machine);
    assert!(!machine.snapshot().contains("veth"));
}

#[test]
fn strange_names_of_interfaces_are_text_or_refused_before_anything_is_done() {
    let machine = machine();
    for name in ["eth\"0", "$x", "*", "\\", "a*", "};flush#"] {
        let before = machine.snapshot();
        let call = |command: &str, config: &str| Call::bridge(command, config).env("CNI_IFNAME", name);
        let (_, msg, details) = call("ADD", &check_mac()).error(&machine);
        assert!(format!("{msg}{details}").contains("chains in nftables are named after"), "{msg}\n{details}");
        assert_eq!(machine.changes(&before), NOTHING);

        call("ADD", &masquerade()).ok(&machine);
        let rules = ruleset(&machine);
        assert_eq!(rules.matches(" masquerade comment ").count(), 1, "{rules}");
        machine.sh("nft list ruleset > /run/saved; nft flush ruleset; nft -f /run/saved; rm /run/saved");
        assert_eq!(ruleset(&machine), rules);
        call("DEL", &masquerade()).ok(&machine);
        assert_eq!(ruleset(&machine), masquerading(""));
    }
}

#[test]
fn gc_removes_rules_of_deleted_containers_whoever_made_them() {
    let machine = machine();
    let nft = dual_stack();
    let iptables = nft.replace("nftables", "iptables");
    for (container, config) in
        [("first", &iptables), ("second", &iptables), ("third", &nft), ("fourth", &nft)]
    {
        machine.netns(container);
        Call::bridge("ADD", config).container(container).ok(&machine);
    }
    let of_other_network = nft.replace("mybridge", "elsewhere");
    machine.netns("fifth");
    Call::bridge("ADD", &of_other_network).container("fifth").ok(&machine);
    let others = ruleset(&machine).lines().filter(|line| line.contains("net: elsewhere")).count();
    machine.sh("rm -r /run/wasm-cni");

    let mut config: Value = serde_json::from_str(&nft).unwrap();
    config["cniVersion"] = "1.1.0".into();
    config["cni.dev/valid-attachments"] = json!([
        {"containerID": "second", "ifname": "eth12"}, {"containerID": "fourth", "ifname": "eth12"},
        {"containerID": "third", "ifname": "another"},
    ]);
    Call::bridge("GC", &config.to_string()).ok(&machine);
    let nat = machine.sh("iptables -t nat -S; ip6tables -t nat -S");
    assert!(!nat.contains("first") && nat.contains("id: \\\"second\\\""), "{nat}");
    assert_eq!(nat.matches("-N CNI-").count(), 2, "{nat}");
    let rules = ruleset(&machine);
    assert!(!rules.contains("id: third") && rules.contains("id: fourth"), "{rules}");
    assert_eq!((rules.matches("net: elsewhere").count(), others), (2, 2), "{rules}");
}

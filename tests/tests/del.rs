//! DEL in every situation: whatever happened to the container, the plugin, the configuration or parts of the
//! attachment, it succeeds, twice, and nothing of the attachment is left.

use wasm_cni_tests::guest::{component, install};
use wasm_cni_tests::{Call, Machine, NOTHING, WALKTHROUGH};

/// The circumstances of a call.
type Circumstance = fn(Call) -> Call;

/// The circumstances of the DEL, other than the journal.
const CIRCUMSTANCES: [(&str, Circumstance); 9] = [
    ("as it should be", |call| call),
    ("empty CNI_NETNS", |call| call.env("CNI_NETNS", "")),
    ("dead path", |call| call.env("CNI_NETNS", "/var/run/netns/none")),
    ("path of a plain file", |call| call.env("CNI_NETNS", "/etc/passwd")),
    ("path of a directory", |call| call.env("CNI_NETNS", "/proc")),
    ("the host's own namespace", |call| call.env("CNI_NETNS", "/proc/self/ns/net")),
    ("another container's namespace", |call| call.env("CNI_NETNS", "/var/run/netns/other")),
    ("another kind of namespace", |call| call.env("CNI_NETNS", "/proc/self/ns/mnt")),
    ("no CNI_ARGS that can be read", |call| call.env("CNI_ARGS", "garbage;=;IP=x")),
];

/// The damage before it.
const DAMAGES: [(&str, &str); 10] = [
    ("nothing", "true"),
    ("the container is gone", "ip netns delete 1234567890"),
    ("the bridge was deleted", "ip link delete cni_bridge0"),
    (
        "the veth was deleted on the host",
        "ip link delete $(ip -o link show master cni_bridge0 | sed -E 's/^[0-9]+: ([^@:]+).*/\\1/')",
    ),
    ("the veth was deleted in the container", "ip -n 1234567890 link delete eth12"),
    ("the address was removed", "ip -n 1234567890 address flush dev eth12; ip address flush dev cni_bridge0"),
    ("the rules were flushed", "iptables -t nat -F"),
    ("chains and all went", "nft flush ruleset"),
    ("the lease was removed", "rm /var/lib/cni/networks/mybridge/10.15.20.2"),
    ("the store was removed", "rm -r /var/lib/cni"),
];

/// Another network of ours, with an interface of the same name.
const OTHER: &str = r#"{"cniVersion": "1.0.0", "name": "second", "type": "bridge", "bridge": "br9", "isGateway": true,
    "ipam": {"type": "static", "addresses": [{"address": "10.99.0.2/24", "gateway": "10.99.0.1"}]}}"#;

/// A machine with another working container.
fn machine() -> Machine {
    let machine = Machine::new();
    machine.netns("1234567890");
    machine.netns("other");
    Call::bridge("ADD", OTHER).container("other").ok(&machine);
    machine
}

/// Nothing of the attachment is left, and the other container works.
fn assert_gone(machine: &Machine, what: &str) {
    let others = machine.sh("ip -o link show master br9 | sed -E 's/^[0-9]+: ([^@:]+).*/\\1/'");
    let after = machine.snapshot();
    let left: Vec<&str> = after
        .lines()
        .filter(|line| !line.starts_with("other: ") && !line.contains(others.trim()))
        .filter(|line| !line.contains("last_reserved_ip") && !line.contains("/wasm-cni/attachments"))
        .filter(|line| {
            ["veth", "CNI-", "eth12", "10.15.20.2/", "10.15.20.2:"].iter().any(|part| line.contains(part))
        })
        .collect();
    assert!(left.is_empty(), "{what}: {left:#?}");
    let journals = machine.sh("find /run/wasm-cni/attachments -type f");
    assert_eq!(journals.lines().count(), 1, "{what}: {journals}");
    machine.sh("ip netns exec other ping -c 1 -W 3 10.99.0.1");
    assert!(machine.sh("ip -o link show lo").contains("UP"), "{what}");
}

#[test]
fn del_succeeds_in_all_circumstances_after_any_damage() {
    for (number, (damage, script)) in DAMAGES.into_iter().enumerate() {
        // Every value of one list with the first of the other, then the rest in turn.
        let others = CIRCUMSTANCES
            .into_iter()
            .enumerate()
            .filter(|(other, _)| number == 0 || *other == 0 || (number + other) % 4 == 0);
        for (_, (circumstance, change)) in others {
            let machine = machine();
            Call::bridge("ADD", WALKTHROUGH).ok(&machine);
            machine.sh(script);
            for _ in 0..2 {
                let stdout = change(Call::bridge("DEL", WALKTHROUGH)).ok(&machine);
                assert_eq!(stdout, "", "{damage}, {circumstance}");
                assert_gone(&machine, &format!("{damage}, {circumstance}"));
            }
        }
    }
}

#[test]
fn del_works_with_a_changed_configuration() {
    let changed = [
        // Other types for everything, and a value that cannot be a previous result.
        r#"{"cniVersion": "1.0.0", "name": "mybridge", "type": "bridge", "prevResult": "garbage"}"#,
        r#"{"cniVersion": "1.0.0", "name": "mybridge", "type": "bridge", "prevResult": null, "bridge": "other0", "ipMasq": false,
            "ipam": {"type": "static", "addresses": [{"address": "192.0.2.2/24"}]}}"#,
        r#"{"cniVersion": "1.0.0", "name": "mybridge", "type": "bridge", "bridge": 7, "mtu": "x", "vlan": 99999, "ipam": []}"#,
        r#"{"cniVersion": "1.0.0", "name": "mybridge", "type": "bridge",
            "ipam": {"type": "host-local", "subnet": "10.77.0.0/33", "dataDir": "/nowhere"}}"#,
        r#"{"cniVersion": "1.0.0", "name": "mybridge", "type": "bridge", "ipam": {"type": "gone"}}"#,
        // A result of somebody else.
        r#"{"cniVersion": "1.0.0", "name": "mybridge", "type": "bridge", "prevResult": {"cniVersion": "1.0.0",
            "interfaces": [{"name": "eth12", "sandbox": "/var/run/netns/other"}], "ips": [{"interface": 0, "address": "10.15.20.2/24"}]}}"#,
    ];
    for config in changed {
        let machine = machine();
        Call::bridge("ADD", WALKTHROUGH).ok(&machine);
        for _ in 0..2 {
            assert_eq!(Call::bridge("DEL", config).ok(&machine), "", "{config}");
            assert_gone(&machine, config);
        }
    }
}

#[test]
fn del_works_with_a_changed_component() {
    type Damage = fn(&std::path::Path);
    let damages: [(&str, Damage); 6] = [
        ("missing", |dir| {
            ["bridge.wasm", "host-local.wasm"]
                .iter()
                .for_each(|name| std::fs::remove_file(dir.join(name)).unwrap());
        }),
        ("broken", |dir| {
            ["bridge.wasm", "host-local.wasm"]
                .iter()
                .for_each(|name| std::fs::write(dir.join(name), "broken").unwrap());
        }),
        ("replaced by one that traps", |dir| install(dir, "bridge", &component("unreachable"))),
        ("replaced by one that never ends", |dir| {
            install(dir, "bridge", &component("(loop $again (br $again)) unreachable"))
        }),
        ("a directory", |dir| {
            std::fs::remove_file(dir.join("bridge.wasm")).unwrap();
            std::fs::create_dir(dir.join("bridge.wasm")).unwrap();
        }),
        ("without the compiler", |dir| {
            std::fs::remove_file(dir.join("wasm-cni-compile")).unwrap();
            install(dir, "bridge", &component("unreachable"));
        }),
    ];
    for (what, damage) in damages {
        let machine = machine();
        let plugins = machine.plugins();
        Call::new(&plugins, "bridge", "ADD", WALKTHROUGH).ok(&machine);
        damage(&plugins);
        for _ in 0..2 {
            assert_eq!(Call::new(&plugins, "bridge", "DEL", WALKTHROUGH).ok(&machine), "", "{what}");
            assert_gone(&machine, what);
        }
    }
}

#[test]
fn del_leaves_a_namespace_alone_that_has_replaced_the_containers() {
    let machine = machine();
    Call::bridge("ADD", WALKTHROUGH).ok(&machine);
    // At the same path, with a link of the same name and address.
    machine.sh(
        "ip netns delete 1234567890; ip netns add 1234567890; ip -n 1234567890 link add eth12 type veth peer name theirs
         ip -n 1234567890 address add 10.15.20.2/24 dev eth12; ip -n 1234567890 link set eth12 up",
    );
    let theirs = machine.sh("ip -n 1234567890 -o address; ip -n 1234567890 -o link");
    // A second one has no journal: by its name alone that interface would be ours.
    Call::bridge("DEL", WALKTHROUGH).ok(&machine);
    assert!(!machine.sh("iptables -t nat -S").contains("CNI-"));
    assert_eq!(machine.sh("ip -o link show master cni_bridge0"), "");
    assert_eq!(machine.sh("find /var/lib/cni -name '10.*'"), "");
    assert_eq!(machine.sh("ip -n 1234567890 -o address; ip -n 1234567890 -o link"), theirs);
}

#[test]
fn del_of_an_attachment_that_never_existed_succeeds_and_changes_nothing() {
    for (circumstance, change) in CIRCUMSTANCES {
        let machine = machine();
        let before = machine.snapshot();
        assert_eq!(
            change(Call::bridge("DEL", WALKTHROUGH)).env("CNI_IFNAME", "eth9").ok(&machine),
            "",
            "{circumstance}"
        );
        assert_eq!(machine.changes(&before), NOTHING, "{circumstance}");
    }
}

#[test]
fn del_without_a_journal_fails_while_rules_cannot_be_listed_and_succeeds_later() {
    let program = |name: &str, of: &str| {
        format!("case \"$*\" in *{of}*) echo no luck >&2; exit 1;; esac; exec /usr/sbin/{name} \"$@\"")
    };
    for (name, config, of, msg) in [
        (
            "iptables",
            WALKTHROUGH.to_owned(),
            "-S",
            "running [iptables -t nat -S --wait 5]: exit status 1: no luck",
        ),
        (
            "nft",
            WALKTHROUGH
                .replace("\"ipMasq\"", "\"macspoofchk\": true, \"ipMasqBackend\": \"nftables\", \"ipMasq\""),
            "list",
            "nft -j list table inet cni_plugins_masquerade: exit status 1: no luck",
        ),
    ] {
        let machine = machine();
        Call::bridge("ADD", &config).ok(&machine);
        machine.sh("find /run/wasm-cni/attachments -type f | xargs grep -l 10.15.20 | xargs rm");
        let path = machine.with_tool(name, &program(name, of));
        let del = Call::bridge("DEL", &config);
        let (code, text, details) = del.clone().env("PATH", &path).error(&machine);
        assert!(code == 999 && text.contains(msg), "{code} {text}");
        assert!(details.contains("could not be looked at"), "{details}");
        assert_eq!(
            machine.sh("ls /var/lib/cni/networks/mybridge"),
            "last_reserved_ip.0\nlock\n",
            "all else went"
        );
        del.ok(&machine);
        assert_gone(&machine, name);

        // GC does not report success either.
        Call::bridge("ADD", &config).ok(&machine);
        machine.sh("find /run/wasm-cni/attachments -type f | xargs grep -l 10.15.20 | xargs rm");
        let config = config
            .replace("0.2.0", "1.1.0")
            .trim_end()
            .strip_suffix('}')
            .map(|config| format!("{config}, \"cni.dev/valid-attachments\": []}}"));
        let gc = Call::bridge("GC", &config.unwrap_or_default());
        let (_, _, details) = gc.clone().env("PATH", &path).error(&machine);
        assert!(details.contains(msg), "{details}");
        assert!(machine.sh("iptables -t nat -S; nft list ruleset").contains("10.15.20.3"), "{name}");
        gc.ok(&machine);
        let rules = machine.sh("iptables -t nat -S; nft list ruleset");
        assert!(!rules.contains("10.15.20.3"), "{rules}");
        assert_eq!(machine.sh("ls /var/lib/cni/networks/mybridge"), "last_reserved_ip.0\nlock\n", "{name}");
    }
}

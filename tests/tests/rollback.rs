//! What existed before a failed ADD stays as it was. What could not be undone is reported, kept in the journal, and
//! undone by the next verb.

use std::collections::BTreeSet;
use wasm_cni_tests::native::Plugins;
use wasm_cni_tests::{Call, Machine, NOTHING, WALKTHROUGH};

fn machine() -> Machine {
    let machine = Machine::new();
    machine.netns("1234567890");
    machine
}

/// A machine on which an operator has made everything that an ADD uses, with other settings than an ADD.
const OPERATORS: &str = "
    ip link add cni_bridge0 address 02:00:00:00:00:01 type bridge; ip link set cni_bridge0 mtu 1400 up
    ip address add 192.0.2.1/24 dev cni_bridge0 label cni_bridge0:o; ip address add 2001:db8::1/64 dev cni_bridge0 nodad
    ip link add own mtu 9000 type veth peer name far; ip link set own master cni_bridge0 up; ip link set far up
    ip link add lan0 type veth peer name lan1; ip link set lan0 up; ip address add 198.51.100.1/24 dev lan0
    ip route add 203.0.113.0/24 via 198.51.100.9; ip neigh add 198.51.100.9 lladdr 02:00:00:00:00:09 dev lan0
    sysctl -qw net.ipv4.conf.lan0.forwarding=1 net.ipv4.conf.all.accept_redirects=0 net.ipv6.conf.lan0.forwarding=1
    sysctl -qw net.ipv4.conf.default.forwarding=1
    iptables -t nat -N OPERATOR; iptables -t nat -A OPERATOR -s 10.0.0.0/8 -j ACCEPT; iptables -t nat -A POSTROUTING -j OPERATOR
    iptables -A FORWARD -i lan0 -j ACCEPT
    nft add table inet operator; nft add chain inet operator c; nft add rule inet operator c counter comment operator";

/// What the snapshot of a machine leaves out and an operator sees.
fn all(machine: &Machine) -> BTreeSet<String> {
    let text = machine.sh(
        "sysctl -a 2>/dev/null | grep -E 'net.ipv[46].conf|forward' | grep -vE 'stable_secret|cni_bridge0.*(mtu)'
         iptables-save | grep -v '^#' | sed 's/\\[.*//'; nft list ruleset | sed 's/packets.*bytes [0-9]*//'
         ip -o address | sed 's/^[0-9]*: //; /inet6 fe80/d'; ip neigh show nud permanent
         ip -o link | sed -E 's/^[0-9]+: //; s/ state [A-Z]+//; s/NO-CARRIER,|,LOWER_UP|,M-DOWN//g; s/@[^:]+//'",
    );
    text.lines().map(str::to_owned).collect()
}

#[test]
fn what_an_operator_made_stays_as_it_was() {
    let unreachable = r#""gw": "10.99.0.1""#;
    let dual = r#"{"cniVersion": "1.0.0", "name": "dual", "type": "bridge", "bridge": "cni_bridge0", "isGateway": true, "ipMasq": true,
        "forceAddress": true, "hairpinMode": true,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.15.20.0/24"}], [{"subnet": "fd00:15::/64"}]]}}"#;
    // With another address on the bridge, which needs `forceAddress`.
    let walkthrough = WALKTHROUGH.replace("\"isGateway\"", "\"forceAddress\": true, \"isGateway\"");
    for (conf, fails) in [
        (walkthrough.clone(), true),
        (walkthrough.replace("\"gw\": \"10.15.20.1\"", unreachable), false),
        (dual.to_owned(), true),
        (dual.replace("\"ipMasq\"", "\"macspoofchk\": true, \"ipMasq\""), true),
        (
            dual.replace("\"ipMasq\"", "\"promiscMode\": true, \"ipMasq\"")
                .replace("\"hairpinMode\": true,", ""),
            true,
        ),
    ] {
        let machine = machine();
        machine.sh(OPERATORS);
        // Tables that iptables makes when it lists them.
        machine.sh("iptables-save > /dev/null; ip6tables -t nat -S > /dev/null; nft add table bridge nat");
        let (before, all_before) = (machine.snapshot(), all(&machine));
        let path = machine.with_iptables("exit 1");
        let call = Call::bridge("ADD", &conf);
        let (_, msg, details) = if fails { call.env("PATH", &path) } else { call }.error(&machine);
        assert!(details.contains("all that was done before is undone"), "{msg} {details}");
        assert_eq!(machine.changes(&before), NOTHING, "{conf}");
        let (left, lost): (Vec<_>, Vec<_>) = {
            let after = all(&machine);
            (
                after.difference(&all_before).cloned().collect(),
                all_before.difference(&after).cloned().collect(),
            )
        };
        assert_eq!((left, lost), (Vec::<String>::new(), Vec::<String>::new()), "{conf}");
    }
}

#[test]
fn the_error_names_the_step_and_its_cause() {
    let machine = machine();
    let path = machine.with_iptables("echo 'out of luck' >&2; exit 1");
    let (code, msg, details) = Call::bridge("ADD", WALKTHROUGH).env("PATH", &path).error(&machine);
    assert_eq!(code, 999);
    assert!(msg.contains("out of luck"), "{msg}");
    assert!(details.starts_with("step `iptables -t nat -N CNI-26633426ea992aa1f0477097"), "{details}");
    let conf = WALKTHROUGH.replace("\"gw\": \"10.15.20.1\"", "\"gw\": \"10.99.0.1\"");
    let (_, msg, details) = Call::bridge("ADD", &conf).error(&machine);
    assert!(msg.contains("network is unreachable"), "{msg}");
    assert!(
        details.starts_with("step `ip route prepend 1.1.1.1/32 via 10.99.0.1 dev eth12` failed"),
        "{details}"
    );
}

/// The commands in an error that remove what is left.
fn commands(details: &str) -> Vec<String> {
    let lines = details.split("left: `").skip(1);
    lines.map(|line| line.split("` removes it; it failed: ").next().unwrap().to_owned()).collect()
}

/// From some message on the kernel refuses all: the ADD fails there, and so does every undo that needs a message.
#[test]
fn what_cannot_be_undone_is_reported_as_commands_and_undone_by_the_next_verb() {
    let gc = WALKTHROUGH.replace("0.2.0", "1.1.0").trim_end().strip_suffix('}').unwrap().to_owned()
        + r#", "cni.dev/valid-attachments": []}"#;
    let mut stuck = 0;
    for send in 1..60 {
        let finish = ["commands", "DEL", "ADD", "GC"][send % 4];
        let machine = machine();
        let before = machine.snapshot();
        let call = Call::bridge("ADD", WALKTHROUGH).with_fault(&format!("sendto:error=EPERM:when={send}+"));
        let reply = call.run(&machine);
        if reply.code == Some(0) {
            assert!(stuck > 4, "{stuck} of {send}");
            return;
        }
        let (code, msg, details) = reply.error();
        let text = format!("send {send}, {finish}: {code} {msg} {details}");
        if code != 105 {
            assert_eq!(machine.changes(&before), NOTHING, "{text}");
            continue;
        }
        stuck += 1;
        assert!(!commands(&details).is_empty(), "{text}");
        match finish {
            "commands" => {
                let commands = commands(&details);
                commands.iter().for_each(|command| drop(machine.try_sh(command)));
                let left: Vec<String> = machine.changes(&before);
                let journal = |line: &&String| !line.contains("/run/wasm-cni/attachments/");
                assert_eq!(left.iter().filter(journal).count(), 0, "{text} {left:?}");
                Call::bridge("DEL", WALKTHROUGH).ok(&machine);
            }
            "DEL" => assert_eq!(Call::bridge("DEL", WALKTHROUGH).ok(&machine), ""),
            "GC" => assert_eq!(Call::bridge("GC", &gc).ok(&machine), ""),
            _ => {
                Call::bridge("ADD", WALKTHROUGH).ok(&machine);
                machine.sh("ip netns exec 1234567890 ping -c 1 -W 3 10.15.20.1");
                let ports = machine.sh("ip -o link show master cni_bridge0");
                assert_eq!(ports.lines().count(), 1, "{text} {ports}");
                Call::bridge("DEL", WALKTHROUGH).ok(&machine);
                continue;
            }
        }
        assert_eq!(machine.changes(&before), NOTHING, "{text}");
    }
    panic!("no ADD takes that many messages");
}

#[test]
fn a_failed_add_leaves_the_bridge_to_a_concurrent_add() {
    let machine = machine();
    let plugins = Plugins::with_bridge(&machine);
    plugins.install("host-local", wasm_cni_tests::native::Maker::Ours);
    machine.netns("other");
    // The first ADD has made the bridge and waits for addresses that it does not get; meanwhile the second one starts.
    plugins.script(
        "odd",
        r#"[ $CNI_COMMAND = ADD ] || exit 0
        for i in $(seq 400); do [ -e $LOG.go ] && exit 1; sleep 0.05; done; exit 2"#,
    );
    let odd = r#"{"cniVersion": "0.2.0", "name": "odd", "type": "bridge", "bridge": "cni_bridge0", "isGateway": true,
        "ipam": {"type": "odd"}}"#;
    std::thread::scope(|scope| {
        let failing = scope.spawn(|| Call::new(plugins.path(), "bridge", "ADD", odd).run(&machine));
        let wait = format!(
            "for i in $(seq 400); do [ -s {}/log ] && exit 0; sleep 0.05; done; exit 1",
            plugins.path().display()
        );
        machine.sh(&wait);
        Call::new(plugins.path(), "bridge", "ADD", WALKTHROUGH).container("other").ok(&machine);
        std::fs::write(plugins.path().join("log.go"), "").unwrap();
        let reply = failing.join().unwrap();
        assert_eq!((reply.code, reply.error().0), (Some(1), 0), "{reply:?}");
    });
    machine.sh("ip netns exec other ping -c 1 -W 3 10.15.20.1");
    let ports = machine.sh("ip -o link show master cni_bridge0");
    assert_eq!(ports.lines().count(), 1, "{ports}");
    assert_eq!(machine.sh("ip -n 1234567890 -o link").lines().count(), 1, "lo alone");
}

//! `wasm-cni diff` and `wasm-cni repair`: they show damage, and repair it without touching the container.

use serde_json::Value;
use std::process::{Command, Output};
use wasm_cni_tests::{Background, Call, Machine, NOTHING, WALKTHROUGH, dist};

fn wasm_cni(machine: &Machine, arguments: &[&str]) -> Output {
    wasm_cni_with(machine, "/usr/sbin:/usr/bin:/sbin:/bin", arguments)
}

fn wasm_cni_with(machine: &Machine, path: &str, arguments: &[&str]) -> Output {
    let mut command = machine.command(dist().join("wasm-cni"));
    command.args(arguments).env("PATH", path).output().unwrap()
}

/// Exit code and stdout, with stderr.
fn said(output: &Output) -> (Option<i32>, String) {
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

fn host_veth(machine: &Machine) -> String {
    machine.sh("ip -o link show master cni_bridge0 | sed -E 's/^[0-9]+: ([^@:]+).*/\\1/'").trim().to_owned()
}

/// A machine with the walkthrough's container.
fn machine() -> Machine {
    let machine = Machine::new();
    machine.netns("1234567890");
    Call::bridge("ADD", WALKTHROUGH).ok(&machine);
    machine
}

#[test]
fn each_damage_is_shown_and_repaired_and_the_link_stays() {
    let machine = machine();
    let veth = host_veth(&machine);
    let inside = "ip -n 1234567890";
    let before = machine.snapshot();
    let index = || machine.sh(&format!("{inside} -o link show eth12 | cut -d: -f1"));
    let first = index();
    let lease = "/var/lib/cni/networks/mybridge/10.15.20.2";
    assert_eq!(
        said(&wasm_cni(&machine, &["diff"])),
        (Some(0), "no drift: 1 attachment is as it was made\n".into())
    );
    for (harm, repair) in [
        (format!("{inside} address delete 10.15.20.2/24 dev eth12"), "ip address add 10.15.20.2/24"),
        (format!("{inside} route delete 1.1.1.1"), "ip route prepend 1.1.1.1/32 via 10.15.20.1 dev eth12"),
        (format!("{inside} route delete default"), "ip route prepend 0.0.0.0/0 via 10.15.20.1 dev eth12"),
        (format!("{inside} link set eth12 down"), "ip link set eth12 up"),
        (format!("{inside} link set eth12 mtu 1400"), "ip link set eth12 mtu 1500"),
        (
            format!("{inside} link set eth12 address 02:00:00:00:00:01"),
            "ip link set eth12 address 0a:58:0a:0f:14:02",
        ),
        (format!("ip link set {veth} nomaster"), "master cni_bridge0 type bridge_slave hairpin off"),
        (
            format!("ip link set {veth} type bridge_slave hairpin on"),
            "master cni_bridge0 type bridge_slave hairpin off",
        ),
        (
            format!("ip link set {veth} type bridge_slave isolated on"),
            "master cni_bridge0 type bridge_slave hairpin off",
        ),
        (format!("ip link set {veth} down"), "up"),
        (format!("ip link set {veth} mtu 1400"), "mtu 1500"),
        (format!("ip link set {veth} address 02:00:00:00:00:02"), "address"),
        (format!("ip link set {veth} alias ''"), "alias 'wasm-cni "),
        ("ip link set cni_bridge0 down".into(), "ip link set cni_bridge0 up"),
        ("ip address flush dev cni_bridge0".into(), "ip address add 10.15.20.1/24"),
        (
            "ip link delete cni_bridge0".into(),
            "ip link add cni_bridge0 address 0a:58:0a:0f:14:01 type bridge",
        ),
        ("sysctl -qw net.ipv4.ip_forward=0".into(), "sysctl -w net/ipv4/ip_forward=1"),
        (format!("sysctl -qw net.ipv6.conf.{veth}.accept_ra=1"), "accept_ra=0"),
        ("iptables -t nat -F".into(), "iptables -t nat -A CNI-"),
        ("iptables -t nat -F POSTROUTING".into(), "-j CNI-"),
        ("nft flush ruleset".into(), "iptables -t nat -N CNI-"),
        (format!("rm {lease}"), lease),
    ] {
        machine.sh(&harm);
        let broken = machine.snapshot();
        let (code, plan) = said(&wasm_cni(&machine, &["diff"]));
        assert!(code == Some(1) && plan.contains(repair), "{harm}: {repair:?} is not in:\n{plan}");
        assert_eq!(machine.changes(&broken), NOTHING, "{harm}: diff changes nothing");
        let (code, done) = said(&wasm_cni(&machine, &["repair", "mybridge"]));
        assert!(code == Some(0) && done.contains(repair), "{harm}: {done}");
        assert_eq!(machine.changes(&before), NOTHING, "{harm}");
        assert_eq!(said(&wasm_cni(&machine, &["diff", "mybridge"])).0, Some(0), "{harm}");
        assert_eq!(index(), first, "{harm}: the link is the same");
        machine.sh("ip netns exec 1234567890 ping -c 1 -W 3 10.15.20.1");
    }
    // The route that the kernel added comes back as a route of ours, and with it the routes that need it.
    machine.sh(&format!("{inside} route flush table main"));
    assert_eq!(said(&wasm_cni(&machine, &["repair"])).0, Some(0));
    machine.sh("ip netns exec 1234567890 ping -c 1 -W 3 10.15.20.1");
    assert!(machine.sh(&format!("{inside} route")).contains("default via 10.15.20.1"));
    let (code, text) = said(&wasm_cni(&machine, &["repair"]));
    assert_eq!((code, text.as_str()), (Some(0), "nothing to repair: 1 attachment is as it was made\n"));

    // DEL leaves the same as without the damage and repair.
    Call::bridge("DEL", WALKTHROUGH).ok(&machine);
    let after = machine.snapshot();
    let never_broken = self::machine();
    Call::bridge("DEL", WALKTHROUGH).ok(&never_broken);
    let lines = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(lines(&after), lines(&never_broken.snapshot()));
}

/// Dual stack, rules in nftables, source MAC check, hairpin.
fn full() -> String {
    serde_json::json!({
        "cniVersion": "1.0.0", "name": "full", "type": "bridge", "bridge": "br-full", "isDefaultGateway": true,
        "ipMasq": true, "ipMasqBackend": "nftables", "macspoofchk": true, "hairpinMode": true, "mtu": 1450,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.9.8.0/24"}], [{"subnet": "fd00:98::/64"}]]}
    })
    .to_string()
}

#[test]
fn one_repair_restores_all_containers_after_everything_was_flushed() {
    let machine = machine();
    for container in ["second", "third"] {
        machine.netns(container);
    }
    Call::bridge("ADD", WALKTHROUGH).container("second").ok(&machine);
    Call::bridge("ADD", &full()).container("third").ok(&machine);
    machine.sh("ip netns add outside; ip link add out0 type veth peer name out1 netns outside; \
         ip address add 192.0.2.1/24 dev out0; ip link set out0 up; \
         ip -n outside address add 192.0.2.2/24 dev out1; ip -n outside link set out1 up");
    let pings = || {
        for (container, address) in [
            ("1234567890", "10.15.20.3"),
            ("second", "10.15.20.1"),
            ("third", "10.9.8.1"),
            ("third", "fd00:98::1"),
            ("1234567890", "192.0.2.2"),
            ("third", "192.0.2.2"),
        ] {
            machine.sh(&format!("ip netns exec {container} ping -c 1 -W 3 {address}"));
        }
    };
    pings();
    let before = machine.snapshot();
    machine.sh("iptables -F; iptables -t nat -F; nft flush ruleset; ip link delete cni_bridge0; ip link delete br-full; \
         sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0; \
         for c in 1234567890 second third; do ip -n $c link set eth12 down; done");
    let (code, plan) = said(&wasm_cni(&machine, &["diff"]));
    assert_eq!(code, Some(1));
    assert_eq!(
        plan.matches("ip link add cni_bridge0").count(),
        1,
        "a bridge that two need is made once:\n{plan}"
    );
    assert_eq!(plan.matches("drift: interface eth12").count(), 3, "{plan}");
    let output = wasm_cni(&machine, &["diff", "full", "--output", "json"]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json[0]["attachment"]["container"], "third");
    assert!(!json[0]["actions"].as_array().unwrap().is_empty() && json[0]["in-flight"] == false, "{json}");

    assert_eq!(said(&wasm_cni(&machine, &["repair", "full"])).0, Some(0));
    assert_eq!(said(&wasm_cni(&machine, &["diff", "full"])).0, Some(0));
    assert_eq!(said(&wasm_cni(&machine, &["diff"])).0, Some(1), "the other network waits for its own");
    let (code, done) = said(&wasm_cni(&machine, &["repair"]));
    assert_eq!(code, Some(0), "{done}");
    // The bridge runs duplicate address detection for a second, as after an ADD.
    machine.sh("for i in $(seq 100); do ip address | grep -q tentative || exit 0; sleep 0.05; done; exit 1");
    assert_eq!(machine.changes(&before), NOTHING);
    pings();
    for (container, config) in [("1234567890", WALKTHROUGH), ("second", WALKTHROUGH), ("third", &full())] {
        Call::bridge("DEL", config).container(container).ok(&machine);
    }
    let after = machine.snapshot();
    assert!(!after.contains("vethd") && !after.contains("CNI-") && !after.contains("macspoofchk"), "{after}");
    assert_eq!(machine.sh("find /run/wasm-cni/attachments -mindepth 1"), "");
}

/// Rules of one attachment with the same comment, one for each of its addresses.
#[test]
fn of_two_masqueraded_addresses_each_is_repaired_and_the_other_stays() {
    let machine = Machine::new();
    machine.netns("1234567890");
    Call::bridge("ADD", &full()).ok(&machine);
    let list = "nft list chain inet cni_plugins_masquerade masq_checks";
    let rules = machine.sh(list);
    let before = machine.snapshot();
    for family in ["ip saddr", "ip6 saddr"] {
        assert_eq!(rules.matches(family).count(), 1, "{rules}");
        machine.sh(&format!(
            "nft -a {list} | sed -n 's/.*{family}.* handle //p' | xargs nft delete rule inet cni_plugins_masquerade masq_checks handle",
            list = list.trim_start_matches("nft ")
        ));
        assert!(!machine.sh(list).contains(family));
        let (code, text) = said(&wasm_cni(&machine, &["repair"]));
        assert_eq!(code, Some(0), "{text}");
        assert_eq!(machine.changes(&before), NOTHING, "{family}: {text}");
    }
    Call::bridge("DEL", &full()).ok(&machine);
}

#[test]
fn what_cannot_be_repaired_is_reported_and_left_alone() {
    for (harm, difference) in [
        (
            "ip netns delete 1234567890; while ip link | grep -q ': veth'; do sleep 0.02; done",
            "is gone: its DEL, or `wasm-cni gc mybridge --dead-namespaces`, removes what is left of it",
        ),
        ("ip -n 1234567890 link delete eth12", "the container needs a new ADD"),
        (
            "ip -n 1234567890 link delete eth12; ip -n 1234567890 link add eth12 type veth peer name x",
            "the container needs a new ADD",
        ),
        (
            "printf 'other\\r\\neth0' > /var/lib/cni/networks/mybridge/10.15.20.2; ip -n 1234567890 link set eth12 down",
            "belongs to another container",
        ),
    ] {
        let machine = machine();
        machine.sh(&format!("{harm}; iptables -t nat -F"));
        let broken = machine.snapshot();
        for command in ["diff", "repair"] {
            let (code, text) = said(&wasm_cni(&machine, &[command]));
            assert!(code == Some(1) && text.contains(difference), "{harm}: {text}");
        }
        assert_eq!(machine.changes(&broken), NOTHING, "{harm}");
    }
}

/// A flush leaves the chains.
#[test]
fn after_a_flush_diff_and_repair_print_only_what_they_add() {
    let machine = machine();
    let chain = wasm_cni_tests::CHAIN;
    for (flush, makes_chain) in
        [("iptables -t nat -F", false), ("iptables -t nat -F; iptables -t nat -X", true)]
    {
        machine.sh(flush);
        for command in ["diff", "repair"] {
            let (_, text) = said(&wasm_cni(&machine, &[command]));
            assert_eq!(text.contains(&format!("iptables -t nat -N {chain}")), makes_chain, "{flush}: {text}");
            assert!(
                text.contains(&format!("iptables -t nat -A POSTROUTING -s 10.15.20.2/32 -j {chain}")),
                "{text}"
            );
            assert!(!text.contains("has another value now"), "{text}");
        }
    }
}

/// Every action of the link misses it.
#[test]
fn a_link_that_is_gone_is_one_sentence() {
    let machine = machine();
    machine.sh("ip -n 1234567890 link delete eth12");
    let (code, text) = said(&wasm_cni(&machine, &["diff"]));
    assert_eq!(code, Some(1));
    let of_links = text.lines().filter(|line| line.contains("link ")).collect::<Vec<_>>();
    assert_eq!(
        of_links,
        ["  link eth12 (container) that was made is gone: the container needs a new ADD"],
        "{text}"
    );
}

#[test]
fn an_attachment_in_flight_is_left_alone_without_a_wait() {
    let machine = machine();
    machine.sh("iptables -t nat -F");
    let broken = machine.snapshot();
    let directory = machine.sh("echo /run/wasm-cni/attachments/*").trim().to_owned();
    let holder = Background::holding(&machine, &directory);
    for command in ["diff", "repair"] {
        let (code, text) = said(&wasm_cni(&machine, &[command]));
        assert!(code == Some(0) && text.contains("left alone, since an ADD or DEL of it runs"), "{text}");
    }
    assert!(said(&wasm_cni(&machine, &["attachments"])).1.contains("in flight"));
    assert_eq!(machine.changes(&broken), NOTHING);
    drop(holder);
    assert_eq!(said(&wasm_cni(&machine, &["repair"])).0, Some(0));
}

#[test]
fn a_failed_or_killed_repair_can_be_repeated_or_followed_by_del() {
    for script in ["echo no >&2; exit 1", "kill -KILL $PPID; sleep 0.2"] {
        let machine = machine();
        let before = machine.snapshot();
        machine.sh("iptables -t nat -F; ip link delete cni_bridge0; sysctl -qw net.ipv4.ip_forward=0");
        let path = machine.with_iptables(script);
        let (code, text) = said(&wasm_cni_with(&machine, &path, &["repair"]));
        assert_ne!(code, Some(0));
        assert!(code.is_none() || text.contains("iptables-restore"), "{text}");
        assert!(machine.sh("ip -o link show master cni_bridge0").contains("veth"), "it did what it could");
        machine.wait_for_locks();
        assert_eq!(said(&wasm_cni(&machine, &["repair"])).0, Some(0), "{script}");
        assert_eq!(machine.changes(&before), NOTHING, "{script}");

        machine.sh(
            "iptables -t nat -F; ip link delete cni_bridge0; rm /var/lib/cni/networks/mybridge/10.15.20.2",
        );
        wasm_cni_with(&machine, &path, &["repair"]);
        Call::bridge("DEL", WALKTHROUGH).ok(&machine);
        let after = machine.snapshot();
        assert!(
            !after.contains("veth") && !after.contains("CNI-") && !after.contains("mybridge/10.15.20.2"),
            "{after}"
        );
        assert_eq!(machine.sh("find /run/wasm-cni/attachments -mindepth 1"), "");
    }
}

#[test]
fn an_unfinished_add_is_no_attachment_to_repair() {
    let machine = Machine::new();
    machine.netns("1234567890");
    let path = machine.with_iptables("kill -KILL $PPID; sleep 0.2");
    Call::bridge("ADD", WALKTHROUGH).env("PATH", &path).run(&machine);
    machine.wait_for_locks();
    let left = machine.snapshot();
    let (code, text) = said(&wasm_cni(&machine, &["repair"]));
    assert!(code == Some(1) && text.contains("its ADD did not end"), "{text}");
    assert_eq!(machine.changes(&left), NOTHING);
    assert!(said(&wasm_cni(&machine, &["attachments"])).1.contains("unfinished"));
}

#[test]
fn an_address_that_another_network_replaced_on_the_bridge_is_not_restored() {
    let machine = machine();
    machine.netns("second");
    let other = WALKTHROUGH
        .replace("mybridge", "other")
        .replace("10.15.20", "10.15.21")
        .replace("\"isGateway\"", "\"forceAddress\": true, \"isGateway\"");
    Call::bridge("ADD", &other).container("second").ok(&machine);
    let before = machine.snapshot();
    assert!(!machine.sh("ip address").contains("10.15.20.1/24"), "the first network's gateway made room");
    assert_eq!(said(&wasm_cni(&machine, &["repair"])).0, Some(0));
    assert_eq!(machine.changes(&before), NOTHING);
}

#[test]
fn the_list_of_attachments_tells_what_is_there() {
    let machine = machine();
    machine.netns("third");
    assert!(said(&wasm_cni(&machine, &["attachments", "none"])).1.starts_with("NETWORK"));
    Call::bridge("ADD", &full()).container("third").ok(&machine);
    machine.sh("ip netns delete third");
    let (code, table) = said(&wasm_cni(&machine, &["attachments"]));
    assert_eq!(code, Some(0));
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["NETWORK", "CONTAINER", "INTERFACE", "ADDRESSES", "PLUGINS", "AGE", "STATE"]);
    assert_eq!(lines[1][..4], ["mybridge", "1234567890", "eth12", "10.15.20.2/24"]);
    assert!(lines[1][4].starts_with("bridge@") && lines[1][5].starts_with("host-local@"), "{table}");
    assert_eq!(lines[1][7], "complete");
    assert_eq!(lines[2][..5], ["full", "third", "eth12", "10.9.8.2/24", "fd00:98::2/64"]);
    assert_eq!(lines[2][8..], ["netns", "gone"]);
    let output = wasm_cni(&machine, &["attachments", "mybridge", "--output", "json"]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json.as_array().unwrap().len(), 1);
    let one = &json[0];
    assert_eq!((&one["container"], &one["state"]), (&"1234567890".into(), &"complete".into()));
    assert_eq!(
        (&one["addresses"][0], &one["netns"]),
        (&"10.15.20.2/24".into(), &"/var/run/netns/1234567890".into())
    );
    assert_eq!(one["plugins"][0][1].as_str().unwrap().len(), 64);
    let now = machine.sh("date +%s").trim().parse::<u64>().unwrap();
    assert!(one["created"].as_u64().unwrap().abs_diff(now) < 600);
}

#[test]
fn an_ordinary_user_gets_a_permission_error() {
    let machine = machine();
    let plugins = machine.plugins();
    assert!(Command::new("chmod").args(["-R", "a+rX"]).arg(machine.files()).status().unwrap().success());
    for (command, expected) in [("diff", 2), ("attachments", 1), ("repair", 1)] {
        let mut setpriv = machine.command("setpriv");
        setpriv.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        let (code, text) = said(&setpriv.arg(plugins.join("wasm-cni")).arg(command).output().unwrap());
        assert!(code == Some(expected) && text.contains("Permission denied"), "{command}: {code:?} {text}");
    }
}

//! IPAM by any plugin: components and native plugins, as main plugin and as IPAM plugin (`docs/architecture.md`).
#![expect(clippy::print_stdout, reason = "the table of the matrix")]

use serde_json::Value;
use wasm_cni_tests::native::{Maker, Plugins};
use wasm_cni_tests::{Call, Machine, NOTHING, Reply};

/// A bridge with an IPAM plugin of that type.
fn conf(ipam: &str) -> String {
    format!(
        r#"{{"cniVersion": "1.0.0", "name": "net", "type": "bridge", "bridge": "br0", "isGateway": true, "ipMasq": true,
            "ipam": {{"type": "{ipam}", "subnet": "10.1.2.0/24", "addresses": [{{"address": "10.1.2.2/24"}}],
                      "routes": [{{"dst": "0.0.0.0/0"}}]}}}}"#
    )
}

fn result(stdout: &str) -> Value {
    serde_json::from_str(stdout).unwrap()
}

/// What every bridge plugin leaves: the bridge with its addresses, forwarding, and the network's store.
fn is_shared(line: &str) -> bool {
    ["br0", "forward", "accept_redirects", "last_reserved_ip", "/lock"].iter().any(|part| line.contains(part))
}

/// A main plugin: its name, who made it, and the keys that it needs in addition to IPAM.
struct Main {
    name: &'static str,
    maker: Maker,
    keys: &'static str,
}

const MAINS: [Main; 4] = [
    Main {
        name: "bridge",
        maker: Maker::Ours,
        keys: r#""bridge": "br0", "isGateway": true, "ipMasq": true,"#,
    },
    Main {
        name: "bridge",
        maker: Maker::Reference,
        keys: r#""bridge": "br0", "isGateway": true, "ipMasq": true,"#,
    },
    Main { name: "ptp", maker: Maker::Reference, keys: r#""ipMasq": true,"# },
    Main { name: "macvlan", maker: Maker::Reference, keys: r#""master": "lan0","# },
];

#[test]
fn every_main_plugin_works_with_every_ipam_plugin() {
    let (mut table, mut all) = (String::new(), true);
    for main in MAINS {
        for ipam in ["host-local", "static"] {
            for maker in [Maker::Ours, Maker::Reference] {
                let outcome = exercise(&main, ipam, maker);
                all &= outcome.is_ok();
                let text = outcome.err().unwrap_or_else(|| "ADD CHECK DEL DEL".to_owned());
                table += &format!("{:?} {:8} with {maker:?} {ipam:10}  {text}\n", main.maker, main.name);
            }
        }
    }
    println!("{table}");
    assert!(all, "\n{table}");
}

/// ADD, CHECK and two DELs; returns the first error.
fn exercise(main: &Main, ipam: &str, maker: Maker) -> Result<(), String> {
    let machine = Machine::new();
    machine.netns("1234567890");
    machine.sh(
        "ip link add lan0 type veth peer name lan1; ip link set lan0 up; ip address add 10.1.2.1/24 dev lan1",
    );
    // The gateway of macvlan is somewhere on the wire, that of the others on the host.
    let wire = main.name == "macvlan";
    machine.sh(if wire { "ip link set lan1 up" } else { "ip link delete lan0" });
    let plugins = Plugins::new(&machine);
    plugins.install(main.name, main.maker);
    plugins.install(ipam, maker);
    let conf = format!(
        r#"{{"cniVersion": "1.0.0", "name": "net", "type": "{}", {} "ipam": {{"type": "{ipam}", "subnet": "10.1.2.0/24",
            "addresses": [{{"address": "10.1.2.2/24", "gateway": "10.1.2.1"}}], "routes": [{{"dst": "0.0.0.0/0"}}]}}}}"#,
        main.name, main.keys
    );
    let before = machine.snapshot();
    let call = |verb: &str, conf: &str| -> Result<Reply, String> {
        let reply = Call::new(plugins.path(), main.name, verb, conf).run(&machine);
        if reply.code == Some(0) {
            Ok(reply)
        } else {
            Err(format!("{verb}: {}{}", reply.stdout, reply.stderr))
        }
    };
    let added = result(&call("ADD", &conf)?.stdout);
    if added["ips"][0]["address"] != "10.1.2.2/24" || added["ips"][0]["gateway"] != "10.1.2.1" {
        return Err(format!("ADD tells {added}"));
    }
    if added["routes"][0]["dst"] != "0.0.0.0/0" {
        return Err(format!("ADD tells no route: {added}"));
    }
    let ping = machine.try_sh("ip netns exec 1234567890 ping -c 1 -W 3 10.1.2.1");
    if !ping.status.success() {
        return Err(format!("no answer: {}", String::from_utf8_lossy(&ping.stdout)));
    }
    call("CHECK", &conf.replacen('{', &format!(r#"{{"prevResult": {added},"#), 1))?;
    call("DEL", &conf)?;
    call("DEL", &conf)?;
    let left: Vec<String> = machine.changes(&before).into_iter().filter(|line| !is_shared(line)).collect();
    if left.is_empty() { Ok(()) } else { Err(format!("left: {left:?}")) }
}

#[test]
fn a_native_plugin_is_undone_when_a_later_step_fails() {
    let machine = Machine::new();
    machine.netns("1234567890");
    let plugins = Plugins::with_bridge(&machine);
    // The gateway of the route is unreachable.
    plugins.script(
        "odd",
        r#"[ $CNI_COMMAND != ADD ] || echo '{"cniVersion": "1.0.0", "ips": [{"address": "10.1.2.2/24"}],
            "routes": [{"dst": "10.9.0.0/16", "gw": "192.168.77.1"}]}'"#,
    );
    let before = machine.snapshot();
    let (_, msg, details) = Call::new(plugins.path(), "bridge", "ADD", &conf("odd")).error(&machine);
    assert!(msg.contains("failed to add route"), "{msg} {details}");
    assert_eq!(machine.changes(&before), NOTHING);
    assert_eq!(plugins.log(), ["ADD", "DEL"]);
}

#[test]
fn a_native_plugin_gets_what_the_spec_says() {
    let machine = Machine::new();
    machine.netns("1234567890");
    let plugins = Plugins::with_bridge(&machine);
    plugins.script(
        "odd",
        r#"env | grep -E '^(CNI|TRACE|BAGGAGE|WASM_CNI_STATE)' | sort >> $LOG; cat >> $LOG; echo >> $LOG
        [ $CNI_COMMAND != ADD ] || { ip netns exec 1234567890 ip link show $CNI_IFNAME >/dev/null && echo '{"ips": [{"address": "10.1.2.2/24"}]}'; }"#,
    );
    let conf = conf("odd");
    let call = |verb| {
        Call::new(plugins.path(), "bridge", verb, &conf)
            .env("CNI_ARGS", "IgnoreUnknown=1;A=b")
            .env("TRACEPARENT", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
            .env("TRACESTATE", "vendor=x")
            .env("BAGGAGE", "user=alice")
    };
    call("ADD").ok(&machine);
    machine.sh("ip netns del 1234567890");
    call("DEL").env("CNI_NETNS", "").ok(&machine);
    let log = plugins.log().join("\n");
    for part in [
        "CNI_ARGS=IgnoreUnknown=1;A=b\nCNI_COMMAND=ADD\nCNI_CONTAINERID=1234567890\nCNI_IFNAME=eth12\nCNI_NETNS=/var/run/netns/1234567890\n",
        "BAGGAGE=user=alice\nCNI_ARGS",
        "TRACEPARENT=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\nTRACESTATE=vendor=x\n",
        "CNI_COMMAND=DEL\nCNI_CONTAINERID=1234567890\nCNI_IFNAME=eth12\nCNI_NETNS=\n",
        &format!("CNI_PATH={}", plugins.path().display()),
        conf.lines().next().unwrap(),
    ] {
        assert!(log.contains(part), "{part:?} is not in\n{log}");
    }
}

#[test]
fn the_next_verb_undoes_a_killed_add() {
    let machine = Machine::new();
    machine.netns("1234567890");
    let plugins = Plugins::with_bridge(&machine);
    let parent = "$(sed -n 's/^PPid:[[:space:]]*//p' /proc/$$/status)";
    plugins.script("odd", &format!("[ $CNI_COMMAND != ADD ] || kill -9 {parent}"));
    let before = machine.snapshot();
    let reply = Call::new(plugins.path(), "bridge", "ADD", &conf("odd")).run(&machine);
    assert_eq!(reply.code, None, "{}", reply.stdout);
    Call::new(plugins.path(), "bridge", "DEL", &conf("odd")).ok(&machine);
    assert_eq!(machine.changes(&before), NOTHING);
    assert_eq!(plugins.log(), ["ADD", "DEL"]);
}

#[test]
fn a_dry_run_shows_the_first_stage_and_executes_nothing() {
    let machine = Machine::new();
    machine.netns("1234567890");
    let plugins = Plugins::with_bridge(&machine);
    plugins.script("odd", "exit 1");
    let before = machine.snapshot();
    let reply =
        Call::new(plugins.path(), "bridge", "ADD", &conf("odd")).env("WASM_CNI_DRY_RUN", "1").run(&machine);
    assert_eq!(reply.code, Some(1));
    for part in
        ["ip link add br0", "CNI_COMMAND=ADD", "the rest depends on what", "/odd answers, which is native"]
    {
        assert!(reply.stderr.contains(part), "{part:?} is not in\n{}", reply.stderr);
    }
    assert_eq!(machine.changes(&before), NOTHING);
    assert_eq!(plugins.log(), NOTHING);
}

#[test]
fn del_without_a_journal_gives_the_lock_of_the_store_to_a_native_ipam_plugin() {
    let machine = Machine::new();
    machine.netns("1234567890");
    let plugins = Plugins::with_bridge(&machine);
    plugins.install("host-local", Maker::Reference);
    let conf = r#"{"cniVersion": "1.0.0", "name": "net", "type": "bridge", "bridge": "br0",
        "ipam": {"type": "host-local", "subnet": "10.1.2.0/24"}}"#;
    let before = machine.snapshot();
    Call::new(plugins.path(), "bridge", "ADD", conf).ok(&machine);
    machine.sh("rm -r /run/wasm-cni");
    Call::new(plugins.path(), "bridge", "DEL", conf).env("WASM_CNI_DELEGATE_SECONDS", "20").ok(&machine);
    let left: Vec<String> = machine.changes(&before).into_iter().filter(|line| !is_shared(line)).collect();
    assert_eq!(left, NOTHING);
}

#[test]
fn native_plugins_receive_status_and_gc() {
    let machine = Machine::new();
    let plugins = Plugins::with_bridge(&machine);
    plugins.install("host-local", Maker::Reference);
    plugins.script(
        "odd",
        r#"[ $CNI_COMMAND != STATUS ] || { echo '{"code": 50, "msg": "exhausted"}'; exit 1; }"#,
    );
    let conf =
        |ipam| conf(ipam).replace("1.0.0", "1.1.0").replacen('{', r#"{"cni.dev/valid-attachments": [],"#, 1);
    let (code, msg, _) = Call::new(plugins.path(), "bridge", "STATUS", &conf("odd")).error(&machine);
    assert_eq!((code, msg.as_str()), (50, "exhausted"));
    Call::new(plugins.path(), "bridge", "GC", &conf("odd")).ok(&machine);
    assert_eq!(plugins.log(), ["STATUS", "GC"]);
    // Debian's plugin is too old for either verb.
    Call::new(plugins.path(), "bridge", "STATUS", &conf("host-local")).ok(&machine);
    Call::new(plugins.path(), "bridge", "GC", &conf("host-local")).ok(&machine);
}

/// A process that ends when this value is dropped.
struct Daemon(std::process::Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn dhcp_with_its_daemon_gives_a_component_its_address() {
    let machine = Machine::new();
    machine.netns("1234567890");
    machine.sh("ip link add br0 type bridge; ip address add 10.1.2.1/24 dev br0; ip link set br0 up; mkdir -p /run/cni");
    let start = |program: &str, arguments: &[&str]| {
        let output = std::process::Stdio::null;
        Daemon(machine.command(program).args(arguments).stdout(output()).stderr(output()).spawn().unwrap())
    };
    let _daemon = start("/usr/lib/cni/dhcp", &["daemon"]);
    let _server = start(
        "dnsmasq",
        &[
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--pid-file=",
            "--user=root",
            "--port=0",
            "--interface=br0",
            "--bind-interfaces",
            "--leasefile-ro",
            "--dhcp-range=10.1.2.50,10.1.2.60,1h",
        ],
    );
    machine.sh("for i in $(seq 100); do [ -S /run/cni/dhcp.sock ] && exit 0; sleep 0.05; done; exit 1");
    let plugins = Plugins::with_bridge(&machine);
    plugins.install("dhcp", Maker::Reference);
    let conf = r#"{"cniVersion": "1.0.0", "name": "net", "type": "bridge", "bridge": "br0", "ipam": {"type": "dhcp"}}"#;
    let before = machine.snapshot();
    let added = result(&Call::new(plugins.path(), "bridge", "ADD", conf).ok(&machine));
    let address = added["ips"][0]["address"].as_str().unwrap().to_owned();
    assert!(address.starts_with("10.1.2.5") || address.starts_with("10.1.2.6"), "{address}");
    assert!(machine.sh("ip -n 1234567890 -brief address show eth12").contains(&address));
    machine.sh("ip netns exec 1234567890 ping -c 1 -W 2 10.1.2.1");
    Call::new(plugins.path(), "bridge", "DEL", conf).ok(&machine);
    let left: Vec<String> = machine.changes(&before).into_iter().filter(|line| !is_shared(line)).collect();
    assert_eq!(left, NOTHING);
}

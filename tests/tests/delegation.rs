//! IPAM by anybody: components and native executables, on either side (`docs/architecture.md`).

use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use wasm_cni_tests::{Call, Machine, NOTHING, dist};

const REFERENCE: &str = "/usr/lib/cni";

/// A bridge with an IPAM plugin of that type.
fn conf(ipam: &str) -> String {
    format!(
        r#"{{"cniVersion": "1.0.0", "name": "net", "type": "bridge", "bridge": "br0", "isGateway": true, "ipMasq": true,
            "ipam": {{"type": "{ipam}", "subnet": "10.1.2.0/24", "addresses": [{{"address": "10.1.2.2/24"}}],
                      "routes": [{{"dst": "0.0.0.0/0"}}]}}}}"#
    )
}

/// A directory with our `bridge` alone, and beside it whatever is linked there.
fn plugins(machine: &Machine, links: &[(&str, PathBuf)]) -> PathBuf {
    let dir = machine.files().join("plugins");
    std::fs::create_dir(&dir).unwrap();
    for name in ["bridge.wasm", "wasm-cni", "wasm-cni-compile"] {
        std::fs::copy(dist().join(name), dir.join(name)).unwrap();
    }
    std::os::unix::fs::symlink("wasm-cni", dir.join("bridge")).unwrap();
    for (name, target) in links {
        std::os::unix::fs::symlink(target, dir.join(name)).unwrap();
    }
    dir
}

/// Installs an IPAM plugin that is a shell script; `$LOG` is where it notes its calls.
fn script(dir: &Path, name: &str, body: &str) {
    let log = dir.join("log");
    let text = format!("#!/bin/sh\nLOG={}\necho \"$CNI_COMMAND\" >> $LOG\n{body}\n", log.display());
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn log(dir: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(dir.join("log")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn result(stdout: &str) -> Value {
    serde_json::from_str(stdout).unwrap()
}

#[test]
fn a_component_takes_addresses_from_native_plugins() {
    for ipam in ["host-local", "static"] {
        let machine = Machine::new();
        machine.netns("1234567890");
        let dir = plugins(&machine, &[(ipam, Path::new(REFERENCE).join(ipam))]);
        let before = machine.snapshot();
        let call = |verb| Call::new(&dir, "bridge", verb, &conf(ipam));
        let added = result(&call("ADD").ok(&machine));
        assert_eq!(added["ips"][0]["address"], "10.1.2.2/24", "{ipam}");
        assert_eq!(added["ips"][0]["interface"], 2);
        let address = machine.sh("ip -n 1234567890 -brief address show eth12");
        assert!(address.contains("10.1.2.2/24"), "{address}");
        machine.sh("ip netns exec 1234567890 ping -c 1 -W 2 10.1.2.1");
        let check = conf(ipam).replacen('{', &format!(r#"{{"prevResult": {added},"#), 1);
        Call::new(&dir, "bridge", "CHECK", &check).ok(&machine);
        call("DEL").ok(&machine);
        call("DEL").ok(&machine);
        let left: Vec<String> = machine.changes(&before).into_iter().filter(|l| !is_shared(l)).collect();
        assert_eq!(left, NOTHING, "{ipam}");
    }
}

/// What every bridge plugin leaves: the bridge with what it has, forwarding, and the store of the network.
fn is_shared(line: &str) -> bool {
    ["br0", "forward", "last_reserved_ip", "/lock"].iter().any(|part| line.contains(part))
}

#[test]
fn a_native_main_plugin_takes_addresses_from_our_links() {
    let dhcp_free = r#""ipam": {"type": "IPAM", "subnet": "10.1.2.0/24", "addresses": [{"address": "10.1.2.2/24", "gateway": "10.1.2.1"}]}"#;
    for (main, keys) in [("ptp", ""), ("macvlan", r#""master": "lan0","#)] {
        for ipam in ["host-local", "static"] {
            let machine = Machine::new();
            machine.netns("1234567890");
            machine.sh("ip link add lan0 type veth peer name lan1; ip link set lan0 up; ip link set lan1 up");
            let dir = plugins(
                &machine,
                &[
                    (main, Path::new(REFERENCE).join(main)),
                    (ipam, dist().join("wasm-cni")),
                    (&format!("{ipam}.wasm"), dist().join(format!("{ipam}.wasm"))),
                ],
            );
            let conf = format!(
                r#"{{"cniVersion": "1.0.0", "name": "net", "type": "{main}", {keys} {}}}"#,
                dhcp_free.replace("IPAM", ipam)
            );
            let call = |verb| Call::new(&dir, main, verb, &conf);
            let added = result(&call("ADD").ok(&machine));
            assert_eq!(added["ips"][0]["address"], "10.1.2.2/24", "{main} {ipam}");
            let check = conf.replacen('{', &format!(r#"{{"prevResult": {added},"#), 1);
            Call::new(&dir, main, "CHECK", &check).ok(&machine);
            call("DEL").ok(&machine);
            let leases = machine.sh("find /var/lib/cni -name '10.*' 2>/dev/null || true");
            assert_eq!(leases, "", "{main} {ipam}");
        }
    }
}

#[test]
fn what_a_native_plugin_did_is_ended_when_a_later_step_fails() {
    let machine = Machine::new();
    machine.netns("1234567890");
    let dir = plugins(&machine, &[]);
    // The gateway of the route cannot be reached.
    script(
        &dir,
        "odd",
        r#"[ $CNI_COMMAND != ADD ] || echo '{"cniVersion": "1.0.0", "ips": [{"address": "10.1.2.2/24"}],
            "routes": [{"dst": "10.9.0.0/16", "gw": "192.168.77.1"}]}'"#,
    );
    let before = machine.snapshot();
    let (_, msg, details) = Call::new(&dir, "bridge", "ADD", &conf("odd")).error(&machine);
    assert!(msg.contains("failed to add route"), "{msg} {details}");
    assert_eq!(machine.changes(&before), NOTHING);
    assert_eq!(log(&dir), ["ADD", "DEL"]);
}

#[test]
fn errors_of_native_plugins_are_relayed_and_nothing_is_left() {
    for (body, code, text) in [
        (r#"echo '{"code": 11, "msg": "no lease", "details": "later"}'; exit 1"#, 11, "no lease"),
        ("echo nonsense; exit 1", 0, "netplugin failed but error parsing its diagnostic message"),
        ("echo woe >&2; exit 3", 0, "netplugin failed: \"woe\\n\""),
        ("exit 3", 0, "netplugin failed with no error message: exit status 3"),
        ("echo nonsense", 999, "failed to unmarshal raw result"),
        ("echo null", 999, "IPAM plugin returned missing IP config"),
        (r#"echo '{"ips": [{"address": "10.1.2.2"}]}'"#, 999, "invalid CIDR address: 10.1.2.2"),
        (r#"echo '{"cniVersion": "9.9.9"}'"#, 999, "unsupported CNI result version \"9.9.9\""),
        ("kill -9 $$", 0, "netplugin failed with no error message: signal: 9"),
    ] {
        let machine = Machine::new();
        machine.netns("1234567890");
        let dir = plugins(&machine, &[]);
        script(&dir, "odd", body);
        let before = machine.snapshot();
        let (found, msg, details) = Call::new(&dir, "bridge", "ADD", &conf("odd")).error(&machine);
        assert_eq!(found, code, "{body}: {msg}");
        assert!(msg.contains(text), "{body}: {msg}");
        assert!(code != 11 || details == "later", "{details}");
        assert_eq!(machine.changes(&before), NOTHING, "{body}");
        assert_eq!(log(&dir), ["ADD", "DEL"], "{body}");
    }
}

#[test]
fn a_native_plugin_gets_what_the_spec_says() {
    let machine = Machine::new();
    machine.netns("1234567890");
    let dir = plugins(&machine, &[]);
    script(
        &dir,
        "odd",
        r#"env | grep ^CNI_ | sort >> $LOG; cat >> $LOG; echo >> $LOG
        [ $CNI_COMMAND != ADD ] || { ip netns exec 1234567890 ip link show $CNI_IFNAME >/dev/null && echo '{"ips": [{"address": "10.1.2.2/24"}]}'; }"#,
    );
    let conf = conf("odd");
    let call = |verb| Call::new(&dir, "bridge", verb, &conf).env("CNI_ARGS", "IgnoreUnknown=1;A=b");
    call("ADD").ok(&machine);
    machine.sh("ip netns del 1234567890");
    call("DEL").env("CNI_NETNS", "").ok(&machine);
    let log = log(&dir).join("\n");
    for part in [
        "CNI_ARGS=IgnoreUnknown=1;A=b\nCNI_COMMAND=ADD\nCNI_CONTAINERID=1234567890\nCNI_IFNAME=eth12\nCNI_NETNS=/var/run/netns/1234567890\n",
        "CNI_COMMAND=DEL\nCNI_CONTAINERID=1234567890\nCNI_IFNAME=eth12\nCNI_NETNS=\n",
        &format!("CNI_PATH={}", dir.display()),
        conf.lines().next().unwrap(),
    ] {
        assert!(log.contains(part), "{part:?} is not in\n{log}");
    }
}

#[test]
fn a_killed_add_is_ended_by_the_next_verb() {
    let machine = Machine::new();
    machine.netns("1234567890");
    let dir = plugins(&machine, &[]);
    let parent = "$(sed -n 's/^PPid:[[:space:]]*//p' /proc/$$/status)";
    script(&dir, "odd", &format!("[ $CNI_COMMAND != ADD ] || kill -9 {parent}"));
    let before = machine.snapshot();
    let reply = Call::new(&dir, "bridge", "ADD", &conf("odd")).run(&machine);
    assert_eq!(reply.code, None, "{}", reply.stdout);
    Call::new(&dir, "bridge", "DEL", &conf("odd")).ok(&machine);
    assert_eq!(machine.changes(&before), NOTHING);
    assert_eq!(log(&dir), ["ADD", "DEL"]);
}

#[test]
fn a_dry_run_shows_the_first_stage_and_executes_nothing() {
    let machine = Machine::new();
    machine.netns("1234567890");
    let dir = plugins(&machine, &[]);
    script(&dir, "odd", "exit 1");
    let before = machine.snapshot();
    let reply = Call::new(&dir, "bridge", "ADD", &conf("odd")).env("WASM_CNI_DRY_RUN", "1").run(&machine);
    assert_eq!(reply.code, Some(1));
    for part in
        ["ip link add br0", "CNI_COMMAND=ADD", "the rest depends on what", "/odd answers, which is native"]
    {
        assert!(reply.stderr.contains(part), "{part:?} is not in\n{}", reply.stderr);
    }
    assert_eq!(machine.changes(&before), NOTHING);
    assert_eq!(log(&dir), NOTHING);
}

#[test]
fn status_and_gc_are_offered_to_native_plugins() {
    let machine = Machine::new();
    let dir = plugins(&machine, &[("host-local", Path::new(REFERENCE).join("host-local"))]);
    script(
        &dir,
        "odd",
        r#"[ $CNI_COMMAND != STATUS ] || { echo '{"code": 50, "msg": "exhausted"}'; exit 1; }"#,
    );
    let conf =
        |ipam| conf(ipam).replace("1.0.0", "1.1.0").replacen('{', r#"{"cni.dev/valid-attachments": [],"#, 1);
    let (code, msg, _) = Call::new(&dir, "bridge", "STATUS", &conf("odd")).error(&machine);
    assert_eq!((code, msg.as_str()), (50, "exhausted"));
    Call::new(&dir, "bridge", "GC", &conf("odd")).ok(&machine);
    assert_eq!(log(&dir), ["STATUS", "GC"]);
    // Debian's is too old to know either.
    Call::new(&dir, "bridge", "STATUS", &conf("host-local")).ok(&machine);
    Call::new(&dir, "bridge", "GC", &conf("host-local")).ok(&machine);
}

/// A process that ends with this value.
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
    let dir = plugins(&machine, &[("dhcp", Path::new(REFERENCE).join("dhcp"))]);
    let conf = r#"{"cniVersion": "1.0.0", "name": "net", "type": "bridge", "bridge": "br0", "ipam": {"type": "dhcp"}}"#;
    let before = machine.snapshot();
    let added = result(&Call::new(&dir, "bridge", "ADD", conf).ok(&machine));
    let address = added["ips"][0]["address"].as_str().unwrap().to_owned();
    assert!(address.starts_with("10.1.2.5") || address.starts_with("10.1.2.6"), "{address}");
    assert!(machine.sh("ip -n 1234567890 -brief address show eth12").contains(&address));
    machine.sh("ip netns exec 1234567890 ping -c 1 -W 2 10.1.2.1");
    Call::new(&dir, "bridge", "DEL", conf).ok(&machine);
    assert_eq!(machine.changes(&before), NOTHING);
}

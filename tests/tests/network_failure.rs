//! `wasm-cni add` of a network whose ADD fails: what is undone, and what is reported.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::Path;
use wasm_cni_tests::native::REFERENCE;
use wasm_cni_tests::network::{NETNS, Networks, PASSES_ON, read, scripted, sent, with_scripts};
use wasm_cni_tests::{Machine, NOTHING, Process, Reply};

#[test]
fn when_a_later_plugin_fails_the_earlier_ones_are_undone() {
    let machine = Machine::new();
    machine.netns("testing");
    let fails = format!(
        r#"{PASSES_ON} > /dev/null
if [ $CNI_COMMAND = ADD ]; then echo '{{"code": 77, "msg": "no luck", "details": "today"}}'; exit 1; fi"#
    );
    let scripts = [("one", PASSES_ON), ("two", fails.as_str()), ("three", PASSES_ON)];
    let (networks, plugins) = scripted(&machine, "1.0.0", &scripts);
    machine
        .sh("mkdir -p /var/lib/cni/networks/net /var/lib/cni/results; touch /var/lib/cni/networks/net/lock");
    let before = machine.snapshot();
    let error = networks.error(&machine, &["add", "net", NETNS], &[]);
    assert_eq!(error, "error: plugin type=\"two\" failed (add): no luck\ntoday\n");
    assert_eq!(read(&plugins, "order"), "one ADD\ntwo ADD\ntwo DEL\none DEL\n");
    assert_eq!(sent(&plugins, "two.DEL")["prevResult"], sent(&plugins, "two.ADD")["prevResult"]);
    // The bridge stays, as after any DEL.
    let left = machine.changes(&before).into_iter().filter(|line| !line.contains("br0"));
    assert_eq!(left.filter(|line| !line.contains("last_reserved_ip")).collect::<Vec<_>>(), NOTHING);
}

#[test]
fn what_cannot_be_undone_is_reported_and_the_next_del_gets_its_result() {
    let machine = Machine::new();
    machine.netns("testing");
    let fails = r#"if [ -e $LOG.broken ]; then echo '{"code": 77, "msg": "cannot '$CNI_COMMAND'"}'; exit 1; fi; cat > $LOG.$CNI_COMMAND"#;
    let (networks, plugins) = scripted(&machine, "1.0.0", &[("one", PASSES_ON), ("two", fails)]);
    std::fs::write(plugins.path().join("log.broken"), "").unwrap();
    let error = networks.error(&machine, &["add", "net", NETNS], &[]);
    let expected = "error: plugin type=\"two\" failed (add): cannot ADD\nplugin type=\"two\" failed (delete): cannot DEL\n";
    assert_eq!(error, expected);
    assert!(read(&plugins, "order").ends_with("one DEL\n"), "the others are undone all the same");
    assert_eq!(machine.sh("ip -n testing link show | grep -c eth0; true"), "0\n");
    let error = networks.error(&machine, &["del", "net", NETNS], &[]);
    assert_eq!(error, "error: plugin type=\"two\" failed (delete): cannot DEL\n");
    std::fs::remove_file(plugins.path().join("log.broken")).unwrap();
    networks.ok(&machine, &["del", "net", NETNS], &[]);
    assert_eq!(sent(&plugins, "DEL")["prevResult"], sent(&plugins, "one.ADD")["prevResult"]);
    assert_eq!(machine.sh("ls -A /var/lib/cni/results"), "");
}

#[test]
fn an_interface_that_was_there_before_survives_the_add_that_fails_on_it() {
    let machine = Machine::new();
    machine.netns("testing");
    machine.sh("ip -n testing link add eth0 type veth peer name other");
    let networks = Networks::new(&machine, &[Path::new(REFERENCE)]);
    networks.write("net.conflist", &with_scripts("1.0.0", &[]));
    let error = networks.error(&machine, &["add", "net", NETNS], &[]);
    assert!(error.starts_with("error: plugin type=\"bridge\" failed (add): "), "{error}");
    machine.sh("ip -n testing link show eth0");
}

#[test]
fn the_hosts_own_namespace_is_refused_for_native_plugins_too() {
    let machine = Machine::new();
    let networks = Networks::new(&machine, &[Path::new(REFERENCE)]);
    networks.write("lo.conf", r#"{"cniVersion": "1.0.0", "name": "lo", "type": "loopback"}"#);
    machine.sh("ip link set lo up");
    let before = machine.snapshot();
    let error = networks.error(&machine, &["add", "lo", "/proc/self/ns/net"], &[("CNI_IFNAME", "lo")]);
    assert!(error.contains("plugin's netns and netns from CNI_NETNS should not be the same"), "{error}");
    networks.ok(&machine, &["del", "lo", "/proc/self/ns/net"], &[("CNI_IFNAME", "lo")]);
    assert_eq!(machine.changes(&before), NOTHING, "the host's lo is up");
}

#[test]
fn a_killed_add_is_deleted_with_the_result_so_far() {
    let machine = Machine::new();
    machine.netns("testing");
    let hangs =
        r#"cat > $LOG.$CNI_COMMAND; [ $CNI_COMMAND != ADD ] || { touch $LOG.hangs; exec sleep 1000; }"#;
    let (networks, plugins) = scripted(&machine, "1.0.0", &[("hangs", hangs)]);
    let start = || {
        let _ = std::fs::remove_file(plugins.path().join("log.hangs"));
        let child = networks.command(&machine, &["add", "net", NETNS]).spawn().unwrap();
        while !plugins.path().join("log.hangs").exists() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        // `nsenter` has executed it.
        let group = Pid::from_raw(i32::try_from(child.id()).unwrap());
        assert!(Process(child.id()).read("cmdline").contains("wasm-cni"));
        (child, group)
    };
    let (child, pid) = start();
    kill(pid, Signal::SIGKILL).unwrap();
    assert_eq!(Reply::of(child).code, None);
    networks.ok(&machine, &["del", "net", NETNS], &[]);
    assert_eq!(sent(&plugins, "DEL")["prevResult"], sent(&plugins, "ADD")["prevResult"]);
    assert_eq!(
        machine
            .sh(
                "ls -A /var/lib/cni/results /run/wasm-cni/attachments; ip -n testing link | grep eth0 || true"
            )
            .matches("eth0")
            .count(),
        0
    );
    // After a signal, it does that itself.
    let (child, pid) = start();
    kill(pid, Signal::SIGTERM).unwrap();
    let reply = Reply::of(child);
    assert_eq!(reply.code, Some(1));
    assert!(reply.stderr.contains("told to end by SIGTERM"), "{}", reply.stderr);
    assert_eq!(machine.sh("ls -A /var/lib/cni/results; ip -n testing link | grep eth0 || true"), "");
}

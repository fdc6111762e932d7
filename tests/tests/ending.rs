//! Signals, panics, and a reader that does not read: one CNI error on stdout, and nothing is left.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::process::{Child, Stdio};
use std::time::Duration;
use wasm_cni_tests::guest::{component, install};
use wasm_cni_tests::native::Plugins;
use wasm_cni_tests::{Background, Call, Machine, NOTHING, Reply, WALKTHROUGH};

fn machine() -> Machine {
    let machine = Machine::new();
    machine.netns("1234567890");
    machine
}

fn send(child: &Child, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
}

/// Waits until a shell command succeeds on the machine.
fn until(machine: &Machine, condition: &str) {
    let script = format!("for i in $(seq 200); do {condition} && exit 0; sleep 0.05; done; exit 1");
    assert!(machine.try_sh(&script).status.success(), "{condition}");
}

/// The only error of a call that received a signal: code 11, because a later call may succeed.
fn ended_by(reply: &Reply, signal: &str) -> String {
    assert_eq!(reply.code, Some(1), "{reply:?}");
    let (code, msg, details) = reply.error();
    assert_eq!(code, 11, "{msg} {details}");
    assert!(msg.contains(&format!("told to end by {signal}")), "{msg}");
    details
}

#[test]
fn after_a_signal_in_the_last_step_the_step_ends_and_all_is_undone() {
    for name in ["TERM", "INT", "HUP"] {
        let machine = machine();
        let before = machine.snapshot();
        let log = machine.files().join("log");
        // Once when the rules are added, and again when they are removed.
        let script = format!(
            "echo $* >> {}; kill -{name} $PPID; exec /usr/sbin/iptables-restore \"$@\"",
            log.display()
        );
        let path = machine.with_iptables(&script);
        let reply = Call::bridge("ADD", WALKTHROUGH).env("PATH", &path).run(&machine);
        ended_by(&reply, &format!("SIG{name}"));
        assert_eq!(machine.changes(&before), NOTHING);
        assert_eq!(
            std::fs::read_to_string(log).unwrap().lines().count(),
            2,
            "the rules were added and removed"
        );
        Call::bridge("ADD", WALKTHROUGH).ok(&machine);
    }
}

#[test]
fn after_a_signal_during_a_native_plugin_the_plugin_is_ended_and_all_is_undone() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let machine = machine();
        let plugins = Plugins::with_bridge(&machine);
        plugins.script("odd", "[ $CNI_COMMAND = DEL ] || sleep 1000");
        let conf = r#"{"cniVersion": "1.0.0", "name": "net", "type": "bridge", "bridge": "br0", "ipam": {"type": "odd"}}"#;
        let before = machine.snapshot();
        let child = Call::new(plugins.path(), "bridge", "ADD", conf).start(&machine, Stdio::piped());
        until(&machine, &format!("[ -s {}/log ]", plugins.path().display()));
        send(&child, signal);
        ended_by(&Reply::of(child), signal.as_str());
        assert_eq!(plugins.log(), ["ADD", "DEL"]);
        assert_eq!(machine.changes(&before), NOTHING);
    }
}

#[test]
fn a_signal_during_a_wait_is_answered_at_once() {
    // In the wait for a lock that somebody holds.
    let machine = machine();
    Call::bridge("ADD", WALKTHROUGH).ok(&machine);
    let before = machine.snapshot();
    let holder = Background::holding(&machine, "/run/wasm-cni/attachments/*");
    for verb in ["ADD", "DEL"] {
        let child = Call::bridge(verb, WALKTHROUGH).start(&machine, Stdio::piped());
        std::thread::sleep(Duration::from_millis(300));
        send(&child, Signal::SIGTERM);
        ended_by(&Reply::of(child), "SIGTERM");
        assert_eq!(machine.changes(&before), NOTHING, "{verb}");
    }
    drop(holder);
    Call::bridge("DEL", WALKTHROUGH).ok(&machine);

    // In the wait for duplicate address detection.
    let conf = r#"{"cniVersion": "1.0.0", "name": "six", "type": "bridge", "bridge": "br6", "enabledad": true, "isGateway": true,
        "ipam": {"type": "host-local", "subnet": "fd00:6::/64"}}"#;
    let before = machine.snapshot();
    let child = Call::bridge("ADD", conf).start(&machine, Stdio::piped());
    until(&machine, "ip -n 1234567890 -6 address show eth12 2>/dev/null | grep -q 'fd00:6.*tentative'");
    send(&child, Signal::SIGTERM);
    ended_by(&Reply::of(child), "SIGTERM");
    assert_eq!(machine.changes(&before), NOTHING);
}

#[test]
fn a_signal_during_planning_or_reading_changes_nothing() {
    let machine = machine();
    let plugins = machine.plugins();
    install(&plugins, "bridge", &component("(loop $again (br $again)) unreachable"));
    // Compiled before, so that the signal interrupts the loop.
    Call::new(&plugins, "bridge", "VERSION", "").ok(&machine);
    let before = machine.snapshot();
    let child = Call::new(&plugins, "bridge", "ADD", WALKTHROUGH).start(&machine, Stdio::piped());
    std::thread::sleep(Duration::from_millis(200));
    send(&child, Signal::SIGTERM);
    ended_by(&Reply::of(child), "SIGTERM");
    assert_eq!(machine.changes(&before), NOTHING);

    let mut command = machine.command(plugins.join("bridge"));
    let variables = [("CNI_COMMAND", "ADD"), ("CNI_CONTAINERID", "1234567890"), ("CNI_IFNAME", "eth12")];
    command.envs(variables).env("CNI_NETNS", "/var/run/netns/1234567890").env("CNI_PATH", &plugins);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let stdin = child.stdin.take();
    std::thread::sleep(Duration::from_millis(300));
    send(&child, Signal::SIGTERM);
    let reply = Reply::of(child);
    drop(stdin);
    assert_eq!(reply.code, Some(1));
    let (code, msg, _) = reply.error();
    assert_eq!((code, msg.as_str()), (5, "error reading from stdin: told to end by SIGTERM"));
    assert_eq!(machine.changes(&before), NOTHING);
}

#[test]
fn a_signal_that_the_caller_ignores_does_not_end_the_call() {
    let machine = machine();
    let path = machine.with_iptables("kill -HUP $PPID; exec /usr/sbin/iptables-restore \"$@\"");
    let bridge = wasm_cni_tests::dist().join("bridge");
    let wrapper = machine.files().join("bridge");
    std::fs::write(&wrapper, format!("#!/bin/sh\ntrap '' HUP\nexec {}\n", bridge.display())).unwrap();
    machine.sh(&format!("chmod +x {}", wrapper.display()));
    let call = Call::new(machine.files(), "bridge", "ADD", WALKTHROUGH).env("PATH", &path);
    call.env("CNI_PATH", &wasm_cni_tests::dist().display().to_string()).ok(&machine);
}

#[test]
fn an_add_whose_result_cannot_be_written_is_undone() {
    let machine = machine();
    let before = machine.snapshot();
    // Nobody reads the pipe.
    let mut child = Call::bridge("ADD", WALKTHROUGH).start(&machine, Stdio::piped());
    drop(child.stdout.take());
    let reply = Reply::of(child);
    assert_eq!(reply.code, Some(1), "{}", reply.stderr);
    assert!(reply.stderr.contains("nobody takes the result"), "{}", reply.stderr);
    assert_eq!(machine.changes(&before), NOTHING);
    // The file system is full.
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let reply = Reply::of(Call::bridge("ADD", WALKTHROUGH).start(&machine, full.into()));
    assert_eq!(reply.code, Some(1), "{}", reply.stderr);
    assert_eq!(machine.changes(&before), NOTHING);
}

#[test]
fn a_log_that_nobody_reads_does_not_fail_the_call() {
    let machine = machine();
    let call = |verb: &str| Call::bridge(verb, WALKTHROUGH).env("WASM_CNI_LOG", "debug");
    for verb in ["ADD", "DEL", "DEL"] {
        let mut child = call(verb).start(&machine, Stdio::piped());
        drop(child.stderr.take());
        let reply = Reply::of(child);
        assert_eq!(reply.code, Some(0), "{verb}: {}", reply.stdout);
    }
}

#[test]
fn a_panic_is_one_error_and_undone() {
    // Triggers a panic in the standard library: a sleep that fails with an error other than EINTR. The first sleep is
    // the one in which an ADD waits for its address.
    let conf = r#"{"cniVersion": "1.0.0", "name": "six", "type": "bridge", "bridge": "br6", "enabledad": true, "isGateway": true,
        "ipam": {"type": "host-local", "subnet": "fd00:6::/64"}}"#;
    let machine = machine();
    let before = machine.snapshot();
    let call = Call::bridge("ADD", conf);
    let (code, msg, details) =
        call.with_fault("clock_nanosleep,nanosleep:error=EFAULT:when=1").error(&machine);
    assert_eq!((code, msg.as_str()), (999, "wasm-cni panicked: this is a bug in wasm-cni"), "{details}");
    assert!(
        details.contains("panicked at") && details.contains("all that was done before is undone"),
        "{details}"
    );
    assert_eq!(machine.changes(&before), NOTHING);
    assert_eq!(machine.sh("find /run/wasm-cni/attachments -mindepth 1"), "");
}

//! The planner process, inspected while a guest runs in it (`docs/security.md`, S8 and S9), and the compiler (S10).

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use wasm_cni_tests::guest::install;
use wasm_cni_tests::hostile::Attack;
use wasm_cni_tests::{Call, Machine, NOTHING, Process, Reply, WALKTHROUGH};

/// A machine whose `bridge` runs until it is killed, and its plugins.
fn attacked_machine() -> (Machine, PathBuf) {
    let machine = Machine::new();
    machine.netns("1234567890");
    let plugins = machine.plugins();
    install(&plugins, "bridge", &Attack::named("resources/endless-loop").component);
    (machine, plugins)
}

/// The planner of a call, after it started its guest. The compiler, which may come first, has another name.
fn planner_of(call: &Child) -> Process {
    // Its socket, and its code.
    let has_code = |child: &Process| child.descriptors().len() == 2;
    Process::child_of(call.id(), |child| {
        child.status("Name") == "bridge" && child.status("Seccomp") == "2" && has_code(child)
    })
}

fn signal(process: Process, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(process.0).unwrap()), signal).unwrap();
}

#[test]
fn a_guest_runs_without_privileges_and_with_nothing_open_but_its_socket_and_its_code() {
    let (machine, plugins) = attacked_machine();
    let call = Call::new(&plugins, "bridge", "ADD", WALKTHROUGH).spawn(&machine);
    let planner = planner_of(&call);
    planner.assert_confined();
    let descriptors = planner.descriptors();
    let [code, socket] = descriptors.as_slice() else { panic!("{descriptors:?}") };
    assert!(code.ends_with(".cwasm") && socket.starts_with("socket:["), "{descriptors:?}");
    for (name, most) in [("Max file size", "0"), ("Max open files", "32"), ("Max data size", "536870912")] {
        assert_eq!(planner.limit(name), [most, most], "{name}");
    }
    assert_eq!(planner.limit("Max cpu time"), ["3", "4"]);
    // Neither a file nor its own memory can change its code: no mapping is both writable and executable.
    let writable_code = |line: &&str| line.split_whitespace().nth(1).is_some_and(|p| p.starts_with("rwx"));
    assert_eq!(planner.read("maps").lines().find(writable_code), None);
    let (code, msg, _) = Reply::of(call).error();
    assert_eq!((code, msg.as_str()), (102, "the plugin exceeded a limit: time (1 s)"));
}

#[test]
fn without_another_user_a_planner_keeps_its_own_and_reports_it() {
    let (machine, plugins) = attacked_machine();
    // Root of a user namespace without another user, as with a rootless container runtime.
    let mut command = machine.command("unshare");
    command.args(["--user", "--map-root-user", "--net"]).arg(plugins.join("bridge")).env_clear();
    for (name, value) in [
        ("CNI_COMMAND", "ADD"),
        ("CNI_CONTAINERID", "1234567890"),
        ("CNI_IFNAME", "eth0"),
        ("CNI_NETNS", "/var/run/netns/1234567890"),
        ("WASM_CNI_LOG", "debug"),
        ("WASM_CNI_DRY_RUN", "1"),
    ] {
        command.env(name, value);
    }
    command.env("CNI_PATH", &plugins).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut call = command.spawn().unwrap();
    std::io::Write::write_all(&mut call.stdin.take().unwrap(), WALKTHROUGH.as_bytes()).unwrap();
    let planner = planner_of(&call);
    assert_eq!(planner.status("CapEff"), "0000000000000000");
    assert_eq!(planner.status("CapBnd"), "0000000000000000");
    let reply = Reply::of(call);
    assert!(reply.stderr.contains("the planner keeps its user"), "{}", reply.stderr);
    assert_eq!(reply.error().0, 102);
}

#[test]
fn a_planner_that_is_killed_is_an_error_that_says_so_and_nothing_has_changed() {
    let (machine, plugins) = attacked_machine();
    let before = machine.snapshot();
    let call = Call::new(&plugins, "bridge", "ADD", WALKTHROUGH).spawn(&machine);
    signal(planner_of(&call), Signal::SIGKILL);
    let (code, msg, details) = Reply::of(call).error();
    assert_eq!((code, msg.as_str()), (101, "the planner of plugin bridge failed"));
    assert_eq!(details, "it was ended by SIGKILL");
    assert_eq!(machine.changes(&before), NOTHING);
}

#[test]
fn a_stopped_planner_is_killed_in_time() {
    let (machine, plugins) = attacked_machine();
    let before = machine.snapshot();
    let call = Call::new(&plugins, "bridge", "ADD", WALKTHROUGH).spawn(&machine);
    let planner = planner_of(&call);
    let begun = Instant::now();
    signal(planner, Signal::SIGSTOP);
    let (code, msg, _) = Reply::of(call).error();
    assert_eq!((code, msg.as_str()), (102, "the plugin exceeded a limit: time of the planner (1500 ms)"));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!(!planner.path("status").exists());
    assert_eq!(machine.changes(&before), NOTHING);
}

#[test]
fn a_planner_ends_with_its_parent() {
    let (machine, plugins) = attacked_machine();
    let mut call = Call::new(&plugins, "bridge", "ADD", WALKTHROUGH).spawn(&machine);
    let planner = planner_of(&call);
    // A stopped planner cannot enforce its own time limit.
    signal(planner, Signal::SIGSTOP);
    call.kill().unwrap();
    call.wait().unwrap();
    let begun = Instant::now();
    while planner.path("status").exists() && !planner.status("State").starts_with('Z') {
        assert!(begun.elapsed() < Duration::from_secs(10), "{}", planner.read("status"));
        std::thread::sleep(Duration::from_millis(1));
    }
}

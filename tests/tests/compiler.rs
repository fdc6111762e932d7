//! The compiler process, inspected while it compiles (`docs/security.md`, S10).

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::time::{Duration, Instant};
use wasm_cni_tests::guest::{component, install};
use wasm_cni_tests::{Call, Machine, NOTHING, Process, Reply, WALKTHROUGH};

/// A small component that takes long to compile: that many nested loops, each of which may change each of that many
/// variables.
fn slow(size: usize) -> Vec<u8> {
    let locals = "(local".to_owned() + &" i32".repeat(size) + ")";
    let set: String = (0..size).map(|n| format!("local.get {} local.set {n} ", (n + 1) % size)).collect();
    let (open, close) = ("loop ".repeat(size), "local.get 0 br_if 0 end ".repeat(size));
    component(&format!("{locals} {open} {set} {close} i32.const 0"))
}

/// A machine on which `bridge` is that component, and its first ADD, which compiles it.
fn add(component: &[u8]) -> (Machine, Call) {
    let machine = Machine::new();
    machine.netns("1234567890");
    let plugins = machine.plugins();
    install(&plugins, "bridge", component);
    let call = Call::new(&plugins, "bridge", "ADD", WALKTHROUGH).env("WASM_CNI_CACHE_DIR", "");
    (machine, call)
}

#[test]
fn a_compiler_has_no_privileges_and_nothing_open_but_what_it_was_given() {
    let (machine, call) = add(&slow(2000));
    let before = machine.snapshot();
    let call = call.spawn(&machine);
    let compiler = Process::child_of(call.id(), |child| {
        // The planner, which waits for its code, has the host's name.
        child.status("Name") != "bridge" && child.status("Seccomp") == "2"
    });
    compiler.assert_confined();
    let descriptors: Vec<String> =
        compiler.descriptors().iter().map(|path| path.replace(" (deleted)", "")).collect();
    let [component, manifest, messages, code] = descriptors.as_slice() else { panic!("{descriptors:?}") };
    assert_eq!(component, "/memfd:wasm-cni component");
    assert_eq!(manifest, "/memfd:wasm-cni manifest");
    assert_eq!(messages, "/memfd:wasm-cni messages");
    assert!(code.starts_with("/var/cache/wasm-cni/.new-"), "{code}");
    assert_eq!(compiler.read("environ"), "");
    for (name, most) in
        [("Max file size", "268435456"), ("Max open files", "0"), ("Max data size", "1073741824")]
    {
        assert_eq!(compiler.limit(name), [most, most], "{name}");
    }
    assert_eq!(compiler.limit("Max cpu time"), ["10", "11"]);
    kill(Pid::from_raw(i32::try_from(compiler.0).unwrap()), Signal::SIGKILL).unwrap();
    let (code, msg, _) = Reply::of(call).error();
    assert_eq!(code, 999);
    assert!(msg.contains("the compiler ended with signal: 9"), "{msg}");
    assert_eq!(machine.changes(&before), NOTHING);
    assert_eq!(machine.sh("ls -A /var/cache/wasm-cni"), "", "what it began is gone");
}

#[test]
fn a_component_that_takes_too_much_to_compile_is_refused() {
    let (machine, call) = add(&slow(6000));
    let before = machine.snapshot();
    let begun = Instant::now();
    let (code, msg, details) = call.error(&machine);
    assert_eq!(code, 102, "{msg} {details}");
    assert!(msg.contains("compiling it exceeded a limit: "), "{msg}");
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    assert_eq!(machine.changes(&before), NOTHING);
}

#[test]
fn a_file_that_is_no_component_gives_a_one_line_error_however_large() {
    for (bytes, part) in [
        (vec![0; 100 << 20], "larger than 64 MiB"),
        (b"\0asm\x0d\0\x01\0".iter().chain(&[0xff; 1 << 20]).copied().collect(), "not valid WebAssembly"),
        (b"\0asm\x0d\0\x01\0".to_vec(), "it exports nothing"),
    ] {
        let (machine, call) = add(&bytes);
        let (code, msg, _) = call.error(&machine);
        assert_eq!(code, 108, "{msg}");
        assert!(msg.contains(part) && msg.lines().count() == 1, "{msg}");
    }
}

//! The compiler process, inspected while it compiles (`docs/security.md`, S10).

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::time::{Duration, Instant};
use wasm_cni_tests::guest::{component, install};
use wasm_cni_tests::{Call, Machine, NOTHING, Process, Reply, WALKTHROUGH, walkthrough};

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
        (Vec::new(), "not WebAssembly: the file is empty"),
        (b"<!DOCTYPE html>".to_vec(), r#"the file begins with "<!DO", not with "\0asm""#),
    ] {
        let (machine, call) = add(&bytes);
        let (code, msg, _) = call.error(&machine);
        assert_eq!(code, 108, "{msg}");
        assert!(msg.contains(part) && msg.lines().count() == 1, "{msg}");
    }
}

/// Runs a call under strace. Returns its reply, and how many programs it executed: 1 is the plugin itself.
fn executed(machine: &Machine, call: &Call) -> (Reply, usize) {
    let log = machine.files().join("executed");
    let words = ["strace", "-f", "-qqq", "-e", "trace=execve", "-o", log.to_str().unwrap()];
    let reply = call.clone().under(&words.map(str::to_owned)).run(machine);
    let log = std::fs::read_to_string(log).unwrap();
    (reply, log.lines().filter(|line| line.contains("execve(")).count())
}

fn bridge(machine: &Machine, verb: &str) -> Call {
    let plugins = machine.files().join("plugins");
    Call::new(&plugins, "bridge", verb, &walkthrough("1.1.0")).env("WASM_CNI_CACHE_DIR", "")
}

fn listed(machine: &Machine, pattern: &str) -> usize {
    machine
        .sh(&format!("cd /var/cache/wasm-cni && ls -A | grep -c '{pattern}' || true"))
        .trim()
        .parse()
        .unwrap()
}

/// A component whose compiler runs out of memory: that many functions, each a `br_table` with that many targets.
fn wide(functions: usize, targets: usize) -> Vec<u8> {
    let table = "0 ".repeat(targets);
    let function = format!("(func (param i32) (loop (br_table {table} (local.get 0))))");
    wasm_cni_tests::guest::component_with("main", "(i32.const 0)", &function.repeat(functions))
}

#[test]
fn a_refused_component_is_refused_by_every_later_call_without_a_compiler() {
    for (what, refused, code) in [
        ("loops", slow(6000), 102),
        ("zeros", vec![0; 1 << 20], 108),
        ("a core module", b"\0asm\x01\0\0\0".to_vec(), 108),
        ("another contract", wasm_cni_tests::guest::component_for("wasm-cni:plugin/add@9.0.0"), 108),
    ] {
        let (machine, _) = add(&refused);
        let before = machine.snapshot();
        std::thread::sleep(Duration::from_millis(200));
        let (first, executions) = executed(&machine, &bridge(&machine, "ADD"));
        assert_eq!((first.error().0, executions), (code, 2), "{what}: {first:?}");
        assert_eq!(listed(&machine, "refusal$"), 1, "{what}");
        for verb in ["ADD", "VERSION", "CHECK", "STATUS", "", "ADD"] {
            let begun = Instant::now();
            let (reply, executions) = executed(&machine, &bridge(&machine, verb));
            let (code, msg, details) = reply.error();
            let expected = if verb == "STATUS" { 50 } else { first.error().0 };
            assert_eq!((code, msg, details), (expected, first.error().1, first.error().2), "{what} {verb}");
            assert_eq!(executions, 1, "{what} {verb}");
            assert!(begun.elapsed() < Duration::from_secs(5), "{what} {verb}: {:?}", begun.elapsed());
        }
        bridge(&machine, "DEL").ok(&machine);
        assert_eq!(machine.changes(&before), NOTHING, "{what}");
    }
}

#[test]
fn version_status_check_and_del_compile_nothing() {
    let (machine, _) = add(&wide(40, 1000));
    for (verb, is_ok) in [("VERSION", true), ("", true), ("CHECK", false), ("DEL", true)] {
        let reply = bridge(&machine, verb).run(&machine);
        assert_eq!(reply.code == Some(0), is_ok, "{verb}: {reply:?}");
        assert_eq!(listed(&machine, "cwasm$"), 0, "{verb}");
    }
    // Without IPAM: host-local has a `status` of its own.
    let plugins = machine.files().join("plugins");
    let config = r#"{"cniVersion": "1.1.0", "name": "mybridge", "type": "bridge"}"#;
    let status = Call::new(&plugins, "bridge", "STATUS", config).env("WASM_CNI_CACHE_DIR", "");
    status.ok(&machine);
    assert_eq!(listed(&machine, "cwasm$"), 0);
    let answer = bridge(&machine, "VERSION").ok(&machine);
    assert!(answer.contains(r#""supportedVersions":["0.2.0","1.0.0","1.1.0"]"#), "{answer}");
    // An own `status` is run, so it is compiled.
    let with_status = r#"(func (export "wasm-cni:plugin/status@0.1.0#status") (result i32) (i32.const 0))"#;
    let with_status = wasm_cni_tests::guest::component_with("main", "(i32.const 0)", with_status);
    install(&plugins, "bridge", &with_status);
    bridge(&machine, "VERSION").ok(&machine);
    assert_eq!(listed(&machine, "cwasm$"), 0);
    status.ok(&machine);
    assert_eq!(listed(&machine, "cwasm$"), 1);
}

#[test]
fn the_process_that_reads_a_manifest_is_confined_like_the_compiler() {
    // It takes a while to read: a custom section of 48 MiB at the end, whose name is `x`.
    let mut wasm = component("(i32.const 0)");
    let size = 48_u32 << 20;
    let length =
        [0, 7, 14, 21].map(|shift| ((size >> shift) & 0x7f) as u8 | if shift < 21 { 0x80 } else { 0 });
    wasm.extend([0].iter().chain(&length).chain(&[1, b'x']));
    wasm.resize(wasm.len() + size as usize - 2, 0);
    let (machine, _) = add(&wasm);
    let call = bridge(&machine, "VERSION").spawn(&machine);
    let reader = Process::child_of(call.id(), |child| child.status("Seccomp") == "2");
    reader.assert_confined();
    assert_eq!(reader.read("cmdline"), "wasm-cni-compile\0--manifest\0");
    Reply::of(call);
}

#[test]
fn another_compiler_is_asked_again() {
    let (machine, _) = add(b"\0asm\x01\0\0\0");
    let compile = machine.files().join("plugins/wasm-cni-compile");
    bridge(&machine, "ADD").error(&machine);
    for change in ["cp -p F new; mv new F", "touch F"] {
        assert_eq!(executed(&machine, &bridge(&machine, "ADD")).1, 1, "before: {change}");
        let script = change.replace('F', compile.to_str().unwrap());
        machine.sh(&format!("cd {}; {script}", machine.files().display()));
        assert_eq!(executed(&machine, &bridge(&machine, "ADD")).1, 2, "{change}");
    }
    assert_eq!(listed(&machine, "refusal$"), 1);
}

#[test]
fn a_refusal_that_somebody_else_could_have_written_is_ignored() {
    for damage in [
        "chmod 666 F",
        "chmod 464 F",
        "chown 65534 F",
        "ln F second",
        "mv F away; ln -s away F",
        "rm F; mkfifo F",
        "chmod 644 F; echo '{' > F",
        "chmod 644 F; : > F",
    ] {
        let (machine, _) = add(b"\0asm\x01\0\0\0");
        bridge(&machine, "ADD").error(&machine);
        // The refusal of the bad component in place of that of the good one.
        let good = machine.files().join("plugins/dummy.wasm");
        machine.sh(&format!(
            "cd /var/cache/wasm-cni; digest=$(sha256sum < {} | cut -d' ' -f1); \
             F=$(ls *.refusal); good=$digest.${{F#*.}}; cp -p $F $good; F=$good; {}",
            good.display(),
            damage.replace("F", "$F")
        ));
        std::fs::copy(good, machine.files().join("plugins/bridge.wasm")).unwrap();
        let reply = bridge(&machine, "VERSION").run(&machine);
        assert_eq!(reply.code, Some(0), "{damage}: {reply:?}");
    }
}

#[test]
fn the_number_of_refusals_is_limited() {
    let (machine, _) = add(b"\0asm\x01\0\0\0");
    machine.sh("mkdir -m 700 /var/cache/wasm-cni; cd /var/cache/wasm-cni; for n in $(seq 400); do : > $n.refusal; done");
    bridge(&machine, "ADD").error(&machine);
    let left = listed(&machine, "refusal$");
    assert!((200..=257).contains(&left), "{left}");
    // The newest of them still counts.
    assert_eq!(executed(&machine, &bridge(&machine, "ADD")).1, 1);
}

#[test]
fn a_compiler_that_was_killed_is_asked_again() {
    let (machine, call) = add(&slow(2000));
    let call = call.spawn(&machine);
    let compiler = Process::child_of(call.id(), |child| {
        child.status("Name") != "bridge" && child.status("Seccomp") == "2"
    });
    kill(Pid::from_raw(i32::try_from(compiler.0).unwrap()), Signal::SIGKILL).unwrap();
    assert_eq!(Reply::of(call).error().0, 999);
    assert_eq!(listed(&machine, "refusal$"), 0);
}

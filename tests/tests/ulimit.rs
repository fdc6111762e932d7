//! Limits of a runtime's process: whatever `ulimit` says, the answer is one result or one CNI error, and a failed ADD
//! leaves nothing.

use wasm_cni_tests::{Call, Machine, NOTHING, Reply, walkthrough};

fn machine() -> Machine {
    let machine = Machine::new();
    machine.netns("1234567890");
    machine
}

/// A call with this limit, soft and hard.
fn limited(verb: &str, ulimit: &str) -> Call {
    let script = format!("ulimit {ulimit}; exec \"$@\"");
    Call::bridge(verb, &walkthrough("1.1.0")).under(&[
        "sh".to_owned(),
        "-c".to_owned(),
        script,
        "sh".to_owned(),
    ])
}

/// Whether the call succeeded. Otherwise its answer is one CNI error.
fn is_answered(what: &str, reply: &Reply) -> bool {
    assert!(matches!(reply.code, Some(0 | 1)), "{what}: {reply:?}");
    if reply.code == Some(1) {
        let (code, msg, _) = reply.error();
        assert!(code > 0 && !msg.is_empty(), "{what}: {reply:?}");
    }
    reply.code == Some(0)
}

#[test]
fn a_limit_of_file_size_is_an_error_that_is_undone() {
    let machine = machine();
    // Compiles what the calls need.
    Call::bridge("ADD", &walkthrough("1.1.0")).ok(&machine);
    Call::bridge("DEL", &walkthrough("1.1.0")).ok(&machine);
    let (mut failed, mut worked) = (0, 0);
    // In blocks of 512 bytes.
    for blocks in (0..12).chain([16, 24, 32, 64, 1024]) {
        let what = format!("ulimit -f {blocks}");
        let before = machine.snapshot();
        if is_answered(&what, &limited("ADD", &format!("-f {blocks}")).run(&machine)) {
            worked += 1;
        } else {
            failed += 1;
            assert_eq!(machine.changes(&before), NOTHING, "{what}");
        }
        Call::bridge("DEL", &walkthrough("1.1.0")).ok(&machine);
        // The next ADD takes the next address.
        let is_kept = |line: &&String| line.contains("/last_reserved_ip.0: ");
        let changes = machine.changes(&before);
        assert_eq!(changes.iter().filter(|line| !is_kept(line)).count(), 0, "{what}: {changes:?}");
    }
    assert!(failed >= 2 && worked >= 2, "{failed} {worked}");
}

#[test]
fn without_a_cache_a_limit_of_file_size_is_an_error_too() {
    for blocks in [0, 1, 100, 10_000] {
        let machine = machine();
        let before = machine.snapshot();
        let call = limited("ADD", &format!("-f {blocks}")).env("WASM_CNI_CACHE_DIR", "");
        if !is_answered(&format!("{blocks}"), &call.run(&machine)) {
            assert_eq!(machine.changes(&before), NOTHING, "{blocks}");
        }
        assert_eq!(
            machine.sh("ls -A /var/cache/wasm-cni | grep -c '\\.new-\\|refusal' || true"),
            "0\n",
            "{blocks}"
        );
        // The limit was the caller's, so nothing of it is remembered.
        Call::bridge("ADD", &walkthrough("1.1.0")).env("WASM_CNI_CACHE_DIR", "").ok(&machine);
    }
}

#[test]
fn every_other_verb_answers_with_a_limit_of_file_size() {
    for verb in ["DEL", "CHECK", "GC", "STATUS", "VERSION", ""] {
        for blocks in [0, 1, 2, 4] {
            let machine = machine();
            let before = machine.snapshot();
            Call::bridge("ADD", &walkthrough("1.1.0")).ok(&machine);
            is_answered(&format!("{verb} {blocks}"), &limited(verb, &format!("-f {blocks}")).run(&machine));
            Call::bridge("DEL", &walkthrough("1.1.0")).ok(&machine);
            let left = machine.changes(&before);
            let left: Vec<&String> =
                left.iter().filter(|line| line.contains("/10.15.20.2:") || line.contains("veth")).collect();
            assert!(left.is_empty(), "{verb} {blocks}: {left:?}");
        }
    }
}

/// Whether this process has CAP_SYS_RESOURCE, in the user namespace that counts (capabilities(7)).
fn may_raise_limits() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:\t")).unwrap();
    u64::from_str_radix(effective, 16).unwrap() & 1 << 24 != 0
}

#[test]
fn a_small_stack_is_raised_or_refused_before_anything_is_done() {
    let without = ["setpriv", "--bounding-set", "-sys_resource", "--inh-caps", "-sys_resource"];
    for kib in [48, 64, 100, 128, 256, 512, 1024, 2000, 2048, 4096, 8192] {
        for (what, prefix, may_raise) in
            [("as it is", &[][..], may_raise_limits()), ("without", &without[..], false)]
        {
            let machine = machine();
            let before = machine.snapshot();
            let script = format!("ulimit -s {kib}; exec \"$@\"");
            let words = prefix.iter().copied().chain(["sh", "-c", &script, "sh"]);
            let words: Vec<String> = words.map(str::to_owned).collect();
            for verb in ["VERSION", "ADD"] {
                let reply = Call::bridge(verb, &walkthrough("1.1.0")).under(&words).run(&machine);
                let works = is_answered(&format!("{kib} KiB {what} {verb}"), &reply);
                assert_eq!(works, may_raise || kib >= 2048, "{kib} KiB {what} {verb}: {reply:?}");
                if !works {
                    assert!(reply.error().1.contains("the stack is limited to"), "{reply:?}");
                    assert_eq!(machine.changes(&before), NOTHING, "{kib} KiB {what}");
                }
            }
        }
    }
}

#[test]
fn a_soft_limit_alone_is_raised_by_anybody() {
    let machine = machine();
    let script = "ulimit -S -s 100; exec \"$@\"";
    let words = ["setpriv", "--bounding-set", "-sys_resource", "sh", "-c", script, "sh"].map(str::to_owned);
    Call::bridge("ADD", &walkthrough("1.1.0")).under(&words).ok(&machine);
}

//! What is close to a limit is allowed (`docs/security.md`, S7). `tests/hostile` has what exceeds a limit.

use std::time::{Duration, Instant};
use wasm_cni_tests::guest::{install, up_again_and_again};
use wasm_cni_tests::{Call, Machine, NOTHING, WALKTHROUGH};

/// ADD by a component that makes the network's bridge and sets it up that many times.
fn add(machine: &Machine, times: u32) -> Call {
    let plugins = machine.plugins();
    install(&plugins, "bridge", &up_again_and_again("cni_bridge0", times));
    machine.netns("1234567890");
    Call::new(&plugins, "bridge", "ADD", &WALKTHROUGH.replace("0.2.0", "1.0.0"))
}

#[test]
fn a_plan_as_large_as_it_may_be_is_answered_in_time() {
    let machine = Machine::new();
    let call = add(&machine, 4095);
    let begun = Instant::now();
    call.ok(&machine);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!(machine.sh("ip -o link show cni_bridge0").contains("UP"));
}

#[test]
fn without_addresses_for_a_memory_the_error_says_so_and_nothing_has_changed() {
    let machine = Machine::new();
    machine.netns("1234567890");
    let before = machine.snapshot();
    let prlimit = ["prlimit".to_owned(), format!("--as={}", 3_u64 << 30)];
    let (code, _, details) = Call::bridge("ADD", WALKTHROUGH).under(&prlimit).error(&machine);
    assert_eq!(code, 108, "{details}");
    assert!(details.starts_with("mmap failed to reserve "), "{details}");
    assert_eq!(machine.changes(&before), NOTHING);
}

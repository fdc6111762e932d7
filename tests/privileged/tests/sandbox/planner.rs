//! The limits and permissions of a plugin, and the errors of a plugin that exceeds them.

use super::{compile, delegating, linking, plain, plan, plan_with, recording, with_status};
use std::time::{Duration, Instant};
use wasm_cni::action::{Action, Lifetime};
use wasm_cni::cni::{CniError, Command, Request, code};
use wasm_cni::sandbox::limits;
use wasm_cni::value::{Kind, derive};

#[test]
fn a_plugin_that_records_nothing_makes_an_empty_plan() {
    let plan = plan(&plain("(i32.const 0)")).unwrap();
    assert!(plan.entries.is_empty() && plan.report.links.is_empty());
}

#[test]
fn a_bridge_is_recorded_with_a_mac_and_a_shared_lifetime() {
    let plan = plan(&recording(1)).unwrap();
    let [bridge, up] = plan.entries.as_slice() else { panic!("{plan:?}") };
    let Action::EnsureBridge(ensure) = &bridge.action else { panic!("{bridge:?}") };
    assert_eq!((ensure.name.as_str(), ensure.mac), ("cni0", derive::bridge_mac(&ensure.name)));
    assert!(matches!(&up.action, Action::SetUp(up) if up.link.name.as_str() == "cni0"));
    assert_eq!((bridge.lifetime, up.lifetime), (Lifetime::Shared, Lifetime::Shared));
}

#[test]
fn an_endless_loop_ends_within_two_seconds() {
    let wasm = plain("(loop $l (br $l)) (unreachable)");
    let begun = Instant::now();
    let error = plan(&wasm).unwrap_err();
    assert_eq!((error.code, error.msg.as_str()), (code::LIMIT, "the plugin exceeded a limit: time (1 s)"));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[test]
fn memory_is_limited_over_all_memories() {
    let grow = "(loop $l (drop (memory.grow (i32.const 16))) (br $l)) (unreachable)";
    let error = plan(&plain(grow)).unwrap_err();
    assert_eq!(
        (error.code, error.msg.as_str()),
        (code::LIMIT, "the plugin exceeded a limit: memory (64 MiB)")
    );
}

#[test]
fn the_stack_is_limited() {
    let error = plan(&plain("(call $add)")).unwrap_err();
    assert_eq!(error.code, code::LIMIT, "{error:?}");
}

#[test]
fn a_trap_is_reported_with_its_kind() {
    let error = plan(&plain("(unreachable)")).unwrap_err();
    assert_eq!(error.code, code::TRAPPED);
    assert_eq!(error.msg, "plugin bridge trapped: wasm trap: wasm `unreachable` instruction executed");
}

#[test]
fn a_million_actions_are_too_many() {
    let error = plan(&recording(1_000_000)).unwrap_err();
    assert_eq!(
        (error.code, error.msg.as_str()),
        (code::LIMIT, "the plugin exceeded a limit: actions of a plan (4096)")
    );
    let most = u32::try_from(limits::ACTIONS).unwrap() - 1;
    assert_eq!(plan(&recording(most)).unwrap().entries.len(), limits::ACTIONS);
}

#[test]
fn a_million_handles_are_too_many() {
    let body = "(loop $l (drop (call $bridge (i32.const 100) (i32.const 4))) (br $l)) (unreachable)";
    assert_eq!(plan(&linking("", body)).unwrap_err().code, code::LIMIT);
}

#[test]
fn tables_are_limited_when_they_are_made_and_when_they_grow() {
    let with_table = |size: u32, body: &str| {
        let main = format!(r#"(table $t {size} funcref) (func (export "add") (result i32) {body})"#);
        let lowered = r#"(core instance $main (instantiate $main (with "libc" (instance $libc))))"#;
        plan(&wat::parse_str(super::component_text("", lowered, &main)).unwrap())
    };
    let grow = "(loop $l (drop (table.grow $t (ref.null func) (i32.const 1000))) (br $l)) (unreachable)";
    for error in [with_table(1, grow).unwrap_err(), with_table(200_000, "(i32.const 0)").unwrap_err()] {
        assert_eq!(error.msg, "the plugin exceeded a limit: table elements (100000)");
        assert_eq!(error.code, code::LIMIT);
    }
}

#[test]
fn an_initial_memory_above_the_limit_is_refused() {
    let lowered = r#"(core module $big (memory 1025)) (core instance (instantiate $big))
        (core instance $main (instantiate $main (with "libc" (instance $libc))))"#;
    let main = r#"(func (export "add") (result i32) (i32.const 0))"#;
    let error = plan(&wat::parse_str(super::component_text("", lowered, main)).unwrap()).unwrap_err();
    assert_eq!(
        (error.code, error.msg.as_str()),
        (code::LIMIT, "the plugin exceeded a limit: memory (64 MiB)")
    );
}

#[test]
fn a_component_of_many_modules_or_memories_is_refused() {
    let of = |module: &str, times: usize| {
        let instances = "(core instance (instantiate $tiny))".repeat(times);
        let lowered = format!(
            r#"(core module $tiny {module}) {instances}
            (core instance $main (instantiate $main (with "libc" (instance $libc))))"#
        );
        let main = r#"(func (export "add") (result i32) (i32.const 0))"#;
        plan(&wat::parse_str(super::component_text("", &lowered, main)).unwrap())
    };
    for (module, times, what) in [
        ("", 100, "instance count (100)"),
        ("(table 1 funcref) (table 1 funcref)", 60, "table count (100)"),
        ("(memory 0)", 8, "memory count (8)"),
    ] {
        let error = of(module, times).unwrap_err();
        assert_eq!(error.code, code::LIMIT, "{error:?}");
        assert_eq!(error.msg, format!("the plugin exceeded a limit: {what}"));
    }
    assert!(of("(memory 0)", 7).is_ok());
}

#[test]
fn the_arguments_of_a_call_are_limited() {
    let body = "(drop (memory.grow (i32.const 600)))
        (drop (call $bridge (i32.const 0) (i32.const 30000000))) (i32.const 0)";
    let error = plan(&linking("", body)).unwrap_err();
    assert_eq!(error.code, code::LIMIT, "{error:?}");
    assert_eq!(error.msg, "the plugin exceeded a limit: size of a call's arguments (16 MiB)");
}

#[test]
fn the_number_of_delegations_is_limited() {
    // The failure of a delegate is returned to its caller, which continues.
    let error = plan_with(&super::delegating_for_ever("x"), &|_| plain("(unreachable)")).unwrap_err();
    assert_eq!(
        (error.code, error.msg.as_str()),
        (code::LIMIT, "the plugin exceeded a limit: calls of delegates (16)")
    );
}

#[test]
fn names_that_the_kernel_would_refuse_are_refused_while_they_are_recorded() {
    for name in
        ["", "..", "a/b", "a:b", "a b", "eth%d", "sixteen-bytes-xx", "../../proc/x", "tab\\09", "nul\\00x"]
    {
        let length = name.len() - if name.contains("\\0") { 2 } else { 0 };
        let body = format!("(drop (call $bridge (i32.const 200) (i32.const {length}))) (i32.const 0)");
        let error = plan(&linking(name, &body)).unwrap_err();
        assert_eq!(error.code, code::INVALID_PLAN, "{name:?}: {error:?}");
        assert!(error.msg.starts_with("interface name"), "{error:?}");
    }
}

#[test]
fn a_returned_error_is_passed_on_and_the_plan_is_discarded() {
    let body = "(drop (call $bridge (i32.const 100) (i32.const 4)))
        (i32.store8 (i32.const 400) (i32.const 1)) (i32.store (i32.const 404) (i32.const 999))
        (i32.store (i32.const 408) (i32.const 200)) (i32.store (i32.const 412) (i32.const 8))
        (i32.const 400)";
    let error = plan(&linking("no range", body)).unwrap_err();
    assert_eq!((error.code, error.msg.as_str(), error.details.as_str()), (999, "no range", ""));
}

#[test]
fn a_handle_of_another_kind_or_a_wrong_number_traps() {
    for number in [0, 1, 77, -1] {
        let error =
            plan(&linking("", &format!("(call $up (i32.const {number})) (i32.const 0)"))).unwrap_err();
        assert_eq!(error.code, code::TRAPPED, "{error:?}");
    }
}

#[test]
fn a_delegate_records_under_its_own_name_and_leaves_nothing_when_it_fails() {
    let plan = plan_with(&delegating("host-local"), &|_| recording(1)).unwrap();
    assert!(
        plan.entries.len() == 2 && plan.entries.iter().all(|entry| entry.plugin.as_str() == "host-local")
    );

    let failing = linking("", "(drop (call $bridge (i32.const 100) (i32.const 4))) (unreachable)");
    let error = plan_with(&delegating("host-local"), &|_| failing.clone()).unwrap_err();
    assert_eq!(error.code, code::TRAPPED);
    assert!(error.msg.contains("plugin host-local trapped"), "{error:?}");
}

#[test]
fn a_limit_that_a_delegate_exceeds_ends_the_run() {
    let endless = plain("(loop $l (br $l)) (unreachable)");
    let begun = Instant::now();
    let error = plan_with(&delegating("x"), &|_| endless.clone()).unwrap_err();
    assert_eq!((error.code, error.msg.as_str()), (code::LIMIT, "the plugin exceeded a limit: time (1 s)"));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[test]
fn a_plugin_that_delegates_to_itself_stops_at_the_limit() {
    let error = plan_with(&delegating("bridge"), &|_| delegating("bridge")).unwrap_err();
    assert_eq!(error.msg, "plugin bridge is not run: delegation is deeper than 4");
    let error = plan(&delegating("../x")).unwrap_err();
    assert_eq!((error.code, error.msg.as_str()), (code::INTERNAL, "invalid plugin name: ../x"));
}

/// Runs STATUS of a component.
fn status(wasm: &[u8]) -> Result<(), CniError> {
    let request = Request { command: Command::Status, ..super::request() };
    super::plan_of(&request, wasm, &|_| unreachable!()).map(drop)
}

#[test]
fn status_runs_under_the_limits_of_add() {
    let fine = with_status("(i32.const 0)");
    assert_eq!(status(&fine), Ok(()));
    assert_eq!(plan(&fine).unwrap_err().code, code::TRAPPED, "add is still add");
    assert!(compile(&fine).unwrap().manifest.has_status());
    assert_eq!(status(&with_status("unreachable")).unwrap_err().code, code::TRAPPED);
    assert_eq!(status(&with_status("(loop $l (br $l)) unreachable")).unwrap_err().code, code::LIMIT);
    let refusal = "(i32.store8 (i32.const 400) (i32.const 1)) (i32.store (i32.const 404) (i32.const 51)) (i32.const 400)";
    assert_eq!(status(&with_status(refusal)).unwrap_err().code, 51);
    let none = status(&plain("(i32.const 0)")).unwrap_err();
    assert_eq!(none.code, code::NOT_A_PLUGIN);
    assert!(none.msg.contains("wasm-cni:plugin/status@0.1.0"), "{none:?}");
}

#[test]
fn the_manifest_has_functions_and_declaration() {
    let manifest = compile(&recording(1)).unwrap().manifest;
    assert_eq!(manifest.imports, ["links.[method]link.up", "links.[static]link.bridge"]);
    assert_eq!((manifest.kind, manifest.exports.as_slice()), (Kind::Main, ["add".to_owned()].as_slice()));
    assert_eq!(manifest.cni_versions, ["1.0.0", "1.1.0"]);
}

#[test]
fn the_error_for_a_non_plugin_says_what_the_file_is() {
    let text = |wasm: &[u8]| compile(wasm).unwrap_err().to_string();
    let begins = "not a plugin: not WebAssembly: the file begins with \"#!/b\", not with \"\\0asm\"";
    assert!(text(b"#!/bin/sh").starts_with(begins), "{}", text(b"#!/bin/sh"));
    assert!(text(b"").starts_with("not a plugin: "));
    assert!(text(&wat::parse_str("(module)").unwrap()).contains("a core module; expected a component"));
    assert!(
        text(&wat::parse_str("(component)").unwrap())
            .contains("it exports nothing; expected wasm-cni:plugin/add@0.1.x")
    );
    let replaced: Vec<u8> = replace(&recording(1), b"links@0.1.0", b"links@0.2.0");
    assert!(text(&replaced).contains("it imports `wasm-cni:plugin/links@0.2.0`"), "{}", text(&replaced));
    let foreign = replace(&recording(1), b"wasm-cni:plugin/links@", b"evil-cni:plugin/links@");
    assert!(text(&foreign).contains("it imports `evil-cni:plugin/links@0.1.0`"), "{}", text(&foreign));
}

fn replace(bytes: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for at in 0..bytes.len() - old.len() {
        if bytes[at..].starts_with(old) {
            bytes[at..at + new.len()].copy_from_slice(new);
        }
    }
    bytes
}

//! Hand-written guests, each for one attack or one feature, compiled and run in a real planner.

mod cache;
mod planner;

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use wasm_cni::action::query::MachineFacts;
use wasm_cni::cni::{CniError, Command, Request};
use wasm_cni::plan::DraftPlan;
use wasm_cni::sandbox::{Cache, Code, CodeError};
use wasm_cni::value::{Attachment, ContainerId, IfName, NetworkName, PluginName};
use wasm_cni_fake::FakeMachine;
use wasm_cni_privileged::target;

/// The contents of the custom section of [`component_text`].
const DECLARATION: &str = r#"{\"kind\":\"main\",\"cniVersions\":[\"1.0.0\",\"1.1.0\"]}"#;

/// The compiler. `cargo xtask test` builds it before the tests.
fn compiler() -> PathBuf {
    let compiler = target().join("dist/wasm-cni-compile");
    assert!(compiler.is_file(), "{} is missing: run `cargo xtask test`", compiler.display());
    compiler
}

/// The text of a component: `imports` of the component, `lowered` core functions of them, and the `body` of `add`.
fn component_text(imports: &str, lowered: &str, body: &str) -> String {
    format!(
        r#"(component
          (import "wasm-cni:plugin/types@0.1.0" (instance $types
            (type $e (record (field "code" u32) (field "msg" string) (field "details" string)))
            (export "error" (type (eq $e)))))
          (alias export $types "error" (type $error))
          {imports}
          (core module $libc
            (memory (export "memory") 1)
            (global $next (mut i32) (i32.const 32768))
            (func (export "realloc") (param i32 i32 i32 i32) (result i32)
              (global.get $next)
              (global.set $next (i32.add (global.get $next) (i32.and (i32.add (local.get 3) (i32.const 15)) (i32.const -16))))))
          (core instance $libc (instantiate $libc))
          (core module $main
            (@custom "wasm-cni" "{DECLARATION}")
            (import "libc" "memory" (memory 1))
            {body})
          {lowered}
          (func $add (result (result (error $error)))
            (canon lift (core func $main "add") (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
          (instance $out (export "error" (type $error)) (export "add" (func $add)))
          (export "wasm-cni:plugin/add@0.1.0" (instance $out)))"#
    )
}

/// A component without imports, whose `add` is `body`. The body must leave the address of a result; 0 is success.
fn plain(body: &str) -> Vec<u8> {
    let main = format!(r#"(func $add (export "add") (result i32) {body})"#);
    let lowered = r#"(core instance $main (instantiate $main (with "libc" (instance $libc))))"#;
    wat::parse_str(component_text("", lowered, &main)).unwrap()
}

/// A component whose `add` traps and whose `status` is `body`.
fn with_status(body: &str) -> Vec<u8> {
    let main = format!(
        r#"(func (export "add") (result i32) unreachable)
        (func (export "status") (result i32) {body})"#
    );
    let lowered = r#"(core instance $main (instantiate $main (with "libc" (instance $libc))))
        (func $status (result (result (error $error)))
          (canon lift (core func $main "status") (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
        (instance $verb (export "error" (type $error)) (export "status" (func $status)))
        (export "wasm-cni:plugin/status@0.1.0" (instance $verb))"#;
    wat::parse_str(component_text("", lowered, &main)).unwrap()
}

/// A component that may call `$bridge name_at name_length -> link` and `$up link`. `"cni0"` is at address 100, and
/// `text` at 200.
fn linking(text: &str, body: &str) -> Vec<u8> {
    let imports = r#"(import "wasm-cni:plugin/links@0.1.0" (instance $links
        (export "link" (type $link (sub resource)))
        (export "[static]link.bridge" (func (param "name" string) (result (own $link))))
        (export "[method]link.up" (func (param "self" (borrow $link))))))"#;
    let lowered = r#"
        (core func $bridge (canon lower (func $links "[static]link.bridge") (memory (core memory $libc "memory"))))
        (core func $up (canon lower (func $links "[method]link.up")))
        (core instance $main (instantiate $main (with "libc" (instance $libc))
          (with "links" (instance (export "bridge" (func $bridge)) (export "up" (func $up))))))"#;
    let main = format!(
        r#"(import "links" "bridge" (func $bridge (param i32 i32) (result i32)))
        (import "links" "up" (func $up (param i32)))
        (data (i32.const 100) "cni0") (data (i32.const 200) "{text}")
        (func (export "add") (result i32) {body})"#
    );
    wat::parse_str(component_text(imports, lowered, &main)).unwrap()
}

/// A component that delegates to `name` and returns the result of its delegate.
fn delegating(name: &str) -> Vec<u8> {
    delegating_in(name, "(call $again) (i32.const 400)")
}

/// A component that delegates to `name` in an endless loop.
fn delegating_for_ever(name: &str) -> Vec<u8> {
    delegating_in(name, "(loop $l (call $again) (br $l)) unreachable")
}

/// A component whose `add` is `body`. There, `$again` delegates to `name`, and the answer is at address 400.
fn delegating_in(name: &str, body: &str) -> Vec<u8> {
    let imports = r#"
        (import "wasm-cni:plugin/answers@0.1.0" (instance $answers (export "answer" (type (sub resource)))))
        (alias export $answers "answer" (type $answer))
        (import "wasm-cni:plugin/delegate@0.1.0" (instance $delegate
          (alias outer 1 $error (type $e)) (export "error" (type $error (eq $e)))
          (alias outer 1 $answer (type $a)) (export "answer" (type $answer (eq $a)))
          (export "add" (func (param "plugin" string) (result (result (own $answer) (error $error)))))))"#;
    let lowered = r#"
        (core func $delegate (canon lower (func $delegate "add") (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
        (core instance $main (instantiate $main (with "libc" (instance $libc))
          (with "delegate" (instance (export "add" (func $delegate))))))"#;
    let main = format!(
        r#"(import "delegate" "add" (func $delegate (param i32 i32 i32)))
        (data (i32.const 200) "{name}")
        (func $again (call $delegate (i32.const 200) (i32.const {length}) (i32.const 400)))
        (func (export "add") (result i32) {body})"#,
        length = name.len()
    );
    wat::parse_str(component_text(imports, lowered, &main)).unwrap()
}

/// A component that records `bridge("cni0")` once and `up` `times` times.
fn recording(times: u32) -> Vec<u8> {
    let body = format!(
        "(local $i i32) (local $l i32) (local.set $l (call $bridge (i32.const 100) (i32.const 4)))
         (loop $again (call $up (local.get $l)) (local.set $i (i32.add (local.get $i) (i32.const 1)))
           (br_if $again (i32.lt_u (local.get $i) (i32.const {times})))) (i32.const 0)"
    );
    linking("", &body)
}

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn compile(wasm: &[u8]) -> Result<Code, CodeError> {
    Cache::new(&[], compiler(), true).code(&file(wasm), None)
}

/// Plans a request, on an empty fake machine.
fn plan_of(
    request: &Request,
    wasm: &[u8],
    load: &dyn Fn(&PluginName) -> Vec<u8>,
) -> Result<DraftPlan, CniError> {
    let (code, mut machine) = (compile(wasm).unwrap(), FakeMachine::new());
    let mut facts = MachineFacts::new(&mut machine);
    wasm_cni::sandbox::plan(request, code, Vec::new(), &mut facts, &mut |name| {
        Ok(compile(&load(name)).unwrap())
    })
}

/// Plans with a component. `load` compiles its delegates.
fn plan_with(wasm: &[u8], load: &dyn Fn(&PluginName) -> Vec<u8>) -> Result<DraftPlan, CniError> {
    plan_of(&request(), wasm, load)
}

fn plan(wasm: &[u8]) -> Result<DraftPlan, CniError> {
    plan_with(wasm, &|name| panic!("{name} is not to be loaded"))
}

fn plugin(name: &str) -> PluginName {
    PluginName::parse(name).unwrap()
}

fn request() -> Request {
    Request {
        command: Command::Add,
        plugin: plugin("bridge"),
        attachment: Attachment {
            network: NetworkName::parse("mybridge").unwrap(),
            container: ContainerId::parse("1234567890").unwrap(),
            interface: IfName::parse("eth0").unwrap(),
        },
        netns: "/var/run/netns/x".to_owned(),
        path: Vec::new(),
        args: String::new(),
        config: "{}".to_owned(),
        cni_version: "1.0.0".to_owned(),
    }
}

//! Tiny components, each with one behaviour that no plugin should have.

use std::path::Path;

/// The verb that a plugin exports.
const ADD: &str = "wasm-cni:plugin/add@0.1.0";

/// A component whose `add` runs `body`, core WebAssembly that leaves an `i32`: 0 points to an `ok` in memory.
pub fn component(body: &str) -> Vec<u8> {
    component_for(ADD, body)
}

/// The same exporting `interface`.
pub fn component_for(interface: &str, body: &str) -> Vec<u8> {
    text(interface, "", "", "", body)
}

/// A component that records a bridge of each of these names.
pub fn with_bridges(names: &[&str]) -> Vec<u8> {
    let imports = r#"(import "wasm-cni:plugin/links@0.1.0" (instance $links
    (export "link" (type $link (sub resource)))
    (export "[static]link.bridge" (func (param "name" string) (result (own $link))))))"#;
    let lowered = r#"(core func $bridge (canon lower (func $links "[static]link.bridge") (memory (core memory $libc "memory"))))"#;
    let argument = r#"(with "links" (instance (export "bridge" (func $bridge))))"#;
    let mut body = String::new();
    for (number, name) in names.iter().enumerate() {
        let at = 1024 + 16 * number;
        for (offset, byte) in name.bytes().enumerate() {
            body += &format!("(i32.store8 (i32.const {}) (i32.const {byte}))", at + offset);
        }
        body += &format!("(drop (call $bridge (i32.const {at}) (i32.const {})))", name.len());
    }
    text(
        ADD,
        &format!("{imports} {lowered}"),
        argument,
        r#"(import "links" "bridge" (func $bridge (param i32 i32) (result i32)))"#,
        &(body + "(i32.const 0)"),
    )
}

/// A component that traps unless the clock stands at 0, and records a bridge whose name is a random letter.
pub fn with_clock_and_random() -> Vec<u8> {
    let imports = r#"
  (import "wasi:clocks/monotonic-clock@0.2.6" (instance $clock (export "now" (func (result u64)))))
  (import "wasi:random/random@0.2.6" (instance $random (export "get-random-u64" (func (result u64)))))
  (import "wasm-cni:plugin/links@0.1.0" (instance $links
    (export "link" (type $link (sub resource)))
    (export "[static]link.bridge" (func (param "name" string) (result (own $link))))))
  (core func $now (canon lower (func $clock "now")))
  (core func $get (canon lower (func $random "get-random-u64")))
  (core func $bridge (canon lower (func $links "[static]link.bridge") (memory (core memory $libc "memory"))))"#;
    let argument = r#"(with "wasi" (instance (export "now" (func $now)) (export "random" (func $get))))
    (with "links" (instance (export "bridge" (func $bridge))))"#;
    let core_imports = r#"(import "wasi" "now" (func $now (result i64))) (import "wasi" "random" (func $random (result i64)))
    (import "links" "bridge" (func $bridge (param i32 i32) (result i32)))"#;
    let body = r#"(if (i64.ne (call $now) (i64.const 0)) (then unreachable))
    (i64.store8 (i32.const 1024) (i64.add (i64.const 97) (i64.rem_u (call $random) (i64.const 26))))
    (i64.store8 (i32.const 1025) (i64.add (i64.const 97) (i64.rem_u (call $random) (i64.const 26))))
    (drop (call $bridge (i32.const 1024) (i32.const 2))) (i32.const 0)"#;
    text(ADD, imports, argument, core_imports, body)
}

/// Components have their memory in a module of its own, which imported functions can then be given too.
fn text(interface: &str, imports: &str, argument: &str, core_imports: &str, body: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
  (import "wasm-cni:plugin/types@0.1.0" (instance $types
    (type $e (record (field "code" u32) (field "msg" string) (field "details" string)))
    (export "error" (type (eq $e)))))
  (alias export $types "error" (type $error))
  (core module $libc (memory (export "memory") 1))
  (core instance $libc (instantiate $libc))
  {imports}
  (core module $module
    (import "libc" "memory" (memory 1))
    {core_imports}
    (func $recurse (param i64 i64) (result i64) (i64.add (call $recurse (local.get 1) (local.get 0)) (i64.const 1)))
    (func (export "add") (result i32) {body})
    (@custom "wasm-cni" "{{\"kind\":\"main\",\"cniVersions\":[\"0.2.0\",\"1.0.0\",\"1.1.0\"]}}"))
  (core instance $core (instantiate $module (with "libc" (instance $libc)) {argument}))
  (func $add (result (result (error $error))) (canon lift (core func $core "add") (memory (core memory $libc "memory"))))
  (instance $verb (export "add" (func $add)))
  (export "{interface}" (instance $verb)))"#
    );
    wat::parse_str(&text).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

/// Puts a component into a plugin directory in the way an installer does: a new file, renamed into place.
pub fn install(plugins: &Path, name: &str, component: &[u8]) {
    let new = plugins.join(format!(".{name}.new"));
    std::fs::write(&new, component).expect("the plugin directory is writable");
    std::fs::rename(&new, plugins.join(format!("{name}.wasm"))).expect("rename");
}

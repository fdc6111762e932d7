//! Tiny components, each with one behaviour that no plugin should have.

use std::path::Path;

/// A component whose `add` runs `body`, core WebAssembly that leaves an `i32`: 0 points to an `ok` in memory.
pub fn component(body: &str) -> Vec<u8> {
    component_for("wasm-cni:plugin/add@0.1.0", body)
}

/// The same exporting `interface`.
pub fn component_for(interface: &str, body: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
  (type $types (instance
    (type $e (record (field "code" u32) (field "msg" string) (field "details" string)))
    (export "error" (type (eq $e)))))
  (import "wasm-cni:plugin/types@0.1.0" (instance $types (type $types)))
  (alias export $types "error" (type $error))
  (core module $module
    (memory (export "memory") 1)
    (func $recurse (param i64 i64) (result i64) (i64.add (call $recurse (local.get 1) (local.get 0)) (i64.const 1)))
    (func (export "add") (result i32) {body})
    (@custom "wasm-cni" "{{\"kind\":\"main\",\"cniVersions\":[\"0.2.0\",\"1.0.0\",\"1.1.0\"]}}"))
  (core instance $core (instantiate $module))
  (func $add (result (result (error $error))) (canon lift (core func $core "add") (memory (core memory $core "memory"))))
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

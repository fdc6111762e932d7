//! Small components, each with one behaviour that no plugin should have.

mod module;
mod words;

pub use module::component as component_with;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// A component whose `add` runs `body`, core WebAssembly that returns an `i32`: 0 points to an `ok` in memory.
pub fn component(body: &str) -> Vec<u8> {
    component_with("main", body, "")
}

/// A component whose verb is in an interface of another version.
pub fn component_for(interface: &str) -> Vec<u8> {
    text("main", interface, "")
}

/// A component whose `add` does nothing, with additional imports or core modules. `kind` is that of its manifest.
pub fn with_parts(kind: &str, parts: &str) -> Vec<u8> {
    text(kind, "wasm-cni:plugin/add@0.1.0", parts)
}

/// The same, with these `cniVersions`, as JSON.
pub fn with_versions(kind: &str, parts: &str, versions: &str) -> Vec<u8> {
    let escaped = versions.replace('\\', "\\\\").replace('"', "\\\"");
    parse(&module_text(kind, "wasm-cni:plugin/add@0.1.0", parts).replace(VERSIONS, &escaped))
}

/// A component without the section `wasm-cni`, as tools for other languages make it.
pub fn undeclared() -> Vec<u8> {
    let text = module_text("main", "wasm-cni:plugin/add@0.1.0", "");
    parse(&text.replace(r#"(@custom "wasm-cni""#, r#"(@custom "other""#))
}

/// A component that records a bridge of each of these names.
pub fn with_bridges(names: &[&str]) -> Vec<u8> {
    let bridge = |name: &&str| format!("(drop (call $links.link.bridge (text {name:?})))");
    component(&(names.iter().map(bridge).collect::<String>() + "(i32.const 0)"))
}

/// A component that reads a file and records a bridge with the name in it; it traps if it cannot.
pub fn with_file(path: &str) -> Vec<u8> {
    component(&format!(
        "(call $observe.read-file (text {path:?}) (i32.const 512))
        (if (i32.load8_u (i32.const 512)) (then unreachable))
        (drop (call $links.link.bridge (i32.load (i32.const 516)) (i32.load (i32.const 520)))) (i32.const 0)"
    ))
}

/// A component that records a bridge and sets it up that many times.
pub fn up_again_and_again(name: &str, times: u32) -> Vec<u8> {
    component(&format!(
        "(local $link i32) (local $left i32)
        (local.set $link (call $links.link.bridge (text {name:?})))
        (local.set $left (i32.const {times}))
        (loop $again (call $links.link.up (local.get $link))
          (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1))))) (i32.const 0)"
    ))
}

/// The `cniVersions` of a component of [`module_text`], as they are written there.
const VERSIONS: &str = r#"[\"0.2.0\",\"1.0.0\",\"1.1.0\"]"#;

fn text(kind: &str, interface: &str, parts: &str) -> Vec<u8> {
    parse(&module_text(kind, interface, parts))
}

fn parse(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

/// A component as text; the core module is its smallest part.
fn module_text(kind: &str, interface: &str, parts: &str) -> String {
    format!(
        r#"(component
  (import "wasm-cni:plugin/types@0.1.0" (instance $types
    (type $e (record (field "code" u32) (field "msg" string) (field "details" string)))
    (export "error" (type (eq $e)))))
  (alias export $types "error" (type $error))
  {parts}
  (core module $module
    (memory (export "memory") 1)
    (func (export "add") (result i32) (i32.const 0))
    (@custom "wasm-cni" "{{\"kind\":\"{kind}\",\"cniVersions\":{VERSIONS}}}"))
  (core instance $core (instantiate $module))
  (func $add (result (result (error $error))) (canon lift (core func $core "add") (memory (core memory $core "memory"))))
  (instance $verb (export "add" (func $add)))
  (export "{interface}" (instance $verb)))"#
    )
}

/// Installs a component into a plugin directory as an installer does: a new file, renamed into place.
pub fn install(plugins: &Path, name: &str, component: &[u8]) {
    let new = plugins.join(format!(".{name}.new"));
    std::fs::write(&new, component).expect("the plugin directory is writable");
    let mode = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(&new, mode).expect("others cannot write it, whatever the umask");
    std::fs::rename(&new, plugins.join(format!("{name}.wasm"))).expect("rename");
}

//! Components from the text of one core module. It calls functions of the contract by name, with the arguments of the
//! canonical ABI: `(call $links.link.up …)`, `(call $routes.route …)`.

use super::words;
use crate::repository;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::abi::{AbiVariant, WasmType};
use wit_parser::{Resolve, WorldId, WorldItem};

/// The common part of every guest: memory with texts from 4096 on and the host's answers from 32768 on, a function that
/// calls itself for ever, and a function that makes an error from a code and a text.
const PARTS: &str = r#"(memory (export "memory") 1)
  (func $recurse (param i64 i64) (result i64) (i64.add (call $recurse (local.get 1) (local.get 0)) (i64.const 1)))
  (func $fail (param $code i32) (param $text i32) (param $length i32) (result i32)
    (i32.store8 (i32.const 600) (i32.const 1))
    (i32.store (i32.const 604) (local.get $code))
    (i32.store (i32.const 608) (local.get $text))
    (i32.store (i32.const 612) (local.get $length))
    (i32.const 600))"#;

/// Where the host writes an answer that does not fit into a function's return value.
const REALLOC: &str = r#"(global $next (mut i32) (i32.const 32768))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (global.get $next)
    (global.set $next (i32.add (global.get $next) (i32.and (i32.add (local.get 3) (i32.const 15)) (i32.const -16)))))"#;

/// A component whose `add` is `body`, core WebAssembly that returns an `i32`: 0 points to an `ok` in memory. `fields`
/// are additional fields of the module; a `cabi_realloc` or a `status` among them replaces the default one. `kind` is that
/// of its manifest.
pub fn component(kind: &str, body: &str, fields: &str) -> Vec<u8> {
    let (resolve, [guest, with_status]) = worlds();
    let world = if fields.contains("/status@") { with_status } else { guest };
    let (code, data) = words::spell_out(&format!(
        r#"{fields} (func (export "wasm-cni:plugin/add@0.1.0#add") (result i32) {body})"#
    ));
    let realloc = if fields.contains("cabi_realloc") { "" } else { REALLOC };
    let imports = imports(&resolve, world, &code);
    let manifest = format!(
        r#"(@custom "wasm-cni" "{{\"kind\":\"{kind}\",\"cniVersions\":[\"0.2.0\",\"1.0.0\",\"1.1.0\"]}}")"#
    );
    let text = format!("(module {imports} {PARTS} {manifest} {realloc} {data} {code})");
    let mut module = wat::parse_str(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).expect("the world fits");
    let encoder =
        ComponentEncoder::default().module(&module).and_then(|encoder| encoder.validate(true).encode());
    encoder.unwrap_or_else(|e| panic!("{e:#}\n{text}"))
}

/// The contract and the WASI interfaces.
fn worlds() -> (Resolve, [WorldId; 2]) {
    let mut resolve = Resolve::default();
    resolve.push_dir(repository().join("wit")).expect("the contract parses");
    let package = resolve.push_source("wasi.wit", include_str!("wasi.wit")).expect("wasi.wit parses");
    let worlds = ["guest", "guest-with-status"]
        .map(|name| resolve.select_world(&[package], Some(name)).expect("wasi.wit has it"));
    (resolve, worlds)
}

/// The functions that a text calls, as imports. Functions that are not called are not imported.
fn imports(resolve: &Resolve, world: WorldId, text: &str) -> String {
    let mut imports = String::new();
    for (key, item) in &resolve.worlds[world].imports {
        let WorldItem::Interface { id, .. } = item else { continue };
        let interface = &resolve.interfaces[*id];
        let name = interface.name.as_deref().unwrap_or_default();
        for function in interface.functions.values() {
            let id = format!(
                "${name}.{}",
                function.name.split_once(']').map_or(&*function.name, |(_, name)| name)
            );
            if !calls(text, &id) {
                continue;
            }
            let signature = resolve.wasm_signature(AbiVariant::GuestImport, function);
            let types =
                |types: &[WasmType]| types.iter().map(|one| format!(" {}", core(*one))).collect::<String>();
            imports += &format!(
                "(import \"{}\" \"{}\" (func {id} (param{}) (result{})))\n",
                resolve.name_world_key(key),
                function.name,
                types(&signature.params),
                types(&signature.results)
            );
        }
    }
    imports
}

/// Whether a text names `id` itself, and not only a longer name that starts with it.
fn calls(text: &str, id: &str) -> bool {
    let ends = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-');
    text.match_indices(id).any(|(at, _)| ends(&text[at + id.len()..]))
}

fn core(one: WasmType) -> &'static str {
    match one {
        WasmType::I64 | WasmType::PointerOrI64 => "i64",
        WasmType::F32 => "f32",
        WasmType::F64 => "f64",
        WasmType::I32 | WasmType::Pointer | WasmType::Length => "i32",
    }
}

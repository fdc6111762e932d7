//! Reads the manifest of a component from its bytes.

use crate::manifest::{Declaration, INTERFACE, Manifest, SECTION};
use crate::refusal::Refusal;
use wasmparser::component_types::ComponentEntityType;
use wasmparser::types::Types;
use wasmparser::{Encoding, Parser, Payload, ValidPayload, Validator, WasmFeatures};

/// The package of the contract, and the prefix of the versions that are compatible with [`INTERFACE`].
const PACKAGE: &str = "wasm-cni:plugin/";
const SERIES: &str = "0.1.";

/// The beginning of every file of WebAssembly.
const MAGIC: &[u8] = b"\0asm";

/// Validates a component, and returns its imports, exports and declarations.
pub fn manifest(wasm: &[u8]) -> Result<Manifest, Refusal> {
    if !wasm.starts_with(MAGIC) {
        let start = wasm.get(..MAGIC.len()).unwrap_or(wasm).escape_ascii();
        return Err(Refusal::invalid(match wasm {
            [] => "not WebAssembly: the file is empty".to_owned(),
            _ => format!("not WebAssembly: the file begins with \"{start}\", not with \"\\0asm\""),
        }));
    }
    let mut names = Names::default();
    let mut declaration = None;
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.map_err(|e| Refusal::invalid(format!("not valid WebAssembly: {e}")))? {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                return Err(Refusal::invalid("a core module; expected a component (target wasm32-wasip2)"));
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::CustomSection(section) if section.name() == SECTION => {
                let read: Declaration = serde_json::from_slice(section.data()).map_err(|e| {
                    Refusal::invalid(format!("the custom section `{SECTION}` is invalid: {e}"))
                })?;
                if declaration.replace(read).is_some() {
                    return Err(Refusal::invalid(format!("more than one custom section `{SECTION}`")));
                }
            }
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    names.imports.push(import.map_err(invalid)?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    names.exports.push(export.map_err(invalid)?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    describe(wasm, names, declaration)
}

/// The names of a component's imports and exports.
#[derive(Default)]
struct Names {
    imports: Vec<String>,
    exports: Vec<String>,
}

fn describe(wasm: &[u8], names: Names, declaration: Option<Declaration>) -> Result<Manifest, Refusal> {
    let types = types(wasm)?;
    let types = types.as_ref();
    let (mut imports, mut wasi) = (Vec::new(), Vec::new());
    for name in &names.imports {
        if name.starts_with("wasi:") {
            wasi.push(name.clone());
            continue;
        }
        let interface = ours(name).ok_or_else(|| {
            Refusal::foreign(format!("it imports `{name}`; this host has {INTERFACE} and parts of wasi:cli"))
        })?;
        let Some(ComponentEntityType::Instance(id)) =
            types.component_item_for_import(name).map(|item| item.ty)
        else {
            return Err(Refusal::foreign(format!(
                "it imports `{name}` as something other than an interface"
            )));
        };
        let functions =
            types[id].exports.iter().filter(|(_, item)| matches!(item.ty, ComponentEntityType::Func(_)));
        imports.extend(functions.map(|(function, _)| format!("{interface}.{function}")));
    }
    let mut exports: Vec<String> =
        names.exports.iter().filter_map(|name| ours(name)).map(str::to_owned).collect();
    if !exports.iter().any(|verb| verb == "add") {
        let found = if names.exports.is_empty() { "nothing".to_owned() } else { names.exports.join(", ") };
        return Err(Refusal::foreign(format!("it exports {found}; expected {PACKAGE}add@{SERIES}x")));
    }
    let declaration = declaration.ok_or_else(|| {
        Refusal::invalid(format!("no custom section `{SECTION}`, which tells its kind and CNI versions"))
    })?;
    for list in [&mut imports, &mut wasi, &mut exports] {
        list.sort();
    }
    Ok(Manifest {
        interface: INTERFACE.to_owned(),
        kind: declaration.kind,
        claimed_type: declaration.claimed_type,
        cni_versions: declaration.cni_versions,
        imports,
        wasi,
        exports,
    })
}

/// The types of a component.
///
/// Here only they matter. wasmtime validates the bodies of functions, and checks the features by its own, stricter rules,
/// when it compiles.
fn types(wasm: &[u8]) -> Result<Types, Refusal> {
    let mut validator = Validator::new_with_features(WasmFeatures::all());
    let mut outermost = Err(Refusal::invalid("not a valid component: it has no end"));
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload.and_then(|payload| validator.payload(&payload)).map_err(invalid)?;
        if let ValidPayload::End(types) = payload {
            outermost = Ok(types);
        }
    }
    outermost
}

/// The interface of a name such as `wasm-cni:plugin/links@0.1.0`. `None` if it is not of our package or not of a
/// compatible version.
fn ours(name: &str) -> Option<&str> {
    let (interface, version) = name.strip_prefix(PACKAGE)?.split_once('@')?;
    version.starts_with(SERIES).then_some(interface)
}

fn invalid(error: wasmparser::BinaryReaderError) -> Refusal {
    Refusal::invalid(format!("not a valid component: {error}"))
}

//! The imports of a guest: the interfaces of `wit/`, one module each, and WASI. The host validates and records each
//! call. It changes nothing.

pub mod addresses;
pub mod answers;
pub mod delegate;
pub mod filter;
pub mod leases;
pub mod links;
pub mod log;
pub mod nat;
pub mod observe;
pub mod qdiscs;
pub mod request;
pub mod results;
pub mod routes;
pub mod sysctls;
pub mod wasi;

use super::bindings::wasm_cni::plugin as wit;
use super::guest::Guest;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{HasSelf, Linker};

/// The maximum length of a path (`PATH_MAX` of the kernel), in bytes.
const PATH_BYTES: usize = 4096;

impl wit::types::Host for Guest {}

/// Links an interface. Returns `true` if all of it is linked, and `false` if only the functions that `ty` imports
/// are.
pub fn link(linker: &mut Linker<Guest>, name: &str, ty: &ComponentItem) -> wasmtime::Result<bool> {
    match name.split_once(':') {
        Some(("wasm-cni", _)) => contract(linker, name),
        Some(("wasi", _)) => wasi::link(linker, name, ty),
        _ => Ok(false),
    }
}

/// Links an interface of the contract. Returns `false` if `name` is not one.
///
/// A function that this build does not have stays unlinked. Then the component is not instantiated.
fn contract(linker: &mut Linker<Guest>, name: &str) -> wasmtime::Result<bool> {
    type Own = HasSelf<Guest>;
    let Some(name) = name.strip_prefix("wasm-cni:plugin/") else { return Ok(false) };
    match name.split_once('@').map(|(interface, _)| interface) {
        Some("types") => wit::types::add_to_linker::<_, Own>(linker, |guest| guest)?,
        Some("request") => wit::request::add_to_linker::<_, Own>(linker, |guest| guest)?,
        Some("links") => wit::links::add_to_linker::<_, Own>(linker, |guest| guest)?,
        Some("addresses") => wit::addresses::add_to_linker::<_, Own>(linker, |guest| guest)?,
        Some("routes") => wit::routes::add_to_linker::<_, Own>(linker, |guest| guest)?,
        Some("sysctls") => wit::sysctls::add_to_linker::<_, Own>(linker, |guest| guest)?,
        Some("nat") => wit::nat::add_to_linker::<_, Own>(linker, |guest| guest)?,
        Some("filter") => wit::filter::add_to_linker::<_, Own>(linker, |guest| guest)?,
        Some("qdiscs") => wit::qdiscs::add_to_linker::<_, Own>(linker, |guest| guest)?,
        Some("leases") => wit::leases::add_to_linker::<_, Own>(linker, |guest| guest)?,
        Some("answers") => wit::answers::add_to_linker::<_, Own>(linker, |guest| guest)?,
        Some("delegate") => wit::delegate::add_to_linker::<_, Own>(linker, |guest| guest)?,
        Some("observe") => wit::observe::add_to_linker::<_, Own>(linker, |guest| guest)?,
        Some("results") => wit::results::add_to_linker::<_, Own>(linker, |guest| guest)?,
        Some("log") => wit::log::add_to_linker::<_, Own>(linker, |guest| guest)?,
        _ => return Ok(false),
    }
    Ok(true)
}

//! The contract of `wit/` as Rust: one trait per interface, implemented in [`super::imports`].

#![allow(missing_docs, reason = "generated; the prose is in wit/")]

wasmtime::component::bindgen!({
    path: "../wit",
    world: "plugin",
    imports: { default: trappable },
});

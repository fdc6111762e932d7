//! The contract in `wit/`, as `wit-bindgen` translates it.

#![allow(missing_docs, unused_qualifications, reason = "generated; the documentation is in wit/")]

wit_bindgen::generate!({
    path: "../../wit",
    world: "plugin",
    pub_export_macro: true,
});

/// The verb STATUS, which a component has only if its author gives it.
pub mod status {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "plugin-status",
        pub_export_macro: true,
        with: { "wasm-cni:plugin/types@0.1.0": crate::bindings::wasm_cni::plugin::types },
    });
}

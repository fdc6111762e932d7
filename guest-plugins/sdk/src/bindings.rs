//! The contract in `wit/`, as `wit-bindgen` translates it.

#![allow(missing_docs, unused_qualifications, reason = "generated; the documentation is in wit/")]

wit_bindgen::generate!({
    path: "../../wit",
    world: "plugin",
    pub_export_macro: true,
});

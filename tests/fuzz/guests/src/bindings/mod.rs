//! What `wit-bindgen` makes of `wit/` for a component, by hand: of each interface, what the SDK and our plugins use.
//!
//! A function that is missing here does not compile where a plugin begins to use it.

use crate::run::call;
use ::wasm_cni::sandbox::bindings::wasm_cni::plugin as host;
use wasmtime::component::Resource;

/// A handle of the host's, by its number.
macro_rules! handle {
    ($name:ident, $of:ty) => {
        /// See `wit/`.
        #[derive(Debug)]
        pub struct $name(u32);

        impl $name {
            pub(crate) fn own(handle: Resource<$of>) -> Self {
                $name(handle.rep())
            }

            pub(crate) fn lend(&self) -> Resource<$of> {
                Resource::new_borrow(self.0)
            }
        }
    };
}

pub mod actions;
pub mod facts;
pub mod log;
pub mod results;
pub mod types;

/// The package, as it is called in Rust.
pub mod wasm_cni {
    /// The interfaces.
    pub mod plugin {
        pub use crate::bindings::actions::{addresses, filter, links, nat, qdiscs, routes, sysctls};
        pub use crate::bindings::facts::{answers, delegate, leases, observe, request};
        pub use crate::bindings::{log, results, types};
    }
}

//! The plugins as ordinary Rust, so that a fuzzer sees into them: the sources of `guest-plugins` word for word, with another
//! [`bindings`] below the SDK. What those call is the sandbox's own side of the contract, without WebAssembly in between.
//!
//! The fuzzers and the native golden plans run on it, until the SDK has a stand-in for the host; there is to be no third of this kind.

extern crate self as wasm_cni_sdk;

pub mod bindings;
mod run;

pub use run::run;

#[path = "../../../../guest-plugins/sdk/src/address.rs"]
pub mod address;
#[path = "../../../../guest-plugins/sdk/src/args.rs"]
pub mod args;
#[path = "../../../../guest-plugins/sdk/src/chain.rs"]
pub mod chain;
#[path = "../../../../guest-plugins/sdk/src/config.rs"]
pub mod config;
#[path = "../../../../guest-plugins/sdk/src/delegate.rs"]
pub mod delegate;
#[path = "../../../../guest-plugins/sdk/src/dns.rs"]
pub mod dns;
#[path = "../../../../guest-plugins/sdk/src/error.rs"]
mod error;
#[path = "../../../../guest-plugins/sdk/src/file.rs"]
pub mod file;
#[path = "../../../../guest-plugins/sdk/src/interface.rs"]
pub mod interface;
#[path = "../../../../guest-plugins/sdk/src/ip.rs"]
mod ip;
#[path = "../../../../guest-plugins/sdk/src/ipam/mod.rs"]
pub mod ipam;
#[path = "../../../../guest-plugins/sdk/src/mac.rs"]
pub mod mac;
#[path = "../../../../guest-plugins/sdk/src/route.rs"]
mod route;

pub use bindings::wasm_cni::plugin::types::{Error, IpFamily, MacAddress, Netns, Prefix};
pub use bindings::wasm_cni::plugin::{
    addresses, filter, leases, links, log, nat, observe, qdiscs, request, results, sysctls,
};
pub use chain::Previous;
pub use dns::Dns;
pub use ip::Ip;
pub use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};
pub use route::Route;

/// In the place of the SDK's: the verbs as functions of the module.
#[macro_export]
macro_rules! plugin {
    (kind: $kind:ident $(, type: $type:literal)?, versions: $versions:expr, add: $add:path $(, status: $status:path)? $(,)?) => {
        /// The verbs: `add`, and `status` where there is one.
        pub const VERBS: &[fn() -> Result<(), $crate::Error>] = &[$add, $($status)?];
    };
}

#[path = "../../../../guest-plugins/bandwidth/src/lib.rs"]
pub mod bandwidth;
#[path = "../../../../guest-plugins/bridge/src/lib.rs"]
pub mod bridge;
#[path = "../../../../guest-plugins/dummy/src/lib.rs"]
pub mod dummy;
#[path = "../../../../guest-plugins/firewall/src/lib.rs"]
pub mod firewall;
#[path = "../../../../guest-plugins/host-local/src/lib.rs"]
pub mod host_local;
#[path = "../../../../guest-plugins/loopback/src/lib.rs"]
pub mod loopback;
#[path = "../../../../guest-plugins/portmap/src/lib.rs"]
pub mod portmap;
#[path = "../../../../guest-plugins/static/src/lib.rs"]
pub mod static_;
#[path = "../../../../guest-plugins/tuning/src/lib.rs"]
pub mod tuning;

//! The list of the types with an entry.

use super::{Type, bandwidth, bridge, dummy, firewall, host_local, loopback, portmap, statics, tuning};

/// The types with an entry.
pub const TYPES: [&str; 9] =
    ["bandwidth", "bridge", "dummy", "firewall", "host-local", "loopback", "portmap", "static", "tuning"];

/// The entry of a type. Most types have the empty entry.
pub fn of(plugin: &str) -> &'static Type {
    match plugin {
        "bandwidth" => &bandwidth::TYPE,
        "bridge" => &bridge::TYPE,
        "dummy" => &dummy::TYPE,
        "firewall" => &firewall::TYPE,
        "host-local" => &host_local::TYPE,
        "loopback" => &loopback::TYPE,
        "portmap" => &portmap::TYPE,
        "static" => &statics::TYPE,
        "tuning" => &tuning::TYPE,
        _ => &Type::OTHER,
    }
}

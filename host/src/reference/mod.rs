//! Knowledge about the plugins of the reference, one file per type. The host names no plugin elsewhere.
//!
//! An entry has the resources that a plugin may use without being named in the configuration, what its DEL removes
//! without a journal, and its error texts.

pub mod bandwidth;
pub mod bridge;
pub mod dummy;
pub mod firewall;
pub mod host_local;
pub mod loopback;
pub mod portmap;
pub mod tuning;
mod types;

pub use types::Type;

use crate::cni::Config;
use crate::policy::TypeGrants;
use crate::value::PluginName;

/// The entry of a type. Most types have the empty entry.
pub fn of(plugin: &PluginName) -> &'static Type {
    match plugin.as_str() {
        "bandwidth" => &bandwidth::TYPE,
        "bridge" => &bridge::TYPE,
        "dummy" => &dummy::TYPE,
        "firewall" => &firewall::TYPE,
        "loopback" => &loopback::TYPE,
        "portmap" => &portmap::TYPE,
        "tuning" => &tuning::TYPE,
        _ => &Type::OTHER,
    }
}

/// The grants of a plugin that come from its type, and the default directories of the reference.
pub fn grants(plugin: &PluginName, config: &Config) -> TypeGrants {
    let known = of(plugin);
    TypeGrants {
        links: known.links.iter().map(|link| (*link).to_owned()).collect(),
        files: known.files.iter().map(Into::into).collect(),
        data_dirs: host_local::data_dirs(config),
        saved_link_dirs: tuning::directories(config),
    }
}

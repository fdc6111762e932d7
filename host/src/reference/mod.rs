//! What is known about the reference's plugins, one file a type: what one may use though its configuration does not name it, what its
//! DEL takes away without a journal, its words. The host names no plugin elsewhere.

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

/// What is known about a type; of most there is nothing.
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

/// What a plugin may use because of its type, or because the reference's plugins do unless the configuration says otherwise.
pub fn grants(plugin: &PluginName, config: &Config) -> TypeGrants {
    let known = of(plugin);
    TypeGrants {
        links: known.links.iter().map(|link| (*link).to_owned()).collect(),
        files: known.files.iter().map(Into::into).collect(),
        data_dirs: host_local::data_dirs(config),
        saved_link_dirs: tuning::directories(config),
    }
}

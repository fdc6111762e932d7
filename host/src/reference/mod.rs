//! Knowledge about the plugins of the reference, one file per type. The host names no plugin elsewhere.
//!
//! An entry has the resources that a plugin may use without being named in the configuration, what its DEL removes
//! without a journal, and its error texts.

pub mod bandwidth;
pub mod bridge;
pub mod dummy;
pub mod firewall;
pub mod host_local;
mod kinds;
pub mod loopback;
pub mod portmap;
pub mod statics;
pub mod tuning;
mod types;

pub use types::Type;

use crate::cni::{Config, Request};
use crate::plan::Demand;
use crate::policy::{Grants, Policy, TypeGrants};
use crate::value::{Kind, PluginName, Report};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

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

/// The kind of the plugin in a request. `claimed` is that of its manifest.
///
/// Its place in the request bounds what a component may claim: under `ipam` it is an IPAM plugin, and behind another
/// plugin of a chain it is a chained one. The kind of a type with an entry is fixed.
pub fn kind(plugin: &PluginName, config: &Config, claimed: Kind, is_chained: bool) -> Kind {
    let kind = of(plugin.as_str()).kind;
    match claimed {
        _ if config.is_ipam(plugin) => Kind::Ipam,
        _ if kind.is_some() => kind.unwrap_or(claimed),
        Kind::Main if is_chained => Kind::Chained,
        Kind::Main | Kind::Ipam | Kind::Chained => claimed,
    }
}

/// What a request may use. `claimed` is the kind in the manifest of its plugin.
pub fn grants(
    request: &Request,
    config: &Config,
    previous: Option<&Report>,
    policy: &Arc<Policy>,
    claimed: Kind,
) -> Grants {
    Grants::for_request(request, previous, policy, type_grants(request, config, previous, claimed))
}

/// What the plugin of a request may use because of its type and its configuration.
fn type_grants(request: &Request, config: &Config, previous: Option<&Report>, claimed: Kind) -> TypeGrants {
    let plugin = &request.plugin;
    let kind = kind(plugin, config, claimed, previous.is_some());
    // A plugin with another place than its type has is one of that place.
    let known = match of(plugin.as_str()) {
        known if known.kind.is_none_or(|own| own == kind) => known,
        _ => &Type::OTHER,
    };
    let ipam = match kind {
        Kind::Main => config.ipam_type().map(of),
        Kind::Ipam => Some(known),
        Kind::Chained => None,
    };
    let of_ipam = |ipam: &Type| ipam.keys.unwrap_or(kinds::keys(Kind::Ipam));
    let keys = known.keys.unwrap_or(kinds::keys(kind)).iter().filter(|_| kind != Kind::Ipam);
    let keys: Vec<_> = keys.chain(ipam.map(of_ipam).into_iter().flatten()).copied().collect();
    let named = config.named(&request.args, &keys);
    let is_ipam = ipam.is_some();
    let link = config.link(&request.args);
    TypeGrants {
        kind,
        capabilities: known.capabilities.unwrap_or(kinds::capabilities(kind)),
        is_gateway: kind == Kind::Main && (known.is_gateway)(&link),
        makes_pairs: kind == Kind::Main && known.makes_pairs,
        delegated: ipam.and_then(|ipam| ipam.capabilities).unwrap_or(kinds::capabilities(Kind::Ipam)),
        links: named.links,
        addresses: named.addresses,
        sets: named.sets,
        delegate: config.ipam_type().filter(|_| kind == Kind::Main).map(str::to_owned),
        link,
        sysctls: match known.sets_sysctls {
            true => config.sysctls(&request.attachment.interface).into_keys().collect(),
            false => BTreeSet::new(),
        },
        ports: config.ports(),
        firewall: config.firewall(previous),
        files: {
            let own = config.resolv_conf().filter(|_| is_ipam).map(PathBuf::from);
            own.into_iter().chain(known.files.iter().map(PathBuf::from)).collect()
        },
        data_dirs: host_local::data_dirs(config),
        saved_link_dirs: if kind == Kind::Ipam { Vec::new() } else { tuning::directories(config) },
        routes_localnet: known.routes_localnet,
    }
}

/// What the configuration demands of the plan of its plugin.
pub fn demands(request: &Request, config: &Config, previous: Option<&Report>) -> Vec<Demand> {
    match config.is_ipam(&request.plugin) {
        true => Vec::new(),
        false => (of(request.plugin.as_str()).demands)(request, config, previous),
    }
}

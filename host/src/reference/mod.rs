//! Knowledge about the plugins of the reference, one file per type. The host names no plugin elsewhere.
//!
//! An entry has the resources that a plugin may use without being named in the configuration, what its DEL removes
//! without a journal, and its error texts.

pub mod bandwidth;
pub mod bridge;
pub mod dummy;
pub mod firewall;
pub mod host_local;
mod identity;
mod kinds;
mod list;
pub mod loopback;
pub mod portmap;
pub mod statics;
pub mod tuning;
mod types;

#[cfg(test)]
mod page;

pub use identity::Identity;
pub use list::{TYPES, of};
pub use types::Type;

use crate::cni::named::NamingKey;
use crate::cni::{Config, Request};
use crate::plan::Demand;
use crate::policy::{Capability, Grants, Policy, TypeGrants};
use crate::value::{Kind, Report, place};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

/// The capabilities of a plugin at the place that its kind has.
pub fn capabilities(identity: &Identity) -> &'static [Capability] {
    identity.known().capabilities.unwrap_or(kinds::capabilities(identity.kind))
}

/// The keys of the configuration that name something for a plugin. For a main plugin, those of its IPAM plugin are added.
pub fn keys(identity: &Identity) -> &'static [NamingKey] {
    identity.known().keys.unwrap_or(kinds::keys(identity.kind))
}

/// What a request may use. `identity` is that of its plugin.
pub fn grants(
    request: &Request,
    config: &Config,
    previous: Option<&Report>,
    policy: &Arc<Policy>,
    identity: &Identity,
) -> Grants {
    Grants::for_request(request, previous, policy, type_grants(request, config, previous, identity))
}

/// What the plugin of a request may use because of its type and its configuration.
fn type_grants(
    request: &Request,
    config: &Config,
    previous: Option<&Report>,
    identity: &Identity,
) -> TypeGrants {
    let kind = identity.kind_in(&request.plugin, config, previous.is_some());
    // A plugin with another place than its type has is one of that place.
    let known = match identity.known() {
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
        delegated: match ipam.filter(|known| known.kind == Some(Kind::Ipam)) {
            Some(known) => known.capabilities.unwrap_or(kinds::capabilities(Kind::Ipam)),
            None => kinds::capabilities(Kind::Ipam),
        },
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
        saved_link_dirs: match known.sets_sysctls {
            true => tuning::directories(config),
            false => vec![PathBuf::from(place::SAVED_LINKS)],
        },
        routes_localnet: known.routes_localnet,
    }
}

/// What the configuration demands of the plan of its plugin.
pub fn demands(
    request: &Request,
    config: &Config,
    previous: Option<&Report>,
    identity: &Identity,
) -> Vec<Demand> {
    match config.is_ipam(&request.plugin) {
        true => Vec::new(),
        false => (identity.known().demands)(request, config, previous),
    }
}

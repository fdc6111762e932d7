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
pub use types::{Demands, Type};

use crate::cni::named::NamingKey;
use crate::cni::{Config, Request};
use crate::plan::Demand;
use crate::policy::{Capability, Grants, Policy, TypeGrants};
use crate::value::{Kind, Report, place};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

/// The capabilities of a plugin at the place that its kind has.
pub fn capabilities(identity: &Identity) -> BTreeSet<Capability> {
    identity.known().capabilities_as(identity.kind)
}

/// The keys of the configuration that name something for a plugin. For a main plugin, those of its IPAM plugin are added.
pub fn keys(identity: &Identity) -> &'static [NamingKey] {
    identity.known().keys_as(identity.kind)
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
    let ipam = config.ipam_type().filter(|_| kind == Kind::Main).map(of);
    let of_ipam = ipam.map(|ipam| ipam.keys_as(Kind::Ipam)).unwrap_or_default();
    let named = config.named(&request.args, &[known.keys_as(kind), of_ipam].concat());
    let link = config.link(&request.args);
    TypeGrants {
        kind,
        capabilities: known.capabilities_as(kind),
        is_gateway: kind == Kind::Main && (known.is_gateway)(&link),
        makes_pairs: kind == Kind::Main && known.makes_pairs,
        delegated: {
            let of_its_kind = ipam.filter(|known| known.kind == Some(Kind::Ipam));
            of_its_kind.unwrap_or(&Type::OTHER).capabilities_as(Kind::Ipam)
        },
        links: named.links,
        addresses: named.addresses,
        sets: named.sets,
        delegate: config.ipam_type().filter(|_| kind == Kind::Main).map(str::to_owned),
        vlans: link.vlans(),
        link,
        sysctls: match known.sets_sysctls {
            true => config.sysctls(&request.attachment.interface).into_keys().collect(),
            false => BTreeSet::new(),
        },
        ports: config.ports(),
        firewall: config.firewall(previous),
        files: {
            let own =
                config.resolv_conf().filter(|_| kind == Kind::Ipam || ipam.is_some()).map(PathBuf::from);
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

/// What the configuration demands of the plan of its plugin. Of a shipped type it is what that type has to do; the name
/// and the manifest may say two types. Of any other plugin it is what any shipped type would have to do, and not binding.
pub fn demands(
    grants: &Grants,
    config: &Config,
    previous: Option<&Report>,
    identity: &Identity,
) -> Vec<Demand> {
    if grants.own.kind == Kind::Ipam {
        return Vec::new();
    }
    let of = |demands: Demands| demands(grants, config, previous);
    let shipped = identity.shipped();
    match shipped.is_empty() {
        true => OF_ANY.into_iter().flat_map(of).map(Demand::not_binding).collect(),
        false => shipped.into_iter().map(|known| known.demands).flat_map(of).collect(),
    }
}

/// What the keys of the configuration demand, whatever the plugin is: `policy::DemandKey` has the keys.
const OF_ANY: [Demands; 5] =
    [bridge::of_link, firewall::demands, portmap::demands, bandwidth::demands, tuning::demands];

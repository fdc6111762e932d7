//! The type `static` (plugins/ipam/static in containernetworking/plugins): it keeps no lease.

use super::Type;
use crate::cni::named::{Names, NamingKey};
use crate::policy::Capability;
use crate::value::Kind;

/// The addresses are those of the configuration, or those that whoever starts the container chooses.
pub const TYPE: Type = Type {
    kind: Some(Kind::Ipam),
    capabilities: Some(&[&[Capability::Observe]]),
    keys: Some(&[
        NamingKey { path: "ipam.addresses", names: Names::Addresses },
        NamingKey { path: "args.cni.ips", names: Names::ChosenAddresses },
        NamingKey { path: "runtimeConfig.ips", names: Names::ChosenAddresses },
        NamingKey { path: "CNI_ARGS", names: Names::ChosenInArgs },
    ]),
    ..Type::OTHER
};

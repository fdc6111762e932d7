//! The knowledge about a plugin type.

use super::kinds;
use crate::action::Undo;
use crate::apply::StateDir;
use crate::cni::named::NamingKey;
use crate::cni::settings::LinkConfig;
use crate::cni::{Config, Request};
use crate::machine::port::Look;
use crate::plan::Demand;
use crate::policy::{Capability, Grants};
use crate::value::{Kind, Report};
use std::collections::BTreeSet;

/// The knowledge about a plugin type.
#[derive(Debug)]
pub struct Type {
    /// The kind of the plugin. `None`: that of its manifest.
    pub kind: Option<Kind>,
    /// The capabilities of the plugin, in groups. `None`: those of its kind.
    pub capabilities: Option<&'static [&'static [Capability]]>,
    /// The keys of the configuration that name links, and, for an IPAM plugin, addresses. `None`: those of its kind.
    pub keys: Option<&'static [NamingKey]>,
    /// Whether the host is the gateway of its network, for a plugin that makes links.
    pub is_gateway: fn(&LinkConfig) -> bool,
    /// Whether it may make a veth pair, which connects the container with the host.
    pub makes_pairs: bool,
    /// Whether it may set the parameters that the configuration names as `sysctl`.
    pub sets_sysctls: bool,
    /// Whether it may set `route_localnet` of the link that leads to the container.
    pub routes_localnet: bool,
    /// Files that it reads with any configuration.
    pub files: &'static [&'static str],
    /// What the configuration demands of its plan.
    pub demands: Demands,
    /// Derives the undos of what the reference's plugin leaves, for an attachment without a journal. `None` for a
    /// plugin that makes links: then everything of the attachment is removed.
    pub remains: Option<Remains>,
    /// The kind of the link that it makes in the container (`IFLA_INFO_KIND`).
    pub inside: &'static str,
    /// The error of its CHECK without a `prevResult`.
    pub no_previous: &'static str,
}

/// What the configuration demands of a plan. The grants have the settings that were read already.
pub type Demands = fn(&Grants, &Config, Option<&Report>) -> Vec<Demand>;

/// Derives the undos of what a plugin left for a request. The journals say what other attachments still need.
pub type Remains = fn(&Request, &Config, &StateDir, &mut dyn Look) -> Vec<Undo>;

impl Type {
    /// A type without an entry.
    pub const OTHER: Type = Type {
        kind: None,
        capabilities: None,
        keys: None,
        is_gateway: |_| true,
        makes_pairs: true,
        sets_sysctls: false,
        routes_localnet: false,
        files: &[],
        demands: |_, _, _| Vec::new(),
        remains: None,
        inside: "veth",
        no_previous: "Required prevResult missing",
    };

    /// The capabilities at the place of a kind.
    pub fn capabilities_as(&self, kind: Kind) -> BTreeSet<Capability> {
        self.capabilities.unwrap_or(kinds::capabilities(kind)).iter().copied().flatten().copied().collect()
    }

    /// The keys of the configuration that name something at the place of a kind.
    pub fn keys_as(&self, kind: Kind) -> &'static [NamingKey] {
        self.keys.unwrap_or(kinds::keys(kind))
    }
}

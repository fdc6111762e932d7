//! The knowledge about a plugin type.

use crate::action::Undo;
use crate::apply::StateDir;
use crate::cni::named::NamingKey;
use crate::cni::{Config, Request};
use crate::machine::port::Look;
use crate::plan::Demand;
use crate::policy::Capability;
use crate::value::{Kind, Report};

/// The knowledge about a plugin type.
#[derive(Debug)]
pub struct Type {
    /// The kind of the plugin. `None`: that of its manifest.
    pub kind: Option<Kind>,
    /// The capabilities of the plugin. `None`: those of its kind.
    pub capabilities: Option<&'static [Capability]>,
    /// The keys of the configuration that name links, and, for an IPAM plugin, addresses. `None`: those of its kind.
    pub keys: Option<&'static [NamingKey]>,
    /// Whether it may set the parameters that the configuration names as `sysctl`.
    pub sets_sysctls: bool,
    /// Whether it may open and isolate what the host forwards, if it has the capability `filter`.
    pub filters: bool,
    /// Whether it may set `route_localnet` of the link that leads to the container.
    pub routes_localnet: bool,
    /// Files that it reads with any configuration.
    pub files: &'static [&'static str],
    /// What the configuration demands of its plan.
    pub demands: fn(&Request, &Config, Option<&Report>) -> Vec<Demand>,
    /// Derives the undos of what the reference's plugin leaves, for an attachment without a journal. `None` for a
    /// plugin that makes links: then everything of the attachment is removed.
    pub remains: Option<Remains>,
    /// The kind of the link that it makes in the container (`IFLA_INFO_KIND`).
    pub inside: &'static str,
    /// The error of its CHECK without a `prevResult`.
    pub no_previous: &'static str,
}

/// Derives the undos of what a plugin left for a request. The journals say what other attachments still need.
pub type Remains = fn(&Request, &Config, &StateDir, &mut dyn Look) -> Vec<Undo>;

impl Type {
    /// A type without an entry.
    pub const OTHER: Type = Type {
        kind: None,
        capabilities: None,
        keys: None,
        sets_sysctls: false,
        filters: true,
        routes_localnet: false,
        files: &[],
        demands: |_, _, _| Vec::new(),
        remains: None,
        inside: "veth",
        no_previous: "Required prevResult missing",
    };
}

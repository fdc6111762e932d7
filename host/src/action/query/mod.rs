//! Queries of a planner about the machine, and the answers to them. Both are data, because they cross a socket.
//!
//! [`Query::question`] is the only match on the kinds of queries. All other code uses the trait [`Question`], which the
//! module of each kind implements.

pub mod backends;
mod facts;
pub mod files;
pub mod leases;
pub mod links;
pub mod ports;
mod question;

pub use facts::{GrantedFacts, MachineFacts};
pub use question::{Answer, Facts, Query, Question};

use super::context::ReadContext;
use crate::machine::MachineError;
use crate::policy::{Grants, Refusal};
use crate::value::PluginName;
use leases::{Asked, Leases};

impl Query {
    /// The implementation in the module of this kind.
    pub fn question(&self) -> Box<dyn Question + '_> {
        match self {
            Query::Link(link) => Box::new(links::Link { link, with_addresses: true }),
            Query::Held(store, owner) => Box::new(Leases { store, asked: Asked::Held(owner) }),
            Query::Reusable(store, owner) => Box::new(Leases { store, asked: Asked::Reusable(owner) }),
            Query::LastReserved(store, set) => Box::new(Leases { store, asked: Asked::LastReserved(*set) }),
            Query::Free(store, range) => Box::new(Leases { store, asked: Asked::Free(*range) }),
            Query::Backend => Box::new(backends::Tool::Backend),
            Query::HostEnd(name) => Box::new(links::HostEnd { name }),
            Query::Firewall => Box::new(backends::Tool::Firewall),
            Query::RouteTo(address) => Box::new(links::RouteTo { address: *address }),
            Query::StalePorts { backend, is_ipv4, ports } => {
                Box::new(ports::StalePorts { backend: *backend, is_ipv4: *is_ipv4, ports })
            }
            Query::File(path) => Box::new(files::File { path, below: None }),
            Query::FileBelow(directory, path) => Box::new(files::File { path, below: Some(directory) }),
        }
    }
}

/// Why policy does not let a plugin ask the query, including the capability for it. Empty if it may ask.
pub fn refusals(question: &dyn Question, grants: &Grants, plugin: &PluginName) -> Vec<Refusal> {
    let capability = question.capability(grants);
    let refuse = |capability| grants.refuse_capability(plugin, capability);
    let mut refusals: Vec<Refusal> = capability.map(refuse).unwrap_or_default();
    refusals.extend(question.refuse(grants, &grants.rules(plugin)));
    refusals
}

/// The answer to a query. A dry run without the necessary permissions gets [`Question::hidden`] instead of an error.
pub fn answer(question: &dyn Question, cx: &mut ReadContext<'_>) -> Result<Answer, MachineError> {
    match question.answer(cx) {
        Err(error) if cx.look.is_dry() && question.is_hidden(&error) => Ok(question.hidden()),
        answered => answered,
    }
}

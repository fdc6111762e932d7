//! Queries about mapped ports.

use super::{Answer, Question};
use crate::action::context::ReadContext;
use crate::action::rules::port_map::owners;
use crate::machine::MachineError;
use crate::policy::{Capability, Grants, Refusal, Rules};
use crate::value::Backend;

/// See [`Query::StalePorts`](super::Query::StalePorts).
#[derive(Debug, Clone, Copy)]
pub struct StalePorts<'a> {
    /// The backend that has the rules.
    pub backend: Backend,
    /// Whether the rules are of IPv4.
    pub is_ipv4: bool,
    /// The ports of the host.
    pub ports: &'a [u16],
}

impl Question for StalePorts<'_> {
    fn capability(&self, _grants: &Grants) -> Option<Capability> {
        Some(Capability::Nat)
    }

    fn refuse(&self, grants: &Grants, _rules: &Rules<'_>) -> Vec<Refusal> {
        let is_mapped =
            |port: &u16| grants.own.ports.mappings.iter().any(|mapping| mapping.host_port == *port);
        match self.ports.iter().all(is_mapped) {
            true => Vec::new(),
            false => vec![Refusal::never("only ports that runtimeConfig maps are looked at")],
        }
    }

    fn describe(&self) -> String {
        format!("look for whose the ports {:?} are", self.ports)
    }

    fn subject(&self) -> String {
        format!("whose the ports {:?} are", self.ports)
    }

    fn answer(&self, cx: &mut ReadContext<'_>) -> Result<Answer, MachineError> {
        let owners = owners(&*cx.look.tables(), self.backend, self.is_ipv4, Some(self.ports))?;
        Ok(Answer::PortOwners(owners))
    }

    /// An ordinary user cannot list rules, and the error differs by program.
    fn is_hidden(&self, _error: &MachineError) -> bool {
        true
    }

    fn nothing(&self) -> Answer {
        Answer::PortOwners(Vec::new())
    }
}

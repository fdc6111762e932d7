//! Questions about mapped ports.

use super::{Answer, PortOwner, Question};
use crate::action::context::ReadContext;
use crate::machine::MachineError;
use crate::machine::rules::{Listing, TableError, TableId};
use crate::policy::{Capability, Grants, Refusal, Rules};
use crate::value::Backend;

/// See [`Query::StalePorts`](super::Query::StalePorts).
#[derive(Debug, Clone, Copy)]
pub struct StalePorts<'a> {
    /// Where the rules live.
    pub backend: Backend,
    /// Of which family.
    pub is_ipv4: bool,
    /// Which ports.
    pub ports: &'a [u16],
}

impl Question for StalePorts<'_> {
    fn capability(&self, _grants: &Grants) -> Option<Capability> {
        Some(Capability::Nat)
    }

    fn refuse(&self, grants: &Grants, _rules: &Rules<'_>) -> Vec<Refusal> {
        let is_mapped = |port: &u16| grants.ports.mappings.iter().any(|mapping| mapping.host_port == *port);
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
        let owners = port_owners(cx, self.backend, self.is_ipv4, Some(self.ports))?;
        Ok(Answer::PortOwners(owners))
    }

    /// An ordinary user cannot list rules, whatever the error.
    fn is_hidden(&self, _error: &MachineError) -> bool {
        true
    }

    fn nothing(&self) -> Answer {
        Answer::PortOwners(Vec::new())
    }
}

/// Who has one of these ports, or any; the oldest first. Without the program there are no rules.
pub fn port_owners(
    cx: &mut ReadContext<'_>,
    backend: Backend,
    is_ipv4: bool,
    ports: Option<&[u16]>,
) -> Result<Vec<PortOwner>, MachineError> {
    match cx.look.tables().list(table(backend, is_ipv4)) {
        Ok(listing) => Ok(owners(backend, &listing, is_ipv4, ports)),
        Err(TableError::Missing(_)) => Ok(Vec::new()),
        Err(error) => Err(match backend {
            Backend::Iptables => error.into_error("", ""),
            Backend::Nftables => error.into_error(
                "could not find nftables binary",
                "unable to set up nftables rules for port mappings",
            ),
        }),
    }
}

fn table(_backend: Backend, _is_ipv4: bool) -> TableId {
    todo!("port_map::{{iptables,nft}}::table")
}

fn owners(_backend: Backend, _listing: &Listing, _is_ipv4: bool, _ports: Option<&[u16]>) -> Vec<PortOwner> {
    todo!("port_map::{{iptables,nft}}::owners")
}

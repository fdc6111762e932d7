//! Port maps: ports of the host that are forwarded to a container.

mod command;
mod delete;
pub mod iptables;
pub mod nft;
mod ports;

pub use ports::{DeletePortMap, MapPorts, Mark, MasqueradePorts, PortOwner};

use crate::action::Undo;
use crate::action::check::{Check, NAMED, required};
use crate::action::context::ReadContext;
use crate::action::kind::Kind;
use crate::action::profile::{Lane, Profile, Removal, RuleRemoval, RuleSet, UndoLane};
use crate::action::record::{Before, Difference, Effect, Old, Undoing};
use crate::action::rules::commands;
use crate::action::undo::Inverse;
use crate::machine::MachineError;
use crate::machine::port::Machine;
use crate::machine::rules::{Edit, Listing, RuleTables, TableError, TableId};
use crate::policy::{Capability, Refusal};
pub use crate::value::PortMapping;
use crate::value::{Backend, derive};

impl MapPorts {
    /// The host ports of UDP mappings.
    fn udp_ports(&self) -> Vec<u16> {
        let udp = self.mappings.iter().filter(|mapping| mapping.protocol == "udp");
        udp.map(|mapping| mapping.host_port).collect()
    }
}

fn table(backend: Backend, is_ipv4: bool) -> TableId {
    match backend {
        Backend::Iptables => iptables::table(is_ipv4),
        Backend::Nftables => nft::table(is_ipv4),
    }
}

fn failed(backend: Backend, error: TableError) -> MachineError {
    match backend {
        Backend::Iptables => iptables::failed(error),
        Backend::Nftables => nft::failed(error),
    }
}

/// The owners of rules that forward one of these ports, or any port; the oldest rules first. Empty if the program that
/// lists rules is missing.
///
/// # Errors
///
/// Fails if the table cannot be listed.
pub fn owners(
    tables: &dyn RuleTables,
    backend: Backend,
    is_ipv4: bool,
    ports: Option<&[u16]>,
) -> Result<Vec<PortOwner>, MachineError> {
    match tables.list(table(backend, is_ipv4)) {
        Ok(listing) => Ok(match backend {
            Backend::Iptables => iptables::owners(&listing, is_ipv4, ports),
            Backend::Nftables => nft::owners(&listing, is_ipv4, ports),
        }),
        Err(TableError::Missing(_)) => Ok(Vec::new()),
        Err(error) => Err(failed(backend, error)),
    }
}

impl RuleSet for MapPorts {
    fn table(&self) -> TableId {
        table(self.backend, self.address.is_ipv4())
    }

    fn check(&self) -> Result<(), MachineError> {
        match self.backend {
            Backend::Iptables => iptables::check(self),
            Backend::Nftables => nft::check(self),
        }
    }

    fn add(&self, now: &Listing) -> Vec<Edit> {
        match self.backend {
            Backend::Iptables => iptables::add(self, now),
            Backend::Nftables => nft::add(self, now),
        }
    }

    fn effect(&self, before: &Listing, is_changed: bool) -> Effect {
        match self.backend {
            Backend::Iptables => iptables::effect(self, before, is_changed),
            Backend::Nftables => nft::effect(self, before, is_changed),
        }
    }

    fn missing(&self, now: &Listing) -> Vec<Difference> {
        let texts = match self.backend {
            Backend::Iptables => iptables::missing(self, now),
            Backend::Nftables => nft::missing(self, now),
        };
        Difference::all(texts, self.clone())
    }

    fn failed(&self, error: TableError) -> MachineError {
        failed(self.backend, error)
    }

    /// Deletes conntrack entries of the mapped UDP ports. Otherwise a client that continues to send would still reach
    /// the earlier container, or none. A failure does not fail the ADD, as in the reference.
    fn then(&self, machine: &mut dyn Machine) {
        let udp = self.udp_ports();
        if !udp.is_empty()
            && let Err(error) = machine.forget_udp(self.address.is_ipv4(), &udp)
        {
            tracing::info!(%error, "tracked UDP connections to the mapped ports are left as they are");
        }
    }
}

impl Kind for MapPorts {
    fn profile(&self) -> Profile<'_> {
        Profile { shares: true, ..Profile::new(Lane::Rules(self), Capability::Nat) }
    }

    fn commands(&self) -> Vec<String> {
        let rules = commands(self).into_iter();
        let family = if self.address.is_ipv4() { "ipv4" } else { "ipv6" };
        let udp = self.udp_ports().into_iter();
        rules.chain(udp.map(|port| format!("conntrack -D -f {family} -p udp --dport {port}"))).collect()
    }

    fn name(&self) -> String {
        let commands = self.commands();
        let first = match self.backend {
            Backend::Iptables => commands.first(),
            // The commands for the table and its chains come before the first rule.
            Backend::Nftables => commands.iter().find(|command| command.starts_with("nft add rule ")),
        };
        first.cloned().unwrap_or_default()
    }

    /// Granted for ports that the runtime maps, to an address of the attachment.
    fn refuse(&self, check: &Check<'_>) -> Vec<Refusal> {
        let Check { grants, .. } = check;
        let own = &grants.attachment;
        let is_named = match self.backend {
            Backend::Iptables => {
                self.chain == derive::port_chain(own) && self.comment == derive::port_comment(own)
            }
            Backend::Nftables => self.chain.is_empty() && self.comment == own.container.as_str(),
        };
        let mut refusals = required(is_named, NAMED);
        let ports = &grants.own.ports;
        let is_asked_for = self.mappings.iter().all(|mapping| ports.mappings.contains(mapping));
        refusals.extend(required(is_asked_for, "only ports that runtimeConfig maps are mapped"));
        let conditions = if self.address.is_ipv4() { &ports.conditions_v4 } else { &ports.conditions_v6 };
        let is_conditioned = self.conditions == *conditions;
        refusals.extend(required(is_conditioned, "conditions are those of the configuration"));
        if let Some(masquerade) = &self.masquerade {
            refusals.extend(required(ports.snat, "the configuration sets `snat` to false"));
            let is_all = ports.masquerade_all || !masquerade.all;
            refusals.extend(required(is_all, "the configuration does not set `masqAll`"));
            let is_mark = match &masquerade.mark {
                Mark::Bit(bit) => ports.mark_chain.is_none() && ports.mark_bit == *bit,
                Mark::Chain(chain) => ports.mark_chain.as_ref() == Some(chain),
            };
            let rule = "packets are marked by the bit or the chain that the configuration names";
            refusals.extend(required(is_mark, rule));
        }
        let is_backend = ports.backend.is_none_or(|backend| backend == self.backend);
        refusals.extend(required(is_backend, "the configuration names another `backend`"));
        refusals.extend(check.own_network(self.address));
        refusals
    }

    fn observe(&self, cx: &mut ReadContext<'_>) -> Before {
        let Ok(listing) = cx.listing(self.table()) else { return Before::Unknown };
        let there = match self.backend {
            Backend::Iptables => iptables::there(self, listing),
            Backend::Nftables => nft::there(self, listing),
        };
        if there.is_empty() { Before::Absent } else { Before::Old(Old::Shared(there)) }
    }

    fn undos(&self, undoing: &Undoing<'_>) -> Vec<Undo> {
        if !undoing.owns_rules() {
            return Vec::new();
        }
        let shared = match self.backend {
            Backend::Iptables => iptables::shared(self),
            Backend::Nftables => nft::shared(self),
        };
        vec![RemovePorts { ports: self.clone(), unmake: undoing.created_shared(shared) }.into()]
    }

    fn verify(&self, cx: &mut ReadContext<'_>) -> Result<Vec<Difference>, MachineError> {
        Ok(self.missing(cx.listing(self.table()).map_err(|error| failed(self.backend, error))?))
    }
}

/// Removes the rules of a port map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemovePorts {
    /// The port map.
    pub ports: MapPorts,
    /// The shared chains, or the table, to remove if nobody uses them.
    pub unmake: Vec<String>,
}

impl RuleRemoval for RemovePorts {
    fn table(&self) -> TableId {
        self.ports.table()
    }

    fn check(&self) -> Result<(), MachineError> {
        self.ports.check()
    }

    fn remove(&self, now: &Listing) -> Result<Removal, String> {
        Ok(match self.ports.backend {
            Backend::Iptables => iptables::remove(&self.ports, &self.unmake, now),
            Backend::Nftables => nft::remove(&self.ports, &self.unmake, now),
        })
    }

    fn failed(&self, error: TableError) -> MachineError {
        failed(self.ports.backend, error)
    }
}

impl Inverse for RemovePorts {
    fn lane(&self) -> UndoLane<'_> {
        UndoLane::Rules(self)
    }

    fn command(&self) -> String {
        command::undo(&self.ports, &self.unmake).join("; ")
    }
}

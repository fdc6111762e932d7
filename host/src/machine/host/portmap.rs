//! Port maps of both backends.

use super::super::iptables::{self, Family};
use super::super::netlink::conntrack;
use super::super::{Before, Effect, MachineError, Outcome, Undone, nft};
use super::HostKernel;
use crate::action::{Action, PortOwner};
use crate::action::{DeletePortMap, MapPorts};
use crate::value::{Backend, ContainerId, NetworkName};
use std::net::IpAddr;
use std::path::Path;

impl HostKernel {
    /// Does a run of port maps, each with the removals before it in one transaction; one outcome for each that was begun.
    pub(super) fn map_ports(&mut self, run: &[Action]) -> Vec<Outcome> {
        let _lock = self.inherited_lock();
        let mut outcomes: Vec<Outcome> = Vec::new();
        let mut stale: Vec<&DeletePortMap> = Vec::new();
        for action in run {
            match action {
                Action::DeletePortMap(map) => stale.push(map),
                Action::MapPorts(ports) => {
                    let outcome = match ports.backend {
                        Backend::Iptables => iptables::portmap::add(ports, &stale),
                        Backend::Nftables => nft::portmap::add(ports, &stale),
                    };
                    let is_done = matches!(outcome, Outcome::Done(_));
                    // Who was removed is no more: nothing brings it back.
                    outcomes.extend(stale.drain(..).map(|_| Outcome::Done(Effect::AlreadyThere)));
                    outcomes.push(outcome);
                    if !is_done {
                        return outcomes;
                    }
                    forget_connections(ports);
                }
                _ => {}
            }
        }
        for map in stale {
            outcomes.push(delete_map(map).map(|_| Effect::AlreadyThere).into());
        }
        outcomes
    }

    /// Who has one of these ports, or any; the oldest first.
    pub fn port_owners(
        &mut self,
        backend: Backend,
        is_ipv4: bool,
        ports: Option<&[u16]>,
    ) -> Result<Vec<PortOwner>, MachineError> {
        let (owners, shared) = match backend {
            Backend::Iptables => {
                iptables::portmap::owners(if is_ipv4 { Family::V4 } else { Family::V6 }, ports)
            }
            Backend::Nftables => nft::portmap::owners(is_ipv4, ports),
        }?;
        self.shared_by_ports.insert((backend, is_ipv4), shared);
        Ok(owners)
    }

    /// Which of what a port map shares with others is there: a plugin that asked who has its ports has had it listed already.
    pub(super) fn observe_ports(&mut self, ports: &MapPorts) -> Before {
        let key = (ports.backend, ports.address.is_ipv4());
        if !self.shared_by_ports.contains_key(&key) && self.port_owners(key.0, key.1, Some(&[])).is_err() {
            return Before::Unknown;
        }
        let listed = self.shared_by_ports.get(&key).map(String::as_str).unwrap_or_default();
        let shared = match ports.backend {
            Backend::Iptables => iptables::portmap::there(listed, ports),
            Backend::Nftables => {
                Some(listed.to_owned()).filter(|table| !table.is_empty()).into_iter().collect()
            }
        };
        if shared.is_empty() { Before::Absent } else { Before::Value(shared.join(" ")) }
    }

    /// Whether a container has an address in a network's lease store; none, if there is no such store.
    pub fn has_lease(
        &self,
        data_dir: &Path,
        network: &NetworkName,
        container: &ContainerId,
        address: IpAddr,
    ) -> Option<bool> {
        let store = data_dir.join(network.as_str());
        if !store.is_dir() {
            return None;
        }
        let holder = std::fs::read(store.join(address.to_string())).unwrap_or_default();
        let first = holder.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
        Some(first.trim_ascii() == container.as_str().as_bytes())
    }
}

/// What the undo of a port map does.
pub(super) fn delete(ports: &MapPorts, unmake: &[String]) -> Result<Undone, MachineError> {
    match ports.backend {
        Backend::Iptables => iptables::portmap::delete(ports, unmake),
        Backend::Nftables => nft::portmap::delete(ports, unmake),
    }
}

/// Removes all of a container's, by chain or comment.
pub(super) fn delete_map(map: &DeletePortMap) -> Result<Undone, MachineError> {
    match map.backend {
        Backend::Iptables => iptables::portmap::delete_chain(map),
        Backend::Nftables => nft::portmap::delete_all(map),
    }
}

/// What is missing of a port map.
pub(super) fn verify(ports: &MapPorts) -> Vec<super::super::Difference> {
    match ports.backend {
        Backend::Iptables => iptables::portmap::verify(ports),
        Backend::Nftables => nft::portmap::verify(ports),
    }
}

/// A client that sends on would be answered by whom it knew before, or by nobody. A failure is none of the ADD's, as in the reference.
fn forget_connections(ports: &MapPorts) {
    let udp: Vec<u16> = ports
        .mappings
        .iter()
        .filter(|mapping| mapping.protocol == "udp")
        .map(|mapping| mapping.host_port)
        .collect();
    if !udp.is_empty()
        && let Err(error) = conntrack::forget_udp(ports.address.is_ipv4(), &udp)
    {
        tracing::info!(%error, "tracked UDP connections to the mapped ports are left as they are");
    }
}

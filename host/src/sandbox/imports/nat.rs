//! `nat`: network address translation.

use super::wit::nat::{
    Backend as Asked, Host, HostMasquerade, HostPortMap, Masquerade as Handle, PortMap as PortHandle,
};
use super::wit::types::{IpAddress, Prefix};
use crate::action::Action;
use crate::action::{MapPorts, Mark, Masquerade, MasqueradeNft, MasqueradePorts, PortMapping};
use crate::cni::CniError;
use crate::sandbox::guest::Guest;
use crate::sandbox::lower::violation;
use crate::sandbox::{limits, lower, overlay};
use crate::value::{Backend, derive};
use wasmtime::component::Resource;

/// The protocols whose ports can be mapped: those that iptables' `multiport` supports.
const PROTOCOLS: [&str; 5] = ["tcp", "udp", "sctp", "dccp", "udplite"];

impl Host for Guest {
    fn default_backend(&mut self) -> wasmtime::Result<Asked> {
        Ok(match overlay::backend(&mut self.recorder())? {
            Backend::Iptables => Asked::Iptables,
            Backend::Nftables => Asked::Nftables,
        })
    }
}

impl HostPortMap for Guest {
    fn new(&mut self, address: Prefix, backend: Asked) -> wasmtime::Result<Resource<PortHandle>> {
        let address = lower::prefix(address)?;
        let attachment = self.recorder().attachment().clone();
        let (backend, chain, comment) = match backend {
            Asked::Iptables => {
                (Backend::Iptables, derive::port_chain(&attachment), derive::port_comment(&attachment))
            }
            Asked::Nftables => (Backend::Nftables, String::new(), attachment.container.to_string()),
        };
        let ports = MapPorts {
            backend,
            address,
            mappings: Vec::new(),
            conditions: Vec::new(),
            masquerade: None,
            chain,
            comment,
        };
        self.draft(ports)
    }

    fn add(
        &mut self,
        map: Resource<PortHandle>,
        protocol: String,
        host_port: u16,
        container_port: u16,
        host_address: Option<IpAddress>,
    ) -> wasmtime::Result<()> {
        if !PROTOCOLS.contains(&protocol.as_str()) {
            return Err(violation(format!("ports of the protocol {protocol:?} cannot be mapped")).into());
        }
        if host_port == 0 || container_port == 0 {
            return Err(violation(format!("port {host_port} to {container_port}: there is no port 0")).into());
        }
        let host_address = host_address.map(lower::address);
        self.complete_ports(&map, |ports| {
            if ports.mappings.len() >= limits::PORT_MAPPINGS {
                return Err(limits::exceeded("mapped ports of an address", limits::PORT_MAPPINGS));
            }
            ports.mappings.push(PortMapping { protocol, host_port, container_port, host_address });
            Ok(())
        })
    }

    fn add_condition(&mut self, map: Resource<PortHandle>, word: String) -> wasmtime::Result<()> {
        if word.is_empty() || word.chars().any(char::is_control) {
            return Err(violation(format!("{word:?} is no word of a rule")).into());
        }
        self.complete_ports(&map, |ports| {
            if ports.conditions.len() >= limits::PORT_CONDITIONS {
                return Err(limits::exceeded("conditions of mapped ports", limits::PORT_CONDITIONS));
            }
            ports.conditions.push(word);
            Ok(())
        })
    }

    fn masquerade(&mut self, map: Resource<PortHandle>, all: bool, bit: u8) -> wasmtime::Result<()> {
        if bit > 31 {
            return Err(violation(format!("a packet's mark has no bit {bit}")).into());
        }
        self.complete_ports(&map, |ports| {
            ports.masquerade = Some(MasqueradePorts { all, mark: Mark::Bit(bit) });
            Ok(())
        })
    }

    fn masquerade_by(&mut self, map: Resource<PortHandle>, all: bool, chain: String) -> wasmtime::Result<()> {
        self.complete_ports(&map, |ports| {
            ports.masquerade = Some(MasqueradePorts { all, mark: Mark::Chain(chain) });
            Ok(())
        })
    }

    fn drop(&mut self, _: Resource<PortHandle>) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl HostMasquerade for Guest {
    fn new(&mut self, address: Prefix) -> wasmtime::Result<Resource<Handle>> {
        let backend = overlay::backend(&mut self.recorder())?;
        self.masquerade(address, backend)
    }

    fn with_backend(&mut self, address: Prefix, backend: Asked) -> wasmtime::Result<Resource<Handle>> {
        let backend = match backend {
            Asked::Iptables => Backend::Iptables,
            Asked::Nftables => Backend::Nftables,
        };
        self.masquerade(address, backend)
    }

    fn drop(&mut self, _: Resource<Handle>) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl Guest {
    fn complete_ports(
        &self,
        map: &Resource<PortHandle>,
        set: impl FnOnce(&mut MapPorts) -> Result<(), CniError>,
    ) -> wasmtime::Result<()> {
        let mut recorder = self.recorder();
        let Some(Action::MapPorts(ports)) = recorder.action(*self.drafts.get(map)?) else {
            wasmtime::bail!("a port map without the action that makes it")
        };
        Ok(set(ports)?)
    }

    fn masquerade(&mut self, address: Prefix, backend: Backend) -> wasmtime::Result<Resource<Handle>> {
        let address = lower::prefix(address)?;
        let attachment = self.recorder().attachment().clone();
        self.draft::<Handle>(match backend {
            Backend::Iptables => {
                let (chain, comment) = (derive::chain(&attachment), derive::comment(&attachment));
                Action::Masquerade(Masquerade { address, chain, comment })
            }
            Backend::Nftables => {
                Action::MasqueradeNft(MasqueradeNft { address, comment: derive::nft_comment(&attachment) })
            }
        })
    }
}

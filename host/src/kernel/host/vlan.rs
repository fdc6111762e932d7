//! VLANs of ports, and the gateways in them.

use super::super::netlink::{Link, Request, link, refused, vlan};
use super::super::vlans::{Vlans, conflict, failed_add, failed_drop, failed_gateway, not_the_gateway};
use super::super::{Effect, KernelError};
use super::HostKernel;
use super::links::identity;
use crate::plan::action::{EnsureVlanGateway, PortVlans};
use crate::plan::{IfName, LinkRef, Netns};
use std::io;

impl HostKernel {
    /// Puts a port of ours into its VLANs, before it is up.
    pub(super) fn give_vlans(
        &mut self,
        port: &IfName,
        index: u32,
        vlans: &PortVlans,
    ) -> Result<(), KernelError> {
        let mut requests: Vec<Request> = Vec::new();
        let mut texts = Vec::new();
        if vlans.drop_default {
            requests.push(vlan::drop_all(index));
            texts.push(failed_drop(port));
        }
        for (number, added) in vlans.added.iter().enumerate() {
            requests.push(vlan::add(index, added));
            texts.push(failed_add(port, number, added));
        }
        if requests.is_empty() {
            return Ok(());
        }
        let answers = match self.socket(Netns::Host) {
            Ok(socket) => socket.batch(requests),
            Err(error) => vec![Err(error)],
        };
        let failed = answers.into_iter().zip(texts).find_map(|(answer, text)| Some((answer.err()?, text)));
        failed.map_or(Ok(()), |(error, text)| Err(refused(text, error)))
    }

    /// The VLANs of a port.
    pub(super) fn vlans(&mut self, port: &IfName, index: u32) -> Result<Vlans, KernelError> {
        let found = self.socket(Netns::Host).and_then(|socket| vlan::list(socket, index));
        found.map_err(|e| refused(format!("failed to list the VLANs of {:?}", port.as_str()), e))
    }

    /// Makes a gateway, or uses the one that is there; either way it is up.
    pub(super) fn ensure_vlan_gateway(&mut self, gateway: &EnsureVlanGateway) -> Result<Effect, KernelError> {
        if let Some(found) = self.find(Netns::Host, &gateway.name)? {
            let Some(port) = self.gateway_port(gateway, &found)? else { return Err(conflict(gateway)) };
            let down = [&port, &found].into_iter().filter(|link| !link.up);
            self.send_for(gateway, down.map(|link| link::set_up(link.index)).collect())?;
            return Ok(Effect::AlreadyThere);
        }
        if self.find(Netns::Host, &gateway.port)?.is_some() {
            let text = format!("link {} already exists", gateway.port);
            return Err(KernelError::Conflict(format!("{}: {text}", failed_gateway(gateway))));
        }
        let bridge = self.require(Netns::Host, &gateway.bridge)?;
        self.keep_bridge(&gateway.bridge, (gateway.port_mac, bridge.mtu))?;
        self.make_pair(gateway, &bridge)?;
        let made = self.complete_pair(gateway);
        if made.is_err() {
            // What failed changes nothing.
            let pair = self.find(Netns::Host, &gateway.port);
            if let Ok(Some(port)) = pair {
                let _ = self.send_for(gateway, vec![link::delete(port.index)]);
            }
        }
        made
    }

    /// The mark goes by name in the same send: a pair without its alias never outlives us.
    fn make_pair(&mut self, gateway: &EnsureVlanGateway, bridge: &Link) -> Result<(), KernelError> {
        let made = link::create_vlan_gateway(gateway, bridge.mtu, bridge.index);
        let requests = vec![made, link::mark_vlan_gateway(gateway)];
        let answers = self.socket(Netns::Host).map(|socket| socket.batch(requests));
        let mut answers = answers.map_err(|e| refused(failed_gateway(gateway), e))?.into_iter();
        let (created, marked) = (answers.next().unwrap_or(Ok(())), answers.next().unwrap_or(Ok(())));
        if created.is_err() && marked.is_ok() {
            // Since we looked, somebody has made a link of that name: it is theirs.
            let _ = self.send_for(gateway, vec![link::unmark(&gateway.name)]);
        }
        created.and(marked).map_err(|e| refused(failed_gateway(gateway), e))
    }

    fn complete_pair(&mut self, gateway: &EnsureVlanGateway) -> Result<Effect, KernelError> {
        let port = self.require(Netns::Host, &gateway.port)?;
        self.give_vlans(&gateway.port, port.index, &gateway.vlans())?;
        let found = self.require(Netns::Host, &gateway.name)?;
        self.send_for(gateway, vec![link::set_up(port.index), link::set_up(found.index)])?;
        let link = LinkRef { netns: Netns::Host, name: gateway.name.clone() };
        Ok(Effect::CreatedLinks(vec![identity(link, found)]))
    }

    fn send_for(&mut self, gateway: &EnsureVlanGateway, requests: Vec<Request>) -> Result<(), KernelError> {
        let answers = self.socket(Netns::Host).map(|socket| socket.batch(requests));
        let answered = answers.and_then(|answers| answers.into_iter().collect::<io::Result<()>>());
        answered.map_err(|error| refused(failed_gateway(gateway), error))
    }

    /// What of a link makes it the gateway: the port at its other end, or the bridge itself under an 802.1Q device. None: it is
    /// something else.
    fn gateway_port(
        &mut self,
        gateway: &EnsureVlanGateway,
        found: &Link,
    ) -> Result<Option<Link>, KernelError> {
        let Some(other) = found.other_end else { return Ok(None) };
        let Some(bridge) = self.find(Netns::Host, &gateway.bridge)? else { return Ok(None) };
        if found.kind == "vlan" {
            let is_gateway = other == bridge.index && found.vlan_id == Some(gateway.vid);
            return Ok(is_gateway.then_some(bridge));
        }
        let port = self.socket(Netns::Host).and_then(|socket| link::find_index(socket, other));
        let port = port.map_err(|e| refused(failed_gateway(gateway), e))?;
        let Some(port) = port.filter(|port| port.master == Some(bridge.index)) else { return Ok(None) };
        let pvid = self.vlans(&gateway.port, port.index)?.pvid();
        Ok((pvid == Some(gateway.vid)).then_some(port))
    }

    /// What became of a gateway.
    pub(super) fn verify_vlan_gateway(
        &mut self,
        gateway: &EnsureVlanGateway,
    ) -> Result<Option<String>, KernelError> {
        let Some(found) = self.find(Netns::Host, &gateway.name)? else {
            let EnsureVlanGateway { name, vid, .. } = gateway;
            return Ok(Some(format!("link {name}, the gateway of VLAN {vid}, is missing")));
        };
        Ok(match self.gateway_port(gateway, &found)? {
            None => Some(not_the_gateway(gateway)),
            Some(port) if !(found.up && port.up) => Some(format!("link {} is down", gateway.name)),
            Some(_) => None,
        })
    }
}

//! VLANs of ports, and the gateways in them.

use super::super::difference::{self, Difference};
use super::super::netlink::{Link, Request, link, refused, vlan};
use super::super::vlans::{Standing, Vlans, conflict, failed_add, failed_drop, failed_gateway};
use super::super::{Effect, MachineError, sysctl};
use super::HostKernel;
use super::links::identity;
use crate::action::{EnsureVlanGateway, LinkAttribute, PortVlans};
use crate::value::{IfName, LinkRef, Netns};
use std::io;

impl HostKernel {
    /// Puts a port of ours into its VLANs, before it is up.
    pub(super) fn give_vlans(
        &mut self,
        port: &IfName,
        index: u32,
        vlans: &PortVlans,
    ) -> Result<(), MachineError> {
        let requests = vlan::give(index, vlans);
        if requests.is_empty() {
            return Ok(());
        }
        let dropped = vlans.drop_default.then(|| failed_drop(port));
        let added = vlans.added.iter().enumerate().map(|(number, vlan)| failed_add(port, number, vlan));
        let texts = dropped.into_iter().chain(added);
        let answers = match self.socket(Netns::Host) {
            Ok(socket) => socket.batch(requests),
            Err(error) => vec![Err(error)],
        };
        let failed = answers.into_iter().zip(texts).find_map(|(answer, text)| Some((answer.err()?, text)));
        failed.map_or(Ok(()), |(error, text)| Err(refused(text, error)))
    }

    /// The VLANs of a port.
    pub(super) fn vlans(&mut self, port: &IfName, index: u32) -> Result<Vlans, MachineError> {
        let found = self.socket(Netns::Host).and_then(|socket| vlan::list(socket, index));
        found.map_err(|e| refused(format!("failed to list the VLANs of {:?}", port.as_str()), e))
    }

    /// Makes a gateway, or uses the one that is there; either way it is up, and in its VLAN.
    pub(super) fn ensure_vlan_gateway(
        &mut self,
        gateway: &EnsureVlanGateway,
    ) -> Result<Effect, MachineError> {
        if let Some(found) = self.find(Netns::Host, &gateway.name)? {
            match self.standing(gateway, &found)? {
                Standing::Gateway(port) => {
                    let down = [&port, &found].into_iter().filter(|link| !link.up);
                    self.send_for(gateway, down.map(|link| link::set_up(link.index)).collect())?;
                }
                Standing::CutOff(port) => {
                    let attribute = LinkAttribute::Port(gateway.bridge_port());
                    let requests = self.attribute_requests(&port, &attribute)?;
                    self.send_for(gateway, requests)?;
                    self.complete_pair(gateway)?;
                }
                Standing::Other => return Err(conflict(gateway)),
            }
            return Ok(Effect::AlreadyThere);
        }
        if self.find(Netns::Host, &gateway.port)?.is_some() {
            let text = format!("link {} already exists", gateway.port);
            return Err(MachineError::Conflict(format!("{}: {text}", failed_gateway(gateway))));
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
    fn make_pair(&mut self, gateway: &EnsureVlanGateway, bridge: &Link) -> Result<(), MachineError> {
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

    fn complete_pair(&mut self, gateway: &EnsureVlanGateway) -> Result<Effect, MachineError> {
        let port = self.require(Netns::Host, &gateway.port)?;
        self.give_vlans(&gateway.port, port.index, &gateway.vlans())?;
        let found = self.require(Netns::Host, &gateway.name)?;
        for end in [&gateway.port, &gateway.name] {
            sysctl::ignore_advertisements(end)?;
        }
        self.send_for(gateway, vec![link::set_up(port.index), link::set_up(found.index)])?;
        let link = LinkRef { netns: Netns::Host, name: gateway.name.clone() };
        Ok(Effect::CreatedLinks(vec![identity(link, found)]))
    }

    fn send_for(&mut self, gateway: &EnsureVlanGateway, requests: Vec<Request>) -> Result<(), MachineError> {
        let answers = self.socket(Netns::Host).map(|socket| socket.batch(requests));
        let answered = answers.and_then(|answers| answers.into_iter().collect::<io::Result<()>>());
        answered.map_err(|error| refused(failed_gateway(gateway), error))
    }

    /// What a link of the gateway's name is, with the port at its other end; under an 802.1Q device, that is the bridge itself.
    fn standing(
        &mut self,
        gateway: &EnsureVlanGateway,
        found: &Link,
    ) -> Result<Standing<Link>, MachineError> {
        let bridge = self.find(Netns::Host, &gateway.bridge)?;
        let Some(other) = found.other_end else { return Ok(Standing::Other) };
        if found.kind == "vlan" {
            let is_below = |bridge: &Link| bridge.index == other && found.vlan_id == Some(gateway.vid);
            return Ok(bridge.filter(is_below).map_or(Standing::Other, Standing::Gateway));
        }
        let port = self.socket(Netns::Host).and_then(|socket| link::find_index(socket, other));
        let Some(port) = port.map_err(|e| refused(failed_gateway(gateway), e))? else {
            return Ok(Standing::Other);
        };
        let is_marked = found.alias.as_deref() == Some(&gateway.alias) && port.name == gateway.port.as_str();
        let place = (port.master, bridge.map(|bridge| bridge.index));
        let pvid = self.vlans(&gateway.port, port.index)?.pvid();
        Ok(Standing::of_pair(gateway, is_marked, port, place, pvid))
    }

    /// What became of a gateway.
    pub(super) fn verify_vlan_gateway(
        &mut self,
        gateway: &EnsureVlanGateway,
    ) -> Result<Vec<Difference>, MachineError> {
        let found = self.find(Netns::Host, &gateway.name)?;
        let standing = match &found {
            Some(found) => Some(self.standing(gateway, found)?.map(|port| found.up && port.up)),
            None => None,
        };
        Ok(difference::of_vlan_gateway(gateway, standing))
    }
}

//! Gateways in VLANs.

use super::super::difference::{self, Difference};
use super::super::vlans::{Standing, conflict, failed_gateway};
use super::super::{Effect, MachineError};
use super::FakeKernel;
use super::execute::answer;
use super::link::Link;
use crate::action::{EnsureVlanGateway, LinkAttribute};
use crate::value::{LinkIdentity, LinkRef, Mac, Netns};

impl FakeKernel {
    /// Makes a gateway, or uses the one that is there; either way it is up, and in its VLAN.
    pub(super) fn ensure_vlan_gateway(
        &mut self,
        gateway: &EnsureVlanGateway,
    ) -> Result<Effect, MachineError> {
        let failed = |errno| answer(failed_gateway(gateway), errno);
        if let Some(found) = self.find(Netns::Host, &gateway.name)? {
            let port = match self.standing(gateway, &found)? {
                Standing::Gateway(port) => port,
                Standing::CutOff(port) => self.rejoin(gateway, port)?,
                Standing::Other => return Err(conflict(gateway)),
            };
            let space = self.machine.in_space(Netns::Host).map_err(failed)?;
            space.set_up(port.index).and_then(|()| space.set_up(found.index)).map_err(failed)?;
            return Ok(Effect::AlreadyThere);
        }
        if self.find(Netns::Host, &gateway.port)?.is_some() {
            let text = format!("link {} already exists", gateway.port);
            return Err(MachineError::Conflict(format!("{}: {text}", failed_gateway(gateway))));
        }
        let bridge = self.require(Netns::Host, &gateway.bridge)?;
        self.keep_bridge(gateway, bridge.index, (gateway.port_mac, bridge.mtu))?;
        self.machine.create_vlan_gateway(gateway, bridge.index).map_err(failed)?;
        let Link { index, kind, mac, alias, .. } = self.require(Netns::Host, &gateway.name)?;
        let link = LinkRef { netns: Netns::Host, name: gateway.name.clone() };
        Ok(Effect::CreatedLinks(vec![LinkIdentity { link, index, kind, mac, alias }]))
    }

    /// Pins what joining would change of a foreign bridge.
    fn keep_bridge(
        &mut self,
        gateway: &EnsureVlanGateway,
        bridge: u32,
        port: (Mac, u32),
    ) -> Result<(), MachineError> {
        if !self.foreign_bridges.contains(&gateway.bridge) {
            return Ok(());
        }
        let text = format!("failed to keep {:?} as it is", gateway.bridge.as_str());
        self.machine.keep_bridge(bridge, port).map_err(|errno| answer(text, errno))
    }

    fn rejoin(&mut self, gateway: &EnsureVlanGateway, port: Link) -> Result<Link, MachineError> {
        let failed = |errno| answer(failed_gateway(gateway), errno);
        let bridge = self.require(Netns::Host, &gateway.bridge)?.index;
        if port.master != Some(bridge) {
            self.keep_bridge(gateway, bridge, (port.mac, port.mtu))?;
        }
        let attribute = LinkAttribute::Port(gateway.bridge_port());
        let space = self.machine.in_space(Netns::Host).map_err(failed)?;
        space.set_attribute(port.index, &attribute, Some(bridge)).map_err(failed)?;
        self.machine.ignore_advertisements(&gateway.port);
        self.machine.ignore_advertisements(&gateway.name);
        Ok(port)
    }

    /// What a link of the gateway's name is, with the port at its other end. There are no 802.1Q devices here.
    fn standing(
        &mut self,
        gateway: &EnsureVlanGateway,
        found: &Link,
    ) -> Result<Standing<Link>, MachineError> {
        let Some((Netns::Host, other)) = found.peer else { return Ok(Standing::Other) };
        let bridge = self.find(Netns::Host, &gateway.bridge)?;
        let port = self.machine.space(Netns::Host).and_then(|space| space.get(other)).cloned();
        let Some(port) = port else { return Ok(Standing::Other) };
        let is_marked = found.alias.as_deref() == Some(&gateway.alias) && port.name == gateway.port.as_str();
        let (place, pvid) = ((port.master, bridge.map(|bridge| bridge.index)), port.vlans.pvid());
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

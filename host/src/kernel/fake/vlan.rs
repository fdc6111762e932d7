//! Gateways in VLANs.

use super::super::vlans::{conflict, failed_gateway, not_the_gateway};
use super::super::{Effect, KernelError, LinkIdentity};
use super::FakeKernel;
use super::execute::answer;
use super::link::Link;
use crate::plan::action::EnsureVlanGateway;
use crate::plan::{LinkRef, Netns};

impl FakeKernel {
    /// Makes a gateway, or uses the one that is there; either way it is up.
    pub(super) fn ensure_vlan_gateway(&mut self, gateway: &EnsureVlanGateway) -> Result<Effect, KernelError> {
        let failed = |errno| answer(failed_gateway(gateway), errno);
        if let Some(found) = self.find(Netns::Host, &gateway.name)? {
            let Some(port) = self.gateway_port(gateway, &found)? else { return Err(conflict(gateway)) };
            let space = self.machine.in_space(Netns::Host).map_err(failed)?;
            space.set_up(port.index).and_then(|()| space.set_up(found.index)).map_err(failed)?;
            return Ok(Effect::AlreadyThere);
        }
        if self.find(Netns::Host, &gateway.port)?.is_some() {
            let text = format!("link {} already exists", gateway.port);
            return Err(KernelError::Conflict(format!("{}: {text}", failed_gateway(gateway))));
        }
        let bridge = self.require(Netns::Host, &gateway.bridge)?;
        if self.foreign_bridges.contains(&gateway.bridge) {
            let kept = self.machine.keep_bridge(bridge.index, (gateway.port_mac, bridge.mtu));
            let text = format!("failed to keep {:?} as it is", gateway.bridge.as_str());
            kept.map_err(|errno| answer(text, errno))?;
        }
        self.machine.create_vlan_gateway(gateway, bridge.index).map_err(failed)?;
        let Link { index, kind, mac, alias, .. } = self.require(Netns::Host, &gateway.name)?;
        let link = LinkRef { netns: Netns::Host, name: gateway.name.clone() };
        Ok(Effect::CreatedLinks(vec![LinkIdentity { link, index, kind, mac, alias }]))
    }

    /// The port at the gateway's other end; none, when the link is something else. There are no 802.1Q devices here.
    fn gateway_port(
        &mut self,
        gateway: &EnsureVlanGateway,
        found: &Link,
    ) -> Result<Option<Link>, KernelError> {
        let Some((Netns::Host, other)) = found.peer else { return Ok(None) };
        let Some(bridge) = self.find(Netns::Host, &gateway.bridge)? else { return Ok(None) };
        let port = self.machine.space(Netns::Host).and_then(|space| space.get(other)).cloned();
        let is_gateway =
            |port: &Link| port.master == Some(bridge.index) && port.vlans.pvid() == Some(gateway.vid);
        Ok(port.filter(is_gateway))
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

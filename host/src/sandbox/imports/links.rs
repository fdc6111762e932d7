//! `links`: bridges, veth pairs, dummy links and existing links.

use super::PATH_BYTES;
use super::wit::links::{Host, HostLink, Link as Handle};
use super::wit::types::{MacAddress, Netns as WitNetns};
use crate::action::Action;
use crate::action::completion::UNSET;
use crate::action::{
    Announce, CreateDummy, CreateVeth, DeleteStaleLink, EnsureBridge, EnsureVlanGateway, LinkAttribute,
    PortVlan, PortVlans, SaveLink, SetLink, SetPromiscuous, SetUp, Settle, VethPeer,
};
use crate::cni::{CniError, ErrorKind};
use crate::sandbox::guest::Guest;
use crate::sandbox::link::{End, Link};
use crate::sandbox::lower::{self, violation};
use crate::sandbox::{limits, overlay};
use crate::value::{IfName, LinkRef, Netns, derive, place};
use std::path::PathBuf;
use wasmtime::component::Resource;

impl Host for Guest {}

impl HostLink for Guest {
    fn bridge(&mut self, name: String) -> wasmtime::Result<Resource<Handle>> {
        let name = lower::if_name(&name)?;
        let link = LinkRef { netns: Netns::Host, name: name.clone() };
        self.new_link(EnsureBridge { name, mtu: None, mac: UNSET, vlan_filtering: false }, End::Bridge, link)
    }

    fn veth(&mut self, name: String) -> wasmtime::Result<Resource<Handle>> {
        let name = lower::if_name(&name)?;
        let peer = self.peer_name(&name)?;
        let alias = derive::alias(self.recorder().attachment());
        let peer = VethPeer {
            name: peer,
            mac: UNSET,
            alias,
            master: None,
            hairpin: false,
            isolated: false,
            vlans: PortVlans::default(),
        };
        let link = LinkRef { netns: Netns::Container, name: name.clone() };
        self.new_link(CreateVeth { name, mtu: None, mac: UNSET, peer }, End::Container, link)
    }

    fn dummy(&mut self, name: String) -> wasmtime::Result<Resource<Handle>> {
        let name = lower::if_name(&name)?;
        let link = LinkRef { netns: Netns::Container, name: name.clone() };
        self.new_link(CreateDummy { name, mtu: None, mac: UNSET }, End::Container, link)
    }

    fn existing(&mut self, netns: WitNetns, name: String) -> wasmtime::Result<Option<Resource<Handle>>> {
        let link = LinkRef { netns: lower::netns(netns), name: lower::if_name(&name)? };
        if overlay::link(&mut self.recorder(), &link)?.is_none() {
            return Ok(None);
        }
        Ok(Some(self.links.push(Link { action: None, end: End::Existing, link })?))
    }

    fn vlan_gateway(&mut self, bridge: Resource<Handle>, vid: u16) -> wasmtime::Result<Resource<Handle>> {
        check_vid(vid)?;
        let Link { end, link: LinkRef { name: bridge, .. }, .. } = self.links.get(&bridge)?.clone();
        if end != End::Bridge {
            return Err(wasmtime::format_err!("{bridge} is no bridge of this plan"));
        }
        let text = |e: crate::value::NameError| violation(e.to_string());
        let name = derive::vlan_gateway(&bridge, vid).map_err(text)?;
        let port = derive::vlan_gateway_port(&name).map_err(text)?;
        let link = LinkRef { netns: Netns::Host, name: name.clone() };
        let alias = derive::vlan_gateway_alias(&name);
        let gateway = EnsureVlanGateway {
            name,
            mac: UNSET,
            alias,
            port,
            port_mac: UNSET,
            bridge,
            vid,
            drop_default: false,
        };
        self.new_link(gateway, End::Gateway, link)
    }

    fn peer(&mut self, link: Resource<Handle>) -> wasmtime::Result<Resource<Handle>> {
        let Link { action, end, .. } = self.links.get(&link)?.clone();
        let mut recorder = self.recorder();
        let made_by = action.and_then(|action| recorder.action(action));
        let (name, end) = if let (Some(Action::CreateVeth(veth)), End::Container) = (&made_by, end) {
            (veth.peer.name.clone(), End::Host)
        } else if let (Some(Action::EnsureVlanGateway(gateway)), End::Gateway) = (&made_by, end) {
            (gateway.port.clone(), End::GatewayPort)
        } else {
            wasmtime::bail!("only the end of a veth pair that was asked for has a peer")
        };
        drop(recorder);
        let link = LinkRef { netns: Netns::Host, name };
        Ok(self.links.push(Link { action, end, link })?)
    }

    fn name(&mut self, link: Resource<Handle>) -> wasmtime::Result<String> {
        Ok(self.links.get(&link)?.link.name.to_string())
    }

    fn set_mtu(&mut self, link: Resource<Handle>, mtu: u32) -> wasmtime::Result<()> {
        if self.links.get(&link)?.end == End::Existing {
            return self.set_attribute(&link, LinkAttribute::Mtu(mtu));
        }
        let mtu = (mtu != 0).then_some(mtu);
        self.complete(&link, |action, _| match action {
            LinkAction::Bridge(bridge) => bridge.mtu = mtu,
            LinkAction::Veth(veth) => veth.mtu = mtu,
            LinkAction::Dummy(dummy) => dummy.mtu = mtu,
            // The gateway interface gets the MTU of its bridge.
            LinkAction::Gateway(_) => {}
        })
    }

    fn set_vlan_filtering(&mut self, link: Resource<Handle>, on: bool) -> wasmtime::Result<()> {
        let name = self.link(&link)?;
        self.complete(&link, |action, _| match action {
            LinkAction::Bridge(bridge) => {
                bridge.vlan_filtering = on;
                Ok(())
            }
            _ => Err(violation(format!("{name} is no bridge")).into()),
        })?
    }

    fn set_mac(&mut self, link: Resource<Handle>, mac: MacAddress) -> wasmtime::Result<()> {
        let mac = lower::mac(mac)?;
        if self.links.get(&link)?.end == End::Existing {
            return self.set_attribute(&link, LinkAttribute::Mac(mac));
        }
        self.complete(&link, |action, end| match action {
            LinkAction::Bridge(bridge) => bridge.mac = mac,
            LinkAction::Veth(veth) if end == End::Host => veth.peer.mac = mac,
            LinkAction::Veth(veth) => veth.mac = mac,
            LinkAction::Dummy(dummy) => dummy.mac = mac,
            LinkAction::Gateway(gateway) if end == End::GatewayPort => gateway.port_mac = mac,
            LinkAction::Gateway(gateway) => gateway.mac = mac,
        })
    }

    fn set_master(&mut self, link: Resource<Handle>, master: Resource<Handle>) -> wasmtime::Result<()> {
        let master = self.links.get(&master)?;
        if master.end != End::Bridge {
            return Err(wasmtime::format_err!("{} is no bridge of this plan", master.link));
        }
        let master = master.link.name.clone();
        self.complete_port(&link, |peer| peer.master = Some(master))
    }

    fn set_hairpin(&mut self, link: Resource<Handle>, on: bool) -> wasmtime::Result<()> {
        self.complete_port(&link, |peer| peer.hairpin = on)
    }

    fn set_isolated(&mut self, link: Resource<Handle>, on: bool) -> wasmtime::Result<()> {
        self.complete_port(&link, |peer| peer.isolated = on)
    }

    fn drop_default_vlans(&mut self, link: Resource<Handle>) -> wasmtime::Result<()> {
        if self.links.get(&link)?.end == End::GatewayPort {
            return self.complete(&link, |action, _| {
                if let LinkAction::Gateway(gateway) = action {
                    gateway.drop_default = true;
                }
            });
        }
        self.complete_port(&link, |peer| peer.vlans.drop_default = true)
    }

    fn add_native_vlan(&mut self, link: Resource<Handle>, vid: u16) -> wasmtime::Result<()> {
        check_vid(vid)?;
        let vlan = PortVlan { first: vid, last: vid, native: true };
        self.add_vlan(&link, vlan)
    }

    fn add_tagged_vlans(&mut self, link: Resource<Handle>, first: u16, last: u16) -> wasmtime::Result<()> {
        check_vid(first)?;
        check_vid(last)?;
        if first > last {
            return Err(
                violation(format!("VLANs {first} to {last} have their end before their beginning")).into()
            );
        }
        self.add_vlan(&link, PortVlan { first, last, native: false })
    }

    fn set_all_multicast(&mut self, link: Resource<Handle>, on: bool) -> wasmtime::Result<()> {
        self.set_attribute(&link, LinkAttribute::AllMulticast(on))
    }

    fn set_queue_length(&mut self, link: Resource<Handle>, packets: u32) -> wasmtime::Result<()> {
        self.set_attribute(&link, LinkAttribute::QueueLength(packets))
    }

    fn save(&mut self, link: Resource<Handle>, directory: Option<String>) -> wasmtime::Result<()> {
        let directory = directory.unwrap_or_else(|| place::SAVED_LINKS.to_owned());
        if !directory.starts_with('/') || directory.len() > PATH_BYTES || directory.contains('\0') {
            return Err(violation(format!("the directory {directory:?} is no absolute path")).into());
        }
        let link = self.link(&link)?;
        let name = derive::saved_link(self.recorder().attachment());
        let save = SaveLink { link, path: PathBuf::from(directory).join(name), attributes: Vec::new() };
        self.plan(save)
    }

    fn promiscuous(&mut self, link: Resource<Handle>) -> wasmtime::Result<()> {
        self.set_promiscuous(link, true)
    }

    fn set_promiscuous(&mut self, link: Resource<Handle>, on: bool) -> wasmtime::Result<()> {
        if !on {
            return self.set_attribute(&link, LinkAttribute::Promiscuous(false));
        }
        let link = self.link(&link)?;
        self.note(&link, LinkAttribute::Promiscuous(true));
        self.plan(SetPromiscuous { link })
    }

    fn settle(&mut self, link: Resource<Handle>) -> wasmtime::Result<()> {
        self.plan(Settle { link: self.link(&link)? })
    }

    fn announce(&mut self, link: Resource<Handle>) -> wasmtime::Result<()> {
        self.plan(Announce { link: self.link(&link)? })
    }

    fn up(&mut self, link: Resource<Handle>) -> wasmtime::Result<()> {
        self.plan(SetUp { link: self.link(&link)? })
    }

    fn drop(&mut self, _: Resource<Handle>) -> wasmtime::Result<()> {
        Ok(())
    }
}

/// The action that makes a link, with mutable access for its setters.
enum LinkAction<'a> {
    Bridge(&'a mut EnsureBridge),
    Veth(&'a mut CreateVeth),
    Dummy(&'a mut CreateDummy),
    Gateway(&'a mut EnsureVlanGateway),
}

/// Checks a VLAN ID (IEEE 802.1Q, table 9-2).
fn check_vid(vid: u16) -> Result<(), CniError> {
    if (1..=4094).contains(&vid) { Ok(()) } else { Err(violation(format!("no VLAN can have the ID {vid}"))) }
}

impl Guest {
    /// Records an action that makes a link, and returns the handle of the link.
    pub fn new_link(
        &mut self,
        action: impl Into<Action>,
        end: End,
        link: LinkRef,
    ) -> wasmtime::Result<Resource<Handle>> {
        let action = Some(self.record(action)?);
        Ok(self.links.push(Link { action, end, link })?)
    }

    fn set_attribute(&self, link: &Resource<Handle>, attribute: LinkAttribute) -> wasmtime::Result<()> {
        let link = self.link(link)?;
        self.note(&link, attribute.clone());
        self.plan(SetLink { link, attribute })
    }

    /// Adds the attribute to the earlier `save` of this link, if there is one: `save` saves the attributes that are
    /// set after it.
    fn note(&self, link: &LinkRef, attribute: LinkAttribute) {
        let mut recorder = self.recorder();
        let is_it = |action: &Action| matches!(action, Action::SaveLink(save) if save.link == *link);
        let Some(number) = recorder.actions().position(is_it) else { return };
        if let Some(Action::SaveLink(save)) = recorder.action(number)
            && !save.attributes.iter().any(|noted| noted.is_same_kind(&attribute))
        {
            save.attributes.push(attribute);
        }
    }

    /// Completes the action that makes a link.
    fn complete<T>(
        &self,
        link: &Resource<Handle>,
        set: impl FnOnce(LinkAction<'_>, End) -> T,
    ) -> wasmtime::Result<T> {
        let Link { action, end, .. } = *self.links.get(link)?;
        let mut recorder = self.recorder();
        match action.and_then(|action| recorder.action(action)) {
            Some(Action::EnsureBridge(bridge)) => Ok(set(LinkAction::Bridge(bridge), end)),
            Some(Action::CreateVeth(veth)) => Ok(set(LinkAction::Veth(veth), end)),
            Some(Action::CreateDummy(dummy)) => Ok(set(LinkAction::Dummy(dummy), end)),
            Some(Action::EnsureVlanGateway(gateway)) => Ok(set(LinkAction::Gateway(gateway), end)),
            Some(Action::SetTokenBucket(_)) => {
                Err(violation("an ifb has only what its link gives it".to_owned()).into())
            }
            Some(_) => Err(wasmtime::format_err!("a link without the action that makes it")),
            None => {
                drop(recorder);
                let name = &self.links.get(link)?.link;
                Err(violation(format!("{name} was not made by this plan")).into())
            }
        }
    }

    /// Adds a VLAN to a port. The number is limited, because each VLAN is a message to the kernel.
    fn add_vlan(&self, link: &Resource<Handle>, vlan: PortVlan) -> wasmtime::Result<()> {
        let mut is_full = false;
        self.complete_port(link, |peer| {
            is_full = peer.vlans.added.len() >= limits::PORT_VLANS;
            if !is_full {
                peer.vlans.added.push(vlan);
            }
        })?;
        if is_full {
            Err(limits::exceeded("VLAN ranges of a port", limits::PORT_VLANS).into())
        } else {
            Ok(())
        }
    }

    /// Completes the host's end of a veth pair. Only that link can be a port.
    fn complete_port(
        &self,
        link: &Resource<Handle>,
        set: impl FnOnce(&mut VethPeer),
    ) -> wasmtime::Result<()> {
        let port = self.links.get(link)?;
        if port.end != End::Host {
            return Err(violation(format!("{} cannot be a port of a bridge", port.link)).into());
        }
        self.complete(link, |action, _| {
            if let LinkAction::Veth(veth) = action {
                set(&mut veth.peer);
            }
        })
    }

    /// The name of the host's end of the veth pair `name`: the first derived name that no other program uses.
    ///
    /// A link with our alias is left over from an ADD that was killed. The plan deletes it first.
    fn peer_name(&self, name: &IfName) -> Result<IfName, CniError> {
        let mut recorder = self.recorder();
        let twice = |action: &Action| matches!(action, Action::CreateVeth(veth) if veth.name == *name);
        if recorder.actions().any(twice) {
            return Err(violation(format!("the plan makes the veth {:?} twice", name.as_str())));
        }
        let alias = derive::alias(recorder.attachment());
        let mut taken = Vec::new();
        let candidates: Vec<IfName> = derive::host_veths(recorder.attachment()).collect();
        for peer in candidates {
            match overlay::link(&mut recorder, &LinkRef { netns: Netns::Host, name: peer.clone() })? {
                None => return Ok(peer),
                // Index 0 means that this plan makes the link, for another veth.
                Some(fact) if fact.alias.as_deref() == Some(alias.as_str()) && fact.index != 0 => {
                    let stale = DeleteStaleLink { name: peer.clone(), alias };
                    recorder.record(&self.plugin, Action::DeleteStaleLink(stale))?;
                    return Ok(peer);
                }
                Some(_) => taken.push(peer.to_string()),
            }
        }
        let message = format!("no name is free for the host end of veth {:?}", name.as_str());
        Err(CniError::new(ErrorKind::NameTaken, message).with_details(format!("taken: {}", taken.join(" "))))
    }
}

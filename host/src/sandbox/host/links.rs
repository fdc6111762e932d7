//! `links`: bridges and veth pairs.

use super::wit::links::{Host, HostLink, Link as Handle};
use super::wit::types::MacAddress;
use crate::cni::{CniError, code};
use crate::plan::action::{
    CreateVeth, DeleteStaleLink, EnsureBridge, SetPromiscuous, SetUp, Settle, VethPeer,
};
use crate::plan::{Action, IfName, LinkRef, Netns, derive};
use crate::sandbox::guest::Guest;
use crate::sandbox::lower::{self, UNSET, violation};
use crate::sandbox::overlay;
use wasmtime::component::Resource;

/// So many names are tried for the host's end of a veth pair.
const CANDIDATES: u32 = 8;

/// A link of the plan: which action makes it, and which of its links it is.
#[derive(Debug, Clone)]
pub struct Link {
    /// The number of the action.
    pub action: usize,
    /// Which end.
    pub end: End,
    /// Place and name.
    pub link: LinkRef,
}

/// Which of the links that an action makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The only one.
    Bridge,
    /// A veth's end in the container.
    Container,
    /// A veth's end on the host.
    Host,
}

impl Host for Guest {}

impl HostLink for Guest {
    fn bridge(&mut self, name: String) -> wasmtime::Result<Resource<Handle>> {
        let name = lower::if_name(&name)?;
        let link = LinkRef { netns: Netns::Host, name: name.clone() };
        let action = self.record(Action::EnsureBridge(EnsureBridge { name, mtu: None, mac: UNSET }))?;
        Ok(self.links.push(Link { action, end: End::Bridge, link })?)
    }

    fn veth(&mut self, name: String) -> wasmtime::Result<Resource<Handle>> {
        let name = lower::if_name(&name)?;
        let peer = self.peer_name(&name)?;
        let alias = derive::alias(self.recorder().attachment());
        let peer = VethPeer { name: peer, mac: UNSET, alias, master: None, hairpin: false, isolated: false };
        let link = LinkRef { netns: Netns::Container, name: name.clone() };
        let action = self.record(Action::CreateVeth(CreateVeth { name, mtu: None, mac: UNSET, peer }))?;
        Ok(self.links.push(Link { action, end: End::Container, link })?)
    }

    fn peer(&mut self, link: Resource<Handle>) -> wasmtime::Result<Resource<Handle>> {
        let Link { action, end, .. } = self.links.get(&link)?.clone();
        let name = match self.recorder().action(action) {
            Some(Action::CreateVeth(veth)) if end == End::Container => veth.peer.name.clone(),
            _ => return Err(wasmtime::format_err!("only the container's end of a veth pair has a peer")),
        };
        let link = LinkRef { netns: Netns::Host, name };
        Ok(self.links.push(Link { action, end: End::Host, link })?)
    }

    fn name(&mut self, link: Resource<Handle>) -> wasmtime::Result<String> {
        Ok(self.links.get(&link)?.link.name.to_string())
    }

    fn set_mtu(&mut self, link: Resource<Handle>, mtu: u32) -> wasmtime::Result<()> {
        let mtu = (mtu != 0).then_some(mtu);
        self.complete(&link, |made, _| match made {
            Made::Bridge(bridge) => bridge.mtu = mtu,
            Made::Veth(veth) => veth.mtu = mtu,
        })
    }

    fn set_mac(&mut self, link: Resource<Handle>, mac: MacAddress) -> wasmtime::Result<()> {
        let mac = lower::mac(mac)?;
        self.complete(&link, |made, end| match made {
            Made::Bridge(bridge) => bridge.mac = mac,
            Made::Veth(veth) if end == End::Host => veth.peer.mac = mac,
            Made::Veth(veth) => veth.mac = mac,
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

    fn promiscuous(&mut self, link: Resource<Handle>) -> wasmtime::Result<()> {
        let link = self.links.get(&link)?.link.clone();
        self.record(Action::SetPromiscuous(SetPromiscuous { link }))?;
        Ok(())
    }

    fn settle(&mut self, link: Resource<Handle>) -> wasmtime::Result<()> {
        let link = self.links.get(&link)?.link.clone();
        self.record(Action::Settle(Settle { link }))?;
        Ok(())
    }

    fn up(&mut self, link: Resource<Handle>) -> wasmtime::Result<()> {
        let link = self.links.get(&link)?.link.clone();
        self.record(Action::SetUp(SetUp { link }))?;
        Ok(())
    }

    fn drop(&mut self, _: Resource<Handle>) -> wasmtime::Result<()> {
        Ok(())
    }
}

/// The action that makes a link, to complete it.
enum Made<'a> {
    Bridge(&'a mut EnsureBridge),
    Veth(&'a mut CreateVeth),
}

impl Guest {
    /// Completes the action that makes a link.
    fn complete(&self, link: &Resource<Handle>, set: impl FnOnce(Made<'_>, End)) -> wasmtime::Result<()> {
        let Link { action, end, .. } = *self.links.get(link)?;
        match self.recorder().action(action) {
            Some(Action::EnsureBridge(bridge)) => set(Made::Bridge(bridge), end),
            Some(Action::CreateVeth(veth)) => set(Made::Veth(veth), end),
            _ => return Err(wasmtime::format_err!("a link without the action that makes it")),
        }
        Ok(())
    }

    /// Completes the host's end of a veth pair, the one link that can be a port.
    fn complete_port(
        &self,
        link: &Resource<Handle>,
        set: impl FnOnce(&mut VethPeer),
    ) -> wasmtime::Result<()> {
        let port = self.links.get(link)?;
        if port.end != End::Host {
            return Err(violation(format!("{} cannot be a port of a bridge", port.link)).into());
        }
        self.complete(link, |made, _| {
            if let Made::Veth(veth) = made {
                set(&mut veth.peer);
            }
        })
    }

    /// The name of the host's end of the veth pair of `name`: the first derived one that nobody else has.
    ///
    /// What has our alias is left over from an attempt that died: it is deleted first (design rule 9).
    fn peer_name(&self, name: &IfName) -> Result<IfName, CniError> {
        let mut recorder = self.recorder();
        let twice = |action: &Action| matches!(action, Action::CreateVeth(veth) if veth.name == *name);
        if recorder.actions().any(twice) {
            return Err(violation(format!("the plan makes the veth {:?} twice", name.as_str())));
        }
        let alias = derive::alias(recorder.attachment());
        let mut taken = Vec::new();
        for candidate in 0..CANDIDATES {
            let peer =
                derive::host_veth(recorder.attachment(), candidate).map_err(|e| violation(e.to_string()))?;
            match overlay::link(&mut recorder, &LinkRef { netns: Netns::Host, name: peer.clone() })? {
                None => return Ok(peer),
                // Index 0: this plan makes it, for another veth.
                Some(fact) if fact.alias.as_deref() == Some(alias.as_str()) && fact.index != 0 => {
                    let stale = DeleteStaleLink { name: peer.clone(), alias };
                    recorder.record(&self.plugin, Action::DeleteStaleLink(stale))?;
                    return Ok(peer);
                }
                Some(_) => taken.push(peer.to_string()),
            }
        }
        let message = format!("no name is free for the host's end of veth {:?}", name.as_str());
        Err(CniError::new(code::INTERNAL, message).with_details(format!("taken: {}", taken.join(" "))))
    }
}

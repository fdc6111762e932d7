//! The host's own interface in a VLAN of a bridge.

use super::bridge::{failed_keep, pins};
use super::port::vlans;
use super::settings::{BridgePort, PortVlan, PortVlans};
use super::{
    VETH, ignore_advertisements, ignore_advertisements_command, overlay_created, planned, presence, unmark,
};
use crate::action::check::{Check, required};
use crate::action::completion::{Complete, UNSET};
use crate::action::context::{ReadContext, WriteContext, refused};
use crate::action::kind::Kind;
use crate::action::profile::{Lane, Lasts, Lifetime, LinkName, Own, Place, Prepared, Profile};
use crate::action::query::{Answer, Query};
use crate::action::record::{Before, Difference, Done, Effect, Undoing};
use crate::action::{Action, DeleteLink, DeleteMarkedLink, Undo};
use crate::machine::MachineError;
use crate::machine::port::{Link, Look, NewVeth, Request, VethEnd, on_host};
use crate::policy::{Capability, Refusal};
use crate::value::{IfName, LinkFact, Mac, Netns, derive};
use serde::{Deserialize, Serialize};

/// See [`Action::EnsureVlanGateway`](crate::action::Action::EnsureVlanGateway): a veth pair in the host's namespace.
/// Both ends are up, have the bridge's MTU, and ignore router advertisements.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnsureVlanGateway {
    /// The name of the end that gets addresses: `BRIDGE.VID`.
    pub name: IfName,
    /// The MAC address of that end.
    pub mac: Mac,
    /// The `IFLA_IFALIAS` of that end. It shows that the link is ours.
    pub alias: String,
    /// The name of the end that is a port of the bridge.
    pub port: IfName,
    /// The MAC address of the port.
    pub port_mac: Mac,
    /// The bridge, in the host's namespace.
    pub bridge: IfName,
    /// The VLAN ID. It is the PVID of the port, and its frames leave the port untagged.
    pub vid: u16,
    /// Whether the port leaves the bridge's default VLAN.
    pub drop_default: bool,
}

impl EnsureVlanGateway {
    /// The bridge port of the gateway.
    pub fn bridge_port(&self) -> BridgePort {
        BridgePort { bridge: self.bridge.clone(), hairpin: false, isolated: false, vlans: self.vlans() }
    }

    /// The VLANs of the port.
    pub fn vlans(&self) -> PortVlans {
        let own = PortVlan { first: self.vid, last: self.vid, native: true };
        PortVlans { drop_default: self.drop_default, added: vec![own] }
    }
}

impl Kind for EnsureVlanGateway {
    fn profile(&self) -> Profile<'_> {
        Profile {
            makes: vec![LinkName::on_host(&self.name), LinkName::on_host(&self.port)],
            lasts: Lasts::For(Lifetime::Shared),
            ..Profile::new(Lane::Own(Place::Netns(Netns::Host), self), Capability::Links)
        }
    }

    fn commands(&self) -> Vec<String> {
        let EnsureVlanGateway { name, mac, alias, port, port_mac, bridge, .. } = self;
        let mut commands = vec![
            format!(
                "ip link add {name} address {mac} mtu MTU-OF-{bridge} type veth peer name {port} address {port_mac}"
            ),
            format!("ip link set {name} alias '{alias}'"),
            format!("ip link set {port} master {bridge}"),
        ];
        commands.extend(self.vlans().commands(port));
        commands.extend([port, name].map(ignore_advertisements_command));
        commands.extend([port, name].map(|link| format!("ip link set {link} up")));
        commands
    }

    fn completed(&self, plan: &Complete<'_>) -> Option<Action> {
        let EnsureVlanGateway { name, mac, port, port_mac, .. } = self;
        if *mac != UNSET && *port_mac != UNSET {
            return None;
        }
        let mac = plan.mac(*mac, &on_host(name), || derive::bridge_mac(name));
        let port_mac = if *port_mac == UNSET { derive::bridge_mac(port) } else { *port_mac };
        Some(EnsureVlanGateway { mac, port_mac, ..self.clone() }.into())
    }

    fn refuse(&self, check: &Check<'_>) -> Vec<Refusal> {
        let EnsureVlanGateway { name, alias, port, bridge, vid, .. } = self;
        let is_named = derive::vlan_gateway(bridge, *vid).is_ok_and(|derived| derived == *name)
            && derive::vlan_gateway_port(name).is_ok_and(|derived| derived == *port)
            && *alias == derive::vlan_gateway_alias(name);
        let mut refusals = check.maker();
        refusals.extend(required(is_named, "a VLAN's gateway is called and marked as bridge and VLAN say"));
        refusals.extend(required(check.is_bridge(bridge), "the gateway is on a bridge of this plan"));
        refusals.extend(check.vlans(&self.vlans()));
        let is_gateway = check.is_router();
        refusals.extend(required(is_gateway, "the configuration does not make the host a gateway"));
        let is_vlan = check.grants.own.link.vlan == Some(*vid);
        refusals.extend(required(is_vlan, "a VLAN's gateway is in the VLAN that `vlan` names"));
        refusals.extend(check.bridge_mac(&on_host(name), self.mac, derive::bridge_mac(name)));
        let is_derived = self.port_mac == derive::bridge_mac(port);
        refusals.extend(required(
            is_derived,
            "the Ethernet address of a VLAN gateway's port derives from its name",
        ));
        let is_dropped = self.drop_default != check.grants.own.link.preserves_default_vlan;
        refusals.extend(required(
            is_dropped,
            "the port leaves the default VLAN unless `preserveDefaultVlan` is set",
        ));
        refusals
    }

    fn overlay(&self, query: &Query, answer: &mut Answer) {
        let name = LinkName::on_host(&self.name);
        let as_created =
            || LinkFact { up: true, alias: Some(self.alias.clone()), ..planned(name, VETH, self.mac, None) };
        overlay_created(query, answer, as_created, name);
    }

    fn observe(&self, cx: &mut ReadContext<'_>) -> Before {
        presence(cx.link(&on_host(&self.name)), |_| true)
    }

    fn undos(&self, undoing: &Undoing<'_>) -> Vec<Undo> {
        match undoing.done {
            Done::Effect(Effect::CreatedLinks(links)) => {
                let identity = links.first().cloned();
                identity.map(|identity| DeleteLink { identity }.into()).into_iter().collect()
            }
            Done::Unknown(_) => {
                let (name, alias) = (self.name.clone(), self.alias.clone());
                undoing.undo_if_created(DeleteMarkedLink { name, alias })
            }
            Done::Effect(_) | Done::Not => Vec::new(),
        }
    }

    fn verify(&self, cx: &mut ReadContext<'_>) -> Result<Vec<Difference>, MachineError> {
        let EnsureVlanGateway { name, bridge, vid, .. } = self;
        let text = match cx.link(&on_host(name))? {
            None => format!("link {name}, the gateway of VLAN {vid}, is missing"),
            Some(found) => {
                let below = cx.link(&on_host(bridge))?;
                match self.standing(&found, below.as_ref(), cx.look)? {
                    Standing::Gateway(port) if found.up && port.up => return Ok(Vec::new()),
                    Standing::Gateway(_) => format!("link {name} is down"),
                    Standing::CutOff(_) => {
                        format!("link {name} is cut off from VLAN {vid} of bridge {bridge}")
                    }
                    // The link has addresses that others use, so no repair replaces it.
                    Standing::Other => return Ok(vec![Difference::beyond(self.is_other())]),
                }
            }
        };
        Ok(vec![Difference::repaired(text, self.clone())])
    }
}

impl Own for EnsureVlanGateway {
    /// Creates a gateway, or uses the existing one. In both cases it is up and in its VLAN afterwards.
    fn perform(&self, cx: &mut WriteContext<'_>) -> Result<Effect, MachineError> {
        let (link, port, bridge) = (on_host(&self.name), on_host(&self.port), on_host(&self.bridge));
        if let Some(found) = cx.link(&link)? {
            self.use_found(&found, cx)?;
            return Ok(Effect::AlreadyThere);
        }
        if cx.link(&port)?.is_some() {
            let text = format!("link {} already exists", self.port);
            return Err(MachineError::Conflict(format!("{}: {text}", self.failed())));
        }
        let bridge = cx.require(&bridge)?;
        let pins = pins(&self.bridge, (self.port_mac, bridge.mtu), cx)?;
        cx.send(Netns::Host, pins, &failed_keep(&self.bridge))?;
        self.make_pair(&bridge, cx)?;
        let created = self.complete_pair(cx);
        if created.is_err() {
            self.delete_pair(cx);
        }
        created
    }
}

impl EnsureVlanGateway {
    fn use_found(&self, found: &Link, cx: &mut WriteContext<'_>) -> Result<(), MachineError> {
        let bridge = cx.link(&on_host(&self.bridge))?;
        match self.standing(found, bridge.as_ref(), cx.machine.as_look())? {
            Standing::Gateway(port) => {
                let down = [&port, found].into_iter().filter(|link| !link.up);
                self.send(down.map(|link| Request::SetUp(link.index, true)).collect(), cx)
            }
            Standing::CutOff(port) => {
                match self.bridge_port().join(&port, cx)? {
                    Prepared::Nothing => {}
                    Prepared::Send(requests) => self.send(requests, cx)?,
                    Prepared::After { first, what, then } => {
                        cx.send(Netns::Host, first, &what)?;
                        self.send(then, cx)?;
                    }
                }
                self.complete_pair(cx).map(drop)
            }
            Standing::Other => Err(MachineError::Conflict(format!("{}: {}", self.failed(), self.is_other()))),
        }
    }

    /// The request for the alias is in the same batch and names the link, so a pair without its alias never outlives
    /// this process.
    fn make_pair(&self, bridge: &Link, cx: &mut WriteContext<'_>) -> Result<(), MachineError> {
        let create = NewVeth {
            end: VethEnd { name: self.name.clone(), mac: self.mac },
            host: VethEnd { name: self.port.clone(), mac: self.port_mac },
            netns: Netns::Host,
            mtu: Some(bridge.mtu),
            master: Some(bridge.index),
        };
        let (name, alias) = (self.name.clone(), self.alias.clone());
        let mark = Request::Mark { name, alias, hairpin: false, isolated: false };
        let mut answers = cx.machine.send(Netns::Host, vec![Request::CreateVeth(create), mark]).into_iter();
        let (created, marked) = (answers.next().unwrap_or(Ok(())), answers.next().unwrap_or(Ok(())));
        if created.is_err() && marked.is_ok() {
            // Somebody else has created a link with this name since the look-up. It is theirs, so its alias is removed.
            let _ = self.send(vec![unmark(&self.name)], cx);
        }
        if created.is_ok() && marked.is_err() {
            // Without its alias, nothing would show later that the link is ours.
            self.delete_pair(cx);
        }
        created.and(marked).map_err(|error| refused(self.failed(), error))
    }

    /// Deletes the pair that was just created: a failed creation must leave nothing.
    fn delete_pair(&self, cx: &mut WriteContext<'_>) {
        if let Ok(Some(port)) = cx.link(&on_host(&self.port)) {
            let _ = self.send(vec![Request::Delete(port.index)], cx);
        }
    }

    fn complete_pair(&self, cx: &mut WriteContext<'_>) -> Result<Effect, MachineError> {
        let link = on_host(&self.name);
        let port = cx.require(&on_host(&self.port))?;
        self.vlans().give(&self.port, port.index, cx)?;
        let found = cx.require(&link)?;
        for end in [&self.port, &self.name] {
            ignore_advertisements(cx, end)?;
        }
        self.send(vec![Request::SetUp(port.index, true), Request::SetUp(found.index, true)], cx)?;
        Ok(Effect::CreatedLinks(vec![found.identity(link)]))
    }

    fn send(&self, requests: Vec<Request>, cx: &mut WriteContext<'_>) -> Result<(), MachineError> {
        cx.send(Netns::Host, requests, &self.failed())
    }

    /// How the existing link of the gateway's name relates to the gateway, with the link at its other end. For an
    /// 802.1Q device (kind `vlan`), the other end is the bridge itself.
    fn standing(
        &self,
        found: &Link,
        bridge: Option<&Link>,
        look: &mut dyn Look,
    ) -> Result<Standing, MachineError> {
        let Some(other) = found.other_end else { return Ok(Standing::Other) };
        if found.kind == "vlan" {
            let is_below = |bridge: &&Link| bridge.index == other && found.vlan_id == Some(self.vid);
            return Ok(bridge.filter(is_below).cloned().map_or(Standing::Other, Standing::Gateway));
        }
        let port = look.link_at(Netns::Host, other).map_err(|error| refused(self.failed(), error))?;
        let Some(port) = port else { return Ok(Standing::Other) };
        let is_marked = found.alias.as_deref() == Some(&self.alias) && port.name == self.port.as_str();
        let pvid = vlans(&self.port, port.index, look)?.pvid();
        Ok(self.standing_of_pair(is_marked, port, bridge.map(|bridge| bridge.index), pvid))
    }

    /// The same for one end of a veth pair. It follows from whether the link has our alias, from the port at the other
    /// end, the bridge's index, and the port's PVID. If the port is on another bridge, somebody put it there, and the
    /// link counts as theirs.
    fn standing_of_pair(
        &self,
        is_marked: bool,
        port: Link,
        bridge: Option<u32>,
        pvid: Option<u16>,
    ) -> Standing {
        let is_port = port.master.is_some() && port.master == bridge;
        match is_port && pvid == Some(self.vid) {
            true => Standing::Gateway(port),
            false if is_marked && (is_port || port.master.is_none()) => Standing::CutOff(port),
            false => Standing::Other,
        }
    }

    /// The reference's error text for a gateway that could not be created, with its misspelling.
    fn failed(&self) -> String {
        format!("failed to create vlan interface: faild to create vlan gateway {:?}", self.name.as_str())
    }

    /// The error text for a link that has the gateway's name and is something else.
    fn is_other(&self) -> String {
        let EnsureVlanGateway { name, bridge, vid, .. } = self;
        format!("link {name} is not the gateway of VLAN {vid} of bridge {bridge}")
    }
}

/// How an existing link with a gateway's name relates to the gateway, with the port at its other end.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Standing {
    /// The gateway.
    Gateway(Link),
    /// The gateway that we created. Its port has left the bridge or the VLAN, or never joined.
    CutOff(Link),
    /// Something else.
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_without_its_vlan_is_ours_if_it_has_our_alias_and_no_other_bridge() {
        let name = |name| IfName::parse(name).unwrap();
        let gateway = EnsureVlanGateway {
            name: name("br0.100"),
            mac: Mac([2; 6]),
            alias: "wasm-cni gateway br0.100".to_owned(),
            port: name("veth01"),
            port_mac: Mac([4; 6]),
            bridge: name("br0"),
            vid: 100,
            drop_default: true,
        };
        let port = |master| Link { master, ..Link::default() };
        let standing =
            |is_marked, master, bridge, pvid| gateway.standing_of_pair(is_marked, port(master), bridge, pvid);
        for is_marked in [true, false] {
            assert_eq!(standing(is_marked, Some(1), Some(1), Some(100)), Standing::Gateway(port(Some(1))));
            assert_eq!(standing(is_marked, Some(2), Some(1), Some(100)), Standing::Other);
            assert_eq!(standing(is_marked, Some(2), None, Some(100)), Standing::Other);
        }
        for (master, bridge, pvid) in [(Some(1), Some(1), Some(1)), (None, Some(1), None), (None, None, None)]
        {
            assert_eq!(standing(true, master, bridge, pvid), Standing::CutOff(port(master)));
            assert_eq!(standing(false, master, bridge, pvid), Standing::Other);
        }
    }
}

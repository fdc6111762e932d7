//! Veth pairs.

use super::bridge::{failed_keep, pins};
use super::end::{End, restored};
use super::settings::{BridgePort, PortVlans};
use super::{DEFAULT_MTU, VETH, is_errno, overlay_created, presence, unmark};
use crate::action::check::{Check, required};
use crate::action::completion::{Complete, UNSET};
use crate::action::context::{ReadContext, WriteContext, refused};
use crate::action::kind::Kind;
use crate::action::profile::{Answered, Lane, LinkName, Prepared, Profile, Requests};
use crate::action::query::{Answer, Query};
use crate::action::record::{Before, Difference, Done, Effect, Undoing};
use crate::action::{Action, DeleteLink, DeleteMarkedLink, LinkAttribute, SetLink, Undo};
use crate::machine::MachineError;
use crate::machine::port::{Link, NewVeth, Request, VethEnd, in_container, on_host};
use crate::policy::{Capability, Refusal};
use crate::value::{Fact, IfName, LinkFact, LinkIdentity, LinkRef, Mac, Netns, derive};
use nix::errno::Errno;
use serde::{Deserialize, Serialize};
use std::io;

/// See [`Action::CreateVeth`](crate::action::Action::CreateVeth). The host end is created with its master and its port
/// settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateVeth {
    /// The name of the container end.
    pub name: IfName,
    /// The MTU of both ends, in bytes. None means the kernel's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// The MAC address of the container end.
    pub mac: Mac,
    /// The host end.
    pub peer: VethPeer,
}

/// The host end of a veth pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VethPeer {
    /// The name, in the host's namespace.
    pub name: IfName,
    /// The MAC address.
    pub mac: Mac,
    /// `IFLA_IFALIAS`. It shows which attachment the link belongs to.
    pub alias: String,
    /// The bridge that the host end joins, in the host's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub master: Option<IfName>,
    /// Hairpin mode: a frame may leave through the port that it came in by. Only with a master.
    #[serde(default)]
    pub hairpin: bool,
    /// Port isolation: frames are exchanged only with ports that are not isolated. Only with a master.
    #[serde(default)]
    pub isolated: bool,
    /// The VLANs of the port. Only with a master.
    #[serde(default, skip_serializing_if = "PortVlans::is_default")]
    pub vlans: PortVlans,
}

impl VethPeer {
    /// The bridge port, if the host end has a master.
    pub fn port(&self) -> Option<BridgePort> {
        let VethPeer { hairpin, isolated, vlans, .. } = self;
        let bridge = self.master.clone()?;
        Some(BridgePort { bridge, hairpin: *hairpin, isolated: *isolated, vlans: vlans.clone() })
    }
}

impl CreateVeth {
    /// The action as a `CreateVeth`, if it is one.
    pub fn of(action: &Action) -> Option<&Self> {
        if let Action::CreateVeth(one) = action { Some(one) } else { None }
    }

    fn inside(&self) -> LinkName<'_> {
        LinkName { netns: Netns::Container, name: &self.name }
    }

    fn outside(&self) -> LinkName<'_> {
        LinkName::on_host(&self.peer.name)
    }

    /// The container end.
    fn end(&self) -> End {
        End { link: in_container(&self.name), kind: VETH, mac: self.mac, mtu: self.mtu }
    }

    /// The host end.
    fn host_end(&self) -> End {
        End { link: on_host(&self.peer.name), kind: VETH, mac: self.peer.mac, mtu: self.mtu }
    }

    /// Whether an end has this attribute at its creation.
    fn is_created_with(&self, set: &SetLink) -> bool {
        let peer = &self.peer;
        let of_host = match &set.attribute {
            LinkAttribute::Alias(alias) => *alias == peer.alias,
            LinkAttribute::Port(port) => peer.port().as_ref() == Some(port),
            LinkAttribute::Mac(_)
            | LinkAttribute::Mtu(_)
            | LinkAttribute::AllMulticast(_)
            | LinkAttribute::QueueLength(_)
            | LinkAttribute::Promiscuous(_) => false,
        };
        let ends = [self.end(), self.host_end()];
        ends.iter().any(|end| end.is_restored_by(set)) || of_host && set.link == ends[1].link
    }
}

impl Kind for CreateVeth {
    fn profile(&self) -> Profile<'_> {
        let ends = vec![self.inside(), self.outside()];
        let needs = self.peer.master.iter().chain([&self.peer.name]).map(LinkName::on_host).collect();
        // The pair is created from the host's namespace.
        let lane = Lane::Requests(Netns::Host, self);
        Profile { makes: ends.clone(), needs, changes: ends, ..Profile::new(lane, Capability::Links) }
    }

    fn commands(&self) -> Vec<String> {
        let CreateVeth { name, mac, peer, .. } = self;
        let mtu = self.mtu.map(|mtu| format!(" mtu {mtu}")).unwrap_or_default();
        let mut commands = vec![format!(
            "ip link add {} address {}{mtu} type veth peer name {name} netns CONTAINER address {mac}{mtu}",
            peer.name, peer.mac
        )];
        commands.extend(peer.port().iter().flat_map(|port| port.commands(&peer.name)));
        commands.push(format!("ip link set {} alias '{}'", peer.name, peer.alias));
        commands
    }

    fn completed(&self, plan: &Complete<'_>) -> Option<Action> {
        if self.mac != UNSET && self.peer.mac != UNSET {
            return None;
        }
        let derived = |role| derive::mac(plan.attachment, role);
        let mac = plan.mac(self.mac, &in_container(&self.name), || derived("container"));
        let peer = VethPeer {
            mac: if self.peer.mac == UNSET { derived("peer") } else { self.peer.mac },
            ..self.peer.clone()
        };
        Some(CreateVeth { mac, peer, ..self.clone() }.into())
    }

    fn refuse(&self, check: &Check<'_>) -> Vec<Refusal> {
        let (grants, peer) = (check.grants, &self.peer);
        let is_ours =
            grants.host_veths.contains(&peer.name) && peer.alias == derive::alias(&grants.attachment);
        let has_bridge = peer.master.as_ref().is_none_or(|master| check.is_bridge(master));
        let mut refusals = check.maker();
        refusals.extend(check.interface(&self.name));
        let derived = derive::mac(&grants.attachment, "container");
        refusals.extend(check.mac(&in_container(&self.name), self.mac, derived));
        let is_derived = peer.mac == derive::mac(&grants.attachment, "peer");
        refusals.extend(required(
            is_derived,
            "the Ethernet address of the host's end derives from the attachment",
        ));
        let is_sized = self.mtu.is_none() || self.mtu == grants.own.link.mtu;
        refusals.extend(required(is_ours, "the host's end is called and marked as the attachment says"));
        refusals.extend(required(has_bridge, "the master is a bridge of this plan"));
        refusals.extend(required(grants.own.makes_pairs, "the plugin's type makes no veth pair"));
        // A bridge takes the lowest MTU of its ports.
        refusals
            .extend(required(is_sized, "the MTU of a bridge's port is the one that the configuration names"));
        if peer.master.is_none() {
            // Otherwise the container could give the host addresses and routes (CVE-2020-10749). A port of a bridge has no
            // address, and the bridge ignores advertisements.
            let rule =
                "the host's end of a pair without a bridge ignores router advertisements: `accept_ra` is 0";
            refusals.extend(required(check.ignores_advertisements(&peer.name), rule));
        }
        refusals.extend(check.vlans(&peer.vlans));
        refusals
    }

    fn overlay(&self, query: &Query, answer: &mut Answer) {
        self.end().overlay(query, answer);
        let host = self.host_end();
        let alias = Some(self.peer.alias.clone());
        overlay_created(query, answer, || LinkFact { alias, ..host.fact() }, self.outside());
        if let (Query::HostEnd(name), Answer::HostEnd(fact)) = (query, answer)
            && *name == self.name
        {
            *fact = Fact::Known(self.peer.name.clone());
        }
    }

    fn observe(&self, cx: &mut ReadContext<'_>) -> Before {
        presence(cx.link(&on_host(&self.peer.name)), |_| true)
    }

    fn undos(&self, undoing: &Undoing<'_>) -> Vec<Undo> {
        match undoing.done {
            Done::Effect(Effect::CreatedLinks(links)) => {
                // The deletion of either end deletes the other one too. The host end is reachable even if the
                // container's namespace is gone.
                let host = links.iter().find(|identity| identity.link.netns == Netns::Host);
                let identity = host.or(links.first()).cloned();
                identity.map(|identity| DeleteLink { identity }.into()).into_iter().collect()
            }
            // The alias shows that the link is ours.
            Done::Unknown(_) => {
                let (name, alias) = (self.peer.name.clone(), self.peer.alias.clone());
                vec![DeleteMarkedLink { name, alias }.into()]
            }
            Done::Effect(_) | Done::Not => Vec::new(),
        }
    }

    fn verify(&self, cx: &mut ReadContext<'_>) -> Result<Vec<Difference>, MachineError> {
        let (end, host) = (self.end(), self.host_end());
        let mut differences = end.differences(cx.link(&end.link)?.as_ref());
        let found = cx.link(&host.link)?;
        let mut of_host = host.differences(found.as_ref());
        if let Some(found) = found.filter(|found| found.kind == VETH) {
            of_host.extend(self.peer.differences(&host.link, &found, cx)?);
            // A link with neither our alias nor our MAC address belongs to somebody else, who uses our name for it.
            if found.alias.as_deref() != Some(&self.peer.alias) && found.mac != self.peer.mac {
                of_host.iter_mut().for_each(|difference| difference.repair = None);
            }
        }
        differences.extend(of_host);
        Ok(differences)
    }

    /// Also a repair that sets an attribute from the creation of an end.
    fn covers(&self, repair: &Action) -> bool {
        matches!(repair, Action::SetLink(set) if self.is_created_with(set))
    }

    fn with_reported_macs(&self, reported: &dyn Fn(&LinkRef) -> Option<Mac>) -> Option<Action> {
        let mac = reported(&in_container(&self.name))?;
        Some(CreateVeth { mac, ..self.clone() }.into())
    }
}

impl VethPeer {
    /// The differences between the host end and `found`, except the MAC address and the MTU.
    fn differences(
        &self,
        link: &LinkRef,
        found: &Link,
        cx: &mut ReadContext<'_>,
    ) -> Result<Vec<Difference>, MachineError> {
        let mut differences = Vec::new();
        if found.alias.as_deref() != Some(&self.alias) {
            let text = format!("link {link} is not ours: it has another alias");
            differences.push(restored(text, link, LinkAttribute::Alias(self.alias.clone())));
        }
        if let Some(port) = self.port() {
            let texts = port.differences(link, found, cx)?;
            let attribute = LinkAttribute::Port(port);
            differences.extend(Difference::all(texts, SetLink { link: link.clone(), attribute }));
        }
        Ok(differences)
    }

    fn exists(&self) -> MachineError {
        MachineError::Conflict(format!("host veth name ({:?}) already exists", self.name.as_str()))
    }
}

impl Requests for CreateVeth {
    /// The request for the alias is in the same batch and names the link, so a link without its alias never outlives
    /// this process. It must not mark a link of somebody else. So the name is looked up before, and if such a link
    /// appears in between, its alias is removed after.
    fn prepare(&self, cx: &mut WriteContext<'_>) -> Result<Prepared, MachineError> {
        let peer = &self.peer;
        if cx.link(&on_host(&peer.name))?.is_some() {
            return Err(peer.exists());
        }
        let master = peer.master.as_ref().map(|master| cx.index(&on_host(master))).transpose()?;
        if !cx.machine.has_netns(Netns::Container) {
            let gone = io::Error::new(io::ErrorKind::NotFound, "the container has no network namespace");
            return Err(refused(FAILED, gone));
        }
        let create = NewVeth {
            end: VethEnd { name: self.name.clone(), mac: self.mac },
            host: VethEnd { name: peer.name.clone(), mac: peer.mac },
            netns: Netns::Container,
            mtu: self.mtu,
            master,
        };
        let mark = Request::Mark {
            name: peer.name.clone(),
            alias: peer.alias.clone(),
            hairpin: master.is_some() && peer.hairpin,
            isolated: master.is_some() && peer.isolated,
        };
        let requests = vec![Request::CreateVeth(create), mark];
        Ok(match &peer.master {
            None => Prepared::Send(requests),
            Some(master) => Prepared::after(
                pins(master, (peer.mac, self.mtu.unwrap_or(DEFAULT_MTU)), cx)?,
                failed_keep(master),
                requests,
            ),
        })
    }

    fn conclude(&self, answers: Vec<Answered>, cx: &mut WriteContext<'_>) -> Result<Effect, MachineError> {
        let (peer, mut answers) = (&self.peer, answers.into_iter());
        let (created, marked) = (answers.next().unwrap_or(Ok(())), answers.next().unwrap_or(Ok(())));
        if let Err(error) = created {
            if marked.is_ok() {
                // Somebody else has created a link with this name since the look-up. It is theirs, so its alias is
                // removed.
                let _ = cx.machine.send(Netns::Host, vec![unmark(&peer.name)]);
                return Err(peer.exists());
            }
            if is_errno(&error, Errno::EEXIST) && cx.link(&in_container(&self.name))?.is_some() {
                let name = self.name.as_str();
                return Err(MachineError::Conflict(format!("container veth name ({name:?}) already exists")));
            }
            return Err(refused(FAILED, error));
        }
        let marked = marked.map_err(|error| {
            refused(format!("failed to setup alias and hairpin mode for {}", peer.name), error)
        });
        let completed = marked.and_then(|()| self.complete(cx));
        if completed.is_err()
            && let Ok(Some(found)) = cx.link(&on_host(&peer.name))
        {
            // A failed creation must leave nothing.
            let _ = cx.machine.send(Netns::Host, vec![Request::Delete(found.index)]);
        }
        completed.map(Effect::CreatedLinks)
    }
}

/// The reference's error text for a pair that could not be created.
const FAILED: &str = "failed to make veth pair";

impl CreateVeth {
    /// Reads the identity of both ends, and sets the VLANs of the host end.
    fn complete(&self, cx: &mut WriteContext<'_>) -> Result<Vec<LinkIdentity>, MachineError> {
        let (peer, inside, outside) = (&self.peer, in_container(&self.name), on_host(&self.peer.name));
        let inside = cx.require(&inside)?.identity(inside);
        let outside = cx.require(&outside)?.identity(outside);
        if peer.master.is_some() {
            peer.vlans.give(&peer.name, outside.index, cx)?;
        }
        Ok(vec![inside, outside])
    }
}

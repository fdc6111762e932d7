//! Bridges, and how to keep a joining port from changing a foreign bridge.

use super::delete::{deletion, deletion_command};
use super::{
    BRIDGE, DEFAULT_MTU, MAX_MTU, ignore_advertisements, ignore_advertisements_command, is_errno,
    overlay_created, planned, presence,
};
use crate::action::check::{Check, required};
use crate::action::completion::{Complete, UNSET};
use crate::action::context::{Notes, ReadContext, WriteContext, refused};
use crate::action::kind::Kind;
use crate::action::profile::{
    Answered, Lane, Lasts, Lifetime, LinkName, Prepared, Profile, Requests, Retract, Retraction, UndoLane,
};
use crate::action::query::{Answer, Query};
use crate::action::record::{Before, Difference, Effect, Undoing};
use crate::action::undo::Inverse;
use crate::action::{Action, AddAddress, Undo};
use crate::machine::MachineError;
use crate::machine::errno::chain;
use crate::machine::port::{Link, NewKind, NewLink, Request, on_host};
use crate::policy::{Capability, Refusal};
use crate::value::{IfName, Mac, Netns, derive};
use ipnetwork::IpNetwork;
use nix::errno::Errno;
use serde::{Deserialize, Serialize};

/// See [`Action::EnsureBridge`](crate::action::Action::EnsureBridge). The attributes apply only if the bridge is
/// created. A created bridge also ignores router advertisements.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnsureBridge {
    /// The name, in the host's namespace.
    pub name: IfName,
    /// In bytes. None means the kernel's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// The MAC address.
    pub mac: Mac,
    /// Whether the bridge filters by VLAN (`IFLA_BR_VLAN_FILTERING`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub vlan_filtering: bool,
}

impl Kind for EnsureBridge {
    fn profile(&self) -> Profile<'_> {
        let name = LinkName::on_host(&self.name);
        Profile {
            makes: vec![name],
            needs: vec![name],
            changes: vec![name],
            lasts: Lasts::For(Lifetime::Shared),
            ..Profile::new(Lane::Requests(Netns::Host, self), Capability::Links)
        }
    }

    fn commands(&self) -> Vec<String> {
        let EnsureBridge { name, mac, .. } = self;
        let mtu = self.mtu.map(|mtu| format!(" mtu {mtu}")).unwrap_or_default();
        let filtering = if self.vlan_filtering { " vlan_filtering 1" } else { "" };
        let add_command = format!("ip link add {name} address {mac}{mtu} type bridge{filtering}");
        vec![add_command, ignore_advertisements_command(name)]
    }

    fn completed(&self, plan: &Complete<'_>) -> Option<Action> {
        if self.mac != UNSET {
            return None;
        }
        let mac = plan.mac(self.mac, &on_host(&self.name), || derive::bridge_mac(&self.name));
        Some(EnsureBridge { mac, ..self.clone() }.into())
    }

    fn refuse(&self, check: &Check<'_>) -> Vec<Refusal> {
        let config = &check.grants.own.link;
        let is_sized = self.mtu.is_none() || self.mtu == config.mtu;
        let is_filtering = config.vlan.is_some() || config.vlan_trunk.is_some();
        let mut refusals = check.maker();
        refusals.extend(check.named(&self.name));
        refusals.extend(required(is_sized, "the MTU of a bridge is the one that the configuration names"));
        refusals.extend(required(
            self.vlan_filtering == is_filtering,
            "a bridge filters by VLAN if the configuration names a VLAN, and only then",
        ));
        refusals.extend(check.bridge_mac(&on_host(&self.name), self.mac, derive::bridge_mac(&self.name)));
        refusals
    }

    fn overlay(&self, query: &Query, answer: &mut Answer) {
        let name = LinkName::on_host(&self.name);
        overlay_created(query, answer, || planned(name, BRIDGE, self.mac, self.mtu), name);
    }

    fn observe(&self, cx: &mut ReadContext<'_>) -> Before {
        presence(cx.link(&on_host(&self.name)), |_| true)
    }

    fn undos(&self, undoing: &Undoing<'_>) -> Vec<Undo> {
        let link = on_host(&self.name);
        let added = undoing.own.iter().filter_map(|record| AddAddress::of(record.action));
        let addresses = added.filter(|add| add.link == link).map(|add| add.address);
        let (name, addresses) = (self.name.clone(), addresses.collect());
        undoing.undo_if_created(DeleteEmptyBridge { name, mac: self.mac, addresses })
    }

    /// An existing bridge may have any attributes: CHECK does not compare them.
    fn verify(&self, cx: &mut ReadContext<'_>) -> Result<Vec<Difference>, MachineError> {
        let name = &self.name;
        Ok(match cx.link(&on_host(name))? {
            Some(found) if found.kind == BRIDGE => {
                self.note(&found, cx.notes);
                Vec::new()
            }
            Some(_) => vec![Difference::beyond(format!("{name} is not a bridge"))],
            None => vec![Difference::repaired(format!("bridge {name} is missing"), self.clone())],
        })
    }
}

impl Requests for EnsureBridge {
    fn prepare(&self, cx: &mut WriteContext<'_>) -> Result<Prepared, MachineError> {
        if let Some(found) = cx.link(&on_host(&self.name))? {
            self.use_found(&found, cx)?;
            return Ok(Prepared::Nothing);
        }
        let EnsureBridge { name, mtu, mac, vlan_filtering } = self.clone();
        let kind = NewKind::Bridge { vlan_filtering };
        Ok(Prepared::Send(vec![Request::CreateLink(NewLink { name, mac: Some(mac), mtu, kind })]))
    }

    fn conclude(&self, answers: Vec<Answered>, cx: &mut WriteContext<'_>) -> Result<Effect, MachineError> {
        let (name, link) = (&self.name, on_host(&self.name));
        let Some(error) = answers.into_iter().find_map(Result::err) else {
            cx.notes.foreign_bridges.remove(name);
            ignore_advertisements(cx, name)?;
            return Ok(Effect::CreatedLinks(vec![cx.require(&link)?.identity(link)]));
        };
        if is_errno(&error, Errno::EEXIST)
            && let Some(found) = cx.link(&link)?
        {
            self.use_found(&found, cx)?;
            return Ok(Effect::AlreadyThere);
        }
        let name = name.as_str();
        let is_unsupported = is_errno(&error, Errno::EOPNOTSUPP);
        let failed = refused(format!("failed to create bridge {name:?}: could not add {name:?}"), error);
        if self.vlan_filtering && is_unsupported {
            let text = chain(&failed) + ": the kernel cannot filter by VLAN (CONFIG_BRIDGE_VLAN_FILTERING)";
            return Err(MachineError::Conflict(text));
        }
        Err(failed)
    }
}

impl EnsureBridge {
    /// Uses the existing link of the bridge's name, if it is a bridge. If we created it and it is down, this function
    /// completes it: the process that created it may have been killed.
    fn use_found(&self, found: &Link, cx: &mut WriteContext<'_>) -> Result<(), MachineError> {
        if found.kind != BRIDGE {
            let name = self.name.as_str();
            let text =
                format!("failed to create bridge {name:?}: {name:?} already exists but is not a bridge");
            return Err(MachineError::Conflict(text));
        }
        self.note(found, cx.notes);
        let is_unfinished = !found.up && !cx.notes.foreign_bridges.contains(&self.name);
        if is_unfinished { ignore_advertisements(cx, &self.name) } else { Ok(()) }
    }

    /// Notes whether an existing bridge is foreign. Its MAC address shows whether we created it.
    fn note(&self, found: &Link, notes: &mut Notes) {
        if found.mac == self.mac {
            notes.foreign_bridges.remove(&self.name);
        } else {
            notes.foreign_bridges.insert(self.name.clone());
        }
    }
}

/// The attributes of a bridge that must be pinned so that they do not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// The MAC address.
    pub mac: bool,
    /// The MTU.
    pub mtu: bool,
}

/// Which attributes of a bridge the kernel would change when a port joins or leaves it. The bridge and its ports are
/// given by MAC address and MTU.
///
/// Whenever a port joins or leaves, the kernel gives the bridge the lowest MAC address and the least MTU of its ports.
/// It does not do so for an attribute that a user has set. See `br_stp_recalculate_bridge_id` in
/// net/bridge/br_stp_if.c, and `br_mtu_auto_adjust` in net/bridge/br_if.c. If the bridge's value differs from that of
/// its ports, a user has set it.
pub fn keep(bridge: (Mac, u32), ports: &[(Mac, u32)], port: (Mac, u32)) -> Keep {
    let (mac, mtu) = bridge;
    let (port_mac, port_mtu) = port;
    let lowest = ports.iter().map(|(mac, _)| *mac).min();
    let least = ports.iter().map(|(_, mtu)| *mtu).min();
    // A MAC address of zeros remains when the last port has left. The kernel does not accept it in a request.
    let can_be_set = mac != Mac([0; 6]);
    Keep {
        mac: can_be_set && lowest.is_none_or(|lowest| lowest == mac && port_mac < mac),
        mtu: least
            .map_or((mtu, port_mtu) != (DEFAULT_MTU, DEFAULT_MTU), |least| least == mtu && port_mtu < mtu),
    }
}

/// The requests that pin the attributes of a foreign bridge before a port with this MAC address and MTU joins it. The
/// bridge then never has another value, even if this process dies. Our own bridges need no pins: their attributes are
/// set at creation, or follow the ports as in the reference.
pub(super) fn pins(
    master: &IfName,
    port: (Mac, u32),
    cx: &mut WriteContext<'_>,
) -> Result<Vec<Request>, MachineError> {
    if !cx.notes.foreign_bridges.contains(master) {
        return Ok(Vec::new());
    }
    let bridge = cx.require(&on_host(master))?;
    let ports = cx.machine.ports(bridge.index).map_err(|error| refused(failed_keep(master), error))?;
    let ports: Vec<_> = ports.iter().map(|port| (port.mac, port.mtu)).collect();
    let keep = keep((bridge.mac, bridge.mtu), &ports, port);
    let mut requests = Vec::new();
    if keep.mac {
        requests.push(Request::SetMac(bridge.index, bridge.mac));
    }
    if keep.mtu {
        // The kernel ignores a request for the current value, so another value is set first. It is one byte larger,
        // because a smaller MTU could remove IPv6 addresses or affect links on top of the bridge.
        let other = if bridge.mtu < MAX_MTU { bridge.mtu + 1 } else { bridge.mtu - 1 };
        requests.extend([other, bridge.mtu].map(|mtu| Request::SetMtu(bridge.index, mtu)));
    }
    Ok(requests)
}

/// The error text for pins that failed.
pub(super) fn failed_keep(master: &IfName) -> String {
    format!("failed to keep {:?} as it is", master.as_str())
}

/// Deletes a bridge of ours, if it has no ports and no addresses except the given ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteEmptyBridge {
    /// The name, in the host's namespace.
    pub name: IfName,
    /// The MAC address that we created it with.
    pub mac: Mac,
    /// The addresses that we added to it.
    pub addresses: Vec<IpNetwork>,
}

impl Inverse for DeleteEmptyBridge {
    fn lane(&self) -> UndoLane<'_> {
        UndoLane::Requests(Netns::Host, self)
    }

    fn command(&self) -> String {
        deletion_command(&self.name)
    }
}

impl Retract for DeleteEmptyBridge {
    fn prepare(&self, cx: &mut WriteContext<'_>) -> Result<Retraction, MachineError> {
        let DeleteEmptyBridge { name, mac, addresses } = self;
        let left = |text| Ok(Retraction::left(text));
        let link = on_host(name);
        let Some(found) = cx.link(&link)? else { return Ok(Retraction::GONE) };
        if found.kind != BRIDGE || found.mac != *mac {
            return left(format!("{name} is not the bridge that was made"));
        }
        let failed = |error| refused(format!("failed to list the ports of {:?}", name.as_str()), error);
        let ports = cx.machine.ports(found.index).map_err(failed)?;
        if let Some(port) = ports.first() {
            return left(format!("bridge {name} is in use: {} is a port of it", port.name));
        }
        let there = cx.addresses(&link, found.index)?;
        let foreign = there.iter().find(|one| !one.is_link_local() && !addresses.contains(&one.address));
        if let Some(foreign) = foreign {
            return left(format!("bridge {name} has the address {}, which is not ours", foreign.address));
        }
        Ok(deletion(name, found.index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mac(last: u8) -> Mac {
        Mac([2, 0, 0, 0, 0, last])
    }

    fn kept(bridge: (u8, u32), ports: &[(u8, u32)], port: (u8, Option<u32>)) -> (bool, bool) {
        let ports: Vec<_> = ports.iter().map(|(last, mtu)| (mac(*last), *mtu)).collect();
        let port = (mac(port.0), port.1.unwrap_or(DEFAULT_MTU));
        let Keep { mac, mtu } = keep((mac(bridge.0), bridge.1), &ports, port);
        (mac, mtu)
    }

    #[test]
    fn a_bridge_is_pinned_if_the_new_port_would_change_it() {
        assert_eq!(kept((5, 1500), &[(5, 1500), (6, 9000)], (4, Some(1400))), (true, true));
        assert_eq!(kept((5, 1500), &[(5, 1500), (6, 9000)], (7, None)), (false, false));
        // A bridge whose values differ from its ports' was set by a user.
        assert_eq!(kept((1, 1500), &[(5, 9000)], (4, Some(1400))), (false, false));
        assert_eq!(kept((9, 9000), &[(5, 1500)], (4, Some(1400))), (false, false));
    }

    #[test]
    fn a_bridge_without_ports_is_pinned_unless_nothing_can_change() {
        assert_eq!(kept((5, 1500), &[], (9, None)), (true, false));
        assert_eq!(kept((5, 1500), &[], (9, Some(1400))), (true, true));
        // The MTU would fall back to 1500 when the port leaves.
        assert_eq!(kept((5, 9000), &[], (9, Some(9000))), (true, true));
        let zeros = Mac([0; 6]);
        assert!(!keep((zeros, 1500), &[], (mac(9), DEFAULT_MTU)).mac, "zeros cannot be set");
    }
}

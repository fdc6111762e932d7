//! Bridge ports and their VLANs.

use super::bridge::{failed_keep, pins};
use super::on_off;
use super::settings::{BridgePort, PortVlan, PortVlans};
use crate::action::context::{ReadContext, WriteContext, refused};
use crate::action::profile::Prepared;
use crate::machine::MachineError;
use crate::machine::port::{Link, Look, Request, on_host};
use crate::machine::vlans::{Membership, Vlans};
use crate::value::{IfName, LinkRef, Netns};
use std::collections::BTreeMap;

impl BridgePort {
    /// The requests that make a link this port. If the bridge is foreign, requests come first that pin its attributes.
    pub(super) fn join(&self, found: &Link, cx: &mut WriteContext<'_>) -> Result<Prepared, MachineError> {
        let (link, bridge) = (found.index, cx.require(&on_host(&self.bridge))?.index);
        let (mut first, mut rest) = (Vec::new(), Vec::new());
        if found.master != Some(bridge) {
            first = pins(&self.bridge, (found.mac, found.mtu), cx)?;
            rest.push(Request::SetMaster { link, master: bridge });
        }
        rest.push(Request::SetPort { link, hairpin: self.hairpin, isolated: self.isolated });
        rest.extend(self.vlans.requests(link));
        Ok(Prepared::after(first, failed_keep(&self.bridge), rest))
    }

    /// The equivalent shell commands.
    pub(super) fn commands(&self, link: &IfName) -> Vec<String> {
        let isolated = if self.isolated { " isolated on" } else { "" };
        let (bridge, hairpin) = (&self.bridge, on_off(self.hairpin));
        let joined =
            format!("ip link set {link} master {bridge} type bridge_slave hairpin {hairpin}{isolated}");
        std::iter::once(joined).chain(self.vlans.commands(link)).collect()
    }

    /// The differences between the link `found` and this port, one sentence each.
    pub(super) fn differences(
        &self,
        link: &LinkRef,
        found: &Link,
        cx: &mut ReadContext<'_>,
    ) -> Result<Vec<String>, MachineError> {
        let bridge = cx.link(&on_host(&self.bridge))?.map(|bridge| bridge.index);
        if bridge.is_none() || found.master != bridge {
            return Ok(vec![format!("link {link} is not a port of {}", self.bridge)]);
        }
        let modes =
            [("hairpin mode", found.hairpin, self.hairpin), ("isolation", found.isolated, self.isolated)];
        let differ = modes.into_iter().filter(|(_, is, wanted)| is != wanted);
        let text = |(mode, is, wanted)| format!("{mode} of {link} is {}, not {}", on_off(is), on_off(wanted));
        let mut texts: Vec<String> = differ.map(text).collect();
        if !self.vlans.is_default() {
            let now = vlans(&link.name, found.index, cx.look)?;
            texts.extend(self.vlans.differences(&link.name, &now));
        }
        Ok(texts)
    }
}

impl PortVlans {
    /// The requests that set the VLANs of a port.
    fn requests(&self, port: u32) -> Vec<Request> {
        let dropped = self.drop_default.then_some(Request::DropVlans(port));
        let added = self.added.iter().map(|vlan| {
            let PortVlan { first, last, native } = *vlan;
            Request::AddVlans { link: port, first, last, native }
        });
        dropped.into_iter().chain(added).collect()
    }

    /// The equivalent shell commands.
    pub(super) fn commands(&self, port: &IfName) -> Vec<String> {
        let dropped = self.drop_default.then(|| format!("bridge vlan delete dev {port} vid 1-4094"));
        let added = self.added.iter().map(|vlan| {
            let last = if vlan.last == vlan.first { String::new() } else { format!("-{}", vlan.last) };
            let native = if vlan.native { " pvid untagged" } else { "" };
            format!("bridge vlan add dev {port} vid {}{last}{native}", vlan.first)
        });
        dropped.into_iter().chain(added).collect()
    }

    /// Sets the VLANs of a port of ours, before the port is set up.
    pub(super) fn give(
        &self,
        port: &IfName,
        index: u32,
        cx: &mut WriteContext<'_>,
    ) -> Result<(), MachineError> {
        let requests = self.requests(index);
        if requests.is_empty() {
            return Ok(());
        }
        let dropped = self.drop_default.then(|| failed_drop(port));
        let added = self.added.iter().enumerate().map(|(number, vlan)| failed_add(port, number, vlan));
        let texts = dropped.into_iter().chain(added);
        let answers = cx.machine.send(Netns::Host, requests);
        let failed = answers.into_iter().zip(texts).find_map(|(answer, text)| Some((answer.err()?, text)));
        failed.map_or(Ok(()), |(error, text)| Err(refused(text, error)))
    }

    /// The VLANs of a port after these were added, without default VLANs. If two ranges overlap, the later one applies.
    /// Only one VLAN can be the PVID.
    fn memberships(&self) -> BTreeMap<u16, Membership> {
        let mut memberships: BTreeMap<u16, Membership> = BTreeMap::new();
        for PortVlan { first, last, native } in self.added.iter().copied() {
            if native {
                memberships.values_mut().for_each(|other| other.pvid = false);
            }
            let membership = Membership { pvid: native, untagged: native };
            memberships.extend((first..=last).map(|vid| (vid, membership)));
        }
        memberships
    }

    /// The differences between these VLANs and those of a port, one sentence for each kind of difference.
    fn differences(&self, port: &IfName, now: &Vlans) -> Vec<String> {
        if self.is_default() {
            return Vec::new();
        }
        let (wanted, now) = (self.memberships(), now.iter().collect::<BTreeMap<_, _>>());
        let missing = wanted.keys().filter(|vid| !now.contains_key(vid)).copied();
        let other = wanted.iter().filter(|(vid, wanted)| now.get(vid).is_some_and(|is| is != *wanted));
        // `PortVlans` does not record what the bridge's default VLANs are, so they count as additional only if they
        // were to be dropped.
        let more = now.keys().filter(|vid| self.drop_default && !wanted.contains_key(vid)).copied();
        let found = [
            ("is not in VLAN", ranges(missing)),
            ("has other tags in VLAN", ranges(other.map(|(vid, _)| *vid))),
            ("is also in VLAN", ranges(more)),
        ];
        let found = found.into_iter().filter(|(_, vids)| !vids.is_empty());
        found.map(|(what, vids)| format!("port {port} {what} {vids}")).collect()
    }
}

/// The VLANs of a port.
pub(super) fn vlans(port: &IfName, index: u32, look: &mut dyn Look) -> Result<Vlans, MachineError> {
    let failed = |error| refused(format!("failed to list the VLANs of {:?}", port.as_str()), error);
    look.vlans(index).map_err(failed)
}

/// Ascending numbers in the form `1 200-210`.
fn ranges(vids: impl Iterator<Item = u16>) -> String {
    let mut ranges: Vec<(u16, u16)> = Vec::new();
    for vid in vids {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(vid) => *last = vid,
            _ => ranges.push((vid, vid)),
        }
    }
    let text = |(first, last): (u16, u16)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    ranges.into_iter().map(text).collect::<Vec<_>>().join(" ")
}

/// The reference's error text for a default VLAN that could not be removed.
fn failed_drop(port: &IfName) -> String {
    format!("failed to remove default vlan on interface {:?}", port.as_str())
}

/// The reference's error text for a VLAN that could not be added. If the native VLAN is added after others, the
/// reference calls it the default native VLAN.
fn failed_add(port: &IfName, number: usize, vlan: &PortVlan) -> String {
    let which = if vlan.native && number > 0 { "default native vlan" } else { "vlan" };
    format!("failed to setup {which} tag on interface {:?}", port.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(drop_default: bool, added: &[(u16, u16, bool)]) -> PortVlans {
        let vlan = |&(first, last, native): &(u16, u16, bool)| PortVlan { first, last, native };
        PortVlans { drop_default, added: added.iter().map(vlan).collect() }
    }

    /// The VLANs of a new port with the settings `given`. The bridge's default VLAN is 1.
    fn port(given: &PortVlans) -> Vlans {
        let default = PortVlan { first: 1, last: 1, native: true };
        let default = (!given.drop_default).then_some(default);
        let added = default.into_iter().chain(given.added.iter().copied()).collect();
        let mut vlans = Vlans::default();
        for (vid, membership) in (PortVlans { added, ..given.clone() }).memberships() {
            vlans.insert(vid, membership);
        }
        vlans
    }

    #[test]
    fn a_port_has_its_vlans_in_the_order_given() {
        assert_eq!(port(&given(true, &[(100, 100, true)])).text(), "100pu");
        assert_eq!(port(&given(false, &[(100, 100, true)])).text(), "1u 100pu");
        assert_eq!(port(&given(true, &[(7, 9, false), (1, 1, true)])).text(), "1pu 7 8 9");
        // In an overlap, the tagged range of a trunk replaces the native VLAN, as in the reference.
        assert_eq!(port(&given(true, &[(8, 8, true), (7, 9, false)])).text(), "7 8 9");
        assert_eq!(port(&PortVlans::default()).pvid(), Some(1));
    }

    #[test]
    fn each_kind_of_difference_is_one_sentence() {
        let name = IfName::parse("vethx").unwrap();
        let wanted = given(true, &[(100, 100, true), (200, 210, false), (300, 300, false)]);
        assert_eq!(wanted.differences(&name, &port(&wanted)), [""; 0]);
        let other = port(&given(true, &[(100, 100, false), (205, 210, false), (400, 400, false)]));
        assert_eq!(
            wanted.differences(&name, &other),
            [
                "port vethx is not in VLAN 200-204 300",
                "port vethx has other tags in VLAN 100",
                "port vethx is also in VLAN 400"
            ]
        );
        // A default VLAN that stays may be any VLAN.
        let kept = given(false, &[(100, 100, true)]);
        assert_eq!(kept.differences(&name, &port(&kept)), [""; 0]);
        assert_eq!(PortVlans::default().differences(&name, &Vlans::default()), [""; 0]);
    }
}

//! The VLANs of a bridge port: the same for every kernel.

use super::MachineError;
use crate::action::{EnsureVlanGateway, PortVlan, PortVlans};
use crate::value::IfName;
use std::collections::BTreeMap;

/// The highest VLAN ID; the lowest is 1 (IEEE 802.1Q, table 9-2).
pub const MAX_VID: u16 = 4094;

/// The VLANs of a port, by VLAN ID.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vlans(BTreeMap<u16, Membership>);

/// How a port is in a VLAN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Membership {
    /// `PVID`: frames that come without a tag are its.
    pub pvid: bool,
    /// `Egress Untagged`: its frames leave without a tag.
    pub untagged: bool,
}

impl Vlans {
    /// What a port has as soon as it is one: the bridge's default VLAN, which is 1 unless somebody set another.
    pub fn of_new_port() -> Self {
        let mut vlans = Vlans::default();
        vlans.add(&PortVlan { first: 1, last: 1, native: true });
        vlans
    }

    /// What somebody gave a port, as the kernel does it: one VLAN alone is for frames without a tag.
    pub fn give(&mut self, vlans: &PortVlans) {
        if vlans.drop_default {
            self.0.clear();
        }
        vlans.added.iter().for_each(|vlan| self.add(vlan));
    }

    /// Notes that the port is in one.
    pub fn insert(&mut self, vid: u16, membership: Membership) {
        self.0.insert(vid, membership);
    }

    /// The VLANs that the port is in, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (u16, Membership)> {
        self.0.iter().map(|(vid, membership)| (*vid, *membership))
    }

    /// The VLAN of frames that come without a tag.
    pub fn pvid(&self) -> Option<u16> {
        self.0.iter().find(|(_, membership)| membership.pvid).map(|(vid, _)| *vid)
    }

    fn add(&mut self, vlan: &PortVlan) {
        let native = vlan.native;
        if native {
            self.0.values_mut().for_each(|other| other.pvid = false);
        }
        let membership = Membership { pvid: native, untagged: native };
        self.0.extend((vlan.first..=vlan.last).map(|vid| (vid, membership)));
    }

    /// How they differ from what a port was given: one sentence for each kind of difference.
    pub fn differences(&self, port: &IfName, given: &PortVlans) -> Vec<String> {
        if given.is_default() {
            return Vec::new();
        }
        let mut wanted = Vlans::default();
        wanted.give(given);
        let missing = wanted.0.keys().filter(|vid| !self.0.contains_key(vid)).copied();
        let other = wanted.0.iter().filter(|(vid, wanted)| self.0.get(vid).is_some_and(|is| is != *wanted));
        // What the default VLANs are, nobody told.
        let more = self.0.keys().filter(|vid| given.drop_default && !wanted.0.contains_key(vid)).copied();
        let told = [
            ("is not in VLAN", ranges(missing)),
            ("has other tags in VLAN", ranges(other.map(|(vid, _)| *vid))),
            ("is also in VLAN", ranges(more)),
        ];
        let told = told.into_iter().filter(|(_, vids)| !vids.is_empty());
        told.map(|(what, vids)| format!("port {port} {what} {vids}")).collect()
    }

    /// As text: `1 100p 200-210`, where `p` is for frames without a tag, `u` for those that leave without one.
    pub fn text(&self) -> String {
        let text = |(vid, membership): (&u16, &Membership)| match (membership.pvid, membership.untagged) {
            (true, true) => format!("{vid}pu"),
            (true, false) => format!("{vid}p"),
            (false, true) => format!("{vid}u"),
            (false, false) => vid.to_string(),
        };
        self.0.iter().map(text).collect::<Vec<_>>().join(" ")
    }
}

/// Ascending numbers as `1 200-210`.
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

/// What a link of a gateway's name is; `P` is what is told of the port at its other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing<P> {
    /// The gateway.
    Gateway(P),
    /// The gateway that we made, whose port left the bridge or the VLAN, or never got there.
    CutOff(P),
    /// Something else.
    Other,
}

impl<P> Standing<P> {
    /// Of the end of a pair that has our mark or not: by its port, and that one's bridge and native VLAN. One that somebody put
    /// on another bridge is his.
    pub fn of_pair(
        gateway: &EnsureVlanGateway,
        is_marked: bool,
        port: P,
        (master, bridge): (Option<u32>, Option<u32>),
        pvid: Option<u16>,
    ) -> Self {
        let is_port = master.is_some() && master == bridge;
        match is_port && pvid == Some(gateway.vid) {
            true => Standing::Gateway(port),
            false if is_marked && (is_port || master.is_none()) => Standing::CutOff(port),
            false => Standing::Other,
        }
    }

    /// The same with something else told of the port.
    pub fn map<Q>(self, tell: impl FnOnce(P) -> Q) -> Standing<Q> {
        match self {
            Standing::Gateway(port) => Standing::Gateway(tell(port)),
            Standing::CutOff(port) => Standing::CutOff(tell(port)),
            Standing::Other => Standing::Other,
        }
    }
}

/// The reference's text for a default VLAN that stays.
pub fn failed_drop(port: &IfName) -> String {
    format!("failed to remove default vlan on interface {:?}", port.as_str())
}

/// The reference's text for a VLAN that is not added; the one for frames without a tag is its default one where it comes last.
pub fn failed_add(port: &IfName, number: usize, vlan: &PortVlan) -> String {
    let which = if vlan.native && number > 0 { "default native vlan" } else { "vlan" };
    format!("failed to setup {which} tag on interface {:?}", port.as_str())
}

/// The reference's text (sic) for a gateway that is not made.
pub fn failed_gateway(gateway: &EnsureVlanGateway) -> String {
    format!("failed to create vlan interface: faild to create vlan gateway {:?}", gateway.name.as_str())
}

/// A link of the gateway's name that is something else.
pub fn not_the_gateway(gateway: &EnsureVlanGateway) -> String {
    let EnsureVlanGateway { name, bridge, vid, .. } = gateway;
    format!("link {name} is not the gateway of VLAN {vid} of bridge {bridge}")
}

/// That, as an error.
pub fn conflict(gateway: &EnsureVlanGateway) -> MachineError {
    MachineError::Conflict(format!("{}: {}", failed_gateway(gateway), not_the_gateway(gateway)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Mac;

    fn given(drop_default: bool, added: &[(u16, u16, bool)]) -> PortVlans {
        let vlan = |&(first, last, native): &(u16, u16, bool)| PortVlan { first, last, native };
        PortVlans { drop_default, added: added.iter().map(vlan).collect() }
    }

    fn port(given: &PortVlans) -> Vlans {
        let mut vlans = Vlans::of_new_port();
        vlans.give(given);
        vlans
    }

    #[test]
    fn a_port_has_what_it_was_given_in_order() {
        assert_eq!(port(&given(true, &[(100, 100, true)])).text(), "100pu");
        assert_eq!(port(&given(false, &[(100, 100, true)])).text(), "1u 100pu");
        assert_eq!(port(&given(true, &[(7, 9, false), (1, 1, true)])).text(), "1pu 7 8 9");
        // A tag in a trunk counts more, as in the reference.
        assert_eq!(port(&given(true, &[(8, 8, true), (7, 9, false)])).text(), "7 8 9");
        assert_eq!(port(&PortVlans::default()).pvid(), Some(1));
    }

    #[test]
    fn a_gateway_that_was_cut_off_is_ours_by_its_mark_and_no_other_bridge_s() {
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
        let standing = |is_marked, master, bridge, pvid| {
            Standing::of_pair(&gateway, is_marked, (), (master, bridge), pvid)
        };
        for is_marked in [true, false] {
            assert_eq!(standing(is_marked, Some(1), Some(1), Some(100)), Standing::Gateway(()));
            assert_eq!(standing(is_marked, Some(2), Some(1), Some(100)), Standing::Other);
            assert_eq!(standing(is_marked, Some(2), None, Some(100)), Standing::Other);
        }
        for (master, bridge, pvid) in [(Some(1), Some(1), Some(1)), (None, Some(1), None), (None, None, None)]
        {
            assert_eq!(standing(true, master, bridge, pvid), Standing::CutOff(()));
            assert_eq!(standing(false, master, bridge, pvid), Standing::Other);
        }
    }

    #[test]
    fn each_kind_of_difference_is_told_once() {
        let name = IfName::parse("vethx").unwrap();
        let wanted = given(true, &[(100, 100, true), (200, 210, false), (300, 300, false)]);
        assert_eq!(port(&wanted).differences(&name, &wanted), [""; 0]);
        let other = port(&given(true, &[(100, 100, false), (205, 210, false), (400, 400, false)]));
        assert_eq!(
            other.differences(&name, &wanted),
            [
                "port vethx is not in VLAN 200-204 300",
                "port vethx has other tags in VLAN 100",
                "port vethx is also in VLAN 400"
            ]
        );
        // A default VLAN that was to stay may be any.
        let kept = given(false, &[(100, 100, true)]);
        assert_eq!(port(&kept).differences(&name, &kept), [""; 0]);
        assert_eq!(Vlans::default().differences(&name, &PortVlans::default()), [""; 0]);
    }
}

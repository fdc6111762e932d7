//! The VLANs of a bridge port, for the real and the test machine.

use std::collections::BTreeMap;

/// The highest VLAN ID. The lowest is 1 (IEEE 802.1Q, table 9-2).
pub const MAX_VID: u16 = 4094;

/// The VLANs of a port, by VLAN ID.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vlans(BTreeMap<u16, Membership>);

/// The settings of a port in a VLAN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Membership {
    /// `PVID`: whether untagged frames that enter the port belong to the VLAN.
    pub pvid: bool,
    /// `Egress Untagged`: whether frames of the VLAN leave the port untagged.
    pub untagged: bool,
}

impl Vlans {
    /// The VLANs of a new port: the bridge's default VLAN, which is 1 unless a user has set another.
    pub fn of_new_port() -> Self {
        Vlans(BTreeMap::from([(1, Membership { pvid: true, untagged: true })]))
    }

    /// Adds a VLAN, or replaces its settings.
    pub fn insert(&mut self, vid: u16, membership: Membership) {
        self.0.insert(vid, membership);
    }

    /// The VLANs of the port, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = (u16, Membership)> {
        self.0.iter().map(|(vid, membership)| (*vid, *membership))
    }

    /// The VLAN of untagged frames that enter the port.
    pub fn pvid(&self) -> Option<u16> {
        self.0.iter().find(|(_, membership)| membership.pvid).map(|(vid, _)| *vid)
    }

    /// The VLANs as text: `1 100p 200-210`. `p` marks the PVID, `u` a VLAN whose frames leave untagged.
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

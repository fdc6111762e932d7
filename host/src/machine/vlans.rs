//! The VLANs of a bridge port: the same for every kernel.

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
        Vlans(BTreeMap::from([(1, Membership { pvid: true, untagged: true })]))
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

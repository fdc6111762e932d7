//! VLANs of bridge ports: `bridge vlan`.

use super::socket::{Netlink, Request};
use crate::action::{PortVlan, PortVlans};
use crate::machine::vlans::{MAX_VID, Membership, Vlans};
use netlink_packet_route::link::{
    AfSpecBridge, BridgeVlanInfo, BridgeVlanInfoFlags as Flags, LinkAttribute, LinkExtentMask, LinkMessage,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use std::io;

/// Takes a port out of every VLAN. What it is not in is no error.
fn drop_all(port: u32) -> Request {
    let message = message(port, range(1, MAX_VID, Flags::empty()));
    Request { message: RouteNetlinkMessage::DelLink(message), flags: 0 }
}

/// Puts a port into VLANs; one in which it is gets the new tags.
fn add(port: u32, vlan: &PortVlan) -> Request {
    let flags = if vlan.native { Flags::Pvid | Flags::Untagged } else { Flags::empty() };
    let message = message(port, range(vlan.first, vlan.last, flags));
    Request { message: RouteNetlinkMessage::SetLink(message), flags: 0 }
}

/// Gives a port its VLANs, the first taking it out of all others where that is wanted.
pub fn give(port: u32, vlans: &PortVlans) -> Vec<Request> {
    let dropped = vlans.drop_default.then(|| drop_all(port));
    dropped.into_iter().chain(vlans.added.iter().map(|vlan| add(port, vlan))).collect()
}

/// The VLANs of a port; none without `CONFIG_BRIDGE_VLAN_FILTERING`.
pub fn list(netlink: &mut Netlink, port: u32) -> io::Result<Vlans> {
    // The kernel filters these by nothing.
    let mut message = LinkMessage::default();
    message.header.interface_family = AddressFamily::Bridge;
    message.attributes = vec![LinkAttribute::ExtMask(vec![LinkExtentMask::BrvlanCompressed])];
    let mut vlans = Vlans::default();
    for answer in netlink.dump(RouteNetlinkMessage::GetLink(message))? {
        let RouteNetlinkMessage::NewLink(message) = answer else { continue };
        if message.header.index != port {
            continue;
        }
        for attribute in message.attributes {
            if let LinkAttribute::AfSpecBridge(infos) = attribute {
                parse(&infos, &mut vlans);
            }
        }
    }
    Ok(vlans)
}

fn parse(infos: &[AfSpecBridge], vlans: &mut Vlans) {
    let mut first = None;
    for info in infos {
        let AfSpecBridge::VlanInfo(BridgeVlanInfo { flags, vid, .. }) = info else { continue };
        if flags.contains(Flags::RangeBegin) {
            first = Some(*vid);
            continue;
        }
        let membership =
            Membership { pvid: flags.contains(Flags::Pvid), untagged: flags.contains(Flags::Untagged) };
        for vid in first.take().unwrap_or(*vid)..=*vid {
            vlans.insert(vid, membership);
        }
    }
}

fn range(first: u16, last: u16, flags: Flags) -> Vec<AfSpecBridge> {
    let info = |vid, flags| AfSpecBridge::VlanInfo(BridgeVlanInfo { flags, vid });
    if first == last {
        vec![info(first, flags)]
    } else {
        vec![info(first, flags | Flags::RangeBegin), info(last, flags | Flags::RangeEnd)]
    }
}

fn message(port: u32, vlans: Vec<AfSpecBridge>) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.interface_family = AddressFamily::Bridge;
    message.header.index = port;
    message.attributes = vec![LinkAttribute::AfSpecBridge(vlans)];
    message
}

//! VLANs of bridge ports, as in `bridge vlan`.

use super::socket::{Message, Netlink};
use crate::machine::vlans::{MAX_VID, Membership, Vlans};
use netlink_packet_route::link::{
    AfSpecBridge, BridgeVlanInfo, BridgeVlanInfoFlags as Flags, LinkAttribute, LinkExtentMask, LinkMessage,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use std::io;

/// Removes a port from all VLANs. The kernel ignores VLANs that the port is not in.
pub fn drop_all(port: u32) -> Message {
    let message = message(port, range(1, MAX_VID, Flags::empty()));
    Message { message: RouteNetlinkMessage::DelLink(message), flags: 0 }
}

/// Adds a port to the VLANs `first` to `last`. If it is in one already, its flags change. With `native`, the VLAN is
/// the PVID, and its frames leave untagged.
pub fn add(port: u32, first: u16, last: u16, native: bool) -> Message {
    let flags = if native { Flags::Pvid | Flags::Untagged } else { Flags::empty() };
    let message = message(port, range(first, last, flags));
    Message { message: RouteNetlinkMessage::SetLink(message), flags: 0 }
}

/// The VLANs of a port. Empty if the kernel has no `CONFIG_BRIDGE_VLAN_FILTERING`.
pub fn list(netlink: &mut Netlink, port: u32) -> io::Result<Vlans> {
    // The kernel has no filter for this dump.
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

//! Links: `ip link`.

use super::socket::{Message, Netlink};
use crate::machine::port::{Link, NewBridge, NewVeth};
use crate::value::{IfName, Mac};
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    InfoBridgePort, InfoData, InfoKind, InfoPortData, InfoVeth, InfoVlan, LinkAttribute, LinkExtentMask,
    LinkFlags, LinkInfo, LinkMessage, State,
};
use nix::errno::Errno;
use rtnetlink::{LinkBridge, LinkBridgePort, LinkMessageBuilder, LinkUnspec};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// The link of that name, or with that alternative name, if there is one.
pub fn find(netlink: &mut Netlink, name: &IfName) -> io::Result<Option<Link>> {
    get(netlink, LinkUnspec::new_with_name(name.as_str()))
}

/// The link of that index, if there is one. The kernel does not use an index twice.
pub fn find_index(netlink: &mut Netlink, index: u32) -> io::Result<Option<Link>> {
    get(netlink, LinkUnspec::new_with_index(index))
}

/// The ports of a bridge.
pub fn ports(netlink: &mut Netlink, bridge: u32) -> io::Result<Vec<Link>> {
    let message = without_statistics(LinkMessageBuilder::<LinkUnspec>::new().controller(bridge)).build();
    let found = netlink.dump(RouteNetlinkMessage::GetLink(message))?;
    Ok(found.into_iter().filter_map(parse).filter(|link| link.master == Some(bridge)).collect())
}

/// Makes a bridge, down. A link of that name is `EEXIST`.
pub fn create_bridge(bridge: &NewBridge) -> Message {
    let mut builder =
        LinkMessageBuilder::<LinkBridge>::new(bridge.name.as_str()).address(bridge.mac.0.to_vec());
    if let Some(mtu) = bridge.mtu {
        builder = builder.mtu(mtu);
    }
    if bridge.vlan_filtering {
        builder = builder.vlan_filtering(true);
    }
    create(builder.build())
}

/// Makes a veth pair, both ends down and in their places at once: moving one later would take an RCU grace period. The first end is made in `netns`; none:
/// in this one.
///
/// The host end's queue length is 0, as the reference makes it. What [`mark`] sets cannot be set here.
pub fn create_veth(veth: &NewVeth, netns: Option<BorrowedFd<'_>>) -> Message {
    let mut end =
        LinkMessageBuilder::<LinkUnspec>::new().name(veth.end.name.as_str()).address(veth.end.mac.0.to_vec());
    if let Some(netns) = netns {
        end = end.setns_by_fd(netns.as_raw_fd());
    }
    let mut host = LinkMessageBuilder::<LinkUnspec>::new_with_info_kind(InfoKind::Veth)
        .name(veth.host.name.as_str())
        .address(veth.host.mac.0.to_vec())
        .txqueuelen(0);
    if let Some(mtu) = veth.mtu {
        end = end.mtu(mtu);
        host = host.mtu(mtu);
    }
    if let Some(master) = veth.master {
        host = host.controller(master);
    }
    create(host.set_info_data(InfoData::Veth(InfoVeth::Peer(end.build()))).build())
}

/// Makes an intermediate functional block, up, without a queue of its own.
pub fn create_ifb(name: &IfName, mtu: u32) -> Message {
    let ifb = LinkMessageBuilder::<LinkUnspec>::new_with_info_kind(InfoKind::Ifb).name(name.as_str());
    create(ifb.mtu(mtu).txqueuelen(0).up().build())
}

/// Brings a link up.
pub fn set_up(index: u32) -> Message {
    change(LinkUnspec::new_with_index(index).up().build())
}

/// Takes a link down.
pub fn set_down(index: u32) -> Message {
    change(LinkUnspec::new_with_index(index).down().build())
}

/// Lets a link take every frame, or its own alone.
pub fn set_promiscuous(index: u32, on: bool) -> Message {
    change(LinkUnspec::new_with_index(index).promiscuous(on).build())
}

/// Gives a link an Ethernet address.
pub fn set_mac(index: u32, mac: Mac) -> Message {
    change(LinkUnspec::new_with_index(index).address(mac.0.to_vec()).build())
}

/// Gives a link its largest packet, in bytes.
pub fn set_mtu(index: u32, mtu: u32) -> Message {
    change(LinkUnspec::new_with_index(index).mtu(mtu).build())
}

/// Lets a link take every multicast frame, or those of its groups alone.
pub fn set_all_multicast(index: u32, on: bool) -> Message {
    change(LinkUnspec::new_with_index(index).allmulticast(on).build())
}

/// Gives a link the length of its queue, in packets.
pub fn set_queue_length(index: u32, packets: u32) -> Message {
    change(LinkUnspec::new_with_index(index).txqueuelen(packets).build())
}

/// Marks a link as somebody's.
pub fn set_alias(index: u32, alias: &str) -> Message {
    change(LinkUnspec::new_with_index(index).alias(alias).build())
}

/// Makes a link a port of a bridge.
pub fn set_master(index: u32, bridge: u32) -> Message {
    change(LinkUnspec::new_with_index(index).controller(bridge).build())
}

/// The settings of a bridge port.
pub fn set_port(index: u32, hairpin: bool, isolated: bool) -> Message {
    change(LinkBridgePort::new(index).hairpin(hairpin).isolated(isolated).build())
}

/// Deletes a link; of a pair, both ends.
pub fn delete(index: u32) -> Message {
    let message = LinkUnspec::new_with_index(index).build();
    Message { message: RouteNetlinkMessage::DelLink(message), flags: 0 }
}

/// Gives a new link, by its name, its alias and its settings as a bridge port: the kernel ignores both in the message that makes a link.
///
/// `RTM_NEWLINK` without `NLM_F_CREATE`: `RTM_SETLINK` ignores port settings and answers without an error.
pub fn mark(name: &IfName, alias: &str, hairpin: bool, isolated: bool) -> Message {
    // Index 0: the name says which link.
    let message = if hairpin || isolated {
        LinkBridgePort::new(0).name(name.as_str()).alias(alias).hairpin(hairpin).isolated(isolated).build()
    } else {
        LinkUnspec::new_with_name(name.as_str()).alias(alias).build()
    };
    change(message)
}

fn create(message: LinkMessage) -> Message {
    Message { message: RouteNetlinkMessage::NewLink(message), flags: NLM_F_CREATE | NLM_F_EXCL }
}

fn change(message: LinkMessage) -> Message {
    Message { message: RouteNetlinkMessage::NewLink(message), flags: 0 }
}

fn get(netlink: &mut Netlink, builder: LinkMessageBuilder<LinkUnspec>) -> io::Result<Option<Link>> {
    match netlink.get(RouteNetlinkMessage::GetLink(without_statistics(builder).build())) {
        Ok(answer) => Ok(parse(answer)),
        Err(error) if error.raw_os_error() == Some(Errno::ENODEV as i32) => Ok(None),
        Err(error) => Err(error),
    }
}

fn without_statistics(builder: LinkMessageBuilder<LinkUnspec>) -> LinkMessageBuilder<LinkUnspec> {
    builder.append_extra_attribute(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]))
}

fn parse(answer: RouteNetlinkMessage) -> Option<Link> {
    let RouteNetlinkMessage::NewLink(message) = answer else { return None };
    let mut link = Link {
        index: message.header.index,
        up: message.header.flags.contains(LinkFlags::Up),
        promiscuous: message.header.flags.contains(LinkFlags::Promisc),
        all_multicast: message.header.flags.contains(LinkFlags::Allmulti),
        ..Link::default()
    };
    let mut is_in_other_netns = false;
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name = name,
            LinkAttribute::Address(mac) => link.mac = Mac(mac.try_into().unwrap_or_default()),
            LinkAttribute::Mtu(mtu) => link.mtu = mtu,
            LinkAttribute::TxQueueLen(packets) => link.queue_length = packets,
            LinkAttribute::OperState(state) => link.running = state == State::Up,
            LinkAttribute::IfAlias(alias) => link.alias = Some(alias),
            LinkAttribute::Controller(master) => link.master = Some(master),
            LinkAttribute::Link(index) => (link.other_end, link.peer) = (Some(index), Some(index)),
            LinkAttribute::LinkNetNsId(_) => is_in_other_netns = true,
            LinkAttribute::LinkInfo(infos) => infos.iter().for_each(|info| parse_info(info, &mut link)),
            _ => {}
        }
    }
    if is_in_other_netns {
        link.other_end = None;
    }
    Some(link)
}

fn parse_info(info: &LinkInfo, link: &mut Link) {
    match info {
        LinkInfo::Kind(kind) => link.kind = kind.to_string(),
        LinkInfo::Data(InfoData::Vlan(settings)) => {
            link.vlan_id = settings.iter().find_map(|setting| match setting {
                InfoVlan::Id(id) => Some(*id),
                _ => None,
            });
        }
        LinkInfo::PortData(InfoPortData::BridgePort(settings)) => {
            link.hairpin = settings.contains(&InfoBridgePort::HairpinMode(true));
            link.isolated = settings.contains(&InfoBridgePort::Isolated(true));
        }
        _ => {}
    }
}

//! Links: `ip link`.

use super::socket::{Message, Netlink};
use crate::machine::port::{Link, NewKind, NewLink, NewVeth};
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

/// What a message about a link of any kind is made with.
pub type Builder = LinkMessageBuilder<LinkUnspec>;

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
    let message = without_statistics(Builder::new().controller(bridge)).build();
    let found = netlink.dump(RouteNetlinkMessage::GetLink(message))?;
    Ok(found.into_iter().filter_map(parse).filter(|link| link.master == Some(bridge)).collect())
}

/// Makes a link of one end. A link of that name is `EEXIST`.
pub fn create(link: &NewLink) -> Message {
    let name = link.name.as_str();
    let of_kind = |kind| Builder::new_with_info_kind(kind).name(name);
    match &link.kind {
        NewKind::Bridge { vlan_filtering } => {
            let bridge = LinkMessageBuilder::<LinkBridge>::new(name);
            created(if *vlan_filtering { bridge.vlan_filtering(true) } else { bridge }, link)
        }
        NewKind::Dummy => created(of_kind(InfoKind::Dummy), link),
        NewKind::Ifb => created(of_kind(InfoKind::Ifb).txqueuelen(0).up(), link),
    }
}

/// The message that makes a link, with what every kind can have.
fn created<T>(mut builder: LinkMessageBuilder<T>, link: &NewLink) -> Message {
    if let Some(mac) = link.mac {
        builder = builder.address(mac.0.to_vec());
    }
    if let Some(mtu) = link.mtu {
        builder = builder.mtu(mtu);
    }
    exclusive(builder.build())
}

/// Makes a veth pair, both ends down and in their places at once: moving one later would take an RCU grace period. The first end is made in `netns`; none:
/// in this one.
///
/// The host end's queue length is 0, as the reference makes it. What [`mark`] sets cannot be set here.
pub fn create_veth(veth: &NewVeth, netns: Option<BorrowedFd<'_>>) -> Message {
    let mut end = Builder::new().name(veth.end.name.as_str()).address(veth.end.mac.0.to_vec());
    if let Some(netns) = netns {
        end = end.setns_by_fd(netns.as_raw_fd());
    }
    let mut host = Builder::new_with_info_kind(InfoKind::Veth)
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
    exclusive(host.set_info_data(InfoData::Veth(InfoVeth::Peer(end.build()))).build())
}

/// Changes a link that is there.
pub fn set(index: u32, to: impl FnOnce(Builder) -> Builder) -> Message {
    change(to(LinkUnspec::new_with_index(index)).build())
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

fn exclusive(message: LinkMessage) -> Message {
    Message { message: RouteNetlinkMessage::NewLink(message), flags: NLM_F_CREATE | NLM_F_EXCL }
}

fn change(message: LinkMessage) -> Message {
    Message { message: RouteNetlinkMessage::NewLink(message), flags: 0 }
}

fn get(netlink: &mut Netlink, builder: Builder) -> io::Result<Option<Link>> {
    match netlink.get(RouteNetlinkMessage::GetLink(without_statistics(builder).build())) {
        Ok(answer) => Ok(parse(answer)),
        Err(error) if error.raw_os_error() == Some(Errno::ENODEV as i32) => Ok(None),
        Err(error) => Err(error),
    }
}

fn without_statistics(builder: Builder) -> Builder {
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

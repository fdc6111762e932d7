//! Links, as in `ip link`.

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

/// A builder for messages about links of any kind.
pub type Builder = LinkMessageBuilder<LinkUnspec>;

/// The link with this name or alternative name (`IFLA_ALT_IFNAME`), if it exists.
pub fn find(netlink: &mut Netlink, name: &IfName) -> io::Result<Option<Link>> {
    get(netlink, LinkUnspec::new_with_name(name.as_str()))
}

/// The link with this index, if it exists. The kernel does not reuse indexes.
pub fn find_index(netlink: &mut Netlink, index: u32) -> io::Result<Option<Link>> {
    get(netlink, LinkUnspec::new_with_index(index))
}

/// The ports of a bridge.
pub fn ports(netlink: &mut Netlink, bridge: u32) -> io::Result<Vec<Link>> {
    let message = without_statistics(Builder::new().controller(bridge)).build();
    let found = netlink.dump(RouteNetlinkMessage::GetLink(message))?;
    Ok(found.into_iter().filter_map(parse).filter(|link| link.master == Some(bridge)).collect())
}

/// Creates a link, except a veth pair. Fails with `EEXIST` if the name is taken.
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

/// The message that creates a link, with the attributes that all kinds can have.
fn created<T>(mut builder: LinkMessageBuilder<T>, link: &NewLink) -> Message {
    if let Some(mac) = link.mac {
        builder = builder.address(mac.0.to_vec());
    }
    if let Some(mtu) = link.mtu {
        builder = builder.mtu(mtu);
    }
    exclusive(builder.build())
}

/// Creates a veth pair. Both ends are down, and are created in their final namespaces, because moving a link later
/// takes an RCU grace period. The first end is created in `netns`, or in the current namespace.
///
/// The host end has the queue length 0, as in the reference. The attributes that [`mark`] sets cannot be set in this
/// message.
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

/// Changes an existing link.
pub fn set(index: u32, to: impl FnOnce(Builder) -> Builder) -> Message {
    change(to(LinkUnspec::new_with_index(index)).build())
}

/// The settings of a bridge port.
pub fn set_port(index: u32, hairpin: bool, isolated: bool) -> Message {
    change(LinkBridgePort::new(index).hairpin(hairpin).isolated(isolated).build())
}

/// Deletes a link. If it is one end of a veth pair, the kernel deletes both.
pub fn delete(index: u32) -> Message {
    let message = LinkUnspec::new_with_index(index).build();
    Message { message: RouteNetlinkMessage::DelLink(message), flags: 0 }
}

/// Sets the alias and the bridge port settings of a new link, which is given by its name. The kernel ignores both
/// attributes in the message that creates a link.
///
/// The message is `RTM_NEWLINK` without `NLM_F_CREATE`: with `RTM_SETLINK`, the kernel ignores port settings and
/// reports no error.
pub fn mark(name: &IfName, alias: &str, hairpin: bool, isolated: bool) -> Message {
    // With index 0, the kernel finds the link by its name.
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

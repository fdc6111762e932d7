//! Links: `ip link`.

use super::socket::{Netlink, Request};
use crate::action::LinkAttribute as Attribute;
use crate::action::{BridgePort, CreateVeth, EnsureBridge, EnsureVlanGateway, VethPeer};
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

/// A link, as the kernel tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Link {
    /// `ifi_index`.
    pub index: u32,
    /// `IFLA_IFNAME`.
    pub name: String,
    /// `IFLA_INFO_KIND`; empty for a physical device.
    pub kind: String,
    /// Zeros where it has none.
    pub mac: [u8; 6],
    /// Bytes.
    pub mtu: u32,
    /// `IFF_UP`.
    pub up: bool,
    /// `IFLA_IFALIAS`.
    pub alias: Option<String>,
    /// `IFLA_MASTER`.
    pub master: Option<u32>,
    /// `IFLA_LINK` in this namespace: of a veth the other end, of an 802.1Q device the link below it.
    pub other_end: Option<u32>,
    /// `IFLA_LINK` in whatever namespace: of a veth the index of the other end.
    pub peer: Option<u32>,
    /// `IFLA_VLAN_ID`, of an 802.1Q device.
    pub vlan_id: Option<u16>,
    /// `IFF_PROMISC`, as somebody asked for it.
    pub promiscuous: bool,
    /// `IFF_ALLMULTI`, as somebody asked for it.
    pub all_multicast: bool,
    /// `IFLA_TXQLEN`, packets.
    pub queue_length: u32,
    /// `IFLA_OPERSTATE` is up.
    pub running: bool,
    /// `IFLA_BRPORT_MODE`, of a bridge port.
    pub hairpin: bool,
    /// `IFLA_BRPORT_ISOLATED`, of a bridge port.
    pub isolated: bool,
}

impl Link {
    /// The Ethernet address.
    pub fn mac(&self) -> Mac {
        Mac(self.mac)
    }

    /// An attribute, as it is now; a port tells none.
    pub fn attribute(&self, kind: &Attribute) -> Option<Attribute> {
        Some(match kind {
            Attribute::Mac(_) => Attribute::Mac(self.mac()),
            Attribute::Mtu(_) => Attribute::Mtu(self.mtu),
            Attribute::AllMulticast(_) => Attribute::AllMulticast(self.all_multicast),
            Attribute::QueueLength(_) => Attribute::QueueLength(self.queue_length),
            Attribute::Promiscuous(_) => Attribute::Promiscuous(self.promiscuous),
            Attribute::Alias(_) => Attribute::Alias(self.alias.clone().unwrap_or_default()),
            Attribute::Port(_) => return None,
        })
    }
}

/// The link of that name, if there is one.
pub fn find(netlink: &mut Netlink, name: &IfName) -> io::Result<Option<Link>> {
    get(netlink, LinkUnspec::new_with_name(name.as_str()))
}

/// The link of that index, if there is one. The kernel does not give an index twice.
pub fn find_index(netlink: &mut Netlink, index: u32) -> io::Result<Option<Link>> {
    get(netlink, LinkUnspec::new_with_index(index))
}

/// The ports of a bridge.
pub fn ports(netlink: &mut Netlink, bridge: u32) -> io::Result<Vec<Link>> {
    let message = without_statistics(LinkMessageBuilder::<LinkUnspec>::new().controller(bridge)).build();
    let found = netlink.dump(RouteNetlinkMessage::GetLink(message))?;
    Ok(found.into_iter().filter_map(parse).filter(|link| link.master == Some(bridge)).collect())
}

/// A bridge, down. A link of that name is an error.
pub fn create_bridge(bridge: &EnsureBridge) -> Request {
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

/// A pair, both ends down and in their places at once: moving one later would take an RCU grace period.
///
/// The host end's queue length is 0, as the reference makes it. What [`mark_veth`] sets cannot be set here.
pub fn create_veth(veth: &CreateVeth, master: Option<u32>, container: BorrowedFd<'_>) -> Request {
    let mut inside = LinkMessageBuilder::<LinkUnspec>::new()
        .name(veth.name.as_str())
        .address(veth.mac.0.to_vec())
        .setns_by_fd(container.as_raw_fd());
    let mut host = LinkMessageBuilder::<LinkUnspec>::new_with_info_kind(InfoKind::Veth)
        .name(veth.peer.name.as_str())
        .address(veth.peer.mac.0.to_vec())
        .txqueuelen(0);
    if let Some(mtu) = veth.mtu {
        inside = inside.mtu(mtu);
        host = host.mtu(mtu);
    }
    if let Some(master) = master {
        host = host.controller(master);
    }
    create(host.set_info_data(InfoData::Veth(InfoVeth::Peer(inside.build()))).build())
}

/// A pair in this namespace, both ends down, one a port of the bridge.
pub fn create_vlan_gateway(gateway: &EnsureVlanGateway, mtu: u32, bridge: u32) -> Request {
    let outside = LinkMessageBuilder::<LinkUnspec>::new()
        .name(gateway.name.as_str())
        .address(gateway.mac.0.to_vec())
        .mtu(mtu);
    let port = LinkMessageBuilder::<LinkUnspec>::new_with_info_kind(InfoKind::Veth)
        .name(gateway.port.as_str())
        .address(gateway.port_mac.0.to_vec())
        .txqueuelen(0)
        .mtu(mtu)
        .controller(bridge);
    create(port.set_info_data(InfoData::Veth(InfoVeth::Peer(outside.build()))).build())
}

/// The alias of a new gateway, by its name.
pub fn mark_vlan_gateway(gateway: &EnsureVlanGateway) -> Request {
    mark(&gateway.name, &gateway.alias, false, false)
}

/// Alias and port settings of a new host end, by its name: the kernel ignores both in the message that makes a link.
///
/// `RTM_NEWLINK` without `NLM_F_CREATE`: `RTM_SETLINK` ignores port settings and answers that all is well.
pub fn mark_veth(peer: &VethPeer) -> Request {
    let port = peer.master.is_some();
    mark(&peer.name, &peer.alias, port && peer.hairpin, port && peer.isolated)
}

/// Takes back what [`mark_veth`] did to a link that turned out not to be ours.
pub fn unmark(name: &IfName) -> Request {
    mark(name, "", false, false)
}

/// An intermediate functional block, up, without a queue of its own.
pub fn create_ifb(name: &IfName, mtu: u32) -> Request {
    let ifb = LinkMessageBuilder::<LinkUnspec>::new_with_info_kind(InfoKind::Ifb).name(name.as_str());
    create(ifb.mtu(mtu).txqueuelen(0).up().build())
}

/// The alias of a new ifb, by its name.
pub fn mark_ifb(name: &IfName, alias: &str) -> Request {
    mark(name, alias, false, false)
}

/// Brings a link up.
pub fn set_up(index: u32) -> Request {
    change(LinkUnspec::new_with_index(index).up().build())
}

/// Takes a link down.
pub fn set_down(index: u32) -> Request {
    change(LinkUnspec::new_with_index(index).down().build())
}

/// Lets a link take every frame, or its own alone.
pub fn set_promiscuous(index: u32, on: bool) -> Request {
    change(LinkUnspec::new_with_index(index).promiscuous(on).build())
}

/// Gives a link an Ethernet address.
pub fn set_mac(index: u32, mac: Mac) -> Request {
    change(LinkUnspec::new_with_index(index).address(mac.0.to_vec()).build())
}

/// Gives a link its largest packet, in bytes.
pub fn set_mtu(index: u32, mtu: u32) -> Request {
    change(LinkUnspec::new_with_index(index).mtu(mtu).build())
}

/// Lets a link take every multicast frame, or those of its groups alone.
pub fn set_all_multicast(index: u32, on: bool) -> Request {
    change(LinkUnspec::new_with_index(index).allmulticast(on).build())
}

/// Gives a link the length of its queue, in packets.
pub fn set_queue_length(index: u32, packets: u32) -> Request {
    change(LinkUnspec::new_with_index(index).txqueuelen(packets).build())
}

/// Marks a link as somebody's.
pub fn set_alias(index: u32, alias: &str) -> Request {
    change(LinkUnspec::new_with_index(index).alias(alias).build())
}

/// Makes a link a port of a bridge.
pub fn set_master(index: u32, bridge: u32) -> Request {
    change(LinkUnspec::new_with_index(index).controller(bridge).build())
}

/// The settings of a port.
pub fn set_port(index: u32, port: &BridgePort) -> Request {
    change(LinkBridgePort::new(index).hairpin(port.hairpin).isolated(port.isolated).build())
}

/// Deletes a link; of a pair, both ends.
pub fn delete(index: u32) -> Request {
    let message = LinkUnspec::new_with_index(index).build();
    Request { message: RouteNetlinkMessage::DelLink(message), flags: 0 }
}

fn mark(name: &IfName, alias: &str, hairpin: bool, isolated: bool) -> Request {
    // Index 0: the name tells which link.
    let message = if hairpin || isolated {
        LinkBridgePort::new(0).name(name.as_str()).alias(alias).hairpin(hairpin).isolated(isolated).build()
    } else {
        LinkUnspec::new_with_name(name.as_str()).alias(alias).build()
    };
    change(message)
}

fn create(message: LinkMessage) -> Request {
    Request { message: RouteNetlinkMessage::NewLink(message), flags: NLM_F_CREATE | NLM_F_EXCL }
}

fn change(message: LinkMessage) -> Request {
    Request { message: RouteNetlinkMessage::NewLink(message), flags: 0 }
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
    let mut elsewhere = false;
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name = name,
            LinkAttribute::Address(mac) => link.mac = mac.try_into().unwrap_or_default(),
            LinkAttribute::Mtu(mtu) => link.mtu = mtu,
            LinkAttribute::TxQueueLen(packets) => link.queue_length = packets,
            LinkAttribute::OperState(state) => link.running = state == State::Up,
            LinkAttribute::IfAlias(alias) => link.alias = Some(alias),
            LinkAttribute::Controller(master) => link.master = Some(master),
            LinkAttribute::Link(index) => (link.other_end, link.peer) = (Some(index), Some(index)),
            LinkAttribute::LinkNetNsId(_) => elsewhere = true,
            LinkAttribute::LinkInfo(infos) => infos.iter().for_each(|info| parse_info(info, &mut link)),
            _ => {}
        }
    }
    if elsewhere {
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

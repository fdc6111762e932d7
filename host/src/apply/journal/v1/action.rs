//! The actions of version 1.

use crate::value::{Backend, IfName, LinkRef, Mac, Netns, Owner, PluginName, Route, StoreRef, SysctlKey};
use ipnetwork::IpNetwork;
use serde::Deserialize;
use std::net::IpAddr;
use std::path::PathBuf;

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lifetime {
    Attachment,
    Shared,
    Node,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    ReserveLease(ReserveLease),
    DeleteStaleLink(DeleteStaleLink),
    EnsureBridge(EnsureBridge),
    CreateVeth(CreateVeth),
    EnsureVlanGateway(EnsureVlanGateway),
    SetUp(SetUp),
    SetPromiscuous(SetPromiscuous),
    Settle(Settle),
    Announce(Announce),
    DeleteAddress(DeleteAddress),
    AddAddress(AddAddress),
    AddRoute(AddRoute),
    SetSysctl(SetSysctl),
    Masquerade(Masquerade),
    MasqueradeNft(MasqueradeNft),
    MapPorts(MapPorts),
    DeletePortMap(DeletePortMap),
    CheckSourceMac(CheckSourceMac),
    Filter(FilterRule),
    Shape(Shape),
    Delegate(Delegate),
    SetLink(SetLink),
    SaveLink(SaveLink),
}

#[derive(Clone, Deserialize)]
pub struct ReserveLease {
    pub store: StoreRef,
    pub address: IpAddr,
    pub set: u32,
    pub owner: Owner,
}

#[derive(Clone, Deserialize)]
pub struct DeleteStaleLink {
    pub name: IfName,
    pub alias: String,
}

#[derive(Clone, Deserialize)]
pub struct EnsureBridge {
    pub name: IfName,
    #[serde(default)]
    pub mtu: Option<u32>,
    pub mac: Mac,
    #[serde(default)]
    pub vlan_filtering: bool,
}

#[derive(Clone, Deserialize)]
pub struct CreateVeth {
    pub name: IfName,
    #[serde(default)]
    pub mtu: Option<u32>,
    pub mac: Mac,
    pub peer: VethPeer,
}

#[derive(Clone, Deserialize)]
pub struct VethPeer {
    pub name: IfName,
    pub mac: Mac,
    pub alias: String,
    #[serde(default)]
    pub master: Option<IfName>,
    #[serde(default)]
    pub hairpin: bool,
    #[serde(default)]
    pub isolated: bool,
    #[serde(default)]
    pub vlans: PortVlans,
}

#[derive(Clone, Default, Deserialize)]
pub struct PortVlans {
    pub drop_default: bool,
    pub added: Vec<PortVlan>,
}

#[derive(Clone, Deserialize)]
pub struct PortVlan {
    pub first: u16,
    pub last: u16,
    #[serde(default)]
    pub native: bool,
}

#[derive(Clone, Deserialize)]
pub struct EnsureVlanGateway {
    pub name: IfName,
    pub mac: Mac,
    pub alias: String,
    pub port: IfName,
    pub port_mac: Mac,
    pub bridge: IfName,
    pub vid: u16,
    pub drop_default: bool,
}

#[derive(Clone, Deserialize)]
pub struct SetUp {
    pub link: LinkRef,
}

#[derive(Clone, Deserialize)]
pub struct SetPromiscuous {
    pub link: LinkRef,
}

#[derive(Clone, Deserialize)]
pub struct Settle {
    pub link: LinkRef,
}

#[derive(Clone, Deserialize)]
pub struct Announce {
    pub link: LinkRef,
}

#[derive(Clone, Deserialize)]
pub struct DeleteAddress {
    pub link: LinkRef,
    pub address: IpNetwork,
}

#[derive(Clone, Deserialize)]
pub struct AddAddress {
    pub link: LinkRef,
    pub address: IpNetwork,
    #[serde(default)]
    pub nodad: bool,
}

#[derive(Clone, Deserialize)]
pub struct AddRoute {
    pub link: LinkRef,
    pub route: Route,
}

#[derive(Clone, Deserialize)]
pub struct SetSysctl {
    pub netns: Netns,
    pub key: SysctlKey,
    pub value: String,
    #[serde(default)]
    pub optional: bool,
}

#[derive(Clone, Deserialize)]
pub struct Masquerade {
    pub address: IpNetwork,
    pub chain: String,
    pub comment: String,
}

#[derive(Clone, Deserialize)]
pub struct MasqueradeNft {
    pub address: IpNetwork,
    pub comment: String,
}

#[derive(Clone, Deserialize)]
pub struct MapPorts {
    pub backend: Backend,
    pub address: IpNetwork,
    pub mappings: Vec<PortMapping>,
    #[serde(default)]
    pub conditions: Vec<String>,
    #[serde(default)]
    pub masquerade: Option<MasqueradePorts>,
    pub chain: String,
    pub comment: String,
}

#[derive(Clone, Deserialize)]
pub struct PortMapping {
    pub protocol: String,
    pub host_port: u16,
    pub container_port: u16,
    #[serde(default)]
    pub host_address: Option<IpAddr>,
}

#[derive(Clone, Deserialize)]
pub struct MasqueradePorts {
    pub all: bool,
    pub mark: Mark,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    Bit(u8),
    Chain(String),
}

#[derive(Clone, Deserialize)]
pub struct DeletePortMap {
    pub backend: Backend,
    pub is_ipv4: bool,
    pub chain: String,
}

#[derive(Clone, Deserialize)]
pub struct CheckSourceMac {
    pub port: IfName,
    pub mac: Mac,
    pub identity: String,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FilterRule {
    AllowForward { address: IpAddr, admin_chain: String },
    Isolate { is_ipv4: bool, bridge: IfName, within: bool },
    TrustSource { address: IpAddr, zone: String },
}

#[derive(Clone, Deserialize)]
pub struct Shape {
    pub link: IfName,
    pub rate: u64,
    pub burst: u32,
    #[serde(default)]
    pub through: Option<Ifb>,
}

#[derive(Clone, Deserialize)]
pub struct Ifb {
    pub name: IfName,
    pub alias: String,
}

#[derive(Clone, Deserialize)]
pub struct Delegate {
    pub plugin: PluginName,
    pub program: PathBuf,
    pub owner: Owner,
    pub netns: String,
    pub args: String,
    pub path: String,
    pub config: String,
}

#[derive(Clone, Deserialize)]
pub struct SetLink {
    pub link: LinkRef,
    pub attribute: LinkAttribute,
}

#[derive(Clone, Deserialize)]
pub struct SaveLink {
    pub link: LinkRef,
    pub path: PathBuf,
    pub attributes: Vec<LinkAttribute>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkAttribute {
    Mac(Mac),
    Mtu(u32),
    AllMulticast(bool),
    QueueLength(u32),
    Promiscuous(bool),
    Alias(String),
    Port(BridgePort),
}

#[derive(Clone, Deserialize)]
pub struct BridgePort {
    pub bridge: IfName,
    pub hairpin: bool,
    pub isolated: bool,
    #[serde(default)]
    pub vlans: PortVlans,
}

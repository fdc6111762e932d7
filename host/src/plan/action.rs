//! What a plan can do: one variant for each thing, as data.

use super::name::{ContainerId, IfName, Mac, NetworkName, PluginName, SysctlKey};
use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

/// Which of the two namespaces of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Netns {
    /// The runtime's.
    Host,
    /// The one that `CNI_NETNS` names.
    Container,
}

/// A link by its place and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LinkRef {
    /// Where it is.
    pub netns: Netns,
    /// What it is called there.
    pub name: IfName,
}

impl fmt::Display for LinkRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.netns {
            Netns::Host => write!(f, "{}", self.name),
            Netns::Container => write!(f, "{} (container)", self.name),
        }
    }
}

/// Who holds a lease: container and interface, as host-local writes it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Owner {
    /// `CNI_CONTAINERID`.
    pub container: ContainerId,
    /// `CNI_IFNAME`.
    pub interface: IfName,
}

/// The lease store of a network.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StoreRef {
    /// The directory of all networks, absolute: `/var/lib/cni/networks`.
    pub data_dir: PathBuf,
    /// The directory below it.
    pub network: NetworkName,
}

impl StoreRef {
    /// `DATA-DIR/NETWORK`.
    pub fn directory(&self) -> PathBuf {
        self.data_dir.join(self.network.as_str())
    }
}

/// One change of the machine.
///
/// Adding a variant: the compiler names every place that has to know it (render, policy, step, kernel, undo, verify).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Takes an address in a lease store.
    ReserveLease(ReserveLease),
    /// Deletes what an earlier, dead attempt of this attachment left on the host.
    DeleteStaleLink(DeleteStaleLink),
    /// Makes a bridge, or uses the one that is there.
    EnsureBridge(EnsureBridge),
    /// Makes a veth pair.
    CreateVeth(CreateVeth),
    /// Makes the host's own interface in a VLAN of a bridge, or uses the one that is there.
    EnsureVlanGateway(EnsureVlanGateway),
    /// Brings a link up.
    SetUp(SetUp),
    /// Lets a link take every frame.
    SetPromiscuous(SetPromiscuous),
    /// Waits until a link passes packets.
    Settle(Settle),
    /// Removes an address from a link.
    DeleteAddress(DeleteAddress),
    /// Adds an address to a link.
    AddAddress(AddAddress),
    /// Adds a route.
    AddRoute(AddRoute),
    /// Sets a kernel parameter.
    SetSysctl(SetSysctl),
    /// Hides an address behind the host's, with iptables.
    Masquerade(Masquerade),
    /// Hides an address behind the host's, with nftables.
    MasqueradeNft(MasqueradeNft),
    /// Drops what a container sends under another Ethernet address than its own.
    CheckSourceMac(CheckSourceMac),
    /// Executes a native plugin. No planner records it: the host does it between two stages of a plan.
    Delegate(Delegate),
}

/// See [`Action::ReserveLease`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReserveLease {
    /// Where.
    pub store: StoreRef,
    /// The address to take.
    pub address: IpAddr,
    /// The range set whose `last_reserved_ip.N` is written.
    pub set: u32,
    /// For whom.
    pub owner: Owner,
}

/// See [`Action::DeleteStaleLink`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteStaleLink {
    /// The name, in the host's namespace.
    pub name: IfName,
    /// The alias that shows it to be ours; it is looked at again immediately before.
    pub alias: String,
}

/// See [`Action::EnsureBridge`]. The attributes count only when it is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnsureBridge {
    /// The name, in the host's namespace.
    pub name: IfName,
    /// Bytes; none: the kernel's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// The Ethernet address.
    pub mac: Mac,
    /// Whether ports exchange frames of common VLANs alone.
    #[serde(default, skip_serializing_if = "is_false")]
    pub vlan_filtering: bool,
}

/// See [`Action::CreateVeth`]. The host end is made with its master and its port settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateVeth {
    /// The name of the end inside the container.
    pub name: IfName,
    /// Bytes, for both ends; none: the kernel's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// The container end's Ethernet address.
    pub mac: Mac,
    /// The host end.
    pub peer: VethPeer,
}

/// The host end of a veth pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VethPeer {
    /// The name, in the host's namespace.
    pub name: IfName,
    /// The Ethernet address.
    pub mac: Mac,
    /// `IFLA_IFALIAS`: shows whose link this is.
    pub alias: String,
    /// The bridge that it is a port of, in the host's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub master: Option<IfName>,
    /// Whether a frame may leave through the port by which it came; only with a master.
    #[serde(default)]
    pub hairpin: bool,
    /// Whether frames go to and come from ports alone that are not isolated; only with a master.
    #[serde(default)]
    pub isolated: bool,
    /// In which VLANs it is; only with a master.
    #[serde(default, skip_serializing_if = "PortVlans::is_default")]
    pub vlans: PortVlans,
}

/// The VLANs of a bridge port, beside the bridge's default one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortVlans {
    /// The port is in none by default.
    pub drop_default: bool,
    /// In the order in which they are added: a later one counts where two have a VLAN in common.
    pub added: Vec<PortVlan>,
}

impl PortVlans {
    /// Whether the port is as the kernel makes it.
    pub fn is_default(&self) -> bool {
        *self == PortVlans::default()
    }
}

/// VLANs of a bridge port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortVlan {
    /// The lowest VLAN ID: 1 to 4094.
    pub first: u16,
    /// The highest, not below `first`.
    pub last: u16,
    /// Frames without a tag are its (then it is a single one); and its frames leave without a tag.
    #[serde(default, skip_serializing_if = "is_false")]
    pub native: bool,
}

/// See [`Action::EnsureVlanGateway`]: a veth pair in the host's namespace, both ends up, with the bridge's MTU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnsureVlanGateway {
    /// The end that gets addresses: `BRIDGE.VID`.
    pub name: IfName,
    /// The Ethernet address of that end.
    pub mac: Mac,
    /// Its `IFLA_IFALIAS`: shows that it is ours.
    pub alias: String,
    /// The end that is a port of the bridge.
    pub port: IfName,
    /// The Ethernet address of the port.
    pub port_mac: Mac,
    /// The bridge, in the host's namespace.
    pub bridge: IfName,
    /// The VLAN ID: frames come and go without a tag.
    pub vid: u16,
    /// The port is not in the bridge's default VLAN.
    pub drop_default: bool,
}

impl EnsureVlanGateway {
    /// The VLANs of its port.
    pub fn vlans(&self) -> PortVlans {
        let own = PortVlan { first: self.vid, last: self.vid, native: true };
        PortVlans { drop_default: self.drop_default, added: vec![own] }
    }
}

fn is_false(value: &bool) -> bool {
    !value
}

/// See [`Action::SetUp`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetUp {
    /// Which link.
    pub link: LinkRef,
}

/// See [`Action::SetPromiscuous`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetPromiscuous {
    /// Which link.
    pub link: LinkRef,
}

/// See [`Action::Settle`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settle {
    /// Which link.
    pub link: LinkRef,
}

/// See [`Action::DeleteAddress`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteAddress {
    /// From which link.
    pub link: LinkRef,
    /// With host bits and prefix length.
    pub address: IpNetwork,
}

/// See [`Action::AddAddress`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddAddress {
    /// On which link.
    pub link: LinkRef,
    /// With host bits and prefix length.
    pub address: IpNetwork,
}

/// See [`Action::AddRoute`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddRoute {
    /// Through which link.
    pub link: LinkRef,
    /// What it leads to, and how.
    pub route: Route,
}

/// A route as a CNI result has it (SPEC 1.1.0, section 5), also what a result reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// `dst`.
    pub dst: IpNetwork,
    /// `gw`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gw: Option<IpAddr>,
    /// `mtu`, bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// `advmss`, bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advmss: Option<u32>,
    /// `priority`: the metric.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u32>,
    /// `table`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<u32>,
    /// `scope`: an `rt_scope_t`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<u8>,
}

impl Route {
    /// A route to `dst` with nothing else said.
    pub fn to(dst: IpNetwork) -> Self {
        Route { dst, gw: None, mtu: None, advmss: None, priority: None, table: None, scope: None }
    }
}

/// See [`Action::SetSysctl`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetSysctl {
    /// Whose parameter.
    pub netns: Netns,
    /// Below `/proc/sys`, with slashes.
    pub key: SysctlKey,
    /// The value, without a line end.
    pub value: String,
    /// Go on when the parameter does not exist or refuses the value.
    #[serde(default)]
    pub optional: bool,
}

/// See [`Action::Masquerade`]: one chain of the attachment in `nat`, its two rules, and the jump to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Masquerade {
    /// The container's address; its network is what keeps its source.
    pub address: IpNetwork,
    /// The chain, as the reference names it.
    pub chain: String,
    /// The comment of each rule, as the reference writes it.
    pub comment: String,
}

/// See [`Action::MasqueradeNft`]: one rule of the attachment in table `inet cni_plugins_masquerade`, which is made with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MasqueradeNft {
    /// The container's address; its network is what keeps its source.
    pub address: IpNetwork,
    /// The comment of the rule, as the reference writes it. It begins with hashes that tell whose it is.
    pub comment: String,
}

/// See [`Action::CheckSourceMac`]: two chains of the attachment in table `bridge nat`, and the jump to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckSourceMac {
    /// The host's end of the veth pair.
    pub port: IfName,
    /// The Ethernet address of the container's end.
    pub mac: Mac,
    /// `CONTAINER-INTERFACE`: chains and comment carry it, as in the reference.
    pub identity: String,
}

/// See [`Action::Delegate`]: all that it takes to execute the plugin again for DEL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delegate {
    /// Its type.
    pub plugin: PluginName,
    /// The executable.
    pub program: PathBuf,
    /// `CNI_CONTAINERID` and `CNI_IFNAME`.
    pub owner: Owner,
    /// `CNI_NETNS`.
    pub netns: String,
    /// `CNI_ARGS`.
    pub args: String,
    /// `CNI_PATH`.
    pub path: String,
    /// Standard input.
    pub config: String,
}

/// How long what an action made is meant to last (design rule 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lifetime {
    /// As long as the attachment: DEL, GC and rollback undo it.
    Attachment,
    /// As long as anybody uses it: only a rollback undoes it, and only when nobody does.
    Shared,
    /// As long as the node runs: only a rollback undoes it, and only when there is no other attachment.
    Node,
}

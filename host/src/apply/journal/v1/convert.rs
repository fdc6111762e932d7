//! Conversion of the actions of version 1 to those of version 2.

use super::action::*;
use crate::action as now;

impl From<Lifetime> for now::Lifetime {
    fn from(old: Lifetime) -> Self {
        match old {
            Lifetime::Attachment => now::Lifetime::Attachment,
            Lifetime::Shared => now::Lifetime::Shared,
            Lifetime::Node => now::Lifetime::Node,
        }
    }
}

impl From<Action> for now::Action {
    fn from(old: Action) -> Self {
        match old {
            Action::ReserveLease(old) => now::ReserveLease::from(old).into(),
            Action::DeleteStaleLink(old) => now::DeleteStaleLink::from(old).into(),
            Action::EnsureBridge(old) => now::EnsureBridge::from(old).into(),
            Action::CreateVeth(old) => now::CreateVeth::from(old).into(),
            Action::EnsureVlanGateway(old) => now::EnsureVlanGateway::from(old).into(),
            Action::SetUp(old) => now::SetUp::from(old).into(),
            Action::SetPromiscuous(old) => now::SetPromiscuous::from(old).into(),
            Action::Settle(old) => now::Settle::from(old).into(),
            Action::Announce(old) => now::Announce::from(old).into(),
            Action::DeleteAddress(old) => now::DeleteAddress::from(old).into(),
            Action::AddAddress(old) => now::AddAddress::from(old).into(),
            Action::AddRoute(old) => now::AddRoute::from(old).into(),
            Action::SetSysctl(old) => now::SetSysctl::from(old).into(),
            Action::Masquerade(old) => now::Masquerade::from(old).into(),
            Action::MasqueradeNft(old) => now::MasqueradeNft::from(old).into(),
            Action::MapPorts(old) => now::MapPorts::from(old).into(),
            Action::DeletePortMap(old) => now::DeletePortMap::from(old).into(),
            Action::CheckSourceMac(old) => now::CheckSourceMac::from(old).into(),
            Action::Filter(old) => now::FilterRule::from(old).into(),
            Action::Shape(old) => now::SetTokenBucket::from(old).into(),
            Action::Delegate(old) => now::Delegate::from(old).into(),
            Action::SetLink(old) => now::SetLink::from(old).into(),
            Action::SaveLink(old) => now::SaveLink::from(old).into(),
        }
    }
}

impl From<ReserveLease> for now::ReserveLease {
    fn from(old: ReserveLease) -> Self {
        let ReserveLease { store, address, set, owner } = old;
        now::ReserveLease { store, address, set, owner, again: false }
    }
}

impl From<DeleteStaleLink> for now::DeleteStaleLink {
    fn from(old: DeleteStaleLink) -> Self {
        let DeleteStaleLink { name, alias } = old;
        now::DeleteStaleLink { name, alias }
    }
}

impl From<EnsureBridge> for now::EnsureBridge {
    fn from(old: EnsureBridge) -> Self {
        let EnsureBridge { name, mtu, mac, vlan_filtering } = old;
        now::EnsureBridge { name, mtu, mac, vlan_filtering }
    }
}

impl From<CreateVeth> for now::CreateVeth {
    fn from(old: CreateVeth) -> Self {
        let CreateVeth { name, mtu, mac, peer } = old;
        now::CreateVeth { name, mtu, mac, peer: peer.into() }
    }
}

impl From<VethPeer> for now::VethPeer {
    fn from(old: VethPeer) -> Self {
        let VethPeer { name, mac, alias, master, hairpin, isolated, vlans } = old;
        now::VethPeer { name, mac, alias, master, hairpin, isolated, vlans: vlans.into() }
    }
}

impl From<PortVlans> for now::PortVlans {
    fn from(old: PortVlans) -> Self {
        let PortVlans { drop_default, added } = old;
        now::PortVlans { drop_default, added: added.into_iter().map(Into::into).collect() }
    }
}

impl From<PortVlan> for now::PortVlan {
    fn from(old: PortVlan) -> Self {
        let PortVlan { first, last, native } = old;
        now::PortVlan { first, last, native }
    }
}

impl From<EnsureVlanGateway> for now::EnsureVlanGateway {
    fn from(old: EnsureVlanGateway) -> Self {
        let EnsureVlanGateway { name, mac, alias, port, port_mac, bridge, vid, drop_default } = old;
        now::EnsureVlanGateway { name, mac, alias, port, port_mac, bridge, vid, drop_default }
    }
}

impl From<SetUp> for now::SetUp {
    fn from(old: SetUp) -> Self {
        let SetUp { link } = old;
        now::SetUp { link }
    }
}

impl From<SetPromiscuous> for now::SetPromiscuous {
    fn from(old: SetPromiscuous) -> Self {
        let SetPromiscuous { link } = old;
        now::SetPromiscuous { link }
    }
}

impl From<Settle> for now::Settle {
    fn from(old: Settle) -> Self {
        let Settle { link } = old;
        now::Settle { link }
    }
}

impl From<Announce> for now::Announce {
    fn from(old: Announce) -> Self {
        let Announce { link } = old;
        now::Announce { link }
    }
}

impl From<DeleteAddress> for now::DeleteAddress {
    fn from(old: DeleteAddress) -> Self {
        let DeleteAddress { link, address } = old;
        now::DeleteAddress { link, address }
    }
}

impl From<AddAddress> for now::AddAddress {
    fn from(old: AddAddress) -> Self {
        let AddAddress { link, address, nodad } = old;
        now::AddAddress { link, address, nodad }
    }
}

impl From<AddRoute> for now::AddRoute {
    fn from(old: AddRoute) -> Self {
        let AddRoute { link, route } = old;
        now::AddRoute { link, route }
    }
}

impl From<SetSysctl> for now::SetSysctl {
    fn from(old: SetSysctl) -> Self {
        let SetSysctl { netns, key, value, optional } = old;
        now::SetSysctl { netns, key, value, optional }
    }
}

impl From<Masquerade> for now::Masquerade {
    fn from(old: Masquerade) -> Self {
        let Masquerade { address, chain, comment } = old;
        now::Masquerade { address, chain, comment }
    }
}

impl From<MasqueradeNft> for now::MasqueradeNft {
    fn from(old: MasqueradeNft) -> Self {
        let MasqueradeNft { address, comment } = old;
        now::MasqueradeNft { address, comment }
    }
}

impl From<MapPorts> for now::MapPorts {
    fn from(old: MapPorts) -> Self {
        let MapPorts { backend, address, mappings, conditions, masquerade, chain, comment } = old;
        now::MapPorts {
            backend,
            address,
            mappings: mappings.into_iter().map(Into::into).collect(),
            conditions,
            masquerade: masquerade.map(Into::into),
            chain,
            comment,
        }
    }
}

impl From<PortMapping> for now::PortMapping {
    fn from(old: PortMapping) -> Self {
        let PortMapping { protocol, host_port, container_port, host_address } = old;
        now::PortMapping { protocol, host_port, container_port, host_address }
    }
}

impl From<MasqueradePorts> for now::MasqueradePorts {
    fn from(old: MasqueradePorts) -> Self {
        let MasqueradePorts { all, mark } = old;
        now::MasqueradePorts { all, mark: mark.into() }
    }
}

impl From<Mark> for now::Mark {
    fn from(old: Mark) -> Self {
        match old {
            Mark::Bit(old) => now::Mark::Bit(old),
            Mark::Chain(old) => now::Mark::Chain(old),
        }
    }
}

impl From<DeletePortMap> for now::DeletePortMap {
    fn from(old: DeletePortMap) -> Self {
        let DeletePortMap { backend, is_ipv4, chain } = old;
        now::DeletePortMap { backend, is_ipv4, chain }
    }
}

impl From<CheckSourceMac> for now::CheckSourceMac {
    fn from(old: CheckSourceMac) -> Self {
        let CheckSourceMac { port, mac, identity } = old;
        now::CheckSourceMac { port, mac, identity }
    }
}

impl From<FilterRule> for now::FilterRule {
    fn from(old: FilterRule) -> Self {
        match old {
            FilterRule::AllowForward { address, admin_chain } => {
                now::FilterRule::AllowForward { address, admin_chain }
            }
            FilterRule::Isolate { is_ipv4, bridge, within } => {
                now::FilterRule::Isolate { is_ipv4, bridge, within }
            }
            FilterRule::TrustSource { address, zone } => now::FilterRule::TrustSource { address, zone },
        }
    }
}

impl From<Shape> for now::SetTokenBucket {
    fn from(old: Shape) -> Self {
        let Shape { link, rate, burst, through } = old;
        now::SetTokenBucket { link, rate, burst, through: through.map(Into::into) }
    }
}

impl From<Ifb> for now::Ifb {
    fn from(old: Ifb) -> Self {
        let Ifb { name, alias } = old;
        now::Ifb { name, alias }
    }
}

impl From<Delegate> for now::Delegate {
    fn from(old: Delegate) -> Self {
        let Delegate { plugin, program, owner, netns, args, path, config } = old;
        now::Delegate { plugin, program, owner, netns, args, path, config }
    }
}

impl From<SetLink> for now::SetLink {
    fn from(old: SetLink) -> Self {
        let SetLink { link, attribute } = old;
        now::SetLink { link, attribute: attribute.into() }
    }
}

impl From<SaveLink> for now::SaveLink {
    fn from(old: SaveLink) -> Self {
        let SaveLink { link, path, attributes } = old;
        now::SaveLink { link, path, attributes: attributes.into_iter().map(Into::into).collect() }
    }
}

impl From<LinkAttribute> for now::LinkAttribute {
    fn from(old: LinkAttribute) -> Self {
        match old {
            LinkAttribute::Mac(old) => now::LinkAttribute::Mac(old),
            LinkAttribute::Mtu(old) => now::LinkAttribute::Mtu(old),
            LinkAttribute::AllMulticast(old) => now::LinkAttribute::AllMulticast(old),
            LinkAttribute::QueueLength(old) => now::LinkAttribute::QueueLength(old),
            LinkAttribute::Promiscuous(old) => now::LinkAttribute::Promiscuous(old),
            LinkAttribute::Alias(old) => now::LinkAttribute::Alias(old),
            LinkAttribute::Port(old) => now::LinkAttribute::Port(old.into()),
        }
    }
}

impl From<BridgePort> for now::BridgePort {
    fn from(old: BridgePort) -> Self {
        let BridgePort { bridge, hairpin, isolated, vlans } = old;
        now::BridgePort { bridge, hairpin, isolated, vlans: vlans.into() }
    }
}

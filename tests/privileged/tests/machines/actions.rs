//! Short constructors for actions.

pub use wasm_cni_plans::play::{link as fact, mac, name};

use std::net::IpAddr;
use wasm_cni::action::record::OldSysctl;
use wasm_cni::action::*;
use wasm_cni::machine::port::Address;
use wasm_cni::value::{
    Attachment, ContainerId, LinkRef, Netns, NetworkName, Owner, Route, StoreRef, SysctlKey, derive,
};

pub fn host(text: &str) -> LinkRef {
    LinkRef { netns: Netns::Host, name: name(text) }
}

pub fn inside(text: &str) -> LinkRef {
    LinkRef { netns: Netns::Container, name: name(text) }
}

pub fn attachment(interface: &str) -> Attachment {
    Attachment {
        network: NetworkName::parse("mynet").unwrap(),
        container: ContainerId::parse("abc").unwrap(),
        interface: name(interface),
    }
}

pub fn store() -> StoreRef {
    StoreRef { data_dir: "/run/networks".into(), network: attachment("eth0").network }
}

pub fn lease(address: &str, interface: &str) -> ReserveLease {
    let address: IpAddr = address.parse().unwrap();
    ReserveLease { store: store(), address, set: 0, owner: attachment(interface).owner(), again: false }
}

pub fn foreign(address: &str) -> ReserveLease {
    let owner = Owner { container: ContainerId::parse("other").unwrap(), interface: name("eth0") };
    ReserveLease { owner, ..lease(address, "eth0") }
}

pub fn bridge(mtu: Option<u32>) -> Action {
    Action::EnsureBridge(EnsureBridge { name: name("cni0"), mtu, mac: mac(1), vlan_filtering: false })
}

pub fn pair(inside: &str, outside: &str) -> CreateVeth {
    let alias = derive::alias(&attachment(inside));
    let peer = VethPeer {
        name: name(outside),
        mac: mac(7),
        alias,
        master: Some(name("cni0")),
        hairpin: true,
        isolated: false,
        vlans: PortVlans::default(),
    };
    CreateVeth { name: name(inside), mtu: None, mac: mac(8), peer }
}

pub fn veth(inside: &str, outside: &str) -> Action {
    Action::CreateVeth(pair(inside, outside))
}

pub fn stale(outside: &str, alias: &str) -> Action {
    Action::DeleteStaleLink(DeleteStaleLink { name: name(outside), alias: alias.to_owned() })
}

pub fn up(link: LinkRef) -> Action {
    Action::SetUp(SetUp { link })
}

pub fn promiscuous(link: LinkRef) -> Action {
    Action::SetPromiscuous(SetPromiscuous { link })
}

pub fn settle(link: LinkRef) -> Action {
    Action::Settle(Settle { link })
}

pub fn announce(link: LinkRef) -> Action {
    Action::Announce(Announce { link })
}

pub fn remove(link: LinkRef, address: &str) -> Action {
    Action::DeleteAddress(DeleteAddress { link, address: address.parse().unwrap() })
}

pub fn restore(link: LinkRef, address: &str) -> Undo {
    RestoreAddress { link, address: Address::new(address.parse().unwrap()) }.into()
}

pub fn add(link: LinkRef, address: &str) -> Action {
    Action::AddAddress(AddAddress { link, address: address.parse().unwrap(), nodad: false })
}

pub fn to(dst: &str, gw: Option<&str>) -> Route {
    Route { gw: gw.map(|gw| gw.parse().unwrap()), ..Route::to(dst.parse().unwrap()) }
}

pub fn route(dst: &str, gw: Option<&str>) -> Action {
    with(to(dst, gw))
}

pub fn with(route: Route) -> Action {
    Action::AddRoute(AddRoute { link: inside("eth0"), route })
}

pub fn sysctl(netns: Netns, key: &str, value: &str, optional: bool) -> Action {
    let key = SysctlKey::parse(key).unwrap();
    Action::SetSysctl(SetSysctl { netns, key, value: value.to_owned(), optional })
}

pub fn rules(address: &str) -> Masquerade {
    let attachment = attachment("eth0");
    let (chain, comment) = (derive::chain(&attachment), derive::comment(&attachment));
    Masquerade { address: address.parse().unwrap(), chain, comment }
}

pub fn masquerade(address: &str) -> Action {
    Action::Masquerade(rules(address))
}

pub fn delete_bridge(last: u8, addresses: &[&str]) -> Undo {
    let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
    DeleteEmptyBridge { name: name("cni0"), mac: mac(last), addresses }.into()
}

pub fn set(link: LinkRef, attribute: LinkAttribute) -> Action {
    Action::SetLink(SetLink { link, attribute })
}

pub fn save(link: LinkRef, attributes: &[LinkAttribute]) -> Action {
    let path = std::path::Path::new("/run/cni/tuning").join(derive::saved_link(&attachment("eth0")));
    Action::SaveLink(SaveLink { link, path, attributes: attributes.to_vec() })
}

pub fn old_sysctl(value: &str) -> OldSysctl {
    OldSysctl { value: value.to_owned(), others: Vec::new() }
}

//! What a plugin may ask for: links, and all that is on them.

use super::types::{IpAddress, IpFamily, MacAddress, Netns, Prefix};
use super::{Resource, call, host};

/// `links`.
pub mod links {
    use super::*;
    use host::links::HostLink;

    handle!(Link, host::links::Link);

    impl Link {
        /// See `wit/links.wit`.
        pub fn bridge(name: &str) -> Link {
            Link::own(call(|guest| guest.bridge(name.to_owned())))
        }

        /// See `wit/links.wit`.
        pub fn existing(netns: Netns, name: &str) -> Option<Link> {
            call(|guest| guest.existing(netns.into(), name.to_owned())).map(Link::own)
        }

        /// See `wit/links.wit`.
        pub fn vlan_gateway(bridge: &Link, vid: u16) -> Link {
            Link::own(call(|guest| guest.vlan_gateway(bridge.lend(), vid)))
        }

        /// See `wit/links.wit`.
        pub fn dummy(name: &str) -> Link {
            Link::own(call(|guest| guest.dummy(name.to_owned())))
        }

        /// See `wit/links.wit`.
        pub fn veth(name: &str) -> Link {
            Link::own(call(|guest| guest.veth(name.to_owned())))
        }

        /// See `wit/links.wit`.
        pub fn peer(&self) -> Link {
            Link::own(call(|guest| guest.peer(self.lend())))
        }

        /// See `wit/links.wit`.
        pub fn set_mtu(&self, mtu: u32) {
            call(|guest| guest.set_mtu(self.lend(), mtu));
        }

        /// See `wit/links.wit`.
        pub fn set_mac(&self, mac: MacAddress) {
            call(|guest| guest.set_mac(self.lend(), mac));
        }

        /// See `wit/links.wit`.
        pub fn set_vlan_filtering(&self, on: bool) {
            call(|guest| guest.set_vlan_filtering(self.lend(), on));
        }

        /// See `wit/links.wit`.
        pub fn set_master(&self, master: &Link) {
            call(|guest| guest.set_master(self.lend(), master.lend()));
        }

        /// See `wit/links.wit`.
        pub fn set_hairpin(&self, on: bool) {
            call(|guest| guest.set_hairpin(self.lend(), on));
        }

        /// See `wit/links.wit`.
        pub fn set_isolated(&self, on: bool) {
            call(|guest| guest.set_isolated(self.lend(), on));
        }

        /// See `wit/links.wit`.
        pub fn drop_default_vlans(&self) {
            call(|guest| guest.drop_default_vlans(self.lend()));
        }

        /// See `wit/links.wit`.
        pub fn add_native_vlan(&self, vid: u16) {
            call(|guest| guest.add_native_vlan(self.lend(), vid));
        }

        /// See `wit/links.wit`.
        pub fn add_tagged_vlans(&self, first: u16, last: u16) {
            call(|guest| guest.add_tagged_vlans(self.lend(), first, last));
        }

        /// See `wit/links.wit`.
        pub fn set_promiscuous(&self, on: bool) {
            call(|guest| guest.set_promiscuous(self.lend(), on));
        }

        /// See `wit/links.wit`.
        pub fn set_all_multicast(&self, on: bool) {
            call(|guest| guest.set_all_multicast(self.lend(), on));
        }

        /// See `wit/links.wit`.
        pub fn set_queue_length(&self, packets: u32) {
            call(|guest| guest.set_queue_length(self.lend(), packets));
        }

        /// See `wit/links.wit`.
        pub fn save(&self, directory: Option<&str>) {
            call(|guest| guest.save(self.lend(), directory.map(str::to_owned)));
        }

        /// See `wit/links.wit`.
        pub fn up(&self) {
            call(|guest| guest.up(self.lend()));
        }

        /// See `wit/links.wit`.
        pub fn settle(&self) {
            call(|guest| guest.settle(self.lend()));
        }

        /// See `wit/links.wit`.
        pub fn announce(&self) {
            call(|guest| guest.announce(self.lend()));
        }
    }
}

/// `addresses`.
pub mod addresses {
    use super::links::Link;
    use super::*;
    use host::addresses::{Host, HostAddress};

    handle!(Address, host::addresses::Address);

    impl Address {
        /// See `wit/addresses.wit`.
        pub fn new(link: &Link, address: Prefix) -> Address {
            Address::own(call(|guest| HostAddress::new(guest, link.lend(), address.into())))
        }

        /// See `wit/addresses.wit`.
        pub fn nodad(&self) {
            call(|guest| guest.nodad(self.lend()));
        }
    }

    /// See `wit/addresses.wit`.
    pub fn remove(link: &Link, address: Prefix) {
        call(|guest| guest.remove(link.lend(), address.into()));
    }
}

/// `routes`.
pub mod routes {
    use super::links::Link;
    use super::*;
    use host::routes::HostRoute;

    handle!(Route, host::routes::Route);

    impl Route {
        /// See `wit/routes.wit`.
        pub fn new(link: &Link, destination: Prefix) -> Route {
            Route::own(call(|guest| HostRoute::new(guest, link.lend(), destination.into())))
        }

        /// See `wit/routes.wit`.
        pub fn set_gateway(&self, gateway: IpAddress) {
            call(|guest| HostRoute::set_gateway(guest, self.lend(), gateway.into()));
        }

        /// See `wit/routes.wit`.
        pub fn set_priority(&self, priority: u32) {
            call(|guest| HostRoute::set_priority(guest, self.lend(), priority));
        }

        /// See `wit/routes.wit`.
        pub fn set_table(&self, table: u32) {
            call(|guest| HostRoute::set_table(guest, self.lend(), table));
        }

        /// See `wit/routes.wit`.
        pub fn set_scope(&self, scope: u8) {
            call(|guest| HostRoute::set_scope(guest, self.lend(), scope));
        }

        /// See `wit/routes.wit`.
        pub fn set_mtu(&self, mtu: u32) {
            call(|guest| HostRoute::set_mtu(guest, self.lend(), mtu));
        }

        /// See `wit/routes.wit`.
        pub fn set_advmss(&self, advmss: u32) {
            call(|guest| HostRoute::set_advmss(guest, self.lend(), advmss));
        }
    }
}

/// `sysctls`.
pub mod sysctls {
    use super::links::Link;
    use super::*;
    use host::sysctls::Host;

    /// See `wit/sysctls.wit`.
    pub fn set_link(link: &Link, family: IpFamily, key: &str, value: &str) {
        call(|guest| guest.set_link(link.lend(), family.into(), key.to_owned(), value.to_owned()));
    }

    /// See `wit/sysctls.wit`.
    pub fn try_set_link(link: &Link, family: IpFamily, key: &str, value: &str) {
        call(|guest| guest.try_set_link(link.lend(), family.into(), key.to_owned(), value.to_owned()));
    }

    /// See `wit/sysctls.wit`.
    pub fn set(netns: Netns, key: &str, value: &str) {
        call(|guest| guest.set(netns.into(), key.to_owned(), value.to_owned()));
    }

    /// See `wit/sysctls.wit`.
    pub fn enable_forwarding(family: IpFamily) {
        call(|guest| guest.enable_forwarding(family.into()));
    }
}

/// `nat`.
pub mod nat {
    use super::*;
    use host::nat::{Host, HostMasquerade, HostPortMap};

    pub use host::nat::Backend;

    handle!(PortMap, host::nat::PortMap);

    /// See `wit/nat.wit`.
    pub fn default_backend() -> Backend {
        call(|guest| guest.default_backend())
    }

    /// See `wit/nat.wit`: a handle for which there is no use.
    #[derive(Debug)]
    pub struct Masquerade(());

    impl Masquerade {
        /// See `wit/nat.wit`.
        pub fn new(address: Prefix) -> Masquerade {
            call(|guest| HostMasquerade::new(guest, address.into()));
            Masquerade(())
        }

        /// See `wit/nat.wit`.
        pub fn with_backend(address: Prefix, backend: Backend) -> Masquerade {
            call(|guest| guest.with_backend(address.into(), backend));
            Masquerade(())
        }
    }

    impl PortMap {
        /// See `wit/nat.wit`.
        pub fn new(address: Prefix, backend: Backend) -> PortMap {
            PortMap::own(call(|guest| HostPortMap::new(guest, address.into(), backend)))
        }

        /// See `wit/nat.wit`.
        pub fn add(
            &self,
            protocol: &str,
            host_port: u16,
            container_port: u16,
            host_address: Option<IpAddress>,
        ) {
            let (protocol, host_address) = (protocol.to_owned(), host_address.map(Into::into));
            call(|guest| guest.add(self.lend(), protocol, host_port, container_port, host_address));
        }

        /// See `wit/nat.wit`.
        pub fn add_condition(&self, word: &str) {
            call(|guest| guest.add_condition(self.lend(), word.to_owned()));
        }

        /// See `wit/nat.wit`.
        pub fn masquerade(&self, all: bool, bit: u8) {
            call(|guest| guest.masquerade(self.lend(), all, bit));
        }

        /// See `wit/nat.wit`.
        pub fn masquerade_by(&self, all: bool, chain: &str) {
            call(|guest| guest.masquerade_by(self.lend(), all, chain.to_owned()));
        }
    }
}

/// `filter`.
pub mod filter {
    use super::links::Link;
    use super::*;
    use host::filter::Host;

    pub use host::filter::{Firewall, Ingress};

    /// See `wit/filter.wit`.
    pub fn check_source_mac(port: &Link) {
        call(|guest| guest.check_source_mac(port.lend()));
    }

    /// See `wit/filter.wit`.
    pub fn default_firewall() -> Firewall {
        call(|guest| guest.default_firewall())
    }

    /// See `wit/filter.wit`.
    pub fn allow_forward(address: IpAddress, admin_chain: &str) {
        call(|guest| guest.allow_forward(address.into(), admin_chain.to_owned()));
    }

    /// See `wit/filter.wit`.
    pub fn isolate(bridge: &str, family: IpFamily, ingress: Ingress) {
        call(|guest| guest.isolate(bridge.to_owned(), family.into(), ingress));
    }

    /// See `wit/filter.wit`.
    pub fn trust_source(address: IpAddress, zone: &str) {
        call(|guest| guest.trust_source(address.into(), zone.to_owned()));
    }
}

/// `qdiscs`.
pub mod qdiscs {
    use super::links::Link;
    use super::*;
    use host::qdiscs::Host;

    /// See `wit/qdiscs.wit`.
    pub fn limit(link: &Link, rate: u64, burst: u64) {
        call(|guest| guest.limit(link.lend(), rate, burst));
    }

    /// See `wit/qdiscs.wit`.
    pub fn limit_incoming(link: &Link, rate: u64, burst: u64) -> Link {
        Link::own(call(|guest| guest.limit_incoming(link.lend(), rate, burst)))
    }
}

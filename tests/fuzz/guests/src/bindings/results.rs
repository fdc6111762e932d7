//! `results`.

use super::actions::links::Link;
use super::types::{IpAddress, Prefix};
use super::{Resource, call, host};
use host::results::{Host, HostIp, HostRoute};

handle!(Ip, host::results::Ip);
handle!(Route, host::results::Route);

impl Ip {
    /// See `wit/results.wit`.
    pub fn new(address: Prefix) -> Ip {
        Ip::own(call(|guest| HostIp::new(guest, address.into())))
    }

    /// See `wit/results.wit`.
    pub fn set_gateway(&self, gateway: IpAddress) {
        call(|guest| HostIp::set_gateway(guest, self.lend(), gateway.into()));
    }

    /// See `wit/results.wit`.
    pub fn set_link(&self, link: &Link) {
        call(|guest| HostIp::set_link(guest, self.lend(), link.lend()));
    }
}

impl Route {
    /// See `wit/results.wit`.
    pub fn new(destination: Prefix) -> Route {
        Route::own(call(|guest| HostRoute::new(guest, destination.into())))
    }

    /// See `wit/results.wit`.
    pub fn set_gateway(&self, gateway: IpAddress) {
        call(|guest| HostRoute::set_gateway(guest, self.lend(), gateway.into()));
    }

    /// See `wit/results.wit`.
    pub fn set_mtu(&self, mtu: u32) {
        call(|guest| HostRoute::set_mtu(guest, self.lend(), mtu));
    }

    /// See `wit/results.wit`.
    pub fn set_advmss(&self, advmss: u32) {
        call(|guest| HostRoute::set_advmss(guest, self.lend(), advmss));
    }

    /// See `wit/results.wit`.
    pub fn set_priority(&self, priority: u32) {
        call(|guest| HostRoute::set_priority(guest, self.lend(), priority));
    }

    /// See `wit/results.wit`.
    pub fn set_table(&self, table: u32) {
        call(|guest| HostRoute::set_table(guest, self.lend(), table));
    }

    /// See `wit/results.wit`.
    pub fn set_scope(&self, scope: u8) {
        call(|guest| HostRoute::set_scope(guest, self.lend(), scope));
    }
}

/// See `wit/results.wit`.
pub fn add_link(link: &Link) {
    call(|guest| guest.add_link(link.lend()));
}

/// See `wit/results.wit`.
pub fn pass_previous() {
    call(|guest| guest.pass_previous());
}

/// See `wit/results.wit`.
pub fn add_addresses_of(link: &Link) {
    call(|guest| guest.add_addresses_of(link.lend()));
}

/// See `wit/results.wit`.
pub fn set_dns_nameservers(nameservers: &[String]) {
    call(|guest| guest.set_dns_nameservers(nameservers.to_vec()));
}

/// See `wit/results.wit`.
pub fn set_dns_domain(domain: &str) {
    call(|guest| guest.set_dns_domain(domain.to_owned()));
}

/// See `wit/results.wit`.
pub fn set_dns_search(search: &[String]) {
    call(|guest| guest.set_dns_search(search.to_vec()));
}

/// See `wit/results.wit`.
pub fn set_dns_options(options: &[String]) {
    call(|guest| guest.set_dns_options(options.to_vec()));
}

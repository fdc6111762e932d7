//! `prevResult`: the result of the earlier plugins of the chain.

use crate::bindings::wasm_cni::plugin::answers::Answer;
use crate::delegate;
use crate::{Ip, request};
use ipnetwork::IpNetwork;

/// `prevResult`.
#[derive(Debug)]
pub struct Previous(Answer);

/// An entry of `interfaces`, as the earlier plugin reported it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// `name`.
    pub name: String,
    /// `mac`. May be empty.
    pub mac: String,
    /// `sandbox`. Empty for an interface of the host.
    pub sandbox: String,
}

impl Previous {
    /// `prevResult` of the request. `None` for the first plugin of a chain.
    pub fn get() -> Option<Self> {
        request::previous().map(Previous)
    }

    /// `interfaces`. Results before version 0.3.0 have none.
    pub fn interfaces(&self) -> Vec<Interface> {
        let interface = |index| Interface {
            name: self.0.interface_name(index),
            mac: self.0.interface_mac(index),
            sandbox: self.0.interface_sandbox(index),
        };
        (0..self.0.interface_count()).map(interface).collect()
    }

    /// `ips`, each with its index into `interfaces`.
    pub fn ips(&self) -> Vec<(Ip, Option<u32>)> {
        (0..self.0.ip_count())
            .map(|index| (delegate::ip(&self.0, index), self.0.ip_interface(index)))
            .collect()
    }

    /// The first address of each family that belongs to the request's interface. An address without an interface
    /// counts.
    pub fn own_addresses(&self) -> Vec<IpNetwork> {
        let (name, interfaces) = (request::interface_name(), self.interfaces());
        let is_own = |index: &Option<u32>| {
            let interface = index.and_then(|index| interfaces.get(usize::try_from(index).ok()?));
            interface.is_none_or(|interface| interface.name == name && !interface.sandbox.is_empty())
        };
        let own: Vec<IpNetwork> =
            self.ips().into_iter().filter(|(_, index)| is_own(index)).map(|(ip, _)| ip.address).collect();
        let first = |v4: bool| own.iter().find(|address| address.is_ipv4() == v4).copied();
        [first(true), first(false)].into_iter().flatten().collect()
    }
}

//! `filter`: packet filtering.

use super::wit::filter::{Firewall as Asked, Host, Ingress};
use super::wit::links::Link as Handle;
use super::wit::types::{IpAddress, IpFamily};
use crate::action::completion::UNSET;
use crate::action::{CheckSourceMac, FilterRule};
use crate::sandbox::guest::Guest;
use crate::sandbox::link::End;
use crate::sandbox::lower::{self, violation};
use crate::sandbox::overlay;
use crate::value::{Firewall, IfName, derive, length};
use wasmtime::component::Resource;

impl Host for Guest {
    fn check_source_mac(&mut self, port: Resource<Handle>) -> wasmtime::Result<()> {
        let port = self.links.get(&port)?.clone();
        if port.end != End::Host {
            return Err(violation(format!("{} is not the host's end of a veth pair", port.link)).into());
        }
        let identity = derive::source_mac_identity(self.recorder().attachment());
        let check = CheckSourceMac { port: port.link.name, mac: UNSET, identity };
        self.plan(check)
    }

    fn default_firewall(&mut self) -> wasmtime::Result<Asked> {
        Ok(match overlay::firewall(&mut self.recorder())? {
            Firewall::Iptables => Asked::Iptables,
            Firewall::Firewalld => Asked::Firewalld,
        })
    }

    fn allow_forward(&mut self, address: IpAddress, admin_chain: String) -> wasmtime::Result<()> {
        if !is_chain(&admin_chain) {
            return Err(
                violation(format!("{admin_chain:?} is no name of a chain of the administrator's")).into()
            );
        }
        let address = lower::address(address);
        self.plan(FilterRule::AllowForward { address, admin_chain })
    }

    fn isolate(&mut self, bridge: String, family: IpFamily, ingress: Ingress) -> wasmtime::Result<()> {
        let bridge = IfName::parse(&bridge).map_err(|error| violation(error.to_string()))?;
        let is_ipv4 = matches!(family, IpFamily::Ipv4);
        let within = matches!(ingress, Ingress::Isolated);
        self.plan(FilterRule::Isolate { is_ipv4, bridge, within })
    }

    fn trust_source(&mut self, address: IpAddress, zone: String) -> wasmtime::Result<()> {
        if zone.is_empty() || zone.len() > ZONE_BYTES || zone.chars().any(char::is_control) {
            return Err(violation(format!("{zone:?} is no name of a zone")).into());
        }
        let address = lower::address(address);
        self.plan(FilterRule::TrustSource { address, zone })
    }
}

/// The maximum length of a zone's name, in bytes. firewalld's own limit is shorter.
const ZONE_BYTES: usize = 128;

/// Whether an administrator's chain can have that name: within the kernel's limit of 28 bytes, and not one of the
/// chains of the kernel or of CNI.
fn is_chain(name: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    let is_taken = ["INPUT", "FORWARD", "OUTPUT", "CNI-FORWARD"].contains(&name);
    !name.is_empty()
        && name.len() <= length::IPTABLES_CHAIN
        && name.bytes().all(is_plain)
        && !name.starts_with('-')
        && !is_taken
}

//! The configuration of static, and the precedence of its sources of addresses.

use serde::Deserialize;
use std::net::IpAddr;
use wasm_cni_sdk::ipam::{Ips, family};
use wasm_cni_sdk::{Dns, Error, Ip, IpNetwork, Route, address, args, config};

/// The values to report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `runtimeConfig.ips`. Otherwise `args.cni.ips`. Otherwise the addresses of the configuration followed by those
    /// of `CNI_ARGS`.
    pub ips: Vec<Ip>,
    /// `routes`, unchanged.
    pub routes: Vec<Route>,
    /// `dns`, unchanged.
    pub dns: Dns,
}

/// The configuration as read from standard input.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Conf {
    cni_version: String,
    ipam: Option<IpamConf>,
    args: config::Args<Ips<String>>,
    runtime_config: Ips<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct IpamConf {
    addresses: Vec<AddressConf>,
    routes: Vec<Route>,
    dns: Dns,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct AddressConf {
    /// Text, because an address that another source replaces need not be valid.
    address: String,
    #[serde(deserialize_with = "address::ip")]
    gateway: Option<IpAddr>,
}

impl Config {
    /// Parses standard input and `CNI_ARGS`. The checks have the reference's order and texts.
    pub fn parse(json: &str, cni_args: &str) -> Result<Self, Error> {
        let conf: Conf = config::parse(json)?;
        let ipam = conf.ipam.ok_or("IPAM config missing 'ipam' key")?;
        let from_cni_args = asked_by_cni_args(cni_args)?;
        let from_args = asked_by_runtime(&conf.args.cni.ips)?;
        let from_runtime = asked_by_runtime(&conf.runtime_config.ips)?;
        let ips = match [from_runtime, from_args].into_iter().find(|ips| !ips.is_empty()) {
            Some(ips) => ips,
            None => {
                let mut ips = configured(&ipam.addresses)?;
                ips.extend(from_cni_args);
                ips
            }
        };
        let ipv4 = ips.iter().filter(|ip| ip.address.is_ipv4()).count();
        family::check(&conf.cni_version, ipv4, ips.len() - ipv4)?;
        Ok(Config { ips, routes: ipam.routes, dns: ipam.dns })
    }
}

fn configured(addresses: &[AddressConf]) -> Result<Vec<Ip>, String> {
    let ip = |conf: &AddressConf| {
        let address = cidr(&conf.address, "the 'address' field is expected to be")?;
        Ok(Ip { address, gateway: conf.gateway })
    };
    addresses.iter().map(ip).collect()
}

/// Parses `IP=10.1.2.3/24,fd00::3/64;GATEWAY=10.1.2.1`. A gateway belongs to each of these addresses whose network
/// contains it.
fn asked_by_cni_args(cni_args: &str) -> Result<Vec<Ip>, String> {
    let (mut addresses, mut gateways) = (String::new(), String::new());
    args::parse(cni_args, |key, value| {
        let list = match key {
            "IP" => &mut addresses,
            "GATEWAY" => &mut gateways,
            _ => return Ok(false),
        };
        value.clone_into(list);
        Ok(true)
    })?;
    let mut ips = Vec::new();
    for text in list(&addresses) {
        let address = cidr(text.trim(), "the 'ip' field is expected to be")?;
        ips.push(Ip { address, gateway: None });
    }
    for text in list(&gateways) {
        let gateway = address::parse_ip(text.trim()).ok().flatten();
        let gateway = gateway.ok_or_else(|| format!("invalid gateway address: {text}"))?;
        for ip in ips.iter_mut().filter(|ip| ip.address.contains(gateway)) {
            ip.gateway = Some(gateway);
        }
    }
    Ok(ips)
}

fn asked_by_runtime(ips: &[String]) -> Result<Vec<Ip>, String> {
    let ip = |text: &String| {
        let address = cidr(text, "an entry in the 'ips' field is NOT")?;
        Ok(Ip { address, gateway: None })
    };
    ips.iter().map(ip).collect()
}

/// The items of a list in `CNI_ARGS`. Empty text has no items.
fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').filter(move |_| !text.is_empty())
}

/// Parses an address with prefix length and keeps host bits. The error text begins with `what`.
fn cidr(text: &str, what: &str) -> Result<IpNetwork, String> {
    let network = address::parse_cidr(text).map(address::fold);
    network.map_err(|_| format!("{what} in CIDR notation, got: '{text}'"))
}

#[cfg(test)]
mod tests;

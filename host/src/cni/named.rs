//! The links and addresses that a configuration names. By default, a plugin may use them.

use super::json::{Object, member};
use crate::value::{PortMapping, Report};
use ipnetwork::IpNetwork;
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Keys that name no link. Their values have another meaning, or come from the runtime. Whoever starts the container
/// could set those.
const NO_LINKS: [&str; 8] =
    ["name", "type", "cniVersion", "dns", "capabilities", "args", "runtimeConfig", "prevResult"];

/// Every text that may be the name of a link.
pub fn links(config: &Object) -> BTreeSet<&str> {
    let mut texts = BTreeSet::new();
    for (key, value) in
        config.iter().filter(|(key, _)| !NO_LINKS.iter().any(|no| key.eq_ignore_ascii_case(no)))
    {
        visit(key, value, &mut |_, text| {
            texts.insert(text);
        });
    }
    texts
}

/// The addresses in a configuration and in `CNI_ARGS`.
pub fn addresses(config: &Object, args: &str) -> NamedAddresses {
    let mut named = NamedAddresses::default();
    let own = |key: &str| !is_foreign(key) && !key.eq_ignore_ascii_case("prevResult");
    for (key, value) in config.iter().filter(|(key, _)| own(key)) {
        visit(key, value, &mut |key, text| named.add(key, text));
    }
    for (key, value) in args.split(';').filter_map(|pair| pair.split_once('=')) {
        value.split(',').for_each(|text| named.add(key, text));
    }
    named
}

/// Addresses, by use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NamedAddresses {
    /// Addresses for links in the container.
    pub addresses: BTreeSet<IpAddr>,
    /// Gateways: addresses at the host's end.
    pub gateways: BTreeSet<IpAddr>,
    /// Networks to lease addresses from. Never a network of all addresses of a family.
    pub networks: BTreeSet<IpNetwork>,
}

impl NamedAddresses {
    fn add(&mut self, key: &str, text: &str) {
        let is = |names: &[&str]| names.iter().any(|name| key.eq_ignore_ascii_case(name));
        let Some(network) = network(text) else { return };
        let is_host =
            network.ip() != network.network() || network.prefix().saturating_add(1) >= width(&network);
        if is(&["gateway", "gw"]) {
            self.gateways.insert(network.ip());
        } else if is_host && !is(&["rangeStart", "rangeEnd"]) {
            self.addresses.insert(network.ip());
        }
        if text.contains('/') && network.prefix() > 0 {
            self.networks.insert(network);
        }
    }
}

/// The port mapping settings of a configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PortConfig {
    /// `runtimeConfig.portMappings`. Invalid entries are skipped.
    pub mappings: Vec<PortMapping>,
    /// `conditionsV4`.
    pub conditions_v4: Vec<String>,
    /// `conditionsV6`.
    pub conditions_v6: Vec<String>,
    /// `externalSetMarkChain`.
    pub mark_chain: Option<String>,
}

/// Reads the port mapping settings.
pub fn ports(config: &Object) -> PortConfig {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let texts = |key: &str| {
        let list = member(config, key).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(text).collect()
    };
    let mapping = |value: &Value| {
        let object = value.as_object()?;
        let port = |key: &str| u16::try_from(member(object, key)?.as_u64()?).ok();
        let host_address = member(object, "hostIP").and_then(Value::as_str).filter(|text| !text.is_empty());
        Some(PortMapping {
            protocol: member(object, "protocol")?.as_str()?.to_lowercase(),
            host_port: port("hostPort")?,
            container_port: port("containerPort")?,
            host_address: match host_address {
                Some(text) => Some(text.parse::<IpAddr>().ok()?.to_canonical()),
                None => None,
            },
        })
    };
    let runtime = member(config, "runtimeConfig").and_then(Value::as_object);
    let mappings = runtime.and_then(|runtime| member(runtime, "portMappings")).and_then(Value::as_array);
    PortConfig {
        mappings: mappings.into_iter().flatten().filter_map(mapping).collect(),
        conditions_v4: texts("conditionsV4"),
        conditions_v6: texts("conditionsV6"),
        mark_chain: member(config, "externalSetMarkChain").and_then(text).filter(|chain| !chain.is_empty()),
    }
}

/// The firewall settings of a configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FirewallConfig {
    /// `backend`.
    pub backend: Option<String>,
    /// `iptablesAdminChainName`.
    pub admin_chain: String,
    /// `firewalldZone`.
    pub zone: String,
    /// The first interface of `prevResult`, which `ingressPolicy` is about.
    pub bridge: Option<String>,
}

/// Reads the firewall settings, with the reference's defaults.
pub fn firewall(config: &Object, previous: Option<&Report>) -> FirewallConfig {
    let text = |key: &str| {
        member(config, key).and_then(Value::as_str).map(str::to_owned).filter(|text| !text.is_empty())
    };
    let first = previous.and_then(|previous| previous.passed.first());
    FirewallConfig {
        backend: text("backend"),
        admin_chain: text("iptablesAdminChainName").unwrap_or_else(|| "CNI-ADMIN".to_owned()),
        zone: text("firewalldZone").unwrap_or_else(|| "trusted".to_owned()),
        bridge: first.map(|interface| interface.name.clone()),
    }
}

/// Parses an address or a network as plugins do: surrounding spaces are ignored, and an IPv4-mapped IPv6 address
/// becomes IPv4.
fn network(text: &str) -> Option<IpNetwork> {
    let network: IpNetwork = text.trim().parse().ok()?;
    match network.ip().to_canonical() {
        ip @ IpAddr::V4(_) if network.is_ipv6() => IpNetwork::new(ip, network.prefix().checked_sub(96)?).ok(),
        _ => Some(network),
    }
}

/// The number of bits of an address.
fn width(network: &IpNetwork) -> u8 {
    if network.is_ipv4() { 32 } else { 128 }
}

/// Whether the addresses below a key belong to other hosts.
fn is_foreign(key: &str) -> bool {
    ["routes", "dns"].iter().any(|other| key.eq_ignore_ascii_case(other))
}

/// Calls `found` for every text below a key, with the innermost key that contains it. Skips the addresses of other
/// hosts.
fn visit<'a>(key: &str, value: &'a Value, found: &mut impl FnMut(&str, &'a str)) {
    match value {
        Value::String(text) => found(key, text),
        Value::Array(list) => list.iter().for_each(|value| visit(key, value, found)),
        Value::Object(object) => {
            let own = object.iter().filter(|(key, _)| !is_foreign(key));
            own.for_each(|(key, value)| visit(key, value, found));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(text: &str) -> Object {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn addresses_are_sorted_by_use() {
        let config = object(
            r#"{"name": "n", "ipam": {"addresses": [{"address": "10.1.2.3/24", "Gateway": "10.1.2.1"}],
                "ranges": [[{"subnet": "10.2.0.0/16", "rangeStart": "10.2.0.9"}]], "routes": [{"dst": "0.0.0.0/0", "gw": "10.9.9.1"}]},
                "dns": {"nameservers": ["10.9.9.2"]}, "runtimeConfig": {"ips": ["fd00::7/64"]}, "all": "0.0.0.0/0",
                "prevResult": {"ips": ["10.9.9.9"]}}"#,
        );
        let named =
            addresses(&config, "IgnoreUnknown=1;IP=10.3.0.5/24, ::ffff:10.3.1.5/120 ;GATEWAY=10.3.0.1");
        let texts = |set: BTreeSet<IpAddr>| set.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(texts(named.addresses), ["10.1.2.3", "10.3.0.5", "10.3.1.5", "fd00::7"]);
        assert_eq!(texts(named.gateways), ["10.1.2.1", "10.3.0.1"]);
        let networks: Vec<_> = named.networks.iter().map(ToString::to_string).collect();
        assert_eq!(networks, ["10.1.2.3/24", "10.2.0.0/16", "10.3.0.5/24", "10.3.1.5/24", "fd00::7/64"]);
    }

    #[test]
    fn values_from_the_runtime_name_no_link() {
        let config = object(
            r#"{"name": "eth0", "type": "eth1", "bridge": "br0", "more": {"of": ["eth2"]}, "args": {"cni": {"x": "eth3"}},
                "runtimeConfig": {"x": "eth4"}, "prevResult": {"interfaces": [{"name": "eth5"}]}}"#,
        );
        assert_eq!(links(&config), BTreeSet::from(["br0", "eth2"]));
    }
}

//! The links and addresses that a configuration names. Only the keys of a table name something: no other text does.

use super::json::{self, Object, member};
use crate::value::{Range, Subnet};
use ipnetwork::IpNetwork;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

/// A key of the configuration that names something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamingKey {
    /// The path of the key: `ipam.ranges`. Each part is found in any letter case.
    pub path: &'static str,
    /// What it names.
    pub names: Names,
}

/// What a key names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// A link of the host. The text is the name that counts if the key is absent; empty: none.
    Link(&'static str),
    /// One range to lease addresses from: an object with `subnet`, `rangeStart`, `rangeEnd` and `gateway`.
    Range,
    /// A list of range sets, each a list of such objects.
    RangeSets,
    /// Addresses of the container: a list of objects with `address` (with prefix length) and `gateway`.
    Addresses,
    /// Addresses of the container that whoever starts it chooses: a list of texts with prefix length.
    ChosenAddresses,
    /// The same in `CNI_ARGS`: `IP` and `GATEWAY`. A gateway counts only for an address whose network contains it.
    ChosenInArgs,
}

impl fmt::Display for NamingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path;
        match self.names {
            Names::Link("") => write!(f, "`{path}`: a link of the host"),
            Names::Link(default) => write!(f, "`{path}`: a link of the host, by default {default}"),
            Names::Range => {
                write!(f, "`{path}.subnet`, `.rangeStart`, `.rangeEnd`, `.gateway`: a range to lease from")
            }
            Names::RangeSets => write!(f, "`{path}`: sets of such ranges"),
            Names::Addresses => write!(f, "`{path}`: addresses of the container, with their gateways"),
            Names::ChosenAddresses => write!(f, "`{path}`: addresses of the container"),
            Names::ChosenInArgs => write!(f, "`IP` and `GATEWAY` of `{path}`: the same"),
        }
    }
}

/// What a configuration names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named {
    /// Links of the host.
    pub links: BTreeSet<String>,
    /// Addresses for links in the container, with their networks and gateways.
    pub addresses: Vec<Subnet>,
    /// The range sets to lease addresses from, in the order in which the reference numbers them.
    pub sets: Vec<Vec<Range>>,
}

/// Reads what these keys of a configuration name. What is not valid names nothing.
pub fn read(config: &Object, args: &str, keys: &[NamingKey]) -> Named {
    let mut named = Named::default();
    for key in keys {
        let value = at(config, key.path);
        let objects = || value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object);
        match key.names {
            Names::Link(default) => {
                let name = value.and_then(Value::as_str).unwrap_or(default);
                named.links.extend(Some(name.to_owned()).filter(|name| !name.is_empty()));
            }
            Names::Range => {
                let range = value.and_then(Value::as_object).and_then(range);
                named.sets.extend(range.map(|range| vec![range]));
            }
            Names::RangeSets => {
                let sets = value.and_then(Value::as_array).into_iter().flatten();
                // A set without a valid range still has its number.
                let set = |set: &Value| {
                    let ranges = set.as_array().into_iter().flatten().filter_map(Value::as_object);
                    ranges.filter_map(range).collect()
                };
                named.sets.extend(sets.map(set));
            }
            Names::Addresses => named.addresses.extend(objects().filter_map(|object| {
                let address = json::network(member(object, "address")?).ok()?;
                Some(Subnet { address, gateway: ip(object, "gateway") })
            })),
            Names::ChosenAddresses => {
                let texts = value.and_then(Value::as_array).into_iter().flatten();
                let addresses = texts.filter_map(|text| json::network(text).ok());
                named.addresses.extend(addresses.map(|address| Subnet { address, gateway: None }));
            }
            Names::ChosenInArgs => named.addresses.extend(chosen(args)),
        }
    }
    // `0.0.0.0` is no address of a link (`inet_insert_ifa` in the kernel's net/ipv4/devinet.c).
    named.addresses.retain(|subnet| !subnet.address.ip().is_unspecified());
    named
}

/// The value at a path: `args.cni.ips`.
fn at<'a>(config: &'a Object, path: &str) -> Option<&'a Value> {
    let mut parts = path.split('.');
    let first = member(config, parts.next()?)?;
    parts.try_fold(first, |value, part| member(value.as_object()?, part))
}

/// The addresses of `IP` in `CNI_ARGS`, each with the last of `GATEWAY` that its network contains.
fn chosen(args: &str) -> Vec<Subnet> {
    let list = |wanted: &str| {
        let pairs = args.split(';').filter_map(|pair| pair.split_once('='));
        // The last pair of a key counts.
        let value = pairs.filter(|(key, _)| *key == wanted).map(|(_, value)| value).next_back();
        value.into_iter().flat_map(|value| value.split(',')).map(|text| Value::from(text.trim()))
    };
    let gateways: Vec<IpAddr> = list("GATEWAY").filter_map(|text| json::address(&text).ok()?).collect();
    let subnet = |address: IpNetwork| {
        let gateway = gateways.iter().rfind(|gateway| address.contains(**gateway)).copied();
        Subnet { address, gateway }
    };
    list("IP").filter_map(|text| json::network(&text).ok()).map(subnet).collect()
}

/// A range with the reference's defaults (plugins/ipam/host-local/backend/allocator/range.go).
fn range(object: &Object) -> Option<Range> {
    let subnet = json::network(member(object, "subnet")?).ok()?;
    Range::new(subnet, ip(object, "rangeStart"), ip(object, "rangeEnd"), ip(object, "gateway"))
}

fn ip(object: &Object, key: &str) -> Option<IpAddr> {
    json::address(member(object, key)?).ok()?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(text: &str) -> Object {
        serde_json::from_str(text).unwrap()
    }

    fn names(config: &str, args: &str, path: &'static str, names: Names) -> Named {
        read(&object(config), args, &[NamingKey { path, names }])
    }

    fn texts(named: &Named) -> Vec<String> {
        let text = |subnet: &Subnet| match subnet.gateway {
            Some(gateway) => format!("{} via {gateway}", subnet.address),
            None => subnet.address.to_string(),
        };
        named.addresses.iter().map(text).collect()
    }

    #[test]
    fn a_key_without_a_value_names_its_default() {
        let links = |config: &str| names(config, "", "bridge", Names::Link("cni0")).links;
        assert_eq!(links("{}"), BTreeSet::from(["cni0".to_owned()]));
        assert_eq!(links(r#"{"bridge": null}"#), BTreeSet::from(["cni0".to_owned()]));
        assert_eq!(links(r#"{"BRIDGE": "br0"}"#), BTreeSet::from(["br0".to_owned()]));
        assert_eq!(links(r#"{"bridge": ""}"#), BTreeSet::new());
        assert_eq!(names(r#"{"note": "docker0"}"#, "", "master", Names::Link("")).links, BTreeSet::new());
    }

    #[test]
    fn ranges_have_the_defaults_of_the_reference() {
        let sets = |config: &str| {
            let named = names(config, "", "ipam.ranges", Names::RangeSets);
            let text = |range: &Range| format!("{}-{} via {}", range.first, range.last, range.gateway);
            named.sets.iter().map(|set| set.iter().map(text).collect::<Vec<_>>()).collect::<Vec<_>>()
        };
        assert_eq!(
            sets(
                r#"{"ipam": {"ranges": [[{"subnet": "10.2.0.0/24"}, {"subnet": "10.3.0.0/24", "rangeStart": "10.3.0.0",
                    "rangeEnd": "10.3.0.255", "gateway": "10.9.9.9"}], [], [{"Subnet": "fd00::/64"}]]}}"#
            ),
            [
                vec!["10.2.0.1-10.2.0.254 via 10.2.0.1", "10.3.0.0-10.3.0.255 via 10.9.9.9"],
                vec![],
                vec!["fd00::1-fd00::ffff:ffff:ffff:ffff via fd00::1"],
            ]
        );
        let legacy = names(r#"{"ipam": {"subnet": "10.1.0.0/30"}}"#, "", "ipam", Names::Range);
        assert_eq!(legacy.sets.len(), 1);
    }

    #[test]
    fn addresses_have_their_own_gateways() {
        let config = r#"{"ipam": {"addresses": [{"address": "10.1.2.3/24", "Gateway": "10.9.9.1"}, {"address": "x"}]}}"#;
        assert_eq!(
            texts(&names(config, "", "ipam.addresses", Names::Addresses)),
            ["10.1.2.3/24 via 10.9.9.1"]
        );
        let config = r#"{"args": {"cni": {"ips": ["10.1.2.4/24", "::ffff:10.3.1.5/120"]}}}"#;
        assert_eq!(
            texts(&names(config, "", "args.cni.ips", Names::ChosenAddresses)),
            ["10.1.2.4/24", "10.3.1.5/24"]
        );
    }

    #[test]
    fn a_gateway_in_args_is_one_in_the_network_of_an_address() {
        let chosen = |args| texts(&names("{}", args, "CNI_ARGS", Names::ChosenInArgs));
        assert_eq!(
            chosen("IgnoreUnknown=1;IP=10.3.0.5/24, fd00::5/64;GATEWAY=10.3.0.1,8.8.8.8"),
            ["10.3.0.5/24 via 10.3.0.1", "fd00::5/64"]
        );
        assert_eq!(chosen("K8S_POD_NAME=8.8.8.8/32;ip=10.1.1.1/24"), Vec::<String>::new());
    }
}

//! The settings of a configuration that policy compares a plan with. What is not valid counts as absent: the plugin that
//! reads it refuses it.

use super::Config;
use super::json::{Object, member};
use crate::value::{Backend, IfName, Mac, PortMapping, Report, SysctlKey};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// The default of `markMasqBit` (plugins/meta/portmap/main.go).
const MARK_BIT: u8 = 13;

/// The port mapping settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PortConfig {
    /// `runtimeConfig.portMappings`. Invalid entries are skipped.
    pub mappings: Vec<PortMapping>,
    /// `conditionsV4`.
    pub conditions_v4: Vec<String>,
    /// `conditionsV6`.
    pub conditions_v6: Vec<String>,
    /// `snat`, by default true: packets may be masqueraded.
    pub snat: bool,
    /// `masqAll`: all packets may be.
    pub masquerade_all: bool,
    /// `backend`.
    pub backend: Option<Backend>,
    /// `markMasqBit`.
    pub mark_bit: u8,
    /// `externalSetMarkChain`.
    pub mark_chain: Option<String>,
}

/// The firewall settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FirewallConfig {
    /// `backend`.
    pub backend: Option<String>,
    /// `iptablesAdminChainName`.
    pub admin_chain: String,
    /// `firewalldZone`.
    pub zone: String,
    /// `ingressPolicy`: `Some(false)` for `same-bridge`, `Some(true)` for `isolated`.
    pub isolates_within: Option<bool>,
    /// The first interface of `prevResult`, which `ingressPolicy` is about. It is a bridge of the host.
    pub bridge: Option<String>,
}

/// The settings of a link and of the bridge that it joins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LinkConfig {
    /// The Ethernet addresses in `mac`, `runtimeConfig.mac`, `args.cni.mac` and `MAC` of `CNI_ARGS`.
    pub macs: BTreeSet<Mac>,
    /// `mtu`, in bytes.
    pub mtu: Option<u32>,
    /// `promiscMode`.
    pub promiscuous: bool,
    /// `forceAddress`: conflicting addresses of a bridge are removed for the gateway.
    pub forces_address: bool,
    /// `macspoofchk`.
    pub checks_source_mac: bool,
    /// `portIsolation`.
    pub is_isolated: bool,
    /// `isGateway`, or `isDefaultGateway`, which implies it.
    pub is_gateway: bool,
    /// `ipMasq`.
    pub masquerades: bool,
    /// `ipMasqBackend`.
    pub masquerade_backend: Option<Backend>,
    /// `vlan`, if it is not 0.
    pub vlan: Option<u16>,
    /// `vlanTrunk`, as VLAN IDs. An empty list is not the same as an absent one.
    pub vlan_trunk: Option<BTreeSet<u16>>,
    /// `preserveDefaultVlan`.
    pub preserves_default_vlan: bool,
}

impl LinkConfig {
    /// All VLAN IDs that the configuration names.
    pub fn vlans(&self) -> BTreeSet<u16> {
        self.vlan_trunk.iter().flatten().copied().chain(self.vlan).collect()
    }
}

/// A rate in bits per second and a burst in bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// `…Rate`.
    pub rate: u64,
    /// `…Burst`.
    pub burst: u64,
}

impl Config {
    fn text(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    fn is_set(&self, key: &str) -> bool {
        self.get(key).and_then(Value::as_bool).unwrap_or_default()
    }

    fn object(&self, key: &str) -> Option<&Object> {
        self.get(key).and_then(Value::as_object)
    }

    /// `args.cni`.
    fn cni_args(&self) -> Option<&Object> {
        member(self.object("args")?, "cni")?.as_object()
    }

    /// The requested port mappings, and their options.
    pub fn ports(&self) -> PortConfig {
        let texts = |key: &str| {
            let list = self.get(key).and_then(Value::as_array);
            list.into_iter().flatten().filter_map(|text| text.as_str().map(str::to_owned)).collect()
        };
        let mappings = self.object("runtimeConfig").and_then(|runtime| member(runtime, "portMappings"));
        let mappings = mappings.and_then(Value::as_array).into_iter().flatten();
        let bit = self.get("markMasqBit").and_then(Value::as_u64).and_then(|bit| u8::try_from(bit).ok());
        PortConfig {
            mappings: mappings.filter_map(mapping).collect(),
            conditions_v4: texts("conditionsV4"),
            conditions_v6: texts("conditionsV6"),
            snat: self.get("snat").and_then(Value::as_bool).unwrap_or(true),
            masquerade_all: self.is_set("masqAll"),
            backend: backend(self.text("backend")),
            mark_bit: bit.unwrap_or(MARK_BIT),
            mark_chain: self.text("externalSetMarkChain").map(str::to_owned),
        }
    }

    /// The firewall settings of the configuration and of `prevResult`, with the reference's defaults.
    pub fn firewall(&self, previous: Option<&Report>) -> FirewallConfig {
        let text = |key: &str| self.text(key).map(str::to_owned);
        // An interface of a container is no bridge, whatever its name.
        let first = previous.and_then(|previous| previous.passed.first());
        let bridge = first.filter(|interface| interface.sandbox.is_empty());
        FirewallConfig {
            backend: text("backend"),
            admin_chain: text("iptablesAdminChainName").unwrap_or_else(|| "CNI-ADMIN".to_owned()),
            zone: text("firewalldZone").unwrap_or_else(|| "trusted".to_owned()),
            isolates_within: match self.text("ingressPolicy") {
                Some("same-bridge") => Some(false),
                Some("isolated") => Some(true),
                _ => None,
            },
            bridge: bridge.map(|interface| interface.name.clone()),
        }
    }

    /// The settings of the link. `args` is `CNI_ARGS`.
    pub fn link(&self, args: &str) -> LinkConfig {
        let of_runtime = self.object("runtimeConfig").and_then(|runtime| member(runtime, "mac"));
        let of_args = self.cni_args().and_then(|args| member(args, "mac"));
        let texts = [self.get("mac"), of_runtime, of_args].into_iter().flatten().filter_map(Value::as_str);
        let pairs = args.split(';').filter_map(|pair| pair.strip_prefix("MAC="));
        let vid = |value: Option<&Value>| {
            let vid = value.and_then(Value::as_u64).and_then(|vid| u16::try_from(vid).ok());
            vid.filter(|vid| (1..=4094).contains(vid))
        };
        let trunk = self.get("vlanTrunk").and_then(Value::as_array).map(|entries| {
            let mut vids = BTreeSet::new();
            for entry in entries.iter().filter_map(Value::as_object) {
                vids.extend(vid(member(entry, "id")));
                if let (Some(first), Some(last)) = (vid(member(entry, "minID")), vid(member(entry, "maxID")))
                {
                    vids.extend(first..=last);
                }
            }
            vids
        });
        LinkConfig {
            macs: texts.chain(pairs).filter_map(mac).collect(),
            mtu: self.get("mtu").and_then(Value::as_u64).and_then(|mtu| u32::try_from(mtu).ok()),
            promiscuous: self.is_set("promiscMode"),
            forces_address: self.is_set("forceAddress"),
            checks_source_mac: self.is_set("macspoofchk"),
            is_isolated: self.is_set("portIsolation"),
            masquerades: self.is_set("ipMasq"),
            masquerade_backend: backend(self.text("ipMasqBackend")),
            is_gateway: self.is_set("isGateway") || self.is_set("isDefaultGateway"),
            vlan: vid(self.get("vlan")),
            vlan_trunk: trunk,
            preserves_default_vlan: self.is_set("preserveDefaultVlan"),
        }
    }

    /// The kernel parameters in `sysctl` and `args.cni.sysctl`, which wins. In a key, dots are slashes, and the first
    /// `IFNAME` stands for the interface (plugins/meta/tuning/tuning.go).
    pub fn sysctls(&self, interface: &IfName) -> BTreeMap<SysctlKey, String> {
        let of_args = self.cni_args().and_then(|args| member(args, "sysctl")).and_then(Value::as_object);
        // In the order of the texts, as tuning sets them: of two texts for one parameter, the last one counts.
        let pairs: BTreeMap<&String, &Value> =
            [self.object("sysctl"), of_args].into_iter().flatten().flatten().collect();
        let parameter = |(key, value): (&String, &Value)| {
            let key = key.replace('.', "/").replacen("IFNAME", interface.as_str(), 1);
            let parts: Vec<&str> = key.split('/').filter(|part| !part.is_empty()).collect();
            Some((SysctlKey::parse(&parts.join("/")).ok()?, value.as_str()?.to_owned()))
        };
        pairs.into_iter().filter_map(parameter).collect()
    }

    /// The rate limits of traffic to the container and from it. If the configuration itself has any of the keys,
    /// `runtimeConfig` has no effect (plugins/meta/bandwidth/main.go).
    pub fn rate_limits(&self) -> [Option<RateLimit>; 2] {
        const KEYS: [&str; 4] = ["ingressRate", "ingressBurst", "egressRate", "egressBurst"];
        let of_runtime = self.object("runtimeConfig").and_then(|runtime| member(runtime, "bandwidth"));
        let of_runtime = of_runtime.and_then(Value::as_object);
        let is_own = KEYS.iter().any(|key| self.get(key).is_some());
        let number = |key: &str| {
            let of_runtime = || member(of_runtime?, key);
            let value = if is_own { self.get(key) } else { of_runtime() };
            value.and_then(Value::as_u64).filter(|number| *number != 0)
        };
        [("ingressRate", "ingressBurst"), ("egressRate", "egressBurst")]
            .map(|(rate, burst)| Some(RateLimit { rate: number(rate)?, burst: number(burst)? }))
    }
}

fn backend(text: Option<&str>) -> Option<Backend> {
    match text? {
        "iptables" => Some(Backend::Iptables),
        "nftables" => Some(Backend::Nftables),
        _ => None,
    }
}

fn mapping(value: &Value) -> Option<PortMapping> {
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
}

/// Parses an Ethernet address in any notation of Go's `net.ParseMAC`.
fn mac(text: &str) -> Option<Mac> {
    let digits: String = text.chars().filter(|c| !matches!(c, ':' | '-' | '.')).collect();
    let number = Some(digits).filter(|digits| digits.len() == 12);
    let [_, _, rest @ ..] = u64::from_str_radix(&number?, 16).ok()?.to_be_bytes();
    Some(Mac(rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cni::config::decode;

    fn config(members: &str) -> Config {
        decode(format!(r#"{{"name": "n", {members}}}"#).as_bytes()).unwrap()
    }

    #[test]
    fn addresses_of_links_come_from_four_keys() {
        let read = config(
            r#""mac": "0a:58:00:00:00:01", "args": {"cni": {"mac": "0a-58-00-00-00-02"}},
                "runtimeConfig": {"mac": "0a58.0000.0003"}, "note": "0a:58:00:00:00:09""#,
        );
        let macs = read.link("IgnoreUnknown=1;MAC=0a:58:00:00:00:04;POD=0a:58:00:00:00:08").macs;
        assert_eq!(macs.iter().map(|mac| mac.0[5]).collect::<Vec<_>>(), [1, 2, 3, 4]);
    }

    #[test]
    fn parameters_are_named_as_tuning_reads_them() {
        let read = config(
            r#""sysctl": {"net.ipv4.conf.IFNAME.arp_filter": "1", "/net/core/somaxconn": "5", "kernel.x": "1"},
                "args": {"cni": {"sysctl": {"net/core/somaxconn": "7"}}}"#,
        );
        let sysctls = read.sysctls(&IfName::parse("eth0.5").unwrap());
        let texts: Vec<_> = sysctls.iter().map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(texts, ["net/core/somaxconn=7", "net/ipv4/conf/eth0.5/arp_filter=1"]);
    }

    #[test]
    fn a_rate_in_the_configuration_hides_those_of_the_runtime() {
        let limit = |rate, burst| Some(RateLimit { rate, burst });
        let runtime = r#""runtimeConfig": {"bandwidth": {"ingressRate": 8, "ingressBurst": 9}}"#;
        assert_eq!(config(runtime).rate_limits(), [limit(8, 9), None]);
        assert_eq!(config(&format!(r#"{runtime}, "egressRate": 0"#)).rate_limits(), [None, None]);
        assert_eq!(config(r#""egressRate": 3, "egressBurst": 4"#).rate_limits(), [None, limit(3, 4)]);
    }

    #[test]
    fn a_link_of_a_container_is_no_bridge() {
        let first = |sandbox: &str| {
            let passed = vec![crate::value::Interface {
                name: "br0".into(),
                mac: String::new(),
                sandbox: sandbox.into(),
            }];
            let previous = Report { passed, ..Report::default() };
            config(r#""ingressPolicy": "isolated""#).firewall(Some(&previous)).bridge
        };
        assert_eq!(first(""), Some("br0".to_owned()));
        assert_eq!(first("/run/netns/a"), None);
    }
}

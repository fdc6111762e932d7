//! The configuration of portmap.

use serde::Deserialize;
use std::net::IpAddr;
use wasm_cni_sdk::nat::{self, Backend};
use wasm_cni_sdk::{IpNetwork, config};

/// The default of `markMasqBit`: the bit of the packet mark that selects packets for masquerading.
const MARK_BIT: u8 = 13;

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Conf {
    backend: Option<String>,
    snat: Option<bool>,
    masq_all: bool,
    mark_masq_bit: Option<i64>,
    external_set_mark_chain: Option<String>,
    conditions_v4: Option<Vec<String>>,
    conditions_v6: Option<Vec<String>>,
    runtime_config: Runtime,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Runtime {
    port_mappings: Vec<Entry>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Entry {
    host_port: i64,
    container_port: i64,
    protocol: String,
    #[serde(rename = "hostIP")]
    host_ip: String,
}

/// A valid configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `runtimeConfig.portMappings`.
    pub mappings: Vec<Mapping>,
    /// `backend`, or the default of the host.
    pub backend: Backend,
    /// `conditionsV4`.
    pub conditions_v4: Vec<String>,
    /// `conditionsV6`.
    pub conditions_v6: Vec<String>,
    /// `snat`, with the way to mark the packets that are masqueraded. `None`: no packet is masqueraded.
    pub masquerade: Option<Marking>,
    /// `masqAll`.
    pub masquerade_all: bool,
}

/// A port of the host, and the port of the container that it maps to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// `protocol`, in lower case.
    pub protocol: String,
    /// `hostPort`.
    pub host_port: u16,
    /// `containerPort`.
    pub container_port: u16,
    /// `hostIP`.
    pub host_address: Option<IpAddr>,
}

/// The way to mark packets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Marking {
    /// `markMasqBit`.
    Bit(u8),
    /// `externalSetMarkChain`.
    Chain(String),
}

impl Config {
    /// Parses a configuration.
    ///
    /// # Errors
    /// The errors have the reference's texts, except for invalid JSON.
    pub fn parse(json: &str) -> Result<Self, String> {
        Self::parse_for(json, nat::default_backend)
    }

    fn parse_for(json: &str, default: impl Fn() -> Backend) -> Result<Self, String> {
        let conf: Conf =
            config::parse(json).map_err(|e| format!("failed to parse network configuration: {e}"))?;
        let chain = conf.external_set_mark_chain.clone().filter(|chain| !chain.is_empty());
        if chain.is_some() && conf.mark_masq_bit.is_some() {
            return Err("Cannot specify externalSetMarkChain and markMasqBit".to_owned());
        }
        let bit = match conf.mark_masq_bit {
            None => MARK_BIT,
            Some(bit) => u8::try_from(bit)
                .ok()
                .filter(|bit| *bit < 32)
                .ok_or("MasqMarkBit must be between 0 and 31")?,
        };
        let backend = backend(&conf, default)?;
        let mappings = conf.runtime_config.port_mappings.iter().map(mapping).collect::<Result<_, _>>()?;
        let marking = chain.map_or(Marking::Bit(bit), Marking::Chain);
        Ok(Config {
            mappings,
            backend,
            conditions_v4: conf.conditions_v4.unwrap_or_default(),
            conditions_v6: conf.conditions_v6.unwrap_or_default(),
            masquerade: conf.snat.unwrap_or(true).then_some(marking),
            masquerade_all: conf.masq_all,
        })
    }
}

impl Config {
    /// What is wrong with the mappings that lead nowhere, although the reference accepts them: one text for each.
    /// `addresses` are those of the container, one for each family.
    pub fn without_effect(&self, addresses: &[IpNetwork]) -> Vec<String> {
        if addresses.is_empty() {
            return vec![
                "no port is mapped: the result has no address of the container's interface".to_owned(),
            ];
        }
        let text = |mapping: &Mapping| {
            let host = mapping.host_address?;
            let family = if host.is_ipv4() { "IPv4" } else { "IPv6" };
            let why = if !addresses.iter().any(|address| address.is_ipv4() == host.is_ipv4()) {
                format!("the container has no {family} address")
            } else if host.is_ipv6() && host.is_loopback() {
                // IPv6 has no `route_localnet`.
                "the kernel does not forward packets from ::1".to_owned()
            } else {
                return None;
            };
            Some(format!("host port {} at {host} does not reach the container: {why}", mapping.host_port))
        };
        self.mappings.iter().filter_map(text).collect()
    }
}

/// The backend. An option of the other backend is an error, even if the host chose the backend.
fn backend(conf: &Conf, default: impl Fn() -> Backend) -> Result<Backend, String> {
    let (mut of_iptables, mut of_nftables) = (Vec::new(), Vec::new());
    if conf.external_set_mark_chain.as_deref().is_some_and(|chain| !chain.is_empty()) {
        of_iptables.push("externalSetMarkChain");
    }
    for (name, list) in [("conditionsV4", &conf.conditions_v4), ("conditionsV6", &conf.conditions_v6)] {
        match list.iter().flatten().next() {
            None => {}
            Some(word) if word.starts_with(['-', '!']) => of_iptables.push(name),
            Some(_) => of_nftables.push(name),
        }
    }
    let backend = match conf.backend.as_deref() {
        None => default(),
        Some("iptables") => Backend::Iptables,
        Some("nftables") => Backend::Nftables,
        Some(other) => return Err(format!("unrecognized backend {other:?}")),
    };
    let (name, other, options) = match backend {
        Backend::Iptables => ("iptables", "nftables", of_nftables),
        Backend::Nftables => ("nftables", "iptables", of_iptables),
    };
    if options.is_empty() {
        return Ok(backend);
    }
    let options = options.join(" ");
    Err(format!(
        "{name} backend was requested but configuration contains {other}-specific options [{options}]"
    ))
}

fn mapping(entry: &Entry) -> Result<Mapping, String> {
    let port = |what: &str, port: i64| {
        u16::try_from(port)
            .ok()
            .filter(|port| *port != 0)
            .ok_or_else(|| format!("Invalid {what} port number: {port}"))
    };
    let container_port = port("container", entry.container_port)?;
    let host_port = port("host", entry.host_port)?;
    let host_address = match entry.host_ip.as_str() {
        "" => None,
        text => {
            let address: IpAddr =
                text.parse().map_err(|_| format!("invalid hostIP {text:?} of port {host_port}"))?;
            Some(address.to_canonical())
        }
    };
    let protocol = entry.protocol.to_lowercase();
    if protocol.is_empty() {
        return Err(format!("port {host_port} is mapped without a protocol"));
    }
    Ok(Mapping { protocol, host_port, container_port, host_address })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(json: &str) -> Config {
        Config::parse_for(json, || Backend::Iptables).expect(json)
    }

    fn refusal(json: &str) -> String {
        Config::parse_for(json, || Backend::Iptables).expect_err(json)
    }

    fn with(mapping: &str) -> String {
        format!(r#"{{"runtimeConfig": {{"portMappings": [{mapping}]}}}}"#)
    }

    #[test]
    fn mappings_are_read_as_runtimes_write_them() {
        let read = config(&with(
            r#"{"hostPort": 8080, "containerPort": 80, "protocol": "TCP", "hostIP": "::ffff:10.0.0.1"}, {"hostPort": 1, "containerPort": 2, "protocol": "udp", "hostIP": ""}"#,
        ));
        let [first, second] = read.mappings.as_slice() else { panic!("{read:?}") };
        assert_eq!((first.protocol.as_str(), first.host_address), ("tcp", Some(IpAddr::from([10, 0, 0, 1]))));
        assert_eq!((second.host_port, second.container_port, second.host_address), (1, 2, None));
        assert_eq!((read.masquerade, read.masquerade_all), (Some(Marking::Bit(13)), false));
    }

    #[test]
    fn a_mapping_that_cannot_reach_the_container_is_named() {
        let at = |ip: &str| {
            config(&with(&format!(
                r#"{{"hostPort": 8080, "containerPort": 80, "protocol": "tcp", "hostIP": "{ip}"}}"#
            )))
        };
        let v4: IpNetwork = "10.1.2.2/24".parse().expect("a network");
        let v6: IpNetwork = "fd00::2/64".parse().expect("a network");
        let texts = |ip: &str, addresses: &[IpNetwork]| at(ip).without_effect(addresses);
        let unreachable =
            |ip: &str, why: &str| vec![format!("host port 8080 at {ip} does not reach the container: {why}")];
        assert_eq!(texts("fd00:9::1", &[v4]), unreachable("fd00:9::1", "the container has no IPv6 address"));
        assert_eq!(texts("192.0.2.1", &[v6]), unreachable("192.0.2.1", "the container has no IPv4 address"));
        assert_eq!(
            texts("::1", &[v4, v6]),
            unreachable("::1", "the kernel does not forward packets from ::1")
        );
        for (ip, addresses) in [("", &[v4][..]), ("127.0.0.1", &[v4]), ("0.0.0.0", &[v4, v6]), ("::", &[v6])]
        {
            assert_eq!(texts(ip, addresses), Vec::<String>::new(), "{ip}");
        }
        let none = ["no port is mapped: the result has no address of the container's interface".to_owned()];
        assert_eq!(texts("", &[]), none);
    }

    #[test]
    fn masquerading_depends_on_three_keys() {
        assert_eq!(config(r#"{"snat": false}"#).masquerade, None);
        assert_eq!(config(r#"{"markMasqBit": 0, "masqAll": true}"#).masquerade, Some(Marking::Bit(0)));
        let chain = config(r#"{"externalSetMarkChain": "KUBE-MARK-MASQ"}"#).masquerade;
        assert_eq!(chain, Some(Marking::Chain("KUBE-MARK-MASQ".to_owned())));
    }

    #[test]
    fn options_of_one_backend_are_refused_with_the_other() {
        assert_eq!(
            config(r#"{"backend": "nftables", "conditionsV4": ["ip", "saddr"]}"#).backend,
            Backend::Nftables
        );
        assert_eq!(config(r#"{"conditionsV6": ["!", "-d"]}"#).backend, Backend::Iptables);
        assert_eq!(
            refusal(
                r#"{"backend": "nftables", "externalSetMarkChain": "X", "conditionsV4": ["-s", "10.0.0.0/8"]}"#
            ),
            "nftables backend was requested but configuration contains iptables-specific options [externalSetMarkChain conditionsV4]"
        );
        assert_eq!(
            refusal(r#"{"conditionsV4": ["ip saddr 10.0.0.0/8"]}"#),
            "iptables backend was requested but configuration contains nftables-specific options [conditionsV4]"
        );
        assert_eq!(refusal(r#"{"backend": "x"}"#), r#"unrecognized backend "x""#);
    }

    #[test]
    fn refusals_have_the_texts_of_the_reference() {
        for (json, text) in [
            (r#"{"markMasqBit": 32}"#.to_owned(), "MasqMarkBit must be between 0 and 31"),
            (
                r#"{"markMasqBit": 3, "externalSetMarkChain": "X"}"#.to_owned(),
                "Cannot specify externalSetMarkChain and markMasqBit",
            ),
            (with(r#"{"hostPort": -1, "containerPort": 0}"#), "Invalid container port number: 0"),
            (with(r#"{"hostPort": -1, "containerPort": 1}"#), "Invalid host port number: -1"),
            (with(r#"{"hostPort": 70000, "containerPort": 1}"#), "Invalid host port number: 70000"),
        ] {
            assert_eq!(refusal(&json), text);
        }
    }
}

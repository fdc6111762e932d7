//! The configuration of firewall.

use serde::Deserialize;
use wasm_cni_sdk::config;
use wasm_cni_sdk::filter::{Firewall, Ingress};

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Conf {
    backend: String,
    iptables_admin_chain_name: String,
    firewalld_zone: String,
    ingress_policy: String,
}

/// A valid configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `backend`. An unknown word counts as absent, as in the reference.
    pub backend: Option<Firewall>,
    /// `iptablesAdminChainName`.
    pub admin_chain: String,
    /// `firewalldZone`.
    pub zone: String,
    /// `ingressPolicy`, parsed and as text. `None`: `open`.
    pub ingress: Option<(Ingress, String)>,
}

impl Config {
    /// Parses a configuration.
    ///
    /// # Errors
    /// The errors have the reference's texts, except for invalid JSON.
    pub fn parse(json: &str) -> Result<Self, String> {
        let conf: Conf = config::parse(json).map_err(|e| e.to_string())?;
        let or = |text: String, default: &str| if text.is_empty() { default.to_owned() } else { text };
        let ingress = match conf.ingress_policy.as_str() {
            "" | "open" => None,
            "same-bridge" => Some(Ingress::SameBridge),
            "isolated" => Some(Ingress::Isolated),
            other => return Err(format!("unknown ingress policy: {other:?}")),
        };
        Ok(Config {
            backend: match conf.backend.as_str() {
                "iptables" => Some(Firewall::Iptables),
                "firewalld" => Some(Firewall::Firewalld),
                _ => None,
            },
            admin_chain: or(conf.iptables_admin_chain_name, "CNI-ADMIN"),
            zone: or(conf.firewalld_zone, "trusted"),
            ingress: ingress.map(|ingress| (ingress, conf.ingress_policy)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_those_of_the_reference() {
        let read = Config::parse("{}").unwrap();
        assert_eq!(
            (read.backend, read.admin_chain.as_str(), read.zone.as_str()),
            (None, "CNI-ADMIN", "trusted")
        );
        assert_eq!(read.ingress, None);
        // An unknown backend counts as absent.
        assert_eq!(Config::parse(r#"{"backend": "nftables", "ingressPolicy": "open"}"#).unwrap(), read);
    }

    #[test]
    fn all_keys_are_read() {
        let read = Config::parse(
            r#"{"backend": "firewalld", "iptablesAdminChainName": "MINE", "firewalldZone": "home", "ingressPolicy": "isolated"}"#,
        );
        let read = read.unwrap();
        assert_eq!((read.backend, read.admin_chain.as_str()), (Some(Firewall::Firewalld), "MINE"));
        assert_eq!(
            (read.zone.as_str(), read.ingress.map(|(ingress, _)| ingress)),
            ("home", Some(Ingress::Isolated))
        );
        assert_eq!(Config::parse(r#"{"ingressPolicy": "x"}"#).unwrap_err(), r#"unknown ingress policy: "x""#);
    }
}

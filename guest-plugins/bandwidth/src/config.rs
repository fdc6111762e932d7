//! The configuration of bandwidth.

use serde::Deserialize;
use wasm_cni_sdk::config;

/// The upper bound of a burst, in bytes. The burst must be below it.
const MAX_BURST_BYTES: u64 = u32::MAX as u64;

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Conf {
    ingress_rate: Option<u64>,
    ingress_burst: Option<u64>,
    egress_rate: Option<u64>,
    egress_burst: Option<u64>,
    runtime_config: Runtime,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Runtime {
    bandwidth: Option<Entry>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Entry {
    ingress_rate: u64,
    ingress_burst: u64,
    egress_rate: u64,
    egress_burst: u64,
}

/// A rate in bits per second, and a burst in bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// `…Rate`.
    pub rate: u64,
    /// `…Burst`.
    pub burst: u64,
}

/// The limits to set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// `ingress…`: the traffic to the container.
    pub ingress: Option<Limit>,
    /// `egress…`: the traffic from the container.
    pub egress: Option<Limit>,
}

impl Config {
    /// Parses a configuration. If the network's configuration sets any limit itself, `runtimeConfig` is ignored.
    ///
    /// # Errors
    /// The errors have the reference's texts, except for invalid JSON.
    pub fn parse(json: &str) -> Result<Self, String> {
        let conf: Conf =
            config::parse(json).map_err(|e| format!("failed to parse network configuration: {e}"))?;
        let own = [conf.ingress_rate, conf.ingress_burst, conf.egress_rate, conf.egress_burst];
        let [ingress_rate, ingress_burst, egress_rate, egress_burst] = match conf.runtime_config.bandwidth {
            Some(asked) if own.iter().all(Option::is_none) => {
                [asked.ingress_rate, asked.ingress_burst, asked.egress_rate, asked.egress_burst]
            }
            _ => own.map(Option::unwrap_or_default),
        };
        Ok(Config { ingress: limit(ingress_rate, ingress_burst)?, egress: limit(egress_rate, egress_burst)? })
    }
}

fn limit(rate: u64, burst: u64) -> Result<Option<Limit>, String> {
    match (rate, burst) {
        (0, 0) => Ok(None),
        (_, 0) => Err("if rate is set, burst must also be set".to_owned()),
        (0, _) => Err("if burst is set, rate must also be set".to_owned()),
        (_, burst) if burst / 8 >= MAX_BURST_BYTES => Err("burst cannot be more than 4GB".to_owned()),
        (rate, burst) => Ok(Some(Limit { rate, burst })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_the_network_win_over_those_of_the_runtime() {
        let asked = r#""runtimeConfig": {"bandwidth": {"ingressRate": 8, "ingressBurst": 80}}"#;
        let read = Config::parse(&format!("{{{asked}}}")).unwrap();
        assert_eq!(read, Config { ingress: Some(Limit { rate: 8, burst: 80 }), egress: None });
        // The network sets a limit even if the value is 0.
        assert_eq!(Config::parse(&format!(r#"{{"egressRate": 0, {asked}}}"#)).unwrap(), Config::default());
        let own = Config::parse(&format!(r#"{{"egressRate": 1, "egressBurst": 2, {asked}}}"#)).unwrap();
        assert_eq!(own, Config { ingress: None, egress: Some(Limit { rate: 1, burst: 2 }) });
    }

    #[test]
    fn refusals_have_the_texts_of_the_reference() {
        for (json, text) in [
            (r#"{"ingressRate": 1}"#, "if rate is set, burst must also be set"),
            (r#"{"egressBurst": 1}"#, "if burst is set, rate must also be set"),
            (r#"{"egressRate": 1, "egressBurst": 34359738360}"#, "burst cannot be more than 4GB"),
        ] {
            assert_eq!(Config::parse(json).unwrap_err(), text);
        }
    }
}

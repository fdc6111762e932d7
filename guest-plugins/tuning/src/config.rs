//! The configuration of tuning.

use regex_lite::Regex;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use wasm_cni_sdk::config::{self, Args};
use wasm_cni_sdk::{Error, MacAddress, args, mac};

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Conf {
    sysctl: BTreeMap<String, String>,
    mac: String,
    promisc: bool,
    mtu: i64,
    #[serde(rename = "txQLen")]
    tx_q_len: Option<i64>,
    allmulti: Option<bool>,
    data_dir: String,
    runtime_config: Runtime,
    args: Option<Args<Cni>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Runtime {
    mac: String,
}

/// `args.cni`. Its values win over all other sources.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Cni {
    sysctl: BTreeMap<String, String>,
    mac: Option<String>,
    promisc: Option<bool>,
    mtu: Option<i64>,
    #[serde(rename = "txQLen")]
    tx_q_len: Option<i64>,
    allmulti: Option<bool>,
}

/// The changes to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `sysctl`: the values, by key as written in the configuration.
    sysctl: BTreeMap<String, String>,
    /// `mac`.
    pub mac: Option<MacAddress>,
    /// `promisc`. `false` counts as absent.
    pub promiscuous: bool,
    /// `mtu`, in bytes. 0 counts as absent.
    pub mtu: Option<u32>,
    /// `allmulti`.
    pub all_multicast: Option<bool>,
    /// `txQLen`, in packets.
    pub queue_length: Option<u32>,
    /// `dataDir`: the directory in which the reference saves the old values.
    pub data_dir: Option<String>,
}

impl Config {
    /// Parses the configuration and `CNI_ARGS`.
    ///
    /// # Errors
    /// The errors have the reference's texts, except for invalid JSON.
    pub fn parse(json: &str, cni_args: &str) -> Result<Self, Error> {
        if has_duplicates(json) {
            return Err("duplicated sysctl keys are not allowed".into());
        }
        let conf: Conf = config::parse(json).map_err(|e| format!("failed to load netconf: {e}"))?;
        let mut of_args = None;
        args::parse(cni_args, |key, value| {
            let known = key == "MAC";
            if known {
                of_args = Some(value.to_owned());
            }
            Ok(known)
        })?;
        let cni = conf.args.map(|args| args.cni).unwrap_or_default();
        let given = |mac: Option<String>| mac.filter(|mac| !mac.is_empty());
        let mac = given(cni.mac)
            .or(given(Some(conf.runtime_config.mac)))
            .or(given(of_args))
            .or(given(Some(conf.mac)));
        let mac =
            mac.map(|text| mac::parse(&text).map_err(|e| format!("invalid args {text} for MAC addr: {e}")));
        let number = |what: &str, value: i64| {
            u32::try_from(value).map_err(|_| format!("{what} {value}: invalid argument"))
        };
        let mtu = Some(cni.mtu.unwrap_or(conf.mtu)).filter(|mtu| *mtu != 0);
        let queue_length = cni.tx_q_len.or(conf.tx_q_len);
        let mut sysctl = conf.sysctl;
        sysctl.extend(cni.sysctl);
        Ok(Config {
            sysctl,
            mac: mac.transpose()?,
            promiscuous: cni.promisc.unwrap_or(conf.promisc),
            mtu: mtu.map(|mtu| number("mtu", mtu)).transpose()?,
            all_multicast: cni.allmulti.or(conf.allmulti),
            queue_length: queue_length.map(|packets| number("txQLen", packets)).transpose()?,
            data_dir: Some(conf.data_dir).filter(|dir| !dir.is_empty()),
        })
    }

    /// Refuses a key that no line of the list matches. A line is a regular expression, and may match anywhere in the
    /// key.
    ///
    /// # Errors
    /// The error has the reference's text.
    pub fn check_allowed(&self, list: &str) -> Result<(), Error> {
        let lines: Vec<&str> = list.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let patterns = lines.iter().map(|line| {
            Regex::new(line)
                .map_err(|e| format!("error parsing regexp {line:?} of the list of allowed sysctls: {e}"))
        });
        let patterns = patterns.collect::<Result<Vec<_>, _>>()?;
        match self.sysctl.keys().find(|key| !patterns.iter().any(|pattern| pattern.is_match(key))) {
            None => Ok(()),
            Some(key) => {
                let lines = lines.join(" ");
                Err(format!("Sysctl {key} is not allowed. Only the following sysctls are allowed: [{lines}]")
                    .into())
            }
        }
    }

    /// The parameters by their paths below `/proc/sys`. The interface's name replaces the first `IFNAME` of each.
    ///
    /// # Errors
    /// A key that is not below `net` is an error with the reference's text.
    pub fn sysctls(&self, interface: &str) -> Result<Vec<(String, String)>, Error> {
        let path = |(key, value): (&String, &String)| {
            // Replace dots first: the name of an interface may contain dots.
            let key = key.replace('.', "/").replacen("IFNAME", interface, 1);
            let parts: Vec<&str> = key.split('/').filter(|part| !part.is_empty()).collect();
            if parts.first() != Some(&"net") || parts.len() < 2 {
                return Err(format!("invalid net sysctl key: {key:?}").into());
            }
            Ok((parts.join("/"), value.clone()))
        };
        self.sysctl.iter().map(path).collect()
    }

    /// Whether the plan changes attributes of the interface itself.
    pub fn changes_link(&self) -> bool {
        self.mac.is_some()
            || self.promiscuous
            || self.mtu.is_some()
            || self.all_multicast.is_some()
            || self.queue_length.is_some()
    }
}

/// Whether `sysctl` has a duplicate key. Invalid JSON and wrong types count as no: `config::parse` reports them.
fn has_duplicates(json: &str) -> bool {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Top {
        sysctl: Keys,
    }
    serde_json::from_str::<Top>(json).is_ok_and(|top| top.sysctl.twice)
}

/// The keys of an object.
#[derive(Default)]
struct Keys {
    twice: bool,
}

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Keys;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Keys, M::Error> {
                let (mut keys, mut twice) = (BTreeSet::new(), false);
                while let Some((key, IgnoredAny)) = map.next_entry::<String, _>()? {
                    twice |= !keys.insert(key);
                }
                Ok(Keys { twice })
            }
        }
        from.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(json: &str, args: &str) -> Config {
        Config::parse(json, args).expect(json)
    }

    fn refusal(json: &str, args: &str) -> String {
        Config::parse(json, args).expect_err(json).msg
    }

    #[test]
    fn later_sources_win_and_args_cni_wins_over_everything() {
        let args = "IgnoreUnknown=1;MAC=0a:00:00:00:00:02";
        let last = |json: &str, args: &str| config(json, args).mac.map(|mac| mac.5);
        assert_eq!(last(r#"{"mac": "0a:00:00:00:00:01"}"#, ""), Some(1));
        assert_eq!(last(r#"{"mac": "0a:00:00:00:00:01"}"#, args), Some(2));
        let runtime = r#""runtimeConfig": {"mac": "0a:00:00:00:00:03"}"#;
        assert_eq!(last(&format!("{{{runtime}}}"), args), Some(3));
        let cni = r#""args": {"cni": {"mac": "0a:00:00:00:00:04"}}"#;
        assert_eq!(last(&format!("{{{runtime}, {cni}}}"), args), Some(4));

        let read = config(
            r#"{"mtu": 1400, "promisc": true, "allmulti": true, "txQLen": 5, "sysctl": {"net.a": "1", "net.b": "2"},
                "args": {"cni": {"mtu": 1300, "promisc": false, "allmulti": false, "txQLen": 0, "sysctl": {"net.b": "3"}}}}"#,
            "",
        );
        assert_eq!((read.mtu, read.promiscuous), (Some(1300), false));
        assert_eq!((read.all_multicast, read.queue_length), (Some(false), Some(0)));
        assert_eq!(read.sysctl.values().collect::<Vec<_>>(), ["1", "3"]);
        assert!(!config(r#"{"promisc": false, "mtu": 0, "sysctl": {"net.a": "1"}}"#, "").changes_link());
    }

    #[test]
    fn keys_become_paths_and_a_name_with_dots_stays_one() {
        let paths = |json: &str| -> Vec<String> {
            config(json, "").sysctls("eth0.100").expect(json).into_iter().map(|(key, _)| key).collect()
        };
        assert_eq!(
            paths(
                r#"{"sysctl": {"net.ipv4.conf.IFNAME.arp_notify": "1", "net/ipv6/conf//IFNAME/IFNAME": "2", ".net..a": ""}}"#
            ),
            ["net/a", "net/ipv4/conf/eth0.100/arp_notify", "net/ipv6/conf/eth0.100/IFNAME"]
        );
        let refused = config(r#"{"sysctl": {"kernel.x": "1"}}"#, "").sysctls("eth0").expect_err("kernel").msg;
        assert_eq!(refused, r#"invalid net sysctl key: "kernel/x""#);
        assert!(config(r#"{"sysctl": {"net": "1"}}"#, "").sysctls("eth0").is_err());
    }

    #[test]
    fn keys_must_match_a_pattern_of_the_allowlist() {
        let read = config(
            r#"{"sysctl": {"net.ipv4.tcp_rmem": "1"}, "args": {"cni": {"sysctl": {"net.core.x": "1"}}}}"#,
            "",
        );
        read.check_allowed("^net.ipv4.tcp_.*$\n\n  core\n").expect("both are allowed");
        assert_eq!(
            read.check_allowed("^net.ipv4\n^core").expect_err("core").msg,
            "Sysctl net.core.x is not allowed. Only the following sysctls are allowed: [^net.ipv4 ^core]"
        );
        assert!(
            read.check_allowed("(").expect_err("no pattern").msg.starts_with("error parsing regexp \"(\"")
        );
        assert!(read.check_allowed("").is_err(), "an empty list allows nothing");
    }

    #[test]
    fn refusals_have_the_texts_of_the_reference() {
        assert_eq!(
            refusal(r#"{"sysctl": {"net.a": "1", "net.a": "1"}}"#, ""),
            "duplicated sysctl keys are not allowed"
        );
        config(r#"{"sysctl": {"net.a": "1", "net/a": "2"}}"#, "");
        assert_eq!(refusal("{}", "FOO=1"), r#"ARGS: unknown args ["FOO=1"]"#);
        assert_eq!(
            refusal(r#"{"mac": "xx"}"#, ""),
            "invalid args xx for MAC addr: address xx: invalid MAC address"
        );
        assert_eq!(
            refusal(r#"{"sysctl": {"net.a": 1}}"#, ""),
            "failed to load netconf: sysctl: invalid type: integer `1`, expected a string"
        );
        assert_eq!(refusal(r#"{"mtu": -1}"#, ""), "mtu -1: invalid argument");
    }
}

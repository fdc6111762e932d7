//! The configuration of host-local.

use super::range::{RangeConf, subnet};
use super::range_set::{RangeSet, first_overlap};
use super::{Ips, family};
use crate::{Error, Route, address, args, config};
use ipnetwork::IpNetwork;
use serde::Deserialize;
use std::net::IpAddr;

/// A valid configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The range sets. The position in this list is the number of the set in the lease store.
    pub sets: Vec<RangeSet>,
    /// The requested addresses without duplicates, in the order of `CNI_ARGS`, `args.cni.ips`, `runtimeConfig.ips`.
    pub requested: Vec<IpAddr>,
    /// The routes for the result, unchanged.
    pub routes: Vec<Route>,
    /// The directory of the lease stores of all networks. `None`: the default.
    pub data_dir: Option<String>,
    /// The file with the DNS settings for the result.
    pub resolv_conf: Option<String>,
    /// What STATUS does while a range set has no free address: `warn` or `error`. Empty: the default, `warn`.
    pub status_when_full: String,
}

/// The configuration as read from standard input.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Conf {
    cni_version: String,
    ipam: Option<IpamConf>,
    args: config::Args<Ips<Requested>>,
    runtime_config: RuntimeConf,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct IpamConf {
    #[serde(deserialize_with = "subnet")]
    subnet: Option<IpNetwork>,
    #[serde(deserialize_with = "address::ip")]
    range_start: Option<IpAddr>,
    #[serde(deserialize_with = "address::ip")]
    range_end: Option<IpAddr>,
    #[serde(deserialize_with = "address::ip")]
    gateway: Option<IpAddr>,
    ranges: Vec<Vec<RangeConf>>,
    routes: Vec<Route>,
    data_dir: String,
    resolv_conf: String,
    status_when_full: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RuntimeConf {
    ip_ranges: Vec<Vec<RangeConf>>,
    ips: Vec<Requested>,
}

/// An address with or without a prefix length. The length is ignored. Empty text is `None`.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Requested(Option<IpAddr>);

impl TryFrom<String> for Requested {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let ip = match text.contains('/') {
            true => address::parse_cidr(&text).map(|network| Some(network.ip().to_canonical())),
            false => address::parse_ip(&text),
        };
        ip.map(Requested).map_err(|_| format!("invalid IP address {text}"))
    }
}

impl Config {
    /// Parses standard input and `CNI_ARGS`. The checks have the reference's order and texts.
    pub fn parse(json: &str, cni_args: &str) -> Result<Self, Error> {
        let conf: Conf = config::parse(json)?;
        let ipam = conf.ipam.ok_or("IPAM config missing 'ipam' key")?;
        let requested = requested(cni_args, conf.args.cni.ips, conf.runtime_config.ips)?;
        let legacy = ipam.subnet.is_some().then_some(RangeConf {
            subnet: ipam.subnet,
            range_start: ipam.range_start,
            range_end: ipam.range_end,
            gateway: ipam.gateway,
        });
        let confs = [
            conf.runtime_config.ip_ranges,
            legacy.into_iter().map(|range| vec![range]).collect(),
            ipam.ranges,
        ];
        let sets = range_sets(&confs.concat(), &conf.cni_version)?;
        let data_dir = Some(ipam.data_dir).filter(|dir| !dir.is_empty());
        let resolv_conf = Some(ipam.resolv_conf).filter(|path| !path.is_empty());
        Ok(Config {
            sets,
            requested,
            routes: ipam.routes,
            data_dir,
            resolv_conf,
            status_when_full: ipam.status_when_full,
        })
    }
}

fn requested(
    cni_args: &str,
    from_args: Vec<Requested>,
    from_runtime: Vec<Requested>,
) -> Result<Vec<IpAddr>, String> {
    let mut first = Vec::new();
    args::parse(cni_args, |key, value| {
        let known = key == "IP";
        if known {
            // The last `IP` wins. An empty one is not a request.
            first = Vec::from_iter(Some(Requested::try_from(value.to_owned())?).filter(|ip| ip.0.is_some()));
        }
        Ok(known)
    })?;
    let mut ips = Vec::new();
    for Requested(ip) in first.into_iter().chain(from_args).chain(from_runtime) {
        let ip = ip.ok_or("cannot understand ip: IP <nil> not v4 nor v6")?;
        if !ips.contains(&ip) {
            ips.push(ip);
        }
    }
    Ok(ips)
}

fn range_sets(confs: &[Vec<RangeConf>], cni_version: &str) -> Result<Vec<RangeSet>, Error> {
    if confs.is_empty() {
        return Err("no IP ranges specified".into());
    }
    let sets = confs
        .iter()
        .enumerate()
        .map(|(i, set)| RangeSet::new(set).map_err(|e| format!("invalid range set {i}: {e}")))
        .collect::<Result<Vec<_>, _>>()?;
    let ipv4 = sets.iter().filter(|set| set.is_ipv4()).count();
    family::check(cni_version, ipv4, sets.len() - ipv4)?;
    match first_overlap(&sets, RangeSet::overlaps) {
        // The numbers alone are of little use where `runtimeConfig` and `subnet` are sets, too.
        Some((i, k)) => {
            let details = format!("range set {i} is {}, and range set {k} is {}", sets[i], sets[k]);
            Err(Error { details, ..format!("range set {i} overlaps with {k}").into() })
        }
        None => Ok(sets),
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
    fn sets_are_numbered_runtime_first_then_legacy_then_ranges() {
        let config = config(
            r#"{"cniVersion": "1.0.0", "runtimeConfig": {"ipRanges": [[{"subnet": "10.3.0.0/24"}]]},
                "ipam": {"subnet": "10.1.0.0/24", "ranges": [[{"subnet": "10.2.0.0/24"}], [{"subnet": "fd00::/64"}]]}}"#,
            "",
        );
        let firsts: Vec<_> = config.sets.iter().map(|set| set.ranges()[0].first.to_string()).collect();
        assert_eq!(firsts, ["10.3.0.1", "10.1.0.1", "10.2.0.1", "fd00::1"]);
    }

    #[test]
    fn requests_accumulate_and_lose_prefix_and_duplicates() {
        let config = config(
            r#"{"ipam": {"subnet": "10.1.0.0/24"}, "args": {"cni": {"ips": ["10.1.0.8/16", "10.1.0.9"]}},
                "RuntimeConfig": {"ips": ["10.1.0.9", "fd00::9/64"]}}"#,
            "IP=10.1.0.7/24",
        );
        assert_eq!(
            config.requested.iter().map(IpAddr::to_string).collect::<Vec<_>>(),
            ["10.1.0.7", "10.1.0.8", "10.1.0.9", "fd00::9"]
        );
    }

    #[test]
    fn refusals_have_the_texts_of_the_reference() {
        let subnet = r#"{"ipam": {"subnet": "10.1.0.0/24"}}"#;
        assert_eq!(refusal("{}", ""), "IPAM config missing 'ipam' key");
        assert_eq!(refusal(r#"{"ipam": {"rangeStart": "10.1.0.2"}}"#, ""), "no IP ranges specified");
        assert_eq!(refusal(subnet, "MAC=x"), r#"ARGS: unknown args ["MAC=x"]"#);
        assert_eq!(
            refusal(subnet, "IP=x"),
            r#"ARGS: error parsing value of pair "IP=x": invalid IP address x"#
        );
        assert_eq!(
            refusal(r#"{"ipam": {"subnet": "10.1.0.0/24"}, "runtimeConfig": {"ips": [""]}}"#, ""),
            "cannot understand ip: IP <nil> not v4 nor v6"
        );
        assert_eq!(
            refusal(r#"{"ipam": {"ranges": [[{"subnet": "10.1.0.0/24"}], []]}}"#, ""),
            "invalid range set 1: empty range set"
        );
        assert_eq!(
            refusal(
                r#"{"cniVersion": "1.0.0", "ipam": {"subnet": "10.1.0.0/24", "ranges": [[{"subnet": "10.1.0.0/16"}]]}}"#,
                ""
            ),
            "range set 0 overlaps with 1"
        );
    }

    #[test]
    fn range_sets_that_overlap_are_named_by_their_addresses() {
        let json = r#"{"cniVersion": "1.0.0", "runtimeConfig": {"ipRanges": [[{"subnet": "10.2.0.0/24"}]]},
            "ipam": {"subnet": "10.1.0.0/24", "ranges": [[{"subnet": "10.1.0.0/16"}]]}}"#;
        let Error { msg, details, .. } = Config::parse(json, "").expect_err(json);
        assert_eq!(msg, "range set 1 overlaps with 2");
        assert_eq!(details, "range set 1 is 10.1.0.1-10.1.0.254, and range set 2 is 10.1.0.1-10.1.255.254");
    }

    #[test]
    fn two_sets_of_a_family_need_a_version_with_lists() {
        let json = |version| {
            format!(
                r#"{{{version} "ipam": {{"ranges": [[{{"subnet": "10.1.0.0/24"}}], [{{"subnet": "10.2.0.0/24"}}]]}}}}"#
            )
        };
        let old = "CNI version 0.2.0 does not support more than 1 address per family";
        assert_eq!(refusal(&json(r#""cniVersion": "0.2.0","#), ""), old);
        assert_eq!(refusal(&json(""), ""), "CNI version  does not support more than 1 address per family");
        assert_eq!(config(&json(r#""cniVersion": "0.3.0","#), "").sets.len(), 2);
    }

    #[test]
    fn routes_keep_every_field() {
        let config = config(
            r#"{"ipam": {"subnet": "10.1.0.0/24", "routes": [{"dst": "0.0.0.0/0"},
                {"dst": "10.9.1.1/16", "gw": "10.1.0.9", "mtu": 1400, "advmss": 1300, "priority": 5, "table": 7, "scope": 0}]}}"#,
            "",
        );
        let dst = |text| address::parse_cidr(text).expect(text);
        assert_eq!(
            config.routes,
            [
                Route::new(dst("0.0.0.0/0"), None),
                Route {
                    dst: dst("10.9.1.1/16"),
                    gw: Some(IpAddr::from([10, 1, 0, 9])),
                    mtu: 1400,
                    advmss: 1300,
                    priority: 5,
                    table: Some(7),
                    scope: Some(0),
                },
            ]
        );
    }
}

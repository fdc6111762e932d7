//! A range: consecutive addresses of a subnet.

use crate::address;
use ipnetwork::IpNetwork;
use serde::{Deserialize, Deserializer, de::Error};
use std::fmt;
use std::net::IpAddr;

/// A range as read from a configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RangeConf {
    /// An IPv4-mapped subnet is not converted, because it has an error of its own.
    #[serde(deserialize_with = "subnet")]
    pub subnet: Option<IpNetwork>,
    #[serde(deserialize_with = "address::ip")]
    pub range_start: Option<IpAddr>,
    #[serde(deserialize_with = "address::ip")]
    pub range_end: Option<IpAddr>,
    #[serde(deserialize_with = "address::ip")]
    pub gateway: Option<IpAddr>,
}

/// For `deserialize_with`: a network, not converted.
pub(super) fn subnet<'de, D: Deserializer<'de>>(from: D) -> Result<Option<IpNetwork>, D::Error> {
    let text = String::deserialize(from)?;
    address::parse_cidr(&text).map(Some).map_err(D::Error::custom)
}

/// A valid range with all defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// The network. Its prefix length is that of the assigned addresses.
    pub subnet: IpNetwork,
    /// The lowest address. If it is above `last`, the range is empty.
    pub first: IpAddr,
    /// The highest address.
    pub last: IpAddr,
    /// The gateway, which is never assigned. It may be outside of the subnet.
    pub gateway: IpAddr,
}

impl Range {
    /// Fills in defaults and checks the range. The checks have the reference's order and texts.
    pub(super) fn new(conf: &RangeConf) -> Result<Self, String> {
        let subnet = conf.subnet.ok_or("IP <nil> not v4 nor v6")?;
        let folded = address::fold(subnet);
        let bits = if subnet.is_ipv4() { 32 } else { 128 };
        if subnet.prefix() > bits - 2 {
            return Err(format!("Network {folded} too small to allocate from"));
        }
        if folded.is_ipv4() != subnet.is_ipv4() {
            return Err("IPNet IP and Mask version mismatch".to_owned());
        }
        if subnet.ip() != subnet.network() {
            return Err(format!(
                "Network has host bits set. For a subnet mask of length {} the network address is {}",
                subnet.prefix(),
                subnet.network()
            ));
        }
        let lowest = address::next(subnet.network());
        let is_inside = |ip| {
            subnet.contains(ip)
                && conf.range_start.is_none_or(|first| first <= ip)
                && conf.range_end.is_none_or(|last| ip <= last)
        };
        if let Some(first) = conf.range_start.filter(|first| !is_inside(*first)) {
            return Err(format!("RangeStart {first} not in network {subnet}"));
        }
        let first = conf.range_start.unwrap_or(lowest);
        if let Some(last) = conf.range_end.filter(|last| !is_inside(*last) || *last < first) {
            return Err(format!("RangeEnd {last} not in network {subnet}"));
        }
        let last = conf.range_end.unwrap_or_else(|| match subnet {
            IpNetwork::V4(v4) => address::previous(v4.broadcast().into()),
            IpNetwork::V6(v6) => v6.broadcast().into(),
        });
        Ok(Range { subnet, first, last, gateway: conf.gateway.unwrap_or(lowest) })
    }

    /// Whether the address is in this range. It need not be free.
    pub fn contains(&self, ip: IpAddr) -> bool {
        ip.is_ipv4() == self.first.is_ipv4() && self.first <= ip && ip <= self.last
    }

    /// Whether the two ranges have an address in common.
    pub fn overlaps(&self, other: &Range) -> bool {
        [other.first, other.last].iter().any(|ip| self.contains(*ip))
            || [self.first, self.last].iter().any(|ip| other.contains(*ip))
    }
}

/// `10.1.2.1-10.1.2.254`
impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn range(json: &str) -> Result<Range, String> {
        Range::new(&config::parse(json).expect(json))
    }

    fn text(json: &str) -> String {
        let range = range(json).expect(json);
        format!("{range} gateway {}", range.gateway)
    }

    #[test]
    fn defaults_leave_out_network_and_broadcast() {
        assert_eq!(text(r#"{"subnet": "10.1.2.0/24"}"#), "10.1.2.1-10.1.2.254 gateway 10.1.2.1");
        assert_eq!(text(r#"{"subnet": "fd00:1::/120"}"#), "fd00:1::1-fd00:1::ff gateway fd00:1::1");
        assert_eq!(text(r#"{"subnet": "10.1.2.0/30"}"#), "10.1.2.1-10.1.2.2 gateway 10.1.2.1");
    }

    #[test]
    fn explicit_bounds_may_be_network_and_broadcast_and_the_gateway_at_another_address() {
        let json = r#"{"subnet": "10.1.2.0/24", "rangeStart": "10.1.2.0", "rangeEnd": "10.1.2.255", "gateway": "fd00::1"}"#;
        assert_eq!(text(json), "10.1.2.0-10.1.2.255 gateway fd00::1");
    }

    #[test]
    fn refusals_have_the_texts_of_the_reference() {
        for (json, refusal) in [
            (r#"{}"#, "IP <nil> not v4 nor v6"),
            (r#"{"subnet": "10.0.0.0/31"}"#, "Network 10.0.0.0/31 too small to allocate from"),
            (r#"{"subnet": "fd00::/127"}"#, "Network fd00::/127 too small to allocate from"),
            (r#"{"subnet": "::ffff:10.0.0.0/120"}"#, "IPNet IP and Mask version mismatch"),
            (
                r#"{"subnet": "10.1.2.3/24"}"#,
                "Network has host bits set. For a subnet mask of length 24 the network address is 10.1.2.0",
            ),
            (
                r#"{"subnet": "10.1.2.0/24", "rangeStart": "10.1.3.1"}"#,
                "RangeStart 10.1.3.1 not in network 10.1.2.0/24",
            ),
            (
                r#"{"subnet": "10.1.2.0/24", "rangeStart": "10.1.2.9", "rangeEnd": "10.1.2.8"}"#,
                "RangeStart 10.1.2.9 not in network 10.1.2.0/24",
            ),
            (
                r#"{"subnet": "10.1.2.0/24", "rangeEnd": "10.1.3.5"}"#,
                "RangeEnd 10.1.3.5 not in network 10.1.2.0/24",
            ),
            (
                r#"{"subnet": "10.1.2.0/24", "rangeEnd": "10.1.2.0"}"#,
                "RangeEnd 10.1.2.0 not in network 10.1.2.0/24",
            ),
            (
                r#"{"subnet": "10.1.2.0/24", "rangeStart": "fd00::1"}"#,
                "RangeStart fd00::1 not in network 10.1.2.0/24",
            ),
        ] {
            assert_eq!(range(json), Err(refusal.to_owned()), "{json}");
        }
    }
}

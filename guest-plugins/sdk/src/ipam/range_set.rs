//! A range set: ranges of one family. An attachment gets one address from each set.

use super::range::{Range, RangeConf};
use std::fmt;
use std::net::IpAddr;

/// At least one range. No two ranges overlap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeSet(Vec<Range>);

impl RangeSet {
    /// Checks the ranges. The checks have the reference's order and texts.
    pub(super) fn new(confs: &[RangeConf]) -> Result<Self, String> {
        let mut ranges: Vec<Range> = Vec::with_capacity(confs.len());
        for conf in confs {
            let range = Range::new(conf)?;
            if ranges.first().is_some_and(|first| first.first.is_ipv4() != range.first.is_ipv4()) {
                return Err("mixed address families".to_owned());
            }
            ranges.push(range);
        }
        if ranges.is_empty() {
            return Err("empty range set".to_owned());
        }
        match first_overlap(&ranges, Range::overlaps) {
            Some((i, k)) => Err(format!("subnets {} and {} overlap", ranges[i], ranges[k])),
            None => Ok(RangeSet(ranges)),
        }
    }

    /// The ranges, in the order of the configuration.
    pub fn ranges(&self) -> &[Range] {
        &self.0
    }

    /// The range that contains the address.
    pub fn range_of(&self, ip: IpAddr) -> Option<&Range> {
        self.0.iter().find(|range| range.contains(ip))
    }

    /// Whether the addresses are IPv4.
    pub fn is_ipv4(&self) -> bool {
        self.0.iter().any(|range| range.first.is_ipv4())
    }

    /// Whether the two sets have an address in common.
    pub fn overlaps(&self, other: &RangeSet) -> bool {
        self.0.iter().any(|range| other.0.iter().any(|theirs| range.overlaps(theirs)))
    }
}

/// `10.1.2.1-10.1.2.254,10.1.3.1-10.1.3.254`
impl fmt::Display for RangeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, range) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            write!(f, "{comma}{range}")?;
        }
        Ok(())
    }
}

/// The positions of the first two of `items` that overlap.
pub(super) fn first_overlap<T>(items: &[T], overlaps: fn(&T, &T) -> bool) -> Option<(usize, usize)> {
    items.iter().enumerate().find_map(|(i, item)| {
        let later = items.iter().enumerate().skip(i + 1);
        later.into_iter().find(|(_, other)| overlaps(item, other)).map(|(k, _)| (i, k))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[derive(serde::Deserialize)]
    struct Conf {
        ranges: Vec<RangeConf>,
    }

    fn set(ranges: &str) -> Result<RangeSet, String> {
        let conf: Conf = config::parse(&format!(r#"{{"ranges": {ranges}}}"#)).expect(ranges);
        RangeSet::new(&conf.ranges)
    }

    #[test]
    fn one_subnet_may_be_split_into_ranges() {
        let split = set(r#"[{"subnet": "10.1.2.0/24", "rangeEnd": "10.1.2.9"},
                            {"subnet": "10.1.2.0/24", "rangeStart": "10.1.2.20"}]"#);
        assert_eq!(split.map(|s| s.to_string()), Ok("10.1.2.1-10.1.2.9,10.1.2.20-10.1.2.254".to_owned()));
    }

    #[test]
    fn refusals_have_the_texts_of_the_reference() {
        for (ranges, refusal) in [
            ("[]", "empty range set"),
            (r#"[{"subnet": "10.1.2.0/24"}, {"subnet": "fd00::/64"}]"#, "mixed address families"),
            (
                r#"[{"subnet": "10.1.2.0/24"}, {"subnet": "10.1.2.0/24"}]"#,
                "subnets 10.1.2.1-10.1.2.254 and 10.1.2.1-10.1.2.254 overlap",
            ),
        ] {
            assert_eq!(set(ranges), Err(refusal.to_owned()), "{ranges}");
        }
    }
}

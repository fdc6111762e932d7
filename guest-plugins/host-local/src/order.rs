//! The order in which host-local tries addresses: round robin, so that a freed address is not reused at once.

use std::net::IpAddr;
use wasm_cni_sdk::address;
use wasm_cni_sdk::ipam::{Free, RangeSet, Span};

/// The first free address after the one that was reserved last. The search continues with the next range, and after
/// the last range with the first. It ends with the address that was reserved last.
pub fn next(set: &RangeSet, last: Option<IpAddr>, free: &Free) -> Option<IpAddr> {
    rotation(set, last).into_iter().find_map(|span| free.lowest(span))
}

/// The spans of a set in the order of the search.
fn rotation(set: &RangeSet, last: Option<IpAddr>) -> Vec<Span<'_>> {
    let ranges = set.ranges();
    let place = last.and_then(|last| Some((ranges.iter().position(|range| range.contains(last))?, last)));
    let Some((i, last)) = place else { return ranges.iter().map(Span::of).collect() };
    let (before, rest) = ranges.split_at(i);
    let Some((range, after)) = rest.split_first() else { return Vec::new() };
    let behind = (last < range.last).then(|| Span { range, first: address::next(last), last: range.last });
    let up_to = Span { range, first: range.first, last };
    behind.into_iter().chain(after.iter().chain(before).map(Span::of)).chain([up_to]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_cni_sdk::ipam::Config;

    fn search(last: Option<&str>) -> Vec<String> {
        let json = r#"{"ipam": {"ranges": [[
            {"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.10", "rangeEnd": "10.1.0.12"},
            {"subnet": "10.2.0.0/24"},
            {"subnet": "10.3.0.0/24"}]]}}"#;
        let config = Config::parse(json, "").expect(json);
        let spans = rotation(&config.sets[0], last.map(|ip| ip.parse().expect(ip)));
        spans.iter().map(|span| format!("{}-{}", span.first, span.last)).collect()
    }

    #[test]
    fn search_starts_after_the_last_address_and_ends_with_it() {
        assert_eq!(
            search(Some("10.2.0.7")),
            ["10.2.0.8-10.2.0.254", "10.3.0.1-10.3.0.254", "10.1.0.10-10.1.0.12", "10.2.0.1-10.2.0.7",]
        );
    }

    #[test]
    fn search_wraps_at_the_end_of_a_range() {
        assert_eq!(
            search(Some("10.1.0.12")),
            ["10.2.0.1-10.2.0.254", "10.3.0.1-10.3.0.254", "10.1.0.10-10.1.0.12"]
        );
    }

    #[test]
    fn search_starts_at_the_first_range_if_the_last_address_is_in_no_range() {
        let all = ["10.1.0.10-10.1.0.12", "10.2.0.1-10.2.0.254", "10.3.0.1-10.3.0.254"];
        assert_eq!(search(None), all);
        assert_eq!(search(Some("10.9.9.9")), all);
    }
}

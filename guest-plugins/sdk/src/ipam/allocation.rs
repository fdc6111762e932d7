//! Chooses an address from each range set, with the errors of host-local.

use super::{Config, Free, RangeSet, Span, Store};
use crate::Ip;
use ipnetwork::IpNetwork;
use std::net::IpAddr;

/// Chooses the next address of a range set for a request that asks for no particular address.
///
/// The arguments are the set, the address that was reserved last, and the free addresses. The choice is one of the
/// addresses in [`Free`], and never the gateway of its range. `None`: all addresses are reserved.
pub type Choose = fn(&RangeSet, Option<IpAddr>, &Free) -> Option<IpAddr>;

/// Reserves one address from each range set: a requested one if the set contains it. `container` is for the error
/// texts.
pub(super) fn allocate(
    config: &Config,
    store: &dyn Store,
    container: &str,
    choose: Choose,
) -> Result<Vec<Ip>, String> {
    let mut requested = config.requested.clone();
    let mut ips = Vec::with_capacity(config.sets.len());
    for (number, set) in (0..).zip(&config.sets) {
        let wanted = requested.iter().position(|ip| set.range_of(*ip).is_some()).map(|i| requested.remove(i));
        let is_reusable = |ip: &IpAddr| wanted.map_or(set.range_of(*ip).is_some(), |wanted| wanted == *ip);
        let ip = match (store.reusable().into_iter().find(is_reusable), wanted) {
            (Some(own), _) => entry(own, set).inspect(|_| store.keep(own, number)),
            (None, Some(ip)) => reserved(check_requested(ip, set, store), number, store),
            (None, None) => reserved(choose_free(number, set, store, container, choose), number, store),
        };
        ips.push(ip.map_err(|e| format!("failed to allocate for range {number}: {e}"))?);
    }
    if requested.is_empty() {
        Ok(ips)
    } else {
        let rest: Vec<String> = requested.iter().map(IpAddr::to_string).collect();
        Err(format!("failed to allocate all requested IPs: {}", rest.join(" ")))
    }
}

fn reserved(ip: Result<Ip, String>, number: u32, store: &dyn Store) -> Result<Ip, String> {
    ip.inspect(|ip| store.reserve(ip.address.ip(), number))
}

/// Checks that each range set has an address for a request that asks for no particular address. The error is
/// `no IP addresses available in range set: …`.
pub(super) fn check(config: &Config, store: &dyn Store) -> Result<(), String> {
    let is_full =
        |set: &&RangeSet| set.ranges().iter().all(|range| Free(store).lowest(Span::of(range)).is_none());
    config.sets.iter().find(is_full).map_or(Ok(()), |set| Err(none_available(set)))
}

fn none_available(set: &RangeSet) -> String {
    format!("no IP addresses available in range set: {set}")
}

fn check_requested(ip: IpAddr, set: &RangeSet, store: &dyn Store) -> Result<Ip, String> {
    if set.range_of(ip).is_some_and(|range| range.gateway == ip) {
        return Err(format!("requested ip {ip} is subnet's gateway"));
    }
    if !Free(store).contains(ip) {
        return Err(format!("requested IP address {ip} is not available in range set {set}"));
    }
    entry(ip, set)
}

fn choose_free(
    number: u32,
    set: &RangeSet,
    store: &dyn Store,
    container: &str,
    choose: Choose,
) -> Result<Ip, String> {
    if let Some(ip) = store.held().into_iter().find(|ip| set.range_of(*ip).is_some()) {
        return Err(format!("{ip} has been allocated to {container}, duplicate allocation is not allowed"));
    }
    let ip = choose(set, store.last_reserved(number), &Free(store));
    ip.ok_or_else(|| none_available(set)).and_then(|ip| entry(ip, set))
}

/// Prefix length and gateway are those of the range that contains the address.
fn entry(ip: IpAddr, set: &RangeSet) -> Result<Ip, String> {
    let range = set.range_of(ip).ok_or_else(|| format!("{ip} is not in range set {set}"))?;
    let address = IpNetwork::new(ip, range.subnet.prefix()).map_err(|e| e.to_string())?;
    Ok(Ip { address, gateway: Some(range.gateway) })
}

#[cfg(test)]
mod tests {
    use super::super::Gap;
    use super::*;
    use std::cell::RefCell;

    /// A store that is a list of leases. `held` are the addresses of this attachment.
    #[derive(Default)]
    struct Leases {
        taken: RefCell<Vec<IpAddr>>,
        held: Vec<IpAddr>,
        reusable: Vec<IpAddr>,
        kept: RefCell<Vec<(String, u32)>>,
        reserved: RefCell<Vec<(String, u32)>>,
    }

    impl Leases {
        fn of(taken: &[&str]) -> Self {
            Leases {
                taken: RefCell::new(taken.iter().map(|t| t.parse().expect(t)).collect()),
                ..Self::default()
            }
        }
    }

    impl Store for Leases {
        fn free(&self, first: IpAddr, last: IpAddr) -> Vec<Gap> {
            let mut taken: Vec<IpAddr> =
                self.taken.borrow().iter().copied().filter(|ip| (first..=last).contains(ip)).collect();
            taken.sort();
            let mut gaps = Vec::new();
            let mut from = first;
            for ip in taken {
                if from < ip {
                    gaps.push((from, crate::address::previous(ip)));
                }
                from = crate::address::next(ip);
            }
            if from <= last {
                gaps.push((from, last));
            }
            gaps.truncate(4096);
            gaps
        }

        fn held(&self) -> Vec<IpAddr> {
            self.held.clone()
        }

        fn reusable(&self) -> Vec<IpAddr> {
            self.reusable.clone()
        }

        fn keep(&self, ip: IpAddr, set: u32) {
            self.kept.borrow_mut().push((ip.to_string(), set));
        }

        fn last_reserved(&self, _set: u32) -> Option<IpAddr> {
            None
        }

        fn reserve(&self, ip: IpAddr, set: u32) {
            self.taken.borrow_mut().push(ip);
            self.reserved.borrow_mut().push((ip.to_string(), set));
        }
    }

    fn lowest(set: &RangeSet, _last: Option<IpAddr>, free: &Free) -> Option<IpAddr> {
        set.ranges().iter().find_map(|range| free.lowest(Span::of(range)))
    }

    fn highest(set: &RangeSet, _last: Option<IpAddr>, free: &Free) -> Option<IpAddr> {
        set.ranges().iter().rev().find_map(|range| free.highest(Span::of(range)))
    }

    fn add(ipam: &str, args: &str, leases: &Leases, choose: Choose) -> Result<Vec<String>, String> {
        let json = format!(r#"{{"cniVersion": "1.0.0", "ipam": {ipam}}}"#);
        let config = Config::parse(&json, args).expect(ipam);
        let ips = allocate(&config, leases, "cid", choose)?;
        Ok(ips.iter().map(|ip| format!("{} via {}", ip.address, ip.gateway.expect("gateway"))).collect())
    }

    const SMALL: &str = r#"{"subnet": "10.1.2.0/24", "rangeEnd": "10.1.2.4"}"#;

    #[test]
    fn gateway_and_reserved_addresses_are_skipped() {
        let leases = Leases::of(&["10.1.2.2"]);
        assert_eq!(add(SMALL, "", &leases, lowest), Ok(vec!["10.1.2.3/24 via 10.1.2.1".to_owned()]));
        assert_eq!(add(SMALL, "", &leases, highest), Ok(vec!["10.1.2.4/24 via 10.1.2.1".to_owned()]));
        let none =
            "failed to allocate for range 0: no IP addresses available in range set: 10.1.2.1-10.1.2.4";
        assert_eq!(add(SMALL, "", &leases, lowest), Err(none.to_owned()));
        assert_eq!(add(SMALL, "", &leases, highest), Err(none.to_owned()));
    }

    #[test]
    fn status_names_the_set_whose_only_free_address_is_its_gateway() {
        let json = |second: &str| {
            format!(
                r#"{{"cniVersion": "1.1.0", "ipam": {{"ranges": [[{{"subnet": "10.1.2.0/30"}}, {{"subnet": "10.1.3.0/30"}}],
                [{{"subnet": "{second}"}}]]}}}}"#
            )
        };
        let status = |second: &str, taken: &[&str]| {
            let config = Config::parse(&json(second), "").expect(second);
            check(&config, &Leases::of(taken))
        };
        assert_eq!(status("fd00::/126", &["10.1.2.2"]), Ok(()), "the second range has one");
        assert_eq!(
            status("fd00::/126", &["10.1.2.2", "10.1.3.2"]),
            Err("no IP addresses available in range set: 10.1.2.1-10.1.2.2,10.1.3.1-10.1.3.2".to_owned())
        );
        assert_eq!(
            status("fd00::/126", &["fd00::2", "fd00::3"]),
            Err("no IP addresses available in range set: fd00::1-fd00::3".to_owned())
        );
    }

    #[test]
    fn every_set_gives_one_address_and_is_numbered() {
        let leases = Leases::default();
        let ipam = r#"{"ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "fd00:1::/64"}]]}"#;
        let ips = add(ipam, "", &leases, lowest).expect("addresses");
        assert_eq!(ips, ["10.1.2.2/24 via 10.1.2.1", "fd00:1::2/64 via fd00:1::1"]);
        assert_eq!(leases.reserved.into_inner(), [("10.1.2.2".to_owned(), 0), ("fd00:1::2".to_owned(), 1)]);
    }

    #[test]
    fn second_range_of_a_set_has_its_own_length_and_gateway() {
        let ipam = r#"{"ranges": [[{"subnet": "10.1.2.0/30"}, {"subnet": "10.1.3.0/29"}]]}"#;
        let leases = Leases::of(&["10.1.2.2"]);
        assert_eq!(add(ipam, "", &leases, lowest), Ok(vec!["10.1.3.2/29 via 10.1.3.1".to_owned()]));
    }

    #[test]
    fn requested_addresses_are_given_or_refused_by_name() {
        let refusal = |args| add(SMALL, args, &Leases::of(&["10.1.2.3"]), lowest).expect_err(args);
        assert_eq!(
            add(SMALL, "IP=10.1.2.4", &Leases::default(), lowest),
            Ok(vec!["10.1.2.4/24 via 10.1.2.1".to_owned()])
        );
        assert_eq!(
            refusal("IP=10.1.2.3"),
            "failed to allocate for range 0: requested IP address 10.1.2.3 is not available in range set 10.1.2.1-10.1.2.4"
        );
        assert_eq!(
            refusal("IP=10.1.2.1"),
            "failed to allocate for range 0: requested ip 10.1.2.1 is subnet's gateway"
        );
        assert_eq!(refusal("IP=10.1.2.9"), "failed to allocate all requested IPs: 10.1.2.9");
    }

    #[test]
    fn second_add_of_an_attachment_is_refused_only_within_the_set() {
        let held = |ip: &str| Leases { held: vec![ip.parse().expect(ip)], ..Leases::default() };
        assert_eq!(
            add(SMALL, "", &held("10.1.2.3"), lowest),
            Err("failed to allocate for range 0: 10.1.2.3 has been allocated to cid, duplicate allocation is not allowed"
                .to_owned())
        );
        assert!(add(SMALL, "", &held("10.1.9.3"), lowest).is_ok());
        assert!(add(SMALL, "IP=10.1.2.4", &held("10.1.2.3"), lowest).is_ok());
    }

    #[test]
    fn an_attachment_gets_its_reusable_address_again_unless_it_asks_for_another_one() {
        let own = |args| {
            let ip: IpAddr = "10.1.2.3".parse().expect("an address");
            let leases = Leases { held: vec![ip], reusable: vec![ip], ..Leases::of(&["10.1.2.3"]) };
            let ips = add(SMALL, args, &leases, lowest).expect(args);
            (ips, leases.kept.into_inner(), leases.reserved.into_inner())
        };
        let kept = vec![("10.1.2.3".to_owned(), 0)];
        assert_eq!(own(""), (vec!["10.1.2.3/24 via 10.1.2.1".to_owned()], kept.clone(), vec![]));
        assert_eq!(own("IP=10.1.2.3"), (vec!["10.1.2.3/24 via 10.1.2.1".to_owned()], kept, vec![]));
        let other = vec![("10.1.2.4".to_owned(), 0)];
        assert_eq!(own("IP=10.1.2.4"), (vec!["10.1.2.4/24 via 10.1.2.1".to_owned()], vec![], other));
    }

    #[test]
    fn highest_looks_beyond_the_gaps_of_one_call() {
        let leases = Leases::default();
        let every_other = (1..=5000u32).map(|i| IpAddr::from((0x0a01_0000 + 2 * i).to_be_bytes()));
        leases.taken.borrow_mut().extend(every_other);
        let ipam = r#"{"subnet": "10.1.0.0/16", "rangeEnd": "10.1.39.16"}"#;
        assert_eq!(add(ipam, "", &leases, highest), Ok(vec!["10.1.39.15/16 via 10.1.0.1".to_owned()]));
    }
}

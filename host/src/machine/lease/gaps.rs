//! The free parts of a range. Pure.

use crate::value::AddressRange;
use crate::value::fact::MAX_GAPS;
use std::net::IpAddr;

/// The free parts of a range, in ascending order, at most [`MAX_GAPS`].
///
/// `taken` are the taken addresses of the range's family, as runs in ascending order, each with its first and last
/// number.
pub fn gaps(within: AddressRange, taken: impl Iterator<Item = (u128, u128)>) -> Vec<AddressRange> {
    let v4 = within.first.is_ipv4();
    if within.last.is_ipv4() != v4 {
        return Vec::new();
    }
    let (first, last) = (number(within.first), number(within.last));
    let mut free = Vec::new();
    // None after the last address of the family.
    let mut next = Some(first);
    for (begin, end) in taken.skip_while(|(_, end)| *end < first).take_while(|(begin, _)| *begin <= last) {
        let Some(start) = next else { break };
        if start < begin {
            free.push(range(start, begin - 1, v4));
        }
        if free.len() == MAX_GAPS {
            return free;
        }
        if start <= end {
            next = end.checked_add(1);
        }
    }
    if let Some(start) = next
        && start <= last
    {
        free.push(range(start, last, v4));
    }
    free
}

/// An address as a number.
pub fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

fn range(first: u128, last: u128, v4: bool) -> AddressRange {
    AddressRange { first: address(first, v4), last: address(last, v4) }
}

/// A number as an address.
pub fn address(number: u128, v4: bool) -> IpAddr {
    match u32::try_from(number) {
        Ok(bits) if v4 => IpAddr::V4(bits.into()),
        _ => IpAddr::V6(number.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gaps_of(first: &str, last: &str, taken: &[&str]) -> Vec<String> {
        let within = AddressRange { first: first.parse().unwrap(), last: last.parse().unwrap() };
        let taken =
            taken.iter().map(|address| number(address.parse().unwrap())).map(|number| (number, number));
        gaps(within, taken).into_iter().map(|gap| format!("{}-{}", gap.first, gap.last)).collect()
    }

    #[test]
    fn gaps_lie_between_taken_addresses() {
        let taken = ["10.0.0.1", "10.1.2.1", "10.1.2.3", "10.1.2.4", "10.9.9.9"];
        assert_eq!(gaps_of("10.1.2.1", "10.1.2.6", &taken), ["10.1.2.2-10.1.2.2", "10.1.2.5-10.1.2.6"]);
        assert_eq!(gaps_of("10.1.2.1", "10.1.2.1", &["10.1.2.1"]), [""; 0]);
        assert_eq!(gaps_of("10.1.2.2", "10.1.2.6", &[]), ["10.1.2.2-10.1.2.6"]);
        assert_eq!(gaps_of("10.1.2.3", "10.1.2.2", &[]), [""; 0]);
    }

    #[test]
    fn the_widest_range_has_gaps_too() {
        let all = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
        assert_eq!(gaps_of("::", all, &[all]), ["::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe"]);
        assert_eq!(gaps_of("::", all, &["::1"]), ["::-::".to_owned(), format!("::2-{all}")]);
        assert_eq!(gaps_of("255.255.255.255", "255.255.255.255", &["255.255.255.255"]), [""; 0]);
    }

    #[test]
    fn the_number_of_gaps_is_limited() {
        let taken = (0..20_000).map(|n| (2 * n, 2 * n));
        let within = AddressRange { first: "::".parse().unwrap(), last: "::ffff:ffff".parse().unwrap() };
        assert_eq!(gaps(within, taken).len(), MAX_GAPS);
    }
}

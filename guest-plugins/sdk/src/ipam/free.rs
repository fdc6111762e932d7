//! The free addresses of a range.

use super::Range;
use crate::{address, leases};
use std::net::IpAddr;

/// The maximum number of gaps that a store returns in one call (`leases.store.free`).
const GAPS_PER_CALL: usize = 4096;

/// Consecutive free addresses. Both ends belong to the gap.
pub type Gap = (IpAddr, IpAddr);

/// A lease store, as in the contract.
pub trait Store {
    /// The gaps between two addresses, in ascending order, at most 4096.
    fn free(&self, first: IpAddr, last: IpAddr) -> Vec<Gap>;
    /// The addresses that this attachment owns.
    fn held(&self) -> Vec<IpAddr>;
    /// Those of them that this attachment gets again.
    fn reusable(&self) -> Vec<IpAddr>;
    /// The address that was reserved last from range set number `set`.
    fn last_reserved(&self, set: u32) -> Option<IpAddr>;
    /// Reserves an address for this attachment from range set number `set`.
    fn reserve(&self, ip: IpAddr, set: u32);
    /// Keeps an address of [`Store::reusable`] for range set number `set`.
    fn keep(&self, ip: IpAddr, set: u32);
}

impl Store for leases::Store {
    fn free(&self, first: IpAddr, last: IpAddr) -> Vec<Gap> {
        let gaps = leases::Store::free(self, address::range(first, last));
        gaps.into_iter().map(|gap| (gap.first.into(), gap.last.into())).collect()
    }

    fn held(&self) -> Vec<IpAddr> {
        leases::Store::held(self).into_iter().map(Into::into).collect()
    }

    fn reusable(&self) -> Vec<IpAddr> {
        leases::Store::reusable(self).into_iter().map(Into::into).collect()
    }

    fn last_reserved(&self, set: u32) -> Option<IpAddr> {
        leases::Store::last_reserved(self, set).map(Into::into)
    }

    fn reserve(&self, ip: IpAddr, set: u32) {
        leases::Store::reserve(self, ip.into(), set);
    }

    fn keep(&self, ip: IpAddr, set: u32) {
        leases::Store::keep(self, ip.into(), set);
    }
}

/// The part of a range from `first` to `last`. It is empty if `first` is above `last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span<'a> {
    /// The range. Its gateway is never free.
    pub range: &'a Range,
    /// The lowest address.
    pub first: IpAddr,
    /// The highest address.
    pub last: IpAddr,
}

impl<'a> Span<'a> {
    /// The whole range.
    pub fn of(range: &'a Range) -> Self {
        Span { range, first: range.first, last: range.last }
    }
}

/// Finds free addresses. One call of the store covers thousands of them.
pub struct Free<'a>(pub(super) &'a dyn Store);

impl Free<'_> {
    /// Whether the address is free.
    pub fn contains(&self, ip: IpAddr) -> bool {
        !self.0.free(ip, ip).is_empty()
    }

    /// The lowest free address of a span.
    pub fn lowest(&self, span: Span) -> Option<IpAddr> {
        if span.first > span.last {
            return None;
        }
        // The search ends at the second gap at the latest: only one gap can consist of nothing but the gateway.
        self.0.free(span.first, span.last).into_iter().find_map(|(first, last)| {
            let lowest = if first == span.range.gateway { address::next(first) } else { first };
            (first..=last).contains(&lowest).then_some(lowest)
        })
    }

    /// The highest free address of a span.
    pub fn highest(&self, span: Span) -> Option<IpAddr> {
        let (mut found, mut from) = (None, span.first);
        while from <= span.last {
            let gaps = self.0.free(from, span.last);
            let highest = gaps.iter().rev().find_map(|&(first, last)| {
                let highest = if last == span.range.gateway { address::previous(last) } else { last };
                (first..=last).contains(&highest).then_some(highest)
            });
            found = highest.or(found);
            match gaps.last() {
                // The answer may be truncated, so there may be more gaps above.
                Some(&(_, last)) if gaps.len() >= GAPS_PER_CALL && last < span.last => {
                    from = address::next(last)
                }
                _ => break,
            }
        }
        found
    }
}

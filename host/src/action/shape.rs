//! How fast packets pass a link.

use crate::value::IfName;
use serde::{Deserialize, Serialize};

/// See [`Action::Shape`](super::Action::Shape): what passes the host's end of a veth pair, in one direction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// The link, in the host's namespace.
    pub link: IfName,
    /// Bytes a second.
    pub rate: u64,
    /// Bytes at once.
    pub burst: u32,
    /// Through which what comes from the link goes first; none: it is about what goes to the link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub through: Option<Ifb>,
}

/// An intermediate functional block: a link that is there for its queue alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ifb {
    /// As the reference names it.
    pub name: IfName,
    /// Shows it to be ours.
    pub alias: String,
}

impl Shape {
    /// What the token bucket may hold back, in bytes: 25 ms at that rate, and the burst (reference, `ifb_creator.go`).
    pub fn limit(&self) -> u32 {
        let held = u128::from(self.rate) * 25 / 1000 + u128::from(self.burst);
        u32::try_from(held).unwrap_or(u32::MAX)
    }

    /// How long the burst takes at that rate, in the kernel's ticks of 64 ns (`PSCHED_SHIFT`), by way of whole microseconds as in
    /// the reference.
    pub fn buffer(&self) -> u32 {
        let Some(microseconds) = (u128::from(self.burst) * 1_000_000).checked_div(self.rate.into()) else {
            return u32::MAX;
        };
        let microseconds = u32::try_from(microseconds).unwrap_or(u32::MAX);
        u32::try_from(u64::from(microseconds) * 1000 / 64).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bucket_is_the_references() {
        // cni-behaviours, 7.18: 8000 bit/s with 16000 bits, shown as `burst 2000b lat 25ms`.
        let shape = Shape { link: IfName::parse("v").unwrap(), rate: 1000, burst: 2000, through: None };
        assert_eq!((shape.limit(), shape.buffer()), (2025, 31_250_000));
        let none = Shape { rate: 0, ..shape };
        assert_eq!(none.buffer(), u32::MAX);
    }
}

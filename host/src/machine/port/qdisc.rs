//! Queueing disciplines of a link, as in `tc qdisc`.

/// A token bucket filter, tc-tbf(8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenBucket {
    /// In bytes per second.
    pub rate: u64,
    /// The number of bytes that may wait.
    pub limit: u32,
    /// The time in which the burst is sent, in ticks of 64 ns.
    pub buffer: u32,
}

/// The queueing disciplines of a link that matter here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Qdiscs {
    /// The root qdisc, if it is a token bucket filter.
    pub root: Option<TokenBucket>,
    /// Whether the link has an ingress qdisc.
    pub has_ingress: bool,
}

//! Queueing disciplines of a link: `tc qdisc`.

/// A token bucket: `tbf`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenBucket {
    /// Bytes a second.
    pub rate: u64,
    /// Bytes that may wait.
    pub limit: u32,
    /// How long the burst takes, in ticks of 64 ns.
    pub buffer: u32,
}

/// What is at the root of a link's queues, and whether something is where packets come in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Qdiscs {
    /// `tbf`, if that is the root.
    pub root: Option<TokenBucket>,
    /// `ingress` is where its packets come in.
    pub has_ingress: bool,
}

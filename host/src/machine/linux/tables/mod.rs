//! Tables of packet filter rules.

pub mod iptables;

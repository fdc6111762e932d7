//! The differential suite: runs the cases of `tests/differential` with the reference and with ours on fresh machines,
//! and compares field by field.
//!
//! `tests/differential/README.md` has the format of a case, whose `steps` end with the intended differences.
//! `docs/differences.md` has their reasons.

pub mod case;
pub mod difference;
pub mod expect;
pub mod listed;
pub mod migration;
pub mod names;
pub mod page;
pub mod record;
pub mod reply;
pub mod score;
pub mod state;
pub mod suite;

pub use case::{Case, Step, part};
pub use difference::{Difference, compare};
pub use listed::Listed;
pub use record::{Implementation, Record, record};
pub use score::Score;
pub use suite::Outcome;

use std::collections::BTreeMap;

/// The observations after a call, one entry for each field: lines of text, normalised.
pub type Fields = BTreeMap<String, Vec<String>>;

/// The fields of the machine, as opposed to those of the reply.
pub const STATE: [&str; 17] = [
    "links",
    "alias",
    "own-alias",
    "veth-txqlen",
    "mac",
    "vlans",
    "addresses",
    "nodad",
    "routes",
    "neighbours",
    "qdiscs",
    "sysctls",
    "own-sysctls",
    "iptables",
    "nft",
    "leases",
    "lease-modes",
];

/// Those that links of the reference never have.
pub const OWN: [&str; 3] = ["own-alias", "nodad", "own-sysctls"];

//! The differential suite: cases in `tests/differential`, run by the reference and by us on fresh machines, compared field by field.
//!
//! `tests/differential/README.md` has the format of a case, whose `steps` end with the differences that are meant; `docs/differences.md` has their reasons.

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

/// What was seen after a call, one entry a field: lines of text, normalised.
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

/// Those of them that the reference's links never have.
pub const OWN: [&str; 3] = ["own-alias", "nodad", "own-sysctls"];

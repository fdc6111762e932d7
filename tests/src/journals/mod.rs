//! Journals that an earlier host wrote, and the machines that they describe: `tests/journals`.
//!
//! A fixture alone proves nothing: its links and its namespace do not exist, so a DEL has nothing to remove. So the
//! current host makes the state again, and the fixture replaces its journal, with the current identities.

mod before;
mod death;
mod finish;
mod fixture;
mod scenario;
mod scene;
pub mod suite;
mod trial;

pub use finish::Finish;
pub use fixture::Fixture;
pub use scenario::Scenario;
pub use scene::Scene;
pub use trial::{Trial, differences, seen};

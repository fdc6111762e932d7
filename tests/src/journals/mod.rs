//! Journals that an earlier host wrote, and the machines that they tell of: `tests/journals`.
//!
//! A fixture alone proves nothing: its links and its namespace are no more, so that a DEL finds all of it gone. So the host of today makes
//! again what the journal tells of, and the fixture takes the place of its journal, with the identities of what is there now.

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

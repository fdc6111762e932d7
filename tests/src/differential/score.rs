//! The figures of a run of the suite.

use std::fmt;

/// Counts.
#[derive(Debug, Clone, Copy, Default)]
pub struct Score {
    /// All cases.
    pub cases: usize,
    /// Cases that only HEAD supports.
    pub head_only: usize,
    /// Calls of plugins in them.
    pub calls: usize,
    /// Fields that were compared and equal.
    pub equal: usize,
    /// Intended differences.
    pub listed: usize,
    /// Differences that exist only because 1.1.1 is old.
    pub age: usize,
    /// Migrations: both directions and GC.
    pub migrations: usize,
    /// Differences that are not listed.
    pub unlisted: usize,
}

impl Score {
    /// Adds another's counts.
    pub fn add(&mut self, other: Score) {
        self.cases += other.cases;
        self.head_only += other.head_only;
        self.calls += other.calls;
        self.equal += other.equal;
        self.listed += other.listed;
        self.age += other.age;
        self.migrations += other.migrations;
        self.unlisted += other.unlisted;
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "differential: {} cases ({} of them HEAD only), {} calls, {} fields equal, {} listed differences, {} by the age of 1.1.1, \
             {} migrations, {} differences not listed",
            self.cases,
            self.head_only,
            self.calls,
            self.equal,
            self.listed,
            self.age,
            self.migrations,
            self.unlisted
        )
    }
}

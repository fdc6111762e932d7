//! A folder of `tests/journals/v1`.

use super::Fixture;
use crate::differential::case::Invocation;
use crate::differential::{Case, Step};
use sha2::{Digest, Sha512};
use std::path::PathBuf;

/// Steps in the format of the differential suite. The journals are those of the last step, an ADD.
#[derive(Debug, Clone)]
pub struct Scenario {
    case: Case,
}

/// The names of a scenario's journals: of an ADD that ended; of one that was killed, up to the last intent; of some
/// that failed.
const JOURNALS: [&str; 3] = ["complete", "killed", "unclear"];

impl Scenario {
    /// The directory of the scenarios.
    pub fn directory() -> PathBuf {
        crate::repository().join("tests/journals/v1")
    }

    /// All scenarios, by name.
    pub fn all() -> Vec<Scenario> {
        Case::all_in(&Scenario::directory()).into_iter().map(|case| Scenario { case }).collect()
    }

    /// Those that this machine's kernel supports.
    pub fn here() -> Vec<Scenario> {
        Scenario::all().into_iter().filter(|scenario| !scenario.case.needs_vm).collect()
    }

    /// Those that need Debian's kernel.
    pub fn in_vm() -> Vec<Scenario> {
        Scenario::all().into_iter().filter(|scenario| scenario.case.needs_vm).collect()
    }

    /// The scenario of that name.
    pub fn named(name: &str) -> Scenario {
        let found = Scenario::all().into_iter().find(|scenario| scenario.name() == name);
        found.unwrap_or_else(|| panic!("there is no scenario {name}"))
    }

    /// The folder's name.
    pub fn name(&self) -> &str {
        &self.case.name
    }

    /// The ADD.
    pub fn add(&self) -> &Invocation {
        match self.case.steps.last() {
            Some(Step::Call(call)) if call.verb == "ADD" => call,
            _ => panic!("{} does not end with an ADD", self.name()),
        }
    }

    /// The steps before it.
    pub fn before(&self) -> &[Step] {
        let count = self.case.steps.len();
        &self.case.steps[..count.saturating_sub(1)]
    }

    /// The containers of the calls.
    pub fn containers(&self) -> impl Iterator<Item = &str> {
        self.case.containers().into_iter()
    }

    /// A file of the folder.
    pub fn file(&self, name: &str) -> Option<&str> {
        self.case.files.get(name).map(String::as_str)
    }

    /// The journal of that name.
    pub fn fixture(&self, name: &str) -> Fixture {
        let text = self.file(name).unwrap_or_else(|| panic!("{} has no journal {name}", self.name()));
        Fixture::parse(&format!("{}/{name}", self.name()), text)
    }

    /// All its journals; those of failed ADDs have a number.
    pub fn fixtures(&self) -> Vec<Fixture> {
        let is_journal = |name: &&String| {
            let word = name.split('-').next().unwrap_or_default();
            JOURNALS.contains(&word)
        };
        self.case.files.keys().filter(is_journal).map(|name| self.fixture(name)).collect()
    }

    /// Whether all its plugins support GC; Debian's native ones do not.
    pub fn knows_gc(&self) -> bool {
        !self.file(&self.add().file).unwrap_or_default().contains("\"1.0.0\"")
    }

    /// What only the journal can restore on the machine: parts of lines of its snapshot.
    pub fn alone(&self) -> Vec<&str> {
        self.file("alone").unwrap_or_default().lines().collect()
    }

    /// The path of the ADD's journal.
    pub fn section(&self) -> String {
        self.section_of(self.add())
    }

    /// The path of a call's journal. It follows from the attachment: a hash that every version of the host must compute
    /// in the same way.
    pub fn section_of(&self, call: &Invocation) -> String {
        let config: serde_json::Value =
            serde_json::from_str(self.file(&call.file).expect("a configuration")).expect("JSON");
        let network = config["name"].as_str().expect("a name");
        let identity = ["key", network, &call.container, &call.interface].join("\0");
        let digest: String =
            Sha512::digest(identity).iter().take(20).map(|byte| format!("{byte:02x}")).collect();
        format!("/run/wasm-cni/attachments/{digest}/{}.0", call.plugin)
    }
}

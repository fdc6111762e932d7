//! A folder of `tests/journals/v1`.

use super::Fixture;
use crate::differential::case::Invocation;
use crate::differential::{Case, Step};
use sha2::{Digest, Sha512};
use std::path::PathBuf;

/// Steps as those of the differential suite, the last of which is the ADD that the journals beside them are of.
#[derive(Debug, Clone)]
pub struct Scenario {
    case: Case,
}

/// What the journals of a scenario are called: of an ADD that ended; of one that was killed, up to the last intent; of some that failed.
const JOURNALS: [&str; 3] = ["complete", "killed", "unclear"];

impl Scenario {
    /// Where they are.
    pub fn directory() -> PathBuf {
        crate::repository().join("tests/journals/v1")
    }

    /// All of them, by name.
    pub fn all() -> Vec<Scenario> {
        Case::all_in(&Scenario::directory()).into_iter().map(|case| Scenario { case }).collect()
    }

    /// Those whose ADD this machine's kernel can do.
    pub fn here() -> Vec<Scenario> {
        Scenario::all().into_iter().filter(|scenario| !scenario.case.needs_vm).collect()
    }

    /// Those that need Debian's.
    pub fn in_vm() -> Vec<Scenario> {
        Scenario::all().into_iter().filter(|scenario| scenario.case.needs_vm).collect()
    }

    /// The one of that name.
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

    /// What is done before it.
    pub fn before(&self) -> &[Step] {
        let count = self.case.steps.len();
        &self.case.steps[..count.saturating_sub(1)]
    }

    /// The containers that are called for.
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

    /// Every journal of it; those of ADDs that failed have a number.
    pub fn fixtures(&self) -> Vec<Fixture> {
        let is_journal = |name: &&String| {
            let word = name.split('-').next().unwrap_or_default();
            JOURNALS.contains(&word)
        };
        self.case.files.keys().filter(is_journal).map(|name| self.fixture(name)).collect()
    }

    /// Whether all plugins of it know GC; a native one of Debian's does not.
    pub fn knows_gc(&self) -> bool {
        !self.file(&self.add().file).unwrap_or_default().contains("\"1.0.0\"")
    }

    /// What of the machine nothing but the journal puts back: parts of lines of its snapshot.
    pub fn alone(&self) -> Vec<&str> {
        self.file("alone").unwrap_or_default().lines().collect()
    }

    /// Where the journal of the ADD is.
    pub fn section(&self) -> String {
        self.section_of(self.add())
    }

    /// Where that of a call is. It follows from the attachment: a hash that every version of the host has to find again.
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

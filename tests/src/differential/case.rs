//! A case: a folder with configurations and steps.

use super::listed::DIFFERS;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A folder of `tests/differential`.
#[derive(Debug, Clone)]
pub struct Case {
    /// The folder's name.
    pub name: String,
    /// Its path.
    pub directory: PathBuf,
    /// Whether it needs a kernel with VLANs: `cargo xtask vm` runs it.
    pub needs_vm: bool,
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// The intended differences: the lines of `steps` from the first `differs:` on ([`super::Listed`]).
    pub differs: String,
    /// The other files of the folder, by name, and `steps` without the differences.
    pub files: BTreeMap<String, String>,
}

/// A line of `steps`.
#[derive(Debug, Clone)]
pub enum Step {
    /// A shell command on the machine; it must succeed.
    Shell(String),
    /// A call of a plugin.
    Call(Invocation),
}

/// The parameters of a call.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// `CNI_COMMAND`; `NONE` stands for none.
    pub verb: String,
    /// `CNI_CONTAINERID`, and the name of its namespace.
    pub container: String,
    /// `CNI_IFNAME`.
    pub interface: String,
    /// The executable.
    pub plugin: String,
    /// The file that is standard input.
    pub file: String,
    /// Whether the result of the attachment's last ADD is passed as `prevResult`.
    pub prev_result: bool,
    /// Whether this also holds for an ADD, which then continues a chain.
    pub is_chained: bool,
    /// Variables that override the fields above; `$CNI_PATH` in a value is the plugin's own directory.
    pub env: Vec<(String, String)>,
}

/// Parts of the names of the cases to run.
pub fn part() -> String {
    std::env::var("CASE").unwrap_or_default()
}

impl Case {
    /// All cases, by name.
    pub fn all() -> Vec<Case> {
        Case::all_in(&crate::repository().join("tests/differential"))
    }

    /// The cases in another directory.
    pub fn all_in(directory: &Path) -> Vec<Case> {
        let entries = std::fs::read_dir(directory).unwrap_or_else(|e| panic!("{}: {e}", directory.display()));
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
        paths.retain(|path| path.is_dir());
        paths.sort();
        paths.iter().map(|path| Case::load(path)).collect()
    }

    /// Whether it should run: `$CASE` has parts of names, separated by commas. Without it every case runs.
    pub fn is_wanted(&self) -> bool {
        part().split(',').any(|part| self.name.contains(part))
    }

    fn load(directory: &Path) -> Case {
        let name = directory.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
        let mut files = BTreeMap::new();
        for entry in std::fs::read_dir(directory).expect("a folder is readable") {
            let path = entry.expect("an entry").path();
            let file = path.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
            files.insert(file, std::fs::read_to_string(&path).expect("a file is text"));
        }
        let steps = files.get_mut("steps").unwrap_or_else(|| panic!("{name} has no steps"));
        let end = steps.find(&format!("\n{DIFFERS}")).map_or(steps.len(), |end| end + 1);
        let differs = steps.split_off(end);
        let needs_vm = steps.lines().any(|line| line == VM);
        let steps = steps.lines().filter_map(|line| step(line.trim())).collect();
        Case { name, directory: directory.to_owned(), needs_vm, steps, differs, files }
    }

    /// The expected records, for a case that only HEAD of the reference supports.
    pub fn expectation(&self) -> Option<&str> {
        self.files.get("expect").map(String::as_str)
    }

    /// The calls among the steps.
    pub fn calls(&self) -> impl Iterator<Item = &Invocation> {
        self.steps.iter().filter_map(|step| match step {
            Step::Call(call) => Some(call),
            Step::Shell(_) => None,
        })
    }

    /// The containers of the calls.
    pub fn containers(&self) -> BTreeSet<&str> {
        self.calls().map(|call| call.container.as_str()).collect()
    }

    /// Whether the case itself asks for this MAC, so that the comparison keeps it.
    pub fn names(&self, mac: &str) -> bool {
        let mut inputs = self.files.iter().filter(|(name, _)| *name != "expect");
        inputs.any(|(_, text)| text.to_ascii_lowercase().contains(mac))
    }
}

/// The line with the case's purpose.
const VM: &str = "vm";

fn step(line: &str) -> Option<Step> {
    if line.is_empty() || line.starts_with('#') || line == VM {
        return None;
    }
    if let Some(script) = line.strip_prefix("sh:") {
        return Some(Step::Shell(script.trim().to_owned()));
    }
    let mut words = words(line).into_iter();
    let mut call = Invocation {
        verb: words.next().expect("a line has a word"),
        container: "c1".to_owned(),
        interface: "eth0".to_owned(),
        plugin: "bridge".to_owned(),
        file: "conf.json".to_owned(),
        prev_result: true,
        is_chained: false,
        env: Vec::new(),
    };
    let mut names = 0;
    for word in words {
        match word.split_once('=') {
            None if word == "noprev" => call.prev_result = false,
            None if word == "prev" => call.is_chained = true,
            None => {
                assert!(names < 2, "{word:?} in {line:?}");
                *(if names == 0 { &mut call.container } else { &mut call.interface }) = word;
                names += 1;
            }
            Some(("plugin", name)) => name.clone_into(&mut call.plugin),
            Some(("conf", name)) => name.clone_into(&mut call.file),
            Some((name, value)) => call.env.push((name.to_owned(), value.to_owned())),
        }
    }
    Some(Step::Call(call))
}

/// Splits at spaces outside of single quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for (number, part) in line.split('\'').enumerate() {
        if number % 2 == 1 {
            words.last_mut().expect("one").push_str(part);
            continue;
        }
        for (number, piece) in part.split(' ').enumerate() {
            if number > 0 {
                words.push(String::new());
            }
            words.last_mut().expect("one").push_str(piece);
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

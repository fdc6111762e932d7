//! The hostile corpus: `tests/hostile`; its README has the format of an attack.

mod ground;

pub use ground::{Ground, Verdict};

use crate::guest::{component_with, with_parts, with_versions};
use crate::{Reply, repository, walkthrough};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The time limit of an attack, also on a busy machine; the error contains the limit that ended it earlier.
const PATIENCE: Duration = Duration::from_secs(10);

/// The limit of an attack's log, in bytes: 64 KiB, plus the prefix of each line.
const LOG_BYTES: usize = 256 << 10;

/// The limit of an answer, in bytes: a line of 4 KiB and details of 64 KiB, as JSON.
const ANSWER_BYTES: usize = 80 << 10;

/// A component that does what no plugin may do, and the expected refusal.
#[derive(Debug)]
pub struct Attack {
    /// Its file, without the extension: `targets/eth0`.
    pub name: String,
    /// The component.
    pub component: Vec<u8>,
    /// The plugin that it replaces.
    plugin: String,
    verb: String,
    /// Members that replace those of the configuration; `null` removes one.
    changes: Value,
    /// `CNI_ARGS`.
    args: String,
    /// Replaces `prevResult`.
    previous: Option<Value>,
    code: u64,
    /// Texts in message and details.
    expected_words: Vec<String>,
    /// Whether it runs twice, to compare the answers.
    is_twice: bool,
}

/// The place of a plugin in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Main,
    Ipam,
    Chained,
}

/// The kinds of machines on which attacks are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Site {
    /// The plugin is the first of its chain, or its IPAM plugin.
    First,
    /// An honest bridge ran before.
    Chained,
    /// Debian's bridge calls the plugin.
    Native,
}

impl Site {
    /// The `cniVersion` of its calls: the highest that the called plugin supports.
    fn version(self) -> &'static str {
        match self {
            Site::First | Site::Chained => "1.1.0",
            Site::Native => "1.0.0",
        }
    }
}

impl Role {
    /// The place of a shipped plugin.
    fn of(plugin: &str) -> Self {
        match plugin {
            "bridge" | "dummy" => Role::Main,
            "host-local" | "static" => Role::Ipam,
            "portmap" | "firewall" | "bandwidth" | "tuning" | "loopback" => Role::Chained,
            _ => panic!("no attack replaces {plugin}"),
        }
    }

    /// The kind in the manifest.
    fn kind(self) -> &'static str {
        match self {
            Role::Main => "main",
            Role::Ipam => "ipam",
            Role::Chained => "chained",
        }
    }
}

impl Attack {
    /// All attacks, in the order of their names.
    pub fn all() -> Vec<Attack> {
        let mut files = Vec::new();
        for folder in entries(&folder()).into_iter().filter(|path| path.is_dir()) {
            files.extend(entries(&folder));
        }
        files.iter().map(|file| Attack::read(file)).collect()
    }

    /// The attack of that name.
    pub fn named(name: &str) -> Attack {
        Attack::read(&folder().join(format!("{name}.wat")))
    }

    fn read(file: &Path) -> Attack {
        let text = std::fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let name = file.strip_prefix(folder()).expect("it is in the folder").display().to_string();
        let keys: Vec<(&str, &str)> =
            text.lines().filter_map(|line| line.strip_prefix(";; ")?.split_once(": ")).collect();
        let all = |key: &str| keys.iter().filter(|(k, _)| *k == key).map(|(_, v)| (*v).to_owned()).collect();
        let one = |key: &str, otherwise: &str| {
            let all: Vec<String> = all(key);
            all.first().cloned().unwrap_or_else(|| otherwise.to_owned())
        };
        let json = |key: &str| {
            let texts: Vec<String> = all(key);
            texts
                .first()
                .map(|text| serde_json::from_str(text).unwrap_or_else(|e| panic!("{name}: {key}: {e}")))
        };
        let plugin = one("as", "bridge");
        let kind = one("kind", Role::of(&plugin).kind());
        let component = match name.strip_suffix(".component.wat") {
            Some(_) => match keys.iter().find(|(key, _)| *key == "versions") {
                Some((_, versions)) => with_versions(&kind, &text, versions),
                None => with_parts(&kind, &text),
            },
            None => {
                let (body, fields) = text.split_once(";; fields\n").unwrap_or((&text, ""));
                component_with(&kind, &format!("{body} (i32.const 0)"), fields)
            }
        };
        Attack {
            component,
            plugin,
            verb: one("verb", "ADD"),
            changes: json("config").unwrap_or_else(|| json!({})),
            args: one("args", ""),
            previous: json("previous"),
            code: one("code", "").parse().unwrap_or_else(|e| panic!("{name} has no code: {e}")),
            expected_words: all("told"),
            is_twice: one("twice", "no") == "yes",
            name: name.split_once('.').map_or_else(|| name.clone(), |(name, _)| name.to_owned()),
        }
    }

    /// The folder of the attack.
    pub fn folder(&self) -> &str {
        self.name.split('/').next().unwrap_or_default()
    }

    /// Where it is tried.
    pub fn site(&self) -> Site {
        match self.role() {
            _ if self.folder() == "native" => Site::Native,
            Role::Chained => Site::Chained,
            Role::Main | Role::Ipam => Site::First,
        }
    }

    fn role(&self) -> Role {
        Role::of(&self.plugin)
    }

    /// The configuration of the call: that of the walkthrough for this plugin, with the changes of the attack. A chained
    /// plugin gets no `ipam`, and `previous`.
    fn config(&self, previous: &Value) -> Value {
        let mut config: Value =
            serde_json::from_str(&walkthrough(self.site().version())).expect("it is JSON");
        match self.role() {
            Role::Main => config["type"] = json!(self.plugin),
            Role::Ipam => config["ipam"]["type"] = json!(self.plugin),
            Role::Chained => {
                config = json!({ "cniVersion": "1.1.0", "name": config["name"], "type": self.plugin,
                    "prevResult": previous });
            }
        }
        if let Some(previous) = &self.previous {
            config["prevResult"] = previous.clone();
        }
        merge(&mut config, &self.changes);
        config
    }

    /// What is wrong with an answer, stderr included.
    fn faults(&self, reply: &Reply) -> Vec<String> {
        let mut faults = Vec::new();
        if reply.code != Some(1) {
            return vec![format!("exit code {:?}: {}{}", reply.code, reply.stdout, reply.stderr)];
        }
        let (code, msg, details) = reply.error();
        if code != self.code {
            faults.push(format!("code {code}, expected {}", self.code));
        }
        let text = format!("{msg}\n{details}");
        faults.extend(
            self.expected_words
                .iter()
                .filter(|word| !text.contains(*word))
                .map(|word| format!("no word of {word:?}")),
        );
        if !faults.is_empty() {
            faults.push(text.chars().take(2000).collect());
        }
        for (what, output, most) in
            [("answer", &reply.stdout, ANSWER_BYTES), ("log", &reply.stderr, LOG_BYTES)]
        {
            if output.len() > most {
                faults.push(format!("{what} of {} bytes", output.len()));
            }
            // Only programs read the answer. In JSON, every control character of ASCII is escaped.
            let odd = if what == "log" {
                terminal_control(output)
            } else {
                output.find(|c: char| c < ' ' && c != '\n')
            };
            if let Some(at) = odd {
                faults.push(format!("{:?} in the {what}", &output[at..].chars().next()));
            }
        }
        faults
    }
}

/// Merges `changes` into a value (RFC 7396): `null` removes a member.
fn merge(value: &mut Value, changes: &Value) {
    let Value::Object(changes) = changes else {
        *value = changes.clone();
        return;
    };
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    let members = value.as_object_mut().expect("it is an object");
    for (key, change) in changes {
        match change {
            Value::Null => drop(members.remove(key)),
            change => merge(members.entry(key).or_insert(Value::Null), change),
        }
    }
}

/// The position of the first character that changes how a terminal shows other text.
pub fn terminal_control(text: &str) -> Option<usize> {
    text.find(|c: char| {
        c.is_control() && !"\n\t".contains(c)
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    })
}

fn folder() -> PathBuf {
    repository().join("tests/hostile")
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be read").path()).collect();
    paths.sort();
    paths
}

//! Violations of policy, and the lines that would allow them.

use super::scope::Key;
use crate::cni::{CniError, ErrorKind};
use crate::value::{NetworkName, PluginName};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The reason why something is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The condition that is not met.
    pub rule: String,
    /// The change that would allow it.
    pub remedy: Remedy,
}

/// The change that would allow something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remedy {
    /// A new value in a list of `allow`.
    Allow(Key, String),
    /// A change of this line of the policy.
    Stands(Line),
    /// No change of the policy would; the text says why.
    Never(&'static str),
}

/// A line of the policy file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The number, from 1.
    pub number: usize,
    /// The text.
    pub text: String,
}

impl Refusal {
    /// A refusal that no policy can lift, because the rule keeps attachments apart.
    pub fn never(rule: impl Into<String>) -> Self {
        Refusal { rule: rule.into(), remedy: Remedy::Never("no policy can allow it") }
    }

    /// Whether a policy could allow it.
    pub fn is_negotiable(&self) -> bool {
        !matches!(self.remedy, Remedy::Never(_))
    }
}

/// A refused action or query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The plugin that recorded the action.
    pub plugin: PluginName,
    /// The action, as a command.
    pub action: String,
    /// The reason.
    pub refusal: Refusal,
}

impl Violation {
    /// The violation as one line.
    pub fn text(&self) -> String {
        let never = match self.refusal.remedy {
            Remedy::Never(why) => format!("; {why}"),
            Remedy::Allow(..) | Remedy::Stands(_) => String::new(),
        };
        let action = cut(self.action.clone(), ACTION_BYTES);
        format!("{}: `{action}`: {}{never}", self.plugin, self.refusal.rule)
    }
}

/// The rules that would allow the violations on a network, as text for the file. `None` if no `allow` would.
pub fn remedy(violations: &[Violation], network: &NetworkName) -> Option<String> {
    let mut plugins: BTreeMap<&PluginName, BTreeMap<Key, BTreeSet<&str>>> = BTreeMap::new();
    for violation in violations {
        if let Remedy::Allow(key, value) = &violation.refusal.remedy {
            plugins.entry(&violation.plugin).or_default().entry(*key).or_default().insert(value);
        }
    }
    // A JSON string is also a valid basic string in TOML.
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let rules = plugins.into_iter().map(|(plugin, lists)| {
        let lists = lists.into_iter().map(|(key, values)| {
            let values: Vec<String> = values.into_iter().map(quoted).collect();
            format!("allow.{} = [{}]\n", key.as_str(), values.join(", "))
        });
        let head = format!(
            "[[rule]]\nplugin = {}\nnetwork = {}\n",
            quoted(plugin.as_str()),
            quoted(network.as_str())
        );
        lists.fold(head, |rule, list| rule + &list)
    });
    let text = rules.collect::<Vec<_>>().join("\n");
    (!text.is_empty()).then_some(text)
}

/// The longest action in the text of a violation, in bytes: the commands for 4096 ports are longer.
const ACTION_BYTES: usize = 2048;

/// The longest text of a violation, in bytes.
const TEXT_BYTES: usize = 4096;

/// The longest list of violations in an error, and of lines that would allow them, in bytes. A guest decides how many
/// there are, and a runtime keeps the error.
const SHOWN_BYTES: usize = 24 << 10;

/// Cuts a text to a number of bytes.
fn cut(mut text: String, bytes: usize) -> String {
    if text.len() > bytes {
        text.truncate(text.floor_char_boundary(bytes));
        text.push('…');
    }
    text
}

/// The violations as one CNI error, which is bounded. `policy` is the file for the lines that would allow them.
pub fn denied(
    plugin: &PluginName,
    network: &NetworkName,
    violations: &[Violation],
    policy: &Path,
) -> CniError {
    let number = match violations.len() {
        1 => "1 action".to_owned(),
        n => format!("{n} actions"),
    };
    let msg = format!("policy refuses {number} of the plan of plugin {:?}", plugin.as_str());
    let mut bytes = 0;
    let shown = violations.iter().map(|violation| cut(violation.text(), TEXT_BYTES)).take_while(|text| {
        bytes += text.len();
        bytes <= SHOWN_BYTES
    });
    let mut details: Vec<String> = shown.collect();
    let (shown, more) = violations.split_at(details.len());
    if !more.is_empty() {
        details.push(format!("and {} more", more.len()));
    }
    if let Some(rules) = remedy(shown, network) {
        let rules = cut(rules, SHOWN_BYTES);
        details.push(format!("what would allow it, in {}:\n{}", policy.display(), rules.trim_end()));
    }
    CniError::new(ErrorKind::PlanDenied, msg).with_details(details.join("\n"))
}

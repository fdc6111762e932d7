//! What policy refuses, and the lines that would allow it.

use super::scope::Key;
use crate::cni::{CniError, ErrorKind};
use crate::value::{NetworkName, PluginName};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Why something is not granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What it would have to be.
    pub rule: String,
    /// What would change that.
    pub remedy: Remedy,
}

/// What would allow something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remedy {
    /// A value in a list of `allow`.
    Allow(Key, String),
    /// That a line of the policy were another.
    Stands(Line),
    /// Nothing: why not.
    Never(&'static str),
}

/// A line of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// From 1.
    pub number: usize,
    /// As it is written there.
    pub text: String,
}

impl Refusal {
    /// Something that follows from how attachments are told apart, and so is nobody's to allow.
    pub fn never(rule: impl Into<String>) -> Self {
        Refusal { rule: rule.into(), remedy: Remedy::Never("no policy can allow it") }
    }

    /// Whether an administrator could have allowed it.
    pub fn is_negotiable(&self) -> bool {
        !matches!(self.remedy, Remedy::Never(_))
    }
}

/// An action, or a question, that policy refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Whose action.
    pub plugin: PluginName,
    /// The action, as a command.
    pub action: String,
    /// Why.
    pub refusal: Refusal,
}

impl Violation {
    /// In one line.
    pub fn text(&self) -> String {
        let never = match self.refusal.remedy {
            Remedy::Never(why) => format!("; {why}"),
            Remedy::Allow(..) | Remedy::Stands(_) => String::new(),
        };
        format!("{}: `{}`: {}{never}", self.plugin, self.action, self.refusal.rule)
    }
}

/// The rules that would allow, on a network, what an `allow` can; none if nothing can.
pub fn remedy(violations: &[Violation], network: &NetworkName) -> Option<String> {
    let mut plugins: BTreeMap<&PluginName, BTreeMap<Key, BTreeSet<&str>>> = BTreeMap::new();
    for violation in violations {
        if let Remedy::Allow(key, value) = &violation.refusal.remedy {
            plugins.entry(&violation.plugin).or_default().entry(*key).or_default().insert(value);
        }
    }
    // A JSON string is a basic string of TOML.
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

/// All violations as one CNI error; `policy` is where the lines that would allow them belong.
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
    let mut details: Vec<String> = violations.iter().map(Violation::text).collect();
    if let Some(rules) = remedy(violations, network) {
        details.push(format!("what would allow it, in {}:\n{}", policy.display(), rules.trim_end()));
    }
    CniError::new(ErrorKind::PlanDenied, msg).with_details(details.join("\n"))
}

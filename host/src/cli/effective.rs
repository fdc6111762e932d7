//! The policy of this machine for a plugin, for `inspect` and `policy check`.

use crate::policy::{Capability, Mode, Policy, Rules};
use crate::value::{NetworkName, PluginName};
use serde::Serialize;
use std::collections::BTreeMap;

/// The effective policy of a plugin on a network.
#[derive(Debug, Serialize)]
pub struct Effective {
    /// The path of the policy.
    policy: String,
    /// Whether the file exists. Without it, only the default applies.
    exists: bool,
    plugin: String,
    /// The network. `None`: what applies on every network.
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<String>,
    mode: &'static str,
    capabilities: BTreeMap<Capability, Grant>,
    /// The lines that pin the plugin, and whether the component, if there is one, satisfies them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pins: Vec<String>,
    /// The limits that are lower than the host's.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    limits: BTreeMap<&'static str, u32>,
}

/// The policy for a capability.
#[derive(Debug, Serialize)]
struct Grant {
    /// Whether the plugin may use it at all.
    granted: bool,
    /// The lines that differ from the default: `only links br-* (line 12)`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rules: Vec<String>,
}

impl Effective {
    /// The policy for these capabilities of a plugin. `digest` is that of the component, if there is one.
    pub fn of(
        policy: &Policy,
        plugin: &PluginName,
        network: Option<&NetworkName>,
        capabilities: &[Capability],
        digest: Option<&str>,
    ) -> Self {
        let rules = policy.rules(plugin, network);
        let grants = capabilities.iter().map(|capability| (*capability, grant(&rules, *capability)));
        let lowered = rules.limits();
        let limits = [
            ("memory-mib", lowered.memory_mib),
            ("time-ms", lowered.time_ms),
            ("actions", lowered.actions),
            ("log-kib", lowered.log_kib),
        ];
        let pins = rules.pins().into_iter().map(|(line, digests)| match digest {
            Some(digest) if digests.contains(&digest) => format!("line {}: it is one of these", line.number),
            Some(_) => format!("line {}: it is none of these, and refused", line.number),
            None => format!("line {}: {}", line.number, digests.join(" ")),
        });
        Effective {
            policy: policy.path.display().to_string(),
            exists: policy.exists,
            plugin: plugin.to_string(),
            network: network.map(ToString::to_string),
            mode: match rules.mode() {
                Mode::Enforce => "enforce",
                Mode::Audit => "audit: violations are told and let through",
            },
            capabilities: grants.collect(),
            pins: pins.collect(),
            limits: limits.into_iter().filter_map(|(name, limit)| Some((name, limit?))).collect(),
        }
    }

    /// The policy as text for people.
    pub fn text(&self) -> String {
        let file =
            if self.exists { self.policy.clone() } else { format!("the default (no {})", self.policy) };
        let network = match &self.network {
            Some(network) => format!("on network {network}"),
            None => "on every network".to_owned(),
        };
        let mut text = format!("policy of plugin {} {network}: {file}\n", self.plugin);
        let mut line = |what: &str, value: &str| text += &format!("  {what:<12}  {value}\n");
        line("mode", self.mode);
        for (capability, grant) in &self.capabilities {
            let granted = if grant.granted { "granted" } else { "denied" };
            let rules = grant.rules.join("; ");
            let separator = if rules.is_empty() { "" } else { ": " };
            line(capability.as_str(), &format!("{granted}{separator}{rules}"));
        }
        self.pins.iter().for_each(|pin| line("sha256", pin));
        self.limits.iter().for_each(|(name, limit)| line("limit", &format!("{name} {limit}")));
        text
    }
}

fn grant(rules: &Rules<'_>, capability: Capability) -> Grant {
    if let Some(denied) = rules.denied(capability) {
        return Grant { granted: false, rules: vec![format!("line {}", denied.number)] };
    }
    let mut texts = Vec::new();
    for (only, word) in [(false, "also"), (true, "only")] {
        for (key, line) in
            rules.lists(only).into_iter().filter(|(key, _)| key.capability() == Some(capability))
        {
            texts.push(format!("{word} {} {} (line {})", key.as_str(), line.text, line.number));
        }
    }
    Grant { granted: true, rules: texts }
}

//! The policy of this machine for a plugin, for `inspect` and `policy check`.

use crate::policy::{Capability, Mode, Policy, Resource, Rules};
use crate::reference::{self, Identity, TYPES};
use crate::value::{Kind, NetworkName, PluginName};
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
    /// The type, if it is that of a shipped plugin.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    of_type: Option<String>,
    kind: Kind,
    /// The keys of a configuration that name something for it.
    names: Vec<String>,
    /// The network. `None`: what applies on every network.
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<String>,
    mode: &'static str,
    capabilities: BTreeMap<Capability, Grant>,
    /// The lines that pin the plugin, and whether the component, if there is one, satisfies them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pins: Vec<String>,
    /// The keys of a configuration without whose protection a plan is refused, because a rule says so.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    demands: Vec<String>,
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
        (plugin, identity): (&PluginName, &Identity),
        network: Option<&NetworkName>,
        capabilities: &[Capability],
        digest: Option<&str>,
    ) -> Self {
        let rules = policy.rules(plugin, network);
        let by_default = reference::capabilities(identity);
        let grant = |capability| grant(&rules, capability, by_default.contains(&capability));
        let grants = capabilities.iter().map(|capability| (*capability, grant(*capability)));
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
            of_type: TYPES.contains(&identity.of_type()).then(|| identity.of_type().to_owned()),
            kind: identity.kind,
            names: reference::keys(identity).iter().map(ToString::to_string).collect(),
            network: network.map(ToString::to_string),
            mode: match rules.mode() {
                Mode::Enforce => "enforce",
                Mode::Audit => "audit: violations are told and let through",
            },
            capabilities: grants.collect(),
            pins: pins.collect(),
            demands: {
                let demanded = rules.demanded().into_iter();
                demanded.map(|(key, line)| format!("{} (line {})", key.as_str(), line.number)).collect()
            },
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
        line("type", self.of_type.as_deref().unwrap_or("its own"));
        line("kind", &self.kind.to_string());
        line("mode", self.mode);
        for (capability, grant) in &self.capabilities {
            let granted = if grant.granted { "granted" } else { "denied" };
            let rules = grant.rules.join("; ");
            let separator = if rules.is_empty() { "" } else { ": " };
            line(capability.as_str(), &format!("{granted}{separator}{rules}"));
        }
        self.names.iter().for_each(|key| line("named by", key));
        self.pins.iter().for_each(|pin| line("sha256", pin));
        self.demands.iter().for_each(|key| line("demands", key));
        self.limits.iter().for_each(|(name, limit)| line("limit", &format!("{name} {limit}")));
        text
    }
}

/// `by_default` is whether the default gives the capability to the plugin's type or kind.
fn grant(rules: &Rules<'_>, capability: Capability, by_default: bool) -> Grant {
    if let Some(denied) = rules.denied(capability) {
        return Grant { granted: false, rules: vec![format!("line {}", denied.number)] };
    }
    let resource = Resource::Capability(capability);
    let refused = rules.refuse(&resource, by_default, || "not by default".to_owned());
    if let Some(refusal) = refused.into_iter().next() {
        return Grant { granted: false, rules: vec![refusal.rule] };
    }
    let mut texts = Vec::new();
    if !by_default {
        texts.push("by `allow.capabilities`".to_owned());
    }
    for (only, word) in [(false, "also"), (true, "only")] {
        for (key, line) in
            rules.lists(only).into_iter().filter(|(key, _)| key.capability() == Some(capability))
        {
            texts.push(format!("{word} {} {} (line {})", key.as_str(), line.text, line.number));
        }
    }
    Grant { granted: true, rules: texts }
}

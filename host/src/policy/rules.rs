//! The rules for a plugin on a network. Planning, `inspect` and `policy check` all use [`Policy::rules`].

use super::capability::Capability;
use super::demand::DemandKey;
use super::file::{Mode, Policy, Rule, Sha256};
use super::scope::{Key, Resource, Scope};
use super::violation::{Line, Refusal, Remedy};
use crate::cni::{CniError, ErrorKind};
use crate::value::{NetworkName, PluginName};

/// The rules that apply to a plugin; see [`Policy::rules`].
#[derive(Debug, Clone)]
pub struct Rules<'a> {
    policy: &'a Policy,
    rules: Vec<&'a Rule>,
}

/// The limits of a request that policy lowers. `None`: the limit of the host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lowered {
    /// Linear memory of one component, in MiB.
    pub memory_mib: Option<u32>,
    /// Running time, in milliseconds.
    pub time_ms: Option<u32>,
    /// The number of actions.
    pub actions: Option<u32>,
    /// The size of the log, in KiB.
    pub log_kib: Option<u32>,
}

impl Policy {
    /// The rules for a plugin on a network. Without a network: the rules that apply on every network.
    pub fn rules(&self, plugin: &PluginName, network: Option<&NetworkName>) -> Rules<'_> {
        let matching = self.content.rules.iter().map(|rule| rule.get_ref()).filter(|rule| {
            let named = match (&rule.network, network) {
                (None, _) => true,
                (Some(_), None) => false,
                (Some(patterns), Some(network)) => patterns.matches(network.as_str()),
            };
            named && rule.plugin.as_ref().is_none_or(|patterns| patterns.matches(plugin.as_str()))
        });
        Rules { policy: self, rules: matching.collect() }
    }

    fn cite(&self, offset: usize, text: String) -> Line {
        Line { number: self.line(offset), text }
    }
}

impl Rules<'_> {
    /// The mode. If rules disagree, it is [`Mode::Enforce`].
    pub fn mode(&self) -> Mode {
        let modes: Vec<Mode> = self.rules.iter().filter_map(|rule| rule.mode).collect();
        match modes.iter().find(|mode| **mode == Mode::Enforce).or(modes.first()) {
            Some(mode) => *mode,
            None => self.policy.content.mode,
        }
    }

    /// The line that denies a capability, if any.
    pub fn denied(&self, capability: Capability) -> Option<Line> {
        let denials = self.rules.iter().flat_map(|rule| &rule.deny);
        let found = denials.into_iter().find(|denied| *denied.get_ref() == capability)?;
        Some(self.policy.cite(found.span().start, format!("deny = [\"{capability}\"]")))
    }

    /// The keys that rules demand, each with its line.
    pub fn demanded(&self) -> Vec<(DemandKey, Line)> {
        let keys = self.rules.iter().flat_map(|rule| &rule.demand);
        let cited = keys.map(|key| {
            let text = format!("demand = [\"{}\"]", key.get_ref().as_str());
            (*key.get_ref(), self.policy.cite(key.span().start, text))
        });
        cited.collect()
    }

    /// Refuses a plan that does not do what a key of the configuration demands (`why`), if a rule demands the key.
    pub fn refuse_without(&self, key: &str, why: &str) -> Option<Refusal> {
        let (_, line) = self.demanded().into_iter().find(|(demanded, _)| demanded.as_str() == key)?;
        let path = self.policy.path.display();
        let rule = format!("{why}, and line {} of {path} has `{}`", line.number, line.text);
        Some(Refusal { rule, remedy: Remedy::Stands(line) })
    }

    /// All lists of `allow`, or of `only`.
    pub fn lists(&self, only: bool) -> Vec<(Key, Line)> {
        let scopes = self.rules.iter().map(|rule| if only { &rule.only } else { &rule.allow });
        let lists = scopes.flat_map(Scope::lists);
        lists.map(|(key, offset, text)| (key, self.policy.cite(offset, text))).collect()
    }

    /// Refuses a denied capability.
    pub fn refuse_capability(&self, capability: Capability) -> Option<Refusal> {
        self.denied(capability).map(|line| Refusal {
            rule: format!("line {} of {} denies `{capability}`", line.number, self.policy.path.display()),
            remedy: Remedy::Stands(line),
        })
    }

    /// Refuses a resource that neither the default nor an `allow` covers; the error has the default's `rule`. Also
    /// refuses a resource that an `only` does not cover, even if something allows it.
    pub fn refuse(
        &self,
        resource: &Resource<'_>,
        by_default: bool,
        rule: impl FnOnce() -> String,
    ) -> Vec<Refusal> {
        let mut refusals = Vec::new();
        let allows = |rule: &&Rule| rule.allow.covers(resource).is_some_and(|(_, _, covers)| covers);
        if !by_default && !self.rules.iter().any(allows) {
            let remedy = match resource.literal() {
                Some(value) => Remedy::Allow(resource.key(), value),
                None => Remedy::Never("a name that reads as a pattern cannot be allowed"),
            };
            refusals.push(Refusal { rule: rule(), remedy });
        }
        for (offset, text, covers) in self.rules.iter().filter_map(|rule| rule.only.covers(resource)) {
            if !covers {
                let key = resource.key().as_str();
                let line = self.policy.cite(offset, format!("only.{key}"));
                let path = self.policy.path.display();
                let rule = format!("line {} of {path} allows only {text} (`only.{key}`)", line.number);
                refusals.push(Refusal { rule, remedy: Remedy::Stands(line) });
            }
        }
        refusals
    }

    /// The granted directory that contains a file, if policy grants the file by its directory.
    pub fn directory_above(&self, file: &std::path::Path) -> Option<std::path::PathBuf> {
        let lists = self.rules.iter().filter_map(|rule| rule.allow.files.as_ref());
        lists.into_iter().find_map(|list| list.get_ref().above(file)).map(std::path::Path::to_owned)
    }

    /// The types that the component may have under another name than theirs.
    pub fn types(&self) -> Vec<&str> {
        let types = self.rules.iter().filter_map(|rule| rule.of_type.as_ref());
        types.map(|of_type| of_type.get_ref().as_str()).collect()
    }

    /// The lists of digests. The component's digest must be in each of them.
    pub fn pins(&self) -> Vec<(Line, Vec<&str>)> {
        let lists = self.rules.iter().filter_map(|rule| rule.sha256.as_ref());
        let pins = lists.map(|list| {
            let line = self.policy.cite(list.span().start, "sha256".to_owned());
            (line, list.get_ref().iter().map(Sha256::as_str).collect())
        });
        pins.collect()
    }

    /// Refuses a component whose digest is missing in one of the lists.
    pub fn check_digest(&self, plugin: &PluginName, digest: &str) -> Result<(), CniError> {
        let missing = self.pins().into_iter().find(|(_, pins)| !pins.contains(&digest));
        let Some((line, pins)) = missing else { return Ok(()) };
        let msg = format!("policy pins plugin {:?} to another digest", plugin.as_str());
        let pinned = if pins.is_empty() { "nothing".to_owned() } else { pins.join(" ") };
        let path = self.policy.path.display();
        let details =
            format!("sha256 of the component: {digest}\nline {} of {path} has: {pinned}", line.number);
        Err(CniError::new(ErrorKind::DigestDenied, msg).with_details(details))
    }

    /// Refuses a component that imports a denied capability.
    pub fn check_imports(&self, plugin: &PluginName, imports: &[String]) -> Result<(), CniError> {
        let denied = |import: &String| {
            let line = self.denied(Capability::of_import(import)?)?;
            Some(format!("{import}: line {} of {}: `{}`", line.number, self.policy.path.display(), line.text))
        };
        let denied: Vec<String> = imports.iter().filter_map(denied).collect();
        if denied.is_empty() || self.mode() == Mode::Audit {
            return Ok(());
        }
        let msg = format!("plugin {:?} is not started: policy denies what it imports", plugin.as_str());
        Err(CniError::new(ErrorKind::ImportDenied, msg).with_details(denied.join("\n")))
    }

    /// The lowest value of each limit.
    pub fn limits(&self) -> Lowered {
        let mut lowered = Lowered::default();
        for limits in self.rules.iter().map(|rule| &rule.limits) {
            let lower = |so_far: &mut Option<u32>, limit: &Option<toml::Spanned<u32>>| {
                if let Some(limit) = limit.as_ref().map(|limit| *limit.get_ref()) {
                    *so_far = Some(so_far.map_or(limit, |lowest| lowest.min(limit)));
                }
            };
            lower(&mut lowered.memory_mib, &limits.memory_mib);
            lower(&mut lowered.time_ms, &limits.time_ms);
            lower(&mut lowered.actions, &limits.actions);
            lower(&mut lowered.log_kib, &limits.log_kib);
        }
        lowered
    }
}

//! What a plugin may ask: of the host only what it could also use.

use super::{Grants, Violation};
use crate::plan::{Answer, Facts, LinkRef, Netns, Query, StoreRef};

/// Facts of a machine, as far as they are granted.
pub struct GrantedFacts<'a> {
    facts: &'a mut dyn Facts,
    grants: &'a Grants,
    violations: Vec<Violation>,
}

impl<'a> GrantedFacts<'a> {
    /// Answers from `facts` what `grants` allow to be asked.
    pub fn new(facts: &'a mut dyn Facts, grants: &'a Grants) -> Self {
        GrantedFacts { facts, grants, violations: Vec::new() }
    }

    /// The questions that were refused.
    pub fn violations(self) -> Vec<Violation> {
        self.violations
    }

    fn refusal(&self, query: &Query) -> Option<String> {
        let grants = self.grants;
        let store = |store: &StoreRef| {
            let own =
                store.network == grants.attachment.network && grants.data_dirs.contains(&store.data_dir);
            (!own).then(|| format!("leases are kept below {}, by network", grants.data_dirs_text()))
        };
        match query {
            Query::Link(LinkRef { netns: Netns::Container, .. }) => None,
            Query::Link(LinkRef { netns: Netns::Host, name }) => {
                let named = grants.host_links.contains(name.as_str())
                    || grants.host_veths.contains(name)
                    || grants.is_vlan_gateway(name);
                (!named).then(|| format!("the configuration names no link {:?}", name.as_str()))
            }
            Query::Held(reference, owner) if *owner == grants.attachment.owner() => store(reference),
            Query::Held(..) => Some("only one's own leases are told".to_owned()),
            Query::LastReserved(reference, _) | Query::Free(reference, _) => store(reference),
            Query::Backend => None,
            // The very text: another spelling of the path is not what the configuration names.
            Query::File(path) => {
                let named = grants.file.as_ref().is_some_and(|file| file.as_os_str() == path.as_os_str());
                (!named).then(|| "the configuration names no such file as `resolvConf` of `ipam`".to_owned())
            }
        }
    }
}

impl Facts for GrantedFacts<'_> {
    fn ask(&mut self, query: &Query) -> Answer {
        let Some(rule) = self.refusal(query) else { return self.facts.ask(query) };
        let action = match query {
            Query::Link(link) => format!("look at link {link}"),
            Query::Held(store, _) | Query::LastReserved(store, _) | Query::Free(store, _) => {
                format!("look at leases in {}", store.directory().display())
            }
            Query::Backend => "look for a firewall".to_owned(),
            Query::File(path) => format!("read {}", path.display()),
        };
        let text = format!("policy refuses to {action}: {rule}");
        self.violations.push(Violation { plugin: self.grants.plugin.to_string(), action, rule });
        Answer::Failed(text)
    }
}

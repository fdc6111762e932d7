//! Two implementations of [`Facts`]: a machine, and a filter in front of it that lets granted queries pass.

use super::{Answer, Facts, Query, Question, answer, links, refusals};
use crate::action::context::{Notes, ReadContext};
use crate::machine::MachineError;
use crate::machine::errno::chain;
use crate::machine::port::Look;
use crate::policy::{Grants, Violation, tolerates};
use crate::value::{Fact, LinkRef, PluginName};
use std::borrow::Cow;

/// Answers queries from a machine.
pub struct MachineFacts<'m> {
    look: &'m mut dyn Look,
    notes: Notes,
    /// Whether the machine has not changed since the answers in the notes.
    is_still: bool,
    refusal: Option<MachineError>,
}

impl<'m> MachineFacts<'m> {
    /// Creates it with empty notes.
    pub fn new(look: &'m mut dyn Look) -> Self {
        MachineFacts { look, notes: Notes::default(), is_still: false, refusal: None }
    }

    /// Creates it with the notes of a caller that has read the machine, and that changes nothing.
    pub fn again(look: &'m mut dyn Look, notes: Notes) -> Self {
        MachineFacts { look, notes, is_still: true, refusal: None }
    }

    /// The error of the last query that failed. It shows whether a repetition of the call may succeed.
    pub fn refusal(self) -> Option<MachineError> {
        self.refusal
    }

    fn answer(&mut self, question: &dyn Question) -> Answer {
        let look = if self.is_still { ReadContext::again } else { ReadContext::new };
        match answer(question, &mut look(self.look, &mut self.notes)) {
            Ok(answer) => answer,
            Err(error) => {
                let text = chain(&error);
                self.refusal = Some(error);
                Answer::Failed(text)
            }
        }
    }
}

impl Facts for MachineFacts<'_> {
    fn ask(&mut self, query: &Query) -> Answer {
        self.answer(&*query.question())
    }

    fn ask_link_alone(&mut self, link: &LinkRef) -> Answer {
        self.answer(&links::Link { link, with_addresses: false })
    }
}

/// Answers the queries that are granted. About the host, a plugin may ask only for what it could also use.
pub struct GrantedFacts<'a> {
    facts: &'a mut dyn Facts,
    grants: &'a Grants,
    plugin: &'a PluginName,
    violations: Vec<Violation>,
    tolerated: Vec<Violation>,
}

impl<'a> GrantedFacts<'a> {
    /// Answers from `facts` the queries that `grants` allow `plugin`.
    pub fn new(facts: &'a mut dyn Facts, grants: &'a Grants, plugin: &'a PluginName) -> Self {
        GrantedFacts { facts, grants, plugin, violations: Vec::new(), tolerated: Vec::new() }
    }

    /// The violations of refused queries, and those that audit mode tolerated.
    pub fn violations(self) -> (Vec<Violation>, Vec<Violation>) {
        (self.violations, self.tolerated)
    }

    /// The query to ask instead. If only the administrator's policy grants a file, it must be below the directory that
    /// policy names.
    fn asked<'q>(&self, query: &'q Query) -> Cow<'q, Query> {
        let Query::File(path) = query else { return Cow::Borrowed(query) };
        if self.grants.own.files.contains(path) {
            return Cow::Borrowed(query);
        }
        match self.grants.rules(self.plugin).directory_above(path) {
            Some(directory) => Cow::Owned(Query::FileBelow(directory, path.clone())),
            None => Cow::Borrowed(query),
        }
    }
}

impl Facts for GrantedFacts<'_> {
    fn ask(&mut self, query: &Query) -> Answer {
        let question = query.question();
        let rules = self.grants.rules(self.plugin);
        let violation =
            |refusal| Violation { plugin: self.plugin.clone(), action: question.describe(), refusal };
        let all = refusals(&*question, self.grants, self.plugin).into_iter().map(violation);
        let (tolerated, refused): (Vec<_>, Vec<_>) = all.partition(|violation| tolerates(&rules, violation));
        self.tolerated.extend(tolerated);
        if !refused.is_empty() {
            self.violations.extend(refused);
            return question.nothing();
        }
        let query = self.asked(query);
        match self.facts.ask(&query) {
            Answer::RouteTo(Fact::Known(link)) if !self.grants.leads_to_own(&link) => {
                Answer::RouteTo(Fact::Absent)
            }
            answer => answer,
        }
    }
}

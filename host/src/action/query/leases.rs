//! Questions about leases.

use super::{Answer, Question};
use crate::action::context::ReadContext;
use crate::machine::MachineError;
use crate::machine::lease::unreadable;
use crate::policy::{Capability, Grants, Refusal, Resource, Rules};
use crate::value::{AddressRange, Fact, Owner, StoreRef};

/// See [`Query::Held`](super::Query::Held).
#[derive(Debug, Clone, Copy)]
pub struct Held<'a> {
    /// Where.
    pub store: &'a StoreRef,
    /// Whose.
    pub owner: &'a Owner,
}

impl Question for Held<'_> {
    fn capability(&self, _grants: &Grants) -> Option<Capability> {
        Some(Capability::Leases)
    }

    fn refuse(&self, grants: &Grants, rules: &Rules<'_>) -> Vec<Refusal> {
        if *self.owner == grants.attachment.owner() {
            return refuse(self.store, grants, rules);
        }
        vec![Refusal::never("only one's own leases are told")]
    }

    fn describe(&self) -> String {
        describe(self.store)
    }

    fn subject(&self) -> String {
        subject(self.store)
    }

    fn answer(&self, cx: &mut ReadContext<'_>) -> Result<Answer, MachineError> {
        let Some(found) = cx.look.stores().planning_store(self.store)? else {
            return Ok(Answer::Held(Fact::Known(Vec::new())));
        };
        let held = found.held(self.owner).map_err(|e| unreadable(self.store, e))?;
        let mut held = [held.exact, held.legacy].concat();
        held.sort_unstable();
        Ok(Answer::Held(Fact::Known(held)))
    }

    fn hidden(&self) -> Answer {
        Answer::Held(Fact::Unreadable)
    }

    fn nothing(&self) -> Answer {
        Answer::Held(Fact::Absent)
    }
}

/// See [`Query::LastReserved`](super::Query::LastReserved).
#[derive(Debug, Clone, Copy)]
pub struct LastReserved<'a> {
    /// Where.
    pub store: &'a StoreRef,
    /// The N.
    pub set: u32,
}

impl Question for LastReserved<'_> {
    fn capability(&self, _grants: &Grants) -> Option<Capability> {
        Some(Capability::Leases)
    }

    fn refuse(&self, grants: &Grants, rules: &Rules<'_>) -> Vec<Refusal> {
        refuse(self.store, grants, rules)
    }

    fn describe(&self) -> String {
        describe(self.store)
    }

    fn subject(&self) -> String {
        subject(self.store)
    }

    fn answer(&self, cx: &mut ReadContext<'_>) -> Result<Answer, MachineError> {
        let Some(found) = cx.look.stores().planning_store(self.store)? else { return Ok(self.nothing()) };
        let last = found.last_reserved(self.set).map_err(|e| unreadable(self.store, e))?;
        Ok(Answer::LastReserved(last.map_or(Fact::Absent, Fact::Known)))
    }

    fn hidden(&self) -> Answer {
        Answer::LastReserved(Fact::Unreadable)
    }

    fn nothing(&self) -> Answer {
        Answer::LastReserved(Fact::Absent)
    }
}

/// See [`Query::Free`](super::Query::Free).
#[derive(Debug, Clone, Copy)]
pub struct Free<'a> {
    /// Where.
    pub store: &'a StoreRef,
    /// Of what.
    pub range: AddressRange,
}

impl Question for Free<'_> {
    fn capability(&self, _grants: &Grants) -> Option<Capability> {
        Some(Capability::Leases)
    }

    fn refuse(&self, grants: &Grants, rules: &Rules<'_>) -> Vec<Refusal> {
        refuse(self.store, grants, rules)
    }

    fn describe(&self) -> String {
        describe(self.store)
    }

    fn subject(&self) -> String {
        subject(self.store)
    }

    fn answer(&self, cx: &mut ReadContext<'_>) -> Result<Answer, MachineError> {
        let free = match cx.look.stores().planning_store(self.store)? {
            Some(found) => found.free(self.range).map_err(|e| unreadable(self.store, e))?,
            None => vec![self.range],
        };
        Ok(Answer::Free(Fact::Known(free)))
    }

    fn hidden(&self) -> Answer {
        Answer::Free(Fact::Unreadable)
    }

    fn nothing(&self) -> Answer {
        Answer::Free(Fact::Absent)
    }
}

fn refuse(store: &StoreRef, grants: &Grants, rules: &Rules<'_>) -> Vec<Refusal> {
    if store.network != grants.attachment.network {
        return vec![Refusal::never("leases are told of the network's own store")];
    }
    let is_usual = grants.data_dirs.contains(&store.data_dir);
    let rule = || format!("leases are kept below {}, by network", grants.data_dirs_text());
    rules.refuse(&Resource::Leases(&store.data_dir), is_usual, rule)
}

fn describe(store: &StoreRef) -> String {
    format!("look at leases in {}", store.directory().display())
}

fn subject(store: &StoreRef) -> String {
    format!("lease store {}", store.directory().display())
}

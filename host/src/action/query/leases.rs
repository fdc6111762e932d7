//! Queries about leases.

use super::{Answer, Question};
use crate::action::context::ReadContext;
use crate::machine::MachineError;
use crate::machine::lease::unreadable;
use crate::policy::{Capability, Grants, Refusal, Resource, Rules};
use crate::value::{AddressRange, Fact, Owner, StoreRef};

/// A query about a lease store.
#[derive(Debug, Clone, Copy)]
pub struct Leases<'a> {
    /// The lease store.
    pub store: &'a StoreRef,
    /// The query.
    pub asked: Asked<'a>,
}

/// The kinds of queries about a lease store.
#[derive(Debug, Clone, Copy)]
pub enum Asked<'a> {
    /// See [`Query::Held`](super::Query::Held).
    Held(&'a Owner),
    /// See [`Query::LastReserved`](super::Query::LastReserved).
    LastReserved(u32),
    /// See [`Query::Free`](super::Query::Free).
    Free(AddressRange),
}

impl Question for Leases<'_> {
    fn capability(&self, _grants: &Grants) -> Option<Capability> {
        Some(Capability::Leases)
    }

    fn refuse(&self, grants: &Grants, rules: &Rules<'_>) -> Vec<Refusal> {
        if matches!(self.asked, Asked::Held(owner) if *owner != grants.attachment.owner()) {
            return vec![Refusal::never("only one's own leases are told")];
        }
        if self.store.network != grants.attachment.network {
            return vec![Refusal::never("leases are told of the network's own store")];
        }
        let is_usual = grants.own.data_dirs.contains(&self.store.data_dir);
        let rule = || format!("leases are kept below {}, by network", grants.data_dirs_text());
        rules.refuse(&Resource::Leases(&self.store.data_dir), is_usual, rule)
    }

    fn describe(&self) -> String {
        format!("look at leases in {}", self.store.directory().display())
    }

    fn subject(&self) -> String {
        format!("lease store {}", self.store.directory().display())
    }

    fn answer(&self, cx: &mut ReadContext<'_>) -> Result<Answer, MachineError> {
        let found = cx.look.stores().planning_store(self.store)?;
        let failed = |error| unreadable(self.store, error);
        Ok(match (self.asked, found) {
            (Asked::Held(_), None) => Answer::Held(Fact::Known(Vec::new())),
            (Asked::Held(owner), Some(store)) => {
                let held = store.held(owner).map_err(failed)?;
                let mut held = [held.exact, held.legacy].concat();
                held.sort_unstable();
                Answer::Held(Fact::Known(held))
            }
            (Asked::LastReserved(_), None) => self.nothing(),
            (Asked::LastReserved(set), Some(store)) => {
                let last = store.last_reserved(set).map_err(failed)?;
                Answer::LastReserved(last.map_or(Fact::Absent, Fact::Known))
            }
            (Asked::Free(range), None) => Answer::Free(Fact::Known(vec![range])),
            (Asked::Free(range), Some(store)) => {
                Answer::Free(Fact::Known(store.free(range).map_err(failed)?))
            }
        })
    }

    fn hidden(&self) -> Answer {
        match self.asked {
            Asked::Held(_) => Answer::Held(Fact::Unreadable),
            Asked::LastReserved(_) => Answer::LastReserved(Fact::Unreadable),
            Asked::Free(_) => Answer::Free(Fact::Unreadable),
        }
    }

    fn nothing(&self) -> Answer {
        match self.asked {
            Asked::Held(_) => Answer::Held(Fact::Absent),
            Asked::LastReserved(_) => Answer::LastReserved(Fact::Absent),
            Asked::Free(_) => Answer::Free(Fact::Absent),
        }
    }
}

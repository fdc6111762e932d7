//! Queries about leases.

use super::{Answer, Question};
use crate::action::context::{ReadContext, refused};
use crate::machine::MachineError;
use crate::machine::lease::{Store, unreadable};
use crate::policy::{Capability, Grants, Refusal, Resource, Rules};
use crate::value::fact::Reusable;
use crate::value::{AddressRange, Fact, Netns, Owner, StoreRef};
use std::io;
use std::net::IpAddr;

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
    /// See [`Query::Reusable`](super::Query::Reusable).
    Reusable(&'a Owner),
    /// See [`Query::LastReserved`](super::Query::LastReserved).
    LastReserved(u32),
    /// See [`Query::Free`](super::Query::Free).
    Free(AddressRange),
}

impl Leases<'_> {
    /// Those of an owner's addresses that no link of the container has. Without a namespace there are none.
    fn reusable(&self, held: Vec<IpAddr>, cx: &mut ReadContext<'_>) -> Result<Vec<Reusable>, MachineError> {
        if held.is_empty() || !cx.look.has_netns(Netns::Container) {
            return Ok(Vec::new());
        }
        let addresses = cx.look.addresses(Netns::Container, None);
        let addresses = addresses.map_err(|e| refused("failed to list the addresses of the container", e))?;
        let is_used = |ip: &IpAddr| addresses.iter().any(|address| address.address.ip() == *ip);
        let Some(store) = cx.look.stores().planning_store(self.store)? else { return Ok(Vec::new()) };
        let age = |address| {
            let is_of_earlier_boot = store.is_of_earlier_boot(address)?;
            Ok(Reusable { address, is_of_earlier_boot })
        };
        let unused: io::Result<Vec<Reusable>> = held.into_iter().filter(|ip| !is_used(ip)).map(age).collect();
        unused.map_err(|error| unreadable(self.store, error))
    }
}

/// The addresses of an owner, in ascending order.
fn held(store: &mut Store, owner: &Owner) -> io::Result<Vec<IpAddr>> {
    let held = store.held(owner)?;
    let mut held = [held.exact, held.legacy].concat();
    held.sort_unstable();
    Ok(held)
}

impl Question for Leases<'_> {
    fn capability(&self, _grants: &Grants) -> Option<Capability> {
        Some(Capability::Leases)
    }

    fn refuse(&self, grants: &Grants, rules: &Rules<'_>) -> Vec<Refusal> {
        if matches!(self.asked, Asked::Held(owner) | Asked::Reusable(owner) if *owner != grants.attachment.owner())
        {
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
                Answer::Held(Fact::Known(held(store, owner).map_err(failed)?))
            }
            (Asked::Reusable(_), None) => Answer::Reusable(Fact::Known(Vec::new())),
            (Asked::Reusable(owner), Some(store)) => {
                let held = held(store, owner).map_err(failed)?;
                Answer::Reusable(Fact::Known(self.reusable(held, cx)?))
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
            Asked::Reusable(_) => Answer::Reusable(Fact::Unreadable),
            Asked::LastReserved(_) => Answer::LastReserved(Fact::Unreadable),
            Asked::Free(_) => Answer::Free(Fact::Unreadable),
        }
    }

    fn nothing(&self) -> Answer {
        match self.asked {
            Asked::Held(_) => Answer::Held(Fact::Absent),
            Asked::Reusable(_) => Answer::Reusable(Fact::Absent),
            Asked::LastReserved(_) => Answer::LastReserved(Fact::Absent),
            Asked::Free(_) => Answer::Free(Fact::Absent),
        }
    }
}

//! This node: its directories and settings, which every verb needs besides its request, and the machine for it.

use crate::apply::{Journal, StateDir};
use crate::audit::{Audited, Record, Subject};
use crate::cni::CniError;
use crate::machine::lease::Stores;
use crate::machine::linux::Linux;
use crate::machine::netns::NetnsFile;
use crate::policy::{Policy, PolicyError};
use crate::sandbox::cache::Cache;
use std::os::fd::AsFd;
use std::sync::Arc;

/// This node: its directories and settings.
#[derive(Debug)]
pub struct Node {
    /// The journals.
    pub state: StateDir,
    /// Compiled components.
    pub cache: Cache,
    /// The host's own namespace may be the container's (`CNI_NETNS_OVERRIDE`).
    pub netns_override: bool,
    /// The administrator's policy, or why it cannot be used.
    pub policy: Result<Arc<Policy>, PolicyError>,
    /// `TRACEPARENT`: of which trace the call is a part.
    pub traceparent: String,
}

impl Node {
    /// The policy, for all that makes something: one that cannot be used allows nothing (`docs/security.md`, S5).
    pub fn policy(&self) -> Result<&Arc<Policy>, CniError> {
        self.policy.as_ref().map_err(PolicyError::to_cni)
    }

    /// The record for the audit log, if there is one.
    pub fn record<'a>(&'a self, verb: Audited, subject: Subject<'a>) -> Record<'a> {
        let log = self.policy.as_ref().ok().and_then(|policy| policy.content.audit.as_ref());
        Record::begin(log, &self.traceparent, verb, subject)
    }

    /// The machine for one verb, with that container namespace, if it has one.
    pub fn machine(&self, container: Option<NetnsFile>, dry: bool) -> Linux {
        let stores = Stores::real(dry).with_indexes(self.state.lease_indexes());
        Linux::open(container, dry).with_stores(stores)
    }

    /// The machine for a verb that changes an attachment, whose lock its processes hold too.
    pub fn locked_machine(&self, container: Option<NetnsFile>, journal: &Journal) -> Linux {
        self.machine(container, false).with_lock(journal.as_fd())
    }
}

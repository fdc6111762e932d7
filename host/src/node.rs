//! This node: the directories and settings that every verb needs besides its request, and access to the machine.

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

/// The directories and settings of this node.
#[derive(Debug)]
pub struct Node {
    /// The directory of the journals.
    pub state: StateDir,
    /// The cache of compiled components.
    pub cache: Cache,
    /// Whether the container's network namespace may be the host's own (`CNI_NETNS_OVERRIDE`).
    pub netns_override: bool,
    /// The administrator's policy, or the reason why it cannot be used.
    pub policy: Result<Arc<Policy>, PolicyError>,
    /// `TRACEPARENT`: the trace that this call belongs to (W3C Trace Context).
    pub traceparent: String,
}

impl Node {
    /// The policy, for verbs that create something. An unusable policy allows nothing (`docs/security.md`, S5).
    pub fn policy(&self) -> Result<&Arc<Policy>, CniError> {
        self.policy.as_ref().map_err(PolicyError::to_cni)
    }

    /// Starts the record for the audit log. Without an audit log, the record writes nothing.
    pub fn record<'a>(&'a self, verb: Audited, subject: Subject<'a>) -> Record<'a> {
        let log = self.policy.as_ref().ok().and_then(|policy| policy.content.audit.as_ref());
        Record::begin(log, &self.traceparent, verb, subject)
    }

    /// The machine for one verb, with the container's namespace if the request has one.
    pub fn machine(&self, container: Option<NetnsFile>, dry: bool) -> Linux {
        let stores = Stores::real(dry).with_indexes(self.state.lease_indexes());
        Linux::open(container, dry).with_stores(stores)
    }

    /// The machine for a verb that changes an attachment. Child processes inherit the lock of the attachment.
    pub fn locked_machine(&self, container: Option<NetnsFile>, journal: &Journal) -> Linux {
        self.machine(container, false).with_lock(journal.as_fd())
    }
}

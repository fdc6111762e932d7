//! The queries, their answers, and two traits: [`Question`] for a kind of query, [`Facts`] for a source of answers.

use crate::action::context::ReadContext;
use crate::action::rules::port_map::PortOwner;
use crate::machine::MachineError;
use crate::policy::{Capability, Grants, Refusal, Rules};
use crate::value::fact::Reusable;
use crate::value::{AddressRange, Backend, Fact, Firewall, IfName, LinkFact, LinkRef, Owner, StoreRef};
use serde::{Deserialize, Serialize};
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

/// A query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Query {
    /// The link with this name. Answer: [`Answer::Link`].
    Link(LinkRef),
    /// The addresses that an owner has in a lease store. Answer: [`Answer::Held`]. Unless it is a dry run, the first
    /// query about a store locks it.
    Held(StoreRef, Owner),
    /// The addresses of an owner that it may get again. Answer: [`Answer::Reusable`].
    Reusable(StoreRef, Owner),
    /// `last_reserved_ip.N` of a lease store, for one N. Answer: [`Answer::LastReserved`].
    LastReserved(StoreRef, u32),
    /// The free parts of a range. Answer: [`Answer::Free`].
    Free(StoreRef, AddressRange),
    /// The backend for masquerading, if the configuration names none. Answer: [`Answer::Backend`].
    Backend,
    /// The host end of the veth pair whose container end has this name. Answer: [`Answer::HostEnd`].
    HostEnd(IfName),
    /// The firewall of the host, if the configuration names none. Answer: [`Answer::Firewall`].
    Firewall,
    /// The link of the host through which packets to an address leave. Answer: [`Answer::RouteTo`].
    RouteTo(IpAddr),
    /// The owners of these ports of the host, among containers that no longer exist. Answer: [`Answer::PortOwners`].
    StalePorts {
        /// The backend that has the rules.
        backend: Backend,
        /// Whether the rules are of IPv4.
        is_ipv4: bool,
        /// The ports of the host.
        ports: Vec<u16>,
    },
    /// The contents of a file. Answer: [`Answer::File`].
    File(PathBuf),
    /// The contents of the file at the second path, which must be below the directory at the first one, also after all
    /// symbolic links. Only policy asks this query; plugins cannot.
    FileBelow(PathBuf, PathBuf),
}

/// The answer to a query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// The answer to [`Query::Link`].
    Link(Fact<LinkFact>),
    /// The answer to [`Query::Held`], in ascending order.
    Held(Fact<Vec<IpAddr>>),
    /// The answer to [`Query::Reusable`], in ascending order.
    Reusable(Fact<Vec<Reusable>>),
    /// The answer to [`Query::LastReserved`].
    LastReserved(Fact<IpAddr>),
    /// The answer to [`Query::Free`], in ascending order, at most [`MAX_GAPS`](crate::value::fact::MAX_GAPS) ranges.
    Free(Fact<Vec<AddressRange>>),
    /// The answer to [`Query::Backend`].
    Backend(Backend),
    /// The answer to [`Query::HostEnd`].
    HostEnd(Fact<IfName>),
    /// The answer to [`Query::Firewall`].
    Firewall(Firewall),
    /// The answer to [`Query::RouteTo`].
    RouteTo(Fact<IfName>),
    /// The answer to [`Query::StalePorts`].
    PortOwners(Vec<PortOwner>),
    /// The answer to [`Query::File`] and [`Query::FileBelow`]: at most
    /// [`MAX_FILE_BYTES`](crate::value::fact::MAX_FILE_BYTES) bytes.
    File(Fact<Vec<u8>>),
    /// The query failed. The plugin gets this error text.
    Failed(String),
}

impl Answer {
    /// Extends the grants by what the host itself answered: the plugin may use it.
    pub fn grant(&self, grants: &mut Grants) {
        match self {
            Answer::HostEnd(Fact::Known(link)) => grants.host_end = Some(link.clone()),
            Answer::RouteTo(Fact::Known(link)) => drop(grants.routes_to_own.insert(link.clone())),
            Answer::Reusable(Fact::Known(leases)) => {
                grants.reusable.extend(leases.iter().map(|lease| lease.address));
            }
            Answer::PortOwners(owners) => {
                let map = |owner: &PortOwner| (owner.map.backend, owner.map.is_ipv4, owner.map.chain.clone());
                grants.stale_maps.extend(owners.iter().map(map));
            }
            _ => {}
        }
    }

    /// Whether the answer is that this user has no permission to read it.
    pub fn is_unreadable(&self) -> bool {
        match self {
            Answer::Link(fact) => fact.is_unreadable(),
            Answer::Held(fact) => fact.is_unreadable(),
            Answer::Reusable(fact) => fact.is_unreadable(),
            Answer::LastReserved(fact) => fact.is_unreadable(),
            Answer::Free(fact) => fact.is_unreadable(),
            Answer::HostEnd(fact) | Answer::RouteTo(fact) => fact.is_unreadable(),
            Answer::File(fact) => fact.is_unreadable(),
            Answer::Backend(_) | Answer::Firewall(_) | Answer::PortOwners(_) | Answer::Failed(_) => false,
        }
    }

    /// The same answer, with absent instead of unreadable.
    pub fn or_absent(self) -> Self {
        if !self.is_unreadable() {
            return self;
        }
        match self {
            Answer::Link(_) => Answer::Link(Fact::Absent),
            Answer::Held(_) => Answer::Held(Fact::Absent),
            Answer::Reusable(_) => Answer::Reusable(Fact::Absent),
            Answer::LastReserved(_) => Answer::LastReserved(Fact::Absent),
            Answer::Free(_) => Answer::Free(Fact::Absent),
            Answer::HostEnd(_) => Answer::HostEnd(Fact::Absent),
            Answer::RouteTo(_) => Answer::RouteTo(Fact::Absent),
            Answer::File(_) => Answer::File(Fact::Absent),
            other
            @ (Answer::Backend(_) | Answer::Firewall(_) | Answer::PortOwners(_) | Answer::Failed(_)) => other,
        }
    }
}

/// A kind of query. The file that implements this trait holds everything about the kind.
pub trait Question {
    /// The capability that a plugin needs for the query. None: every plugin may ask.
    fn capability(&self, grants: &Grants) -> Option<Capability>;

    /// Why the default policy does not grant the query, apart from the capability. Empty if policy grants it.
    fn refuse(&self, grants: &Grants, rules: &Rules<'_>) -> Vec<Refusal>;

    /// The query as a phrase, for violations: `look at link cni0`.
    fn describe(&self) -> String;

    /// The subject of the query, for the list of unknown facts: `link cni0`.
    fn subject(&self) -> String;

    /// Reads the answer from the machine.
    fn answer(&self, cx: &mut ReadContext<'_>) -> Result<Answer, MachineError>;

    /// Whether an error means that this user has no permission. Only a dry run continues after such an error.
    fn is_hidden(&self, error: &MachineError) -> bool {
        match error {
            MachineError::Netlink { source, .. } | MachineError::File { source, .. } => {
                source.kind() == io::ErrorKind::PermissionDenied
            }
            MachineError::Tool { .. }
            | MachineError::Conflict(_)
            | MachineError::Busy { .. }
            | MachineError::Changed(_)
            | MachineError::Ended(_) => false,
        }
    }

    /// The answer of a dry run without permission.
    fn hidden(&self) -> Answer {
        self.nothing()
    }

    /// The answer to a refused query: absent. The request fails in any case, but the plugin continues first, so that
    /// policy reports all violations at once.
    fn nothing(&self) -> Answer;
}

/// A source of answers: the kernel, a recording, or the parent process across a socket.
pub trait Facts {
    /// Answers a query. The answer is of the query's kind, or [`Answer::Failed`].
    fn ask(&mut self, query: &Query) -> Answer;

    /// A link without its addresses, for sources where these take another request to the kernel.
    fn ask_link_alone(&mut self, link: &LinkRef) -> Answer {
        self.ask(&Query::Link(link.clone()))
    }
}

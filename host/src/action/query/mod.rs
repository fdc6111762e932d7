//! Questions that a planner asks about the machine, and their answers: data both, so that they cross a socket.
//!
//! [`Query::question`] is the only match on the kinds of questions. Everything else goes through the trait [`Question`], which a room implements.

pub mod backends;
mod facts;
pub mod files;
pub mod leases;
pub mod links;
pub mod ports;

pub use facts::{GrantedFacts, MachineFacts};

use super::DeletePortMap;
use super::context::ReadContext;
use crate::machine::MachineError;
use crate::policy::{Capability, Grants, Refusal, Rules};
use crate::value::{AddressRange, Backend, Fact, Firewall, IfName, LinkFact, LinkRef, Owner, StoreRef};
use leases::{Asked, Leases};
use serde::{Deserialize, Serialize};
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

/// A question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Query {
    /// The link of that name: [`Answer::Link`].
    Link(LinkRef),
    /// The addresses that an owner has in a lease store: [`Answer::Held`]. The first question about a store takes its lock, unless dry.
    Held(StoreRef, Owner),
    /// `last_reserved_ip.N` of a lease store, for one N: [`Answer::LastReserved`].
    LastReserved(StoreRef, u32),
    /// The free parts of a range: [`Answer::Free`].
    Free(StoreRef, AddressRange),
    /// What hides addresses when nobody says: [`Answer::Backend`].
    Backend,
    /// The host's end of the veth pair whose other end in the container has that name: [`Answer::HostEnd`].
    HostEnd(IfName),
    /// Who filters what the host forwards, when nobody says: [`Answer::Firewall`].
    Firewall,
    /// The link of the host through which packets to an address leave: [`Answer::RouteTo`].
    RouteTo(IpAddr),
    /// Who has one of these ports of the host, of the containers that are no more: [`Answer::PortOwners`].
    StalePorts {
        /// Where the rules live.
        backend: Backend,
        /// Of which family.
        is_ipv4: bool,
        /// Which ports.
        ports: Vec<u16>,
    },
    /// The contents of a file: [`Answer::File`].
    File(PathBuf),
    /// The same of a file, the second path, that has to be below a directory, whatever symbolic links say. Policy asks it; no plugin does.
    FileBelow(PathBuf, PathBuf),
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// To [`Query::Link`].
    Link(Fact<LinkFact>),
    /// To [`Query::Held`]: ascending.
    Held(Fact<Vec<IpAddr>>),
    /// To [`Query::LastReserved`].
    LastReserved(Fact<IpAddr>),
    /// To [`Query::Free`]: ascending, at most [`MAX_GAPS`](crate::value::fact::MAX_GAPS).
    Free(Fact<Vec<AddressRange>>),
    /// To [`Query::Backend`].
    Backend(Backend),
    /// To [`Query::HostEnd`].
    HostEnd(Fact<IfName>),
    /// To [`Query::Firewall`].
    Firewall(Firewall),
    /// To [`Query::RouteTo`].
    RouteTo(Fact<IfName>),
    /// To [`Query::StalePorts`].
    PortOwners(Vec<PortOwner>),
    /// To [`Query::File`] and [`Query::FileBelow`]: at most
    /// [`MAX_FILE_BYTES`](crate::value::fact::MAX_FILE_BYTES).
    File(Fact<Vec<u8>>),
    /// There is no answer, and the plugin gets this text.
    Failed(String),
}

impl Answer {
    /// Notes what the host itself has answered to a question of the plugin: with that it may go on.
    pub fn grant(&self, grants: &mut Grants) {
        match self {
            Answer::HostEnd(Fact::Known(link)) => grants.host_end = Some(link.clone()),
            Answer::RouteTo(Fact::Known(link)) => drop(grants.routes_to_own.insert(link.clone())),
            Answer::PortOwners(owners) => {
                let map = |owner: &PortOwner| (owner.map.backend, owner.map.is_ipv4, owner.map.chain.clone());
                grants.stale_maps.extend(owners.iter().map(map));
            }
            _ => {}
        }
    }

    /// Whether it is that nobody may look.
    pub fn is_unreadable(&self) -> bool {
        match self {
            Answer::Link(fact) => fact.is_unreadable(),
            Answer::Held(fact) => fact.is_unreadable(),
            Answer::LastReserved(fact) => fact.is_unreadable(),
            Answer::Free(fact) => fact.is_unreadable(),
            Answer::HostEnd(fact) | Answer::RouteTo(fact) => fact.is_unreadable(),
            Answer::File(fact) => fact.is_unreadable(),
            Answer::Backend(_) | Answer::Firewall(_) | Answer::PortOwners(_) | Answer::Failed(_) => false,
        }
    }

    /// The same, where what nobody may look at counts as absent.
    pub fn or_absent(self) -> Self {
        if !self.is_unreadable() {
            return self;
        }
        match self {
            Answer::Link(_) => Answer::Link(Fact::Absent),
            Answer::Held(_) => Answer::Held(Fact::Absent),
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

/// A kind of question. A room is the file that implements this: all that is known of that kind is there.
pub trait Question {
    /// What a plugin needs to ask it; none: anybody may.
    fn capability(&self, grants: &Grants) -> Option<Capability>;

    /// Why the default policy does not grant it, whatever the capability; empty when it does.
    fn refuse(&self, grants: &Grants, rules: &Rules<'_>) -> Vec<Refusal>;

    /// What asking it is: `look at link cni0`.
    fn describe(&self) -> String;

    /// What it is about, for the list of what is not known: `link cni0`.
    fn subject(&self) -> String;

    /// Looks for the answer.
    fn answer(&self, cx: &mut ReadContext<'_>) -> Result<Answer, MachineError>;

    /// Whether an error means that nobody may look. Only a dry run goes on then.
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

    /// The answer of a dry run that may not look.
    fn hidden(&self) -> Answer {
        self.nothing()
    }

    /// The answer to a question that is refused: as if there were nothing. The request fails, but first the plugin goes on, so that all that policy
    /// refuses is reported at once.
    fn nothing(&self) -> Answer;
}

impl Query {
    /// What its room does with it.
    pub fn question(&self) -> Box<dyn Question + '_> {
        match self {
            Query::Link(link) => Box::new(links::Link { link, with_addresses: true }),
            Query::Held(store, owner) => Box::new(Leases { store, asked: Asked::Held(owner) }),
            Query::LastReserved(store, set) => Box::new(Leases { store, asked: Asked::LastReserved(*set) }),
            Query::Free(store, range) => Box::new(Leases { store, asked: Asked::Free(*range) }),
            Query::Backend => Box::new(backends::Tool::Backend),
            Query::HostEnd(name) => Box::new(links::HostEnd { name }),
            Query::Firewall => Box::new(backends::Tool::Firewall),
            Query::RouteTo(address) => Box::new(links::RouteTo { address: *address }),
            Query::StalePorts { backend, is_ipv4, ports } => {
                Box::new(ports::StalePorts { backend: *backend, is_ipv4: *is_ipv4, ports })
            }
            Query::File(path) => Box::new(files::File { path, below: None }),
            Query::FileBelow(directory, path) => Box::new(files::File { path, below: Some(directory) }),
        }
    }
}

/// Why policy does not grant a question to a plugin, its capability included; empty when it does.
pub fn refusals(question: &dyn Question, grants: &Grants, rules: &Rules<'_>) -> Vec<Refusal> {
    let capability = question.capability(grants);
    let mut refusals: Vec<Refusal> =
        capability.and_then(|capability| rules.refuse_capability(capability)).into_iter().collect();
    refusals.extend(question.refuse(grants, rules));
    refusals
}

/// The answer to a question; of what a dry run may not look at, [`Question::hidden`].
pub fn answer(question: &dyn Question, cx: &mut ReadContext<'_>) -> Result<Answer, MachineError> {
    match question.answer(cx) {
        Err(error) if cx.look.is_dry() && question.is_hidden(&error) => Ok(question.hidden()),
        answered => answered,
    }
}

/// Somebody to whom ports of the host lead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortOwner {
    /// As the rules name it; those of nftables do not.
    pub network: Option<String>,
    /// As the rules name it.
    pub container: String,
    /// Where they lead.
    pub address: Option<IpAddr>,
    /// What removes them.
    pub map: DeletePortMap,
}

/// Whoever can answer: the kernel, a recording, the parent across a socket.
pub trait Facts {
    /// Answers a question; each kind of question gets its kind of answer, or [`Answer::Failed`].
    fn ask(&mut self, query: &Query) -> Answer;

    /// A link without its addresses, where those would cost another question to the kernel.
    fn ask_link_alone(&mut self, link: &LinkRef) -> Answer {
        self.ask(&Query::Link(link.clone()))
    }
}

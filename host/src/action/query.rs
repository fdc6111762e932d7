//! Questions that a planner asks about the machine, and their answers: data both, so that they cross a socket.

use super::DeletePortMap;
use crate::value::{AddressRange, Backend, Fact, Firewall, IfName, LinkFact, LinkRef, Owner, StoreRef};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::path::PathBuf;

/// A question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Query {
    /// The link of that name: [`Answer::Link`].
    Link(LinkRef),
    /// The addresses that an owner has in a lease store: [`Answer::Held`]. The first question about a store takes its lock,
    /// unless dry.
    Held(StoreRef, Owner),
    /// `last_reserved_ip.N` of a lease store, for one N: [`Answer::LastReserved`].
    LastReserved(StoreRef, u32),
    /// The free parts of a range: [`Answer::Free`].
    Free(StoreRef, AddressRange),
    /// What hides addresses when nobody says: [`Answer::Backend`].
    Backend,
    /// The host's end of the veth pair whose other end in the container has that name: [`Answer::HostEnd`].
    HostEnd(IfName),
    /// Who is told what the host passes on, when nobody says: [`Answer::Firewall`].
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
    /// The same of a file, the second path, that has to be below a directory, whatever symbolic links say. Policy asks it; no
    /// plugin does.
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
    /// To [`Query::Free`]: ascending, at most [`MAX_GAPS`].
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
    /// To [`Query::File`] and [`Query::FileBelow`]: at most [`MAX_FILE_BYTES`].
    File(Fact<Vec<u8>>),
    /// It cannot be told, and the plugin gets this text.
    Failed(String),
}

/// Somebody to whom ports of the host lead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortOwner {
    /// As the rules tell it; nftables' do not.
    pub network: Option<String>,
    /// As the rules tell it.
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

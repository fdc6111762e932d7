//! The machine: the port through which it is looked at and changed, and what serves that.

mod beside;
pub mod difference;
pub mod errno;
pub mod fake;
pub mod host;
pub mod iptables;
pub mod lease;
pub mod linux;
pub mod nft;
pub mod port;
pub mod rules;
pub mod saved;
pub mod step;
pub mod sysctl;
#[cfg(test)]
pub(crate) mod testing;
pub mod vlans;

pub use difference::Difference;
// Until the rooms are used.
pub use linux::old::{firewalld, native, netlink};
pub use linux::{netns, process};

use crate::action::{Action, Facts};
use crate::action::{
    CheckSourceMac, Delegate, DeletePortMap, FilterRule, LinkAttribute, MapPorts, Masquerade, MasqueradeNft,
    ReserveLease, Shape,
};
use crate::signal::Ended;
use crate::value::{Backend, IfName, LinkIdentity, LinkRef, Mac, Netns, SysctlKey};
use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

/// A machine that can be changed: the real one, or a stand-in that fails on purpose.
pub trait Kernel: Facts {
    /// The state that each action of a step finds, read before it is done: with it a killed step can be undone.
    fn observe(&mut self, step: &[Action]) -> Vec<Before>;

    /// Does a step, as one batch where there is one, and tells one outcome per action.
    fn execute(&mut self, step: &[Action]) -> Vec<Outcome>;

    /// Undoes, in the given order, after having seen that each thing is still the one meant.
    fn undo(&mut self, undos: &[Undo]) -> Vec<Undone>;

    /// How the machine differs from what the actions made: a list for each action, empty where it does not.
    fn verify(&mut self, actions: &[Action]) -> Vec<Vec<Difference>>;

    /// Ends what is held between planning and the first step: the locks of lease stores.
    fn unlock_leases(&mut self);
}

/// What was there before an action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Before {
    /// Nothing: what the action makes is ours.
    Absent,
    /// The very thing, already: the action will not make it.
    Present,
    /// Another value in its place: of a sysctl ([`sysctl::saved`]), of an attribute of a link, of `last_reserved_ip.N`; of an address to delete, the
    /// address; of a port map or a filter's rule, what it shares with others and was there.
    Value(String),
    /// It could not be read.
    Unknown,
}

/// What became of an action.
#[derive(Debug)]
pub enum Outcome {
    /// Done.
    Done(Effect),
    /// Refused or failed; it changed nothing.
    Failed(MachineError),
    /// Failed, perhaps when it was done or half done: undo looks at what is there.
    Halfway(MachineError),
    /// Not begun, because one before it in the step failed.
    NotTried,
}

impl From<Result<Effect, MachineError>> for Outcome {
    /// Of an action that is done in whole or not at all.
    fn from(result: Result<Effect, MachineError>) -> Self {
        result.map_or_else(Outcome::Failed, Outcome::Done)
    }
}

/// What an action changed: all that undo goes by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// Links that did not exist: each with what identifies it.
    CreatedLinks(Vec<LinkIdentity>),
    /// Something else that did not exist.
    Created,
    /// It was there already: undo leaves it.
    AlreadyThere,
    /// It failed, and may have been done all the same: undo goes by what was there before.
    Unclear,
    /// Another value stood there: of a sysctl ([`sysctl::saved`]), of an attribute of a link, of `last_reserved_ip.N`; the address that was deleted, in prefix
    /// notation, perhaps followed by more that is known of it; for rules, `table`, or
    /// the chains that are shared with others: they were there already.
    Replaced(String),
}

/// The inverse of something that was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Undo {
    /// Deletes a link if index, kind and alias are still those (the MAC too, where it has no alias).
    DeleteLink(LinkIdentity),
    /// Deletes a link of that name and alias: an unfinished step did not tell its index.
    DeleteLinkByAlias {
        /// In the host's namespace.
        name: IfName,
        /// Shows it to be ours.
        alias: String,
    },
    /// Deletes a bridge of ours that has no port and carries no address but those given.
    DeleteEmptyBridge {
        /// In the host's namespace.
        name: IfName,
        /// The MAC that we made it with.
        mac: Mac,
        /// The addresses that we gave it.
        addresses: Vec<IpNetwork>,
    },
    /// Removes an address from a link.
    DeleteAddress {
        /// From which.
        link: LinkRef,
        /// With its prefix length.
        address: IpNetwork,
    },
    /// Adds an address again that was deleted, if the link is there and has no such address.
    RestoreAddress {
        /// On which.
        link: LinkRef,
        /// With its prefix length.
        address: IpNetwork,
        /// What was known of it: see [`Effect::Replaced`].
        saved: String,
    },
    /// Takes a link down again, unless it has IPv6 addresses that would not come back: the kernel removes them.
    SetDown {
        /// Which.
        link: LinkRef,
    },
    /// Lets a link take only its own frames again.
    ClearPromiscuous {
        /// Which.
        link: LinkRef,
    },
    /// Gives an attribute of a link its old value, if it still has the one that was set.
    RestoreLink {
        /// Which link.
        link: LinkRef,
        /// What was set; none: whatever it has.
        set: Option<LinkAttribute>,
        /// What it had before.
        old: LinkAttribute,
    },
    /// Removes the file in which a link was saved.
    ForgetLink {
        /// Which file.
        path: PathBuf,
    },
    /// Writes a sysctl's old value, if it still has the one that was written.
    RestoreSysctl {
        /// Whose.
        netns: Netns,
        /// Which.
        key: SysctlKey,
        /// What was written.
        written: String,
        /// What stood there: [`sysctl::saved`].
        old: String,
    },
    /// Deletes the rules of an address, and the chain when nothing is left in it.
    DeleteMasquerade(Masquerade),
    /// Deletes the rule of an address from nftables.
    DeleteMasqueradeNft {
        /// Which.
        rule: MasqueradeNft,
        /// The table goes too, when nothing is left in it.
        table: bool,
    },
    /// Deletes the rules of mapped ports.
    DeleteMapPorts {
        /// Which.
        ports: MapPorts,
        /// The shared chains, or the table, that go too when nobody uses them.
        unmake: Vec<String>,
    },
    /// Deletes all rules of mapped ports of a container.
    DeletePortMap(DeletePortMap),
    /// Deletes the chains that check a source MAC, and the jump to them.
    DeleteCheckSourceMac {
        /// Which.
        check: CheckSourceMac,
        /// The table goes too, when nothing is left in it.
        table: bool,
    },
    /// Deletes what the host passes on.
    DeleteFilter {
        /// Which.
        rule: FilterRule,
        /// The shared chains, and what isolates a bridge, that go too when nobody uses them.
        unmake: Vec<String>,
    },
    /// Ends what holds packets of a link back, as far as it is ours.
    Unshape {
        /// What that is.
        shape: Shape,
        /// The length of the link's queue before, in packets: the kernel gives a link without one another with its first bucket.
        queue_length: Option<u32>,
    },
    /// Deletes an ifb of the reference's: of that name, and without an alias.
    DeleteIfb {
        /// In the host's namespace.
        name: IfName,
    },
    /// Executes a native plugin for DEL.
    EndDelegate(Delegate),
    /// Removes a lease if its file still names its owner.
    ReleaseLease(ReserveLease),
    /// Puts `last_reserved_ip.N` back, if it still holds the address; no old value removes it.
    RestoreLastReserved {
        /// The lease with which it was written.
        lease: ReserveLease,
        /// What stood there.
        old: Option<IpAddr>,
    },
}

/// What became of an undo.
#[derive(Debug)]
pub enum Undone {
    /// It was there and is gone.
    Done,
    /// It was gone already.
    Gone,
    /// What is there is not the one meant, or somebody uses it: left, with the reason.
    Left(String),
    /// It is still there.
    Failed(MachineError),
}

/// Why the kernel, a file or a tool refused. The text names the thing; the cause is its source.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// A netlink request was answered with an error, or not at all.
    #[error("{what}")]
    Netlink {
        /// What was tried: `failed to create bridge "cni0"`.
        what: String,
        /// The kernel's answer.
        #[source]
        source: std::io::Error,
    },
    /// A file could not be read or written.
    #[error("{what}")]
    File {
        /// What was tried, with the path.
        what: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A tool (`iptables-restore`) could not be run or failed.
    #[error("{what}: {message}")]
    Tool {
        /// Which, with its arguments.
        what: String,
        /// What it said.
        message: String,
    },
    /// The thing is there and is something else.
    #[error("{0}")]
    Conflict(String),
    /// Somebody holds what is needed, and the wait is over.
    #[error("{what} is held by somebody else for {seconds} s")]
    Busy {
        /// Which lock.
        what: String,
        /// How long we waited.
        seconds: u64,
    },
    /// Somebody changed it while it was looked at, without taking its lock.
    #[error("{0}: try again")]
    Changed(String),
    /// A signal asked us to end.
    #[error(transparent)]
    Ended(#[from] Ended),
}

/// The address that the kernel gave to `lo` because that came up: it does so again next time, if there is no other one.
fn given_to_loopback(link: &LinkRef, addresses: &[IpNetwork]) -> Option<IpNetwork> {
    let mut v4 = addresses.iter().filter(|address| address.is_ipv4());
    let only = v4.next().filter(|_| v4.next().is_none() && link.name.as_str() == "lo");
    only.copied().filter(|address| address.ip() == Ipv4Addr::LOCALHOST && address.prefix() == 8)
}

/// What a port map shares with others and may have made: chains and rules of iptables, or a table of nftables.
pub fn shared_by(ports: &MapPorts) -> Vec<String> {
    match ports.backend {
        Backend::Iptables => iptables::portmap::shared_by(ports),
        Backend::Nftables => vec![nft::portmap::TABLE.to_owned()],
    }
}

/// Whether a program is on the search path.
fn on_path(program: &str) -> bool {
    find_on_path(program).is_some()
}

/// The first program of that name on the search path.
fn find_on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|path| path.is_file())
}

impl MachineError {
    /// Whether a file system is full or cannot be written to.
    pub fn is_storage(&self) -> bool {
        use std::io::ErrorKind::{ReadOnlyFilesystem, StorageFull};
        matches!(self, MachineError::File { source, .. } if matches!(source.kind(), StorageFull | ReadOnlyFilesystem))
    }

    /// Whether the same call may succeed a little later: CNI code 11.
    pub fn is_retryable(&self) -> bool {
        match self {
            MachineError::Netlink { source, .. } => {
                matches!(source.kind(), std::io::ErrorKind::ResourceBusy | std::io::ErrorKind::Interrupted)
            }
            MachineError::Busy { .. } | MachineError::Changed(_) | MachineError::Ended(_) => true,
            MachineError::File { .. } | MachineError::Tool { .. } | MachineError::Conflict(_) => false,
        }
    }
}

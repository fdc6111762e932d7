//! Start states: what others did before the test.

use super::faulty::Gate;
use super::link::Link;
use super::space::DEFAULT_MTU;
use super::{FakeMachine, Program};
use nix::errno::Errno;
use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use wasm_cni::machine::port::Address;
use wasm_cni::machine::rules::{Listing, TableId};
use wasm_cni::value::{LinkFact, LinkRef, Netns, StoreRef, SysctlKey};

impl FakeMachine {
    /// Adds a link with the attributes of a [`LinkFact`]. Its index is always the next one, and its master must exist.
    ///
    /// A bridge with another MTU than 1500 keeps it, like a bridge whose MTU a user has set.
    /// Fails where the kernel would: the name is taken, the master is not a bridge, or an address occurs twice.
    pub fn with_link(mut self, fact: LinkFact) -> io::Result<Self> {
        self.try_link(&fact)?;
        Ok(self)
    }

    /// Adds a veth pair: the deletion of one end deletes the other. For errors, see [`FakeMachine::with_link`].
    pub fn with_pair(mut self, first: LinkFact, second: LinkFact) -> io::Result<Self> {
        let (one, other) = (self.try_link(&first)?, self.try_link(&second)?);
        self.state.spaces.join((first.netns, one), (second.netns, other))?;
        Ok(self)
    }

    /// Adds an address with all its attributes to a link that exists.
    pub fn with_address(mut self, link: &LinkRef, address: Address) -> io::Result<Self> {
        let space = self.state.spaces.at(link.netns)?;
        let index = space.find(link.name.as_str()).ok_or(Errno::ENODEV)?.index;
        space.add_address(index, address)?;
        Ok(self)
    }

    /// Sets a parameter, or adds one. Unlike a write, this does not change other parameters.
    pub fn with_sysctl(mut self, netns: Netns, key: &SysctlKey, value: &str) -> Self {
        if let Ok(space) = self.state.spaces.at(netns) {
            space.sysctls.put(key.as_str(), value);
        }
        self
    }

    /// Adds a file with any content to a lease store: a lease, `last_reserved_ip.N` or something else.
    pub fn with_lease_file(self, store: &StoreRef, name: &str, content: &str) -> Self {
        self.leases.write(store, name, content);
        self
    }

    /// Adds a file that a plugin may read.
    pub fn with_file(mut self, path: impl Into<PathBuf>, contents: &[u8]) -> Self {
        self.state.files.insert(path.into(), contents.to_vec());
        self
    }

    /// Adds an executable, such as a native plugin.
    pub fn with_program(mut self, path: impl Into<PathBuf>, program: Program) -> Self {
        self.state.programs.insert(path.into(), program);
        self
    }

    /// Replaces the rules of a table. Rules of nftables get handles.
    pub fn with_table(self, table: TableId, listing: Listing) -> Self {
        self.tables.put(table, listing);
        self
    }

    /// Adds a running firewalld.
    pub fn with_firewalld(mut self) -> Self {
        self.state.zones = Some(BTreeSet::new());
        self
    }

    /// Removes the container's namespace, with all its links.
    pub fn without_container(mut self) -> Self {
        self.state.spaces.remove_container();
        self
    }

    /// Puts another container in the place of the one before. The host's ends of its veth pairs stay, without a peer.
    pub fn with_another_container(mut self) -> Self {
        self.state.spaces.replace_container();
        self
    }

    /// Removes a program from `PATH`.
    pub fn without_program(mut self, program: &str) -> Self {
        self.state.missing.insert(program.to_owned());
        self
    }

    /// Makes the kernel answer every query with this error.
    pub fn with_refusal(mut self, errno: Errno) -> Self {
        self.state.refusal = Some(errno);
        self
    }

    /// Makes the machine read-only: nothing can be changed, and no lock is taken.
    pub fn dry(self) -> Self {
        self.behind(Gate::new(true))
    }

    fn try_link(&mut self, fact: &LinkFact) -> io::Result<u32> {
        let space = self.state.spaces.at(fact.netns)?;
        let mut link = Link::new(fact.name.as_str(), &fact.kind, fact.mac, fact.mtu);
        link.mtu_fixed = fact.mtu != DEFAULT_MTU;
        link.set_alias(fact.alias.as_deref().unwrap_or_default())?;
        let index = space.add(link)?;
        if let Some(master) = fact.master {
            space.enslave(index, master)?;
        }
        if fact.up {
            space.set_up(index)?;
        }
        for address in &fact.addresses {
            space.add_address(index, Address::new(*address))?;
        }
        Ok(index)
    }
}

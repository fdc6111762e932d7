//! Start states: what somebody did before.

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
    /// With a link as [`LinkFact`] has it; its index is the next one, whatever the fact says, and a master has to be there.
    ///
    /// A bridge whose MTU is not 1500 keeps it, as one that was set does.
    ///
    /// # Errors
    /// What the kernel would refuse: a name that is taken, a master that is no bridge, an address twice.
    pub fn with_link(mut self, fact: LinkFact) -> io::Result<Self> {
        self.try_link(&fact)?;
        Ok(self)
    }

    /// With a veth pair: deleting one end deletes the other. Errors are those of [`FakeMachine::with_link`].
    pub fn with_pair(mut self, first: LinkFact, second: LinkFact) -> io::Result<Self> {
        let (one, other) = (self.try_link(&first)?, self.try_link(&second)?);
        self.state.spaces.join((first.netns, one), (second.netns, other))?;
        Ok(self)
    }

    /// With an address of a link that is there, and all that is known of it.
    pub fn with_address(mut self, link: &LinkRef, address: Address) -> io::Result<Self> {
        let space = self.state.spaces.at(link.netns)?;
        let index = space.find(link.name.as_str()).ok_or(Errno::ENODEV)?.index;
        space.add_address(index, address)?;
        Ok(self)
    }

    /// With another value of a parameter, or with one that this machine does not know by itself. What the kernel does because of a write does not happen.
    pub fn with_sysctl(mut self, netns: Netns, key: &SysctlKey, value: &str) -> Self {
        if let Ok(space) = self.state.spaces.at(netns) {
            space.sysctls.put(key.as_str(), value);
        }
        self
    }

    /// With a file in a lease store, whatever is in it: `last_reserved_ip.N`, or nothing of a lease.
    pub fn with_lease_file(self, store: &StoreRef, name: &str, content: &str) -> Self {
        self.leases.write(store, name, content);
        self
    }

    /// With a file that a plugin may read.
    pub fn with_file(mut self, path: impl Into<PathBuf>, contents: &[u8]) -> Self {
        self.state.files.insert(path.into(), contents.to_vec());
        self
    }

    /// With an executable, such as a native plugin.
    pub fn with_program(mut self, path: impl Into<PathBuf>, program: Program) -> Self {
        self.state.programs.insert(path.into(), program);
        self
    }

    /// With rules in a table, in the place of what was there. Rules of nftables get handles.
    pub fn with_table(self, table: TableId, listing: Listing) -> Self {
        self.tables.put(table, listing);
        self
    }

    /// With firewalld.
    pub fn with_firewalld(mut self) -> Self {
        self.state.zones = Some(BTreeSet::new());
        self
    }

    /// With a container that is gone, and with it every link that was in it.
    pub fn without_container(mut self) -> Self {
        self.state.spaces.remove_container();
        self
    }

    /// Without a program on the search path.
    pub fn without_program(mut self, program: &str) -> Self {
        self.state.missing.insert(program.to_owned());
        self
    }

    /// With a kernel that answers to whoever looks with this error.
    pub fn with_refusal(mut self, errno: Errno) -> Self {
        self.state.refusal = Some(errno);
        self
    }

    /// Only for looking: nothing is changed, no lock is taken.
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

//! Start states: what somebody did before.

use super::FakeMachine;
use super::link::Link;
use super::space::DEFAULT_MTU;
use nix::errno::Errno;
use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use wasm_cni::machine::port::Address;
use wasm_cni::machine::rules::{Listing, TableId};
use wasm_cni::value::{LinkFact, LinkRef, Netns, Owner, StoreRef, SysctlKey};

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

    /// With a veth pair: deleting one end deletes the other.
    ///
    /// # Errors
    /// As [`FakeMachine::with_link`].
    pub fn with_pair(mut self, first: LinkFact, second: LinkFact) -> io::Result<Self> {
        let (one, other) = (self.try_link(&first)?, self.try_link(&second)?);
        let places = [(first.netns, one, (second.netns, other)), (second.netns, other, (first.netns, one))];
        for (netns, index, peer) in places {
            self.spaces.get_mut(netns).ok_or(Errno::ENODEV)?.get_mut(index)?.peer = Some(peer);
        }
        Ok(self)
    }

    /// With an address of a link, and all that is known of it.
    ///
    /// # Errors
    /// As [`FakeMachine::with_link`]; there is no such link.
    pub fn with_address(mut self, link: &LinkRef, address: Address) -> io::Result<Self> {
        let space = self.spaces.get_mut(link.netns).ok_or(Errno::ENODEV)?;
        let index = space.find(link.name.as_str()).ok_or(Errno::ENODEV)?.index;
        space.add_address(index, address.address)?;
        self.known.push((link.clone(), address));
        Ok(self)
    }

    /// With another value of a parameter, or with one that this machine does not know by itself. What the kernel does because of a write does not happen.
    pub fn with_sysctl(mut self, netns: Netns, key: &SysctlKey, value: &str) -> Self {
        if let Some(space) = self.spaces.get_mut(netns) {
            space.sysctls.put(key.as_str(), value);
        }
        self
    }

    /// With a lease, as if its set had handed out others since: `last_reserved_ip.N` is not written.
    pub fn with_lease(self, store: &StoreRef, address: IpAddr, owner: &Owner) -> Self {
        self.leases.put(store, &address.to_string(), &format!("{}\r\n{}", owner.container, owner.interface));
        self
    }

    /// With `last_reserved_ip.N`.
    pub fn with_last_reserved(self, store: &StoreRef, set: u32, address: IpAddr) -> Self {
        self.leases.put(store, &format!("last_reserved_ip.{set}"), &address.to_string());
        self
    }

    /// With a file in a lease store, whatever is in it.
    pub fn with_lease_file(self, store: &StoreRef, name: &str, content: &str) -> Self {
        self.leases.put(store, name, content);
        self
    }

    /// With a file that a plugin may read.
    pub fn with_file(mut self, path: impl Into<PathBuf>, contents: &[u8]) -> Self {
        self.files.insert(path.into(), contents.to_vec());
        self
    }

    /// With rules in a table, in the place of what was there. Rules of nftables get handles.
    pub fn with_table(self, table: TableId, listing: Listing) -> Self {
        self.tables.put(table, listing);
        self
    }

    /// With firewalld.
    pub fn with_firewalld(mut self) -> Self {
        self.zones = Some(BTreeSet::new());
        self
    }

    /// With a container that is gone, and with it every link that was in it.
    pub fn without_container(mut self) -> Self {
        self.spaces.remove_container();
        self
    }

    /// Without a program on the search path.
    pub fn without_program(mut self, program: &str) -> Self {
        self.programs.missing.insert(program.to_owned());
        self
    }

    /// With programs that end with this status and print this.
    pub fn with_programs_that(mut self, status: i32, printed: &str) -> Self {
        (self.programs.status, self.programs.printed) = (status, printed.to_owned());
        self
    }

    /// With a kernel that answers to whoever looks with this error.
    pub fn with_refusal(mut self, errno: Errno) -> Self {
        self.refusal = Some(errno);
        self
    }

    /// Only for looking: nothing is changed, no lock is taken.
    pub fn dry(mut self) -> Self {
        self.dry = true;
        self.stores = self.leases.stores(true);
        self
    }

    fn try_link(&mut self, fact: &LinkFact) -> io::Result<u32> {
        let space = self.spaces.get_mut(fact.netns).ok_or(Errno::ENODEV)?;
        if space.find(fact.name.as_str()).is_some() {
            return Err(Errno::EEXIST.into());
        }
        let mut link = Link::new(fact.name.as_str(), &fact.kind, fact.mac, fact.mtu);
        link.mtu_fixed = fact.mtu != DEFAULT_MTU;
        link.check()?;
        link.set_alias(fact.alias.as_deref().unwrap_or_default())?;
        let index = space.insert(link);
        if let Some(master) = fact.master {
            space.enslave(index, master)?;
        }
        if fact.up {
            space.set_up(index)?;
        }
        for address in &fact.addresses {
            space.add_address(index, *address)?;
        }
        Ok(index)
    }
}

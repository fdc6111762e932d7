//! Start states: what somebody did before.

use super::FakeKernel;
use super::execute::answer;
use super::link::Link;
use crate::action::{CheckSourceMac, Masquerade, MasqueradeNft, ReserveLease};
use crate::machine::MachineError;
use crate::machine::step::DEFAULT_MTU;
use crate::value::{LinkFact, Netns, StoreRef, SysctlKey};
use nix::errno::Errno;
use std::net::IpAddr;
use std::path::PathBuf;

impl FakeKernel {
    /// With a link as [`LinkFact`] tells it; its index is the next one, whatever the fact says, and a master has to be there.
    ///
    /// A bridge whose MTU is not 1500 keeps it, as one that was set does.
    ///
    /// # Errors
    /// What the kernel would refuse: a name that is taken, a master that is no bridge, an address twice.
    pub fn with_link(mut self, fact: LinkFact) -> Result<Self, MachineError> {
        let what = format!("failed to make link {:?}", fact.name.as_str());
        self.try_link(&fact).map_err(|errno| answer(what, errno))?;
        Ok(self)
    }

    /// With a veth pair: deleting one end deletes the other.
    ///
    /// # Errors
    /// As [`FakeKernel::with_link`].
    pub fn with_pair(mut self, first: LinkFact, second: LinkFact) -> Result<Self, MachineError> {
        let what = format!("failed to make veth pair {:?}", first.name.as_str());
        let mut pair = || {
            let (one, other) = (self.try_link(&first)?, self.try_link(&second)?);
            self.machine.in_space(first.netns)?.get_mut(one)?.peer = Some((second.netns, other));
            self.machine.in_space(second.netns)?.get_mut(other)?.peer = Some((first.netns, one));
            Ok(())
        };
        pair().map_err(|errno| answer(what, errno))?;
        Ok(self)
    }

    /// With another value of a parameter, or with one that this machine does not know by itself. What the kernel does because
    /// of a write does not happen.
    pub fn with_sysctl(mut self, netns: Netns, key: &SysctlKey, value: &str) -> Self {
        if let Some(space) = self.machine.space_mut(netns) {
            space.sysctls.put(key.as_str(), value);
        }
        self
    }

    /// With a lease, as if its set had handed out others since: `last_reserved_ip.N` is not written.
    pub fn with_lease(mut self, lease: &ReserveLease) -> Self {
        let store = self.stores.stores.entry(lease.store.clone()).or_default();
        store.leases.insert(lease.address, lease.owner.clone());
        self
    }

    /// With a file that a plugin may read.
    pub fn with_file(mut self, path: impl Into<PathBuf>, contents: &[u8]) -> Self {
        self.files.insert(path.into(), contents.to_vec());
        self
    }

    /// With `last_reserved_ip.N`.
    pub fn with_last_reserved(mut self, store: &StoreRef, set: u32, address: IpAddr) -> Self {
        self.stores.stores.entry(store.clone()).or_default().last.insert(set, address);
        self
    }

    /// With the rules of an address.
    ///
    /// # Errors
    /// A chain or a comment that cannot be.
    pub fn with_masquerade(mut self, rules: &Masquerade) -> Result<Self, MachineError> {
        for result in self.nat.add(&[rules]).into_iter().flatten() {
            result?;
        }
        Ok(self)
    }

    /// With the rule of an address in nftables, and its table.
    pub fn with_masquerade_nft(mut self, rule: &MasqueradeNft) -> Self {
        self.nft.masquerade(&[rule]);
        self
    }

    /// With the rules of a source MAC, and their table.
    pub fn with_source_mac(mut self, check: &CheckSourceMac) -> Self {
        self.nft.check_source_mac(check);
        self
    }

    /// With a container that is gone, and with it every link that was in it.
    pub fn without_container(mut self) -> Self {
        self.machine.remove_container();
        self
    }

    /// Only for looking: nothing is changed, no lock is taken.
    pub fn dry(mut self) -> Self {
        self.dry = true;
        self
    }

    /// Whether the store's lock is held by this.
    pub fn holds_lock(&self, store: &StoreRef) -> bool {
        self.stores.locked.contains(store)
    }

    fn try_link(&mut self, fact: &LinkFact) -> Result<u32, Errno> {
        let space = self.machine.in_space(fact.netns)?;
        if space.find(fact.name.as_str()).is_some() {
            return Err(Errno::EEXIST);
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

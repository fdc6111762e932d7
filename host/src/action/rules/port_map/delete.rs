//! Removal of the rules that forward ports of the host to a container that no longer exists.

use super::ports::DeletePortMap;
use super::{command, failed, iptables, nft, table};
use crate::action::Undo;
use crate::action::check::{Check, required};
use crate::action::context::ReadContext;
use crate::action::kind::Kind;
use crate::action::profile::{Lane, Profile, Removal, RuleRemoval, RuleSet, UndoLane};
use crate::action::record::{Before, Difference, Effect, Undoing};
use crate::action::undo::Inverse;
use crate::machine::MachineError;
use crate::machine::rules::{Edit, Listing, TableError, TableId};
use crate::policy::{Capability, Refusal};
use crate::value::Backend;

impl RuleSet for DeletePortMap {
    fn table(&self) -> TableId {
        table(self.backend, self.is_ipv4)
    }

    fn check(&self) -> Result<(), MachineError> {
        match self.backend {
            Backend::Iptables => iptables::check_chain(&self.chain),
            // The comment is only compared, never written to a script.
            Backend::Nftables => Ok(()),
        }
    }

    fn add(&self, now: &Listing) -> Vec<Edit> {
        match self.backend {
            Backend::Iptables => iptables::evict(self, now),
            Backend::Nftables => nft::evict(self, now),
        }
    }

    fn effect(&self, _before: &Listing, _is_changed: bool) -> Effect {
        // The container no longer exists, so undo does not add its rules again.
        Effect::AlreadyThere
    }

    fn missing(&self, _now: &Listing) -> Vec<Difference> {
        Vec::new()
    }

    fn failed(&self, error: TableError) -> MachineError {
        failed(self.backend, error)
    }
}

impl Kind for DeletePortMap {
    fn profile(&self) -> Profile<'_> {
        Profile::new(Lane::Rules(self), Capability::Nat)
    }

    fn commands(&self) -> Vec<String> {
        command::removal(self)
    }

    fn refuse(&self, check: &Check<'_>) -> Vec<Refusal> {
        let is_stale = check.grants.stale_maps.contains(&(self.backend, self.is_ipv4, self.chain.clone()));
        required(is_stale, "only rules of a container that is no more make room")
    }

    fn observe(&self, _cx: &mut ReadContext<'_>) -> Before {
        Before::Present
    }

    fn undos(&self, _undoing: &Undoing<'_>) -> Vec<Undo> {
        Vec::new()
    }

    fn verify(&self, _cx: &mut ReadContext<'_>) -> Result<Vec<Difference>, MachineError> {
        // CHECK does not compare anything: the removal is permanent.
        Ok(Vec::new())
    }
}

impl RuleRemoval for DeletePortMap {
    fn table(&self) -> TableId {
        RuleSet::table(self)
    }

    fn check(&self) -> Result<(), MachineError> {
        RuleSet::check(self)
    }

    fn remove(&self, now: &Listing) -> Result<Removal, String> {
        Ok(Removal { edits: self.add(now), look_again: false })
    }

    fn failed(&self, error: TableError) -> MachineError {
        failed(self.backend, error)
    }
}

impl Inverse for DeletePortMap {
    fn lane(&self) -> UndoLane<'_> {
        UndoLane::Rules(self)
    }

    fn command(&self) -> String {
        command::removal(self).join("; ")
    }
}

//! Masquerading with iptables: the chain of a container, its rules and the jump to it (reference:
//! pkg/ip/ipmasq_iptables_linux.go).

mod chain;
mod find;

pub use chain::Masquerade;
pub use find::{find, of_network};

use crate::action::Undo;
use crate::action::check::{Check, NAMED, required};
use crate::action::context::ReadContext;
use crate::action::kind::Kind;
use crate::action::profile::{Lane, Profile, Removal, RuleRemoval, RuleSet, UndoLane};
use crate::action::record::{Before, Difference, Effect, Undoing};
use crate::action::rules::{commands, is_listed};
use crate::action::undo::Inverse;
use crate::machine::MachineError;
use crate::machine::rules::iptables;
use crate::machine::rules::{Edit, Listing, TableError, TableId};
use crate::policy::{Capability, Refusal};
use crate::value::shell::word;
use crate::value::{Backend, derive};

impl RuleSet for Masquerade {
    fn table(&self) -> TableId {
        self.table_of_family()
    }

    fn check(&self) -> Result<(), MachineError> {
        self.check_words()
    }

    fn add(&self, now: &Listing) -> Vec<Edit> {
        now.iptables().map(|now| self.edits(now)).unwrap_or_default().into_iter().map(Edit::from).collect()
    }

    fn effect(&self, before: &Listing, _is_changed: bool) -> Effect {
        let is_there = |before: &iptables::Listing| {
            self.wanted().iter().filter_map(iptables::Edit::rule).all(|rule| before.has(rule))
        };
        if before.iptables().is_some_and(is_there) { Effect::AlreadyThere } else { Effect::Created }
    }

    fn missing(&self, now: &Listing) -> Vec<Difference> {
        let edits = now.iptables().map(|now| self.edits(now)).unwrap_or_default();
        Difference::all(iptables::Edit::missing(&edits), self.clone())
    }

    fn failed(&self, error: TableError) -> MachineError {
        iptables::failed(error)
    }
}

impl Kind for Masquerade {
    fn profile(&self) -> Profile<'_> {
        Profile::new(Lane::Rules(self), Capability::Nat)
    }

    fn commands(&self) -> Vec<String> {
        commands(self)
    }

    fn refuse(&self, check: &Check<'_>) -> Vec<Refusal> {
        let own = &check.grants.attachment;
        let is_named = self.chain == derive::chain(own) && self.comment == derive::comment(own);
        [required(is_named, NAMED), check.masquerade(self.address, Backend::Iptables)].concat()
    }

    fn observe(&self, _cx: &mut ReadContext<'_>) -> Before {
        // The comment shows which rules are ours. A listing would take longer than adding them.
        Before::Absent
    }

    fn undos(&self, undoing: &Undoing<'_>) -> Vec<Undo> {
        if undoing.owns_rules() { vec![RemoveMasquerade { rules: self.clone() }.into()] } else { Vec::new() }
    }

    fn verify(&self, cx: &mut ReadContext<'_>) -> Result<Vec<Difference>, MachineError> {
        Ok(self.missing(cx.listing(self.table()).map_err(iptables::failed)?))
    }
}

/// Removes the rules of an address, and the chain if it is empty then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoveMasquerade {
    /// The rules.
    pub rules: Masquerade,
}

impl RuleRemoval for RemoveMasquerade {
    fn table(&self) -> TableId {
        self.rules.table()
    }

    fn check(&self) -> Result<(), MachineError> {
        self.rules.check()
    }

    fn remove(&self, now: &Listing) -> Result<Removal, String> {
        let (edits, look_again) = now.iptables().map(|now| self.rules.removal(now)).unwrap_or_default();
        Ok(Removal { edits: edits.into_iter().map(Edit::from).collect(), look_again })
    }

    fn failed(&self, error: TableError) -> MachineError {
        iptables::failed(error)
    }
}

impl Inverse for RemoveMasquerade {
    fn lane(&self) -> UndoLane<'_> {
        UndoLane::Rules(self)
    }

    /// The command removes the chain, unless another interface of the container has a jump to it.
    fn command(&self) -> String {
        let Masquerade { address, chain: name, comment } = &self.rules;
        let (tool, chain, comment) = (self.rules.family().program(), word(name), word(comment));
        let address = address.ip();
        format!(
            "{tool} -t nat -D POSTROUTING -s {address} -j {chain} -m comment --comment {comment}; \
             {tool} -t nat -S POSTROUTING | grep -qF -- '-j {name}' || {{ {tool} -t nat -F {chain}; {tool} -t nat -X {chain}; }}"
        )
    }

    fn is_left(&self, cx: &mut ReadContext<'_>) -> Result<bool, MachineError> {
        let rules = &self.rules;
        is_listed(cx, rules.table(), iptables::failed, |listing| {
            listing.iptables().is_some_and(|listing| {
                find::in_listing(listing, rules.family(), &rules.chain, &rules.comment).contains(rules)
            })
        })
    }
}

//! Leases: addresses that are reserved in a lease store of host-local.

use super::check::{Check, required, single};
use super::context::{ReadContext, WriteContext};
use super::profile::{Found, Lane, Own, OwnUndo, Place, Profile, UndoLane};
use super::record::{Before, Difference, Done, Effect, Old, Reason, Undoing, Undone};
use super::{Action, Answer, Inverse, Kind, Query, Undo};
use crate::machine::MachineError;
use crate::machine::lease::{Holder, Reverted, Stores, unreadable};
use crate::policy::{Capability, Grants, Refusal, Resource};
use crate::value::fact::MAX_GAPS;
use crate::value::shell::file;
use crate::value::{AddressRange, Attachment, Fact, Owner, StoreRef};
use serde::{Deserialize, Serialize};
use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// See [`Action::ReserveLease`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReserveLease {
    /// The lease store.
    pub store: StoreRef,
    /// The address to reserve.
    pub address: IpAddr,
    /// The index N of the range set. The reservation writes `last_reserved_ip.N`.
    pub set: u32,
    /// The container and interface that get the address.
    pub owner: Owner,
    /// Whether the owner has the lease already, and keeps it.
    #[serde(default, skip_serializing_if = "is_new")]
    pub again: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_new(again: &bool) -> bool {
    !*again
}

impl ReserveLease {
    /// The action as a `ReserveLease`, if it is one.
    pub fn of(action: &Action) -> Option<&Self> {
        if let Action::ReserveLease(one) = action { Some(one) } else { None }
    }

    /// The leases of an attachment in the stores `among`, found without a journal. Errors that may hide a lease are
    /// added to `unread`.
    pub fn held(
        stores: &Stores,
        attachment: &Attachment,
        among: &[StoreRef],
        unread: &mut Vec<MachineError>,
    ) -> Vec<Self> {
        let owner = attachment.owner();
        let held = stores.held_leases(&owner, among, unread).into_iter();
        // DEL does not restore `last_reserved_ip.N`, so the set does not matter.
        held.map(|(store, address)| ReserveLease {
            store,
            address,
            set: 0,
            owner: owner.clone(),
            again: false,
        })
        .collect()
    }

    /// Whether the configuration lets the address be leased: from the range set, or because it names the address itself.
    fn is_in_its_set(&self, grants: &Grants) -> bool {
        let set = usize::try_from(self.set).ok().and_then(|set| grants.own.sets.get(set));
        set.is_some_and(|set| set.iter().any(|range| range.leases(self.address)))
            || grants.is_named(self.address)
    }

    fn holder(&self, cx: &mut ReadContext<'_>) -> Result<Holder, MachineError> {
        cx.look.stores().holder(&self.store, self.address, &self.owner)
    }
}

impl Kind for ReserveLease {
    fn profile(&self) -> Profile<'_> {
        Profile::new(Lane::Own(Place::Store, self), Capability::Leases)
    }

    fn commands(&self) -> Vec<String> {
        let path = self.store.directory().join(self.address.to_string());
        let mark = if self.again { "  # kept" } else { "" };
        vec![format!("lease {} for {} {}{mark}", path.display(), self.owner.container, self.owner.interface)]
    }

    fn refuse(&self, check: &Check<'_>) -> Vec<Refusal> {
        let Check { grants, rules, .. } = check;
        if self.owner != grants.attachment.owner() || self.store.network != grants.attachment.network {
            return required(false, "a lease is for the request's own container, interface and network");
        }
        let directory = &self.store.data_dir;
        let is_usual = grants.own.data_dirs.contains(directory);
        let rule = || format!("leases are kept below {}", grants.data_dirs_text());
        let mut refusals = rules.refuse(&Resource::Leases(directory), is_usual, rule);
        let rule =
            || "no range of the configuration contains this address, apart from its gateway".to_owned();
        let address = Resource::Address(single(self.address));
        refusals.extend(rules.refuse(&address, self.is_in_its_set(grants), rule));
        let of_set = check.plan.iter().filter_map(|action| ReserveLease::of(action));
        let is_only = of_set.filter(|lease| lease.set == self.set).count() == 1;
        refusals.extend(required(is_only, "a request gets one address from each range set"));
        let may_keep = !self.again || grants.reusable.contains(&self.address);
        refusals.extend(required(may_keep, "the container keeps only a lease that it does not use"));
        let is_set = usize::try_from(self.set).is_ok_and(|set| set < grants.own.sets.len().max(1));
        refusals.extend(required(is_set, "the configuration has no range set with this number"));
        refusals
    }

    fn overlay(&self, query: &Query, answer: &mut Answer) {
        match (query, answer) {
            (Query::Held(store, _), Answer::Held(fact)) if *store == self.store => {
                let mut held = mem::replace(fact, Fact::Absent).known().unwrap_or_default();
                held.push(self.address);
                held.dedup();
                *fact = Fact::Known(held);
            }
            (Query::LastReserved(store, set), Answer::LastReserved(fact))
                if (store, *set, self.again) == (&self.store, self.set, false) =>
            {
                *fact = Fact::Known(self.address);
            }
            (Query::Free(store, range), Answer::Free(fact)) if *store == self.store => {
                // A store that does not exist, or that this user cannot read, has no leases.
                let gaps = mem::replace(fact, Fact::Absent).known().unwrap_or_else(|| vec![*range]);
                let left = gaps.into_iter().flat_map(|gap| without(gap, self.address));
                *fact = Fact::Known(left.take(MAX_GAPS).collect());
            }
            _ => {}
        }
    }

    fn observe(&self, cx: &mut ReadContext<'_>) -> Before {
        let store = match cx.look.stores().planning_store(&self.store) {
            Ok(Some(store)) => store,
            Ok(None) => return Before::Absent,
            Err(_) => return Before::Unknown,
        };
        match (store.holder(self.address, &self.owner), store.last_reserved(self.set)) {
            (Ok(Holder::Nobody), Ok(None)) => Before::Absent,
            (Ok(Holder::Nobody), Ok(Some(last))) => Before::Old(Old::LastReserved(last)),
            (Ok(Holder::Owner | Holder::Other), _) => Before::Present,
            (Err(_), _) | (_, Err(_)) => Before::Unknown,
        }
    }

    fn found(&self, before: &Before) -> Found {
        match before {
            // The old value is the last reserved address of another lease. The lease itself is absent.
            Before::Old(_) => Found::Absent,
            Before::Absent | Before::Present | Before::Unknown => before.into(),
        }
    }

    fn undos(&self, undoing: &Undoing<'_>) -> Vec<Undo> {
        if self.again {
            // The container had the lease before, so a rollback leaves it.
            let is_deleted = undoing.why == Reason::Delete && !matches!(undoing.done, Done::Not);
            let release = ReleaseLease { lease: self.clone() }.into();
            return is_deleted.then_some(release).into_iter().collect();
        }
        if !undoing.done.may_have_created() {
            return Vec::new();
        }
        let mut undos = vec![ReleaseLease { lease: self.clone() }.into()];
        if undoing.why == Reason::Rollback {
            let old = match undoing.done.old() {
                Some(Old::LastReserved(old)) => Some(*old),
                _ => None,
            };
            undos.push(RestoreLastReserved { lease: self.clone(), old }.into());
        }
        undos
    }

    fn verify(&self, cx: &mut ReadContext<'_>) -> Result<Vec<Difference>, MachineError> {
        let (address, network) = (self.address, &self.store.network);
        Ok(match self.holder(cx)? {
            Holder::Owner => Vec::new(),
            Holder::Nobody => {
                let text = format!("lease {address} of network {network} is missing");
                vec![Difference::repaired(text, self.clone())]
            }
            Holder::Other => {
                let text = format!("lease {address} of network {network} belongs to another container");
                vec![Difference::beyond(text)]
            }
        })
    }
}

impl Own for ReserveLease {
    fn perform(&self, cx: &mut WriteContext<'_>) -> Result<Effect, MachineError> {
        let store = cx.machine.stores().locked_store(&self.store)?;
        if self.again {
            let holder = store.holder(self.address, &self.owner).map_err(|e| unreadable(&self.store, e))?;
            let text = || format!("lease {} of network {} is gone", self.address, self.store.network);
            return match holder {
                Holder::Owner => Ok(Effect::AlreadyThere),
                Holder::Nobody | Holder::Other => Err(MachineError::Changed(text())),
            };
        }
        let old = store.reserve(self.address, self.set, &self.owner)?;
        Ok(old.map_or(Effect::Created, |old| Effect::Replaced(Old::LastReserved(old))))
    }
}

/// Removes a lease, if its file still names the owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseLease {
    /// The lease.
    pub lease: ReserveLease,
}

impl Inverse for ReleaseLease {
    fn lane(&self) -> UndoLane<'_> {
        UndoLane::Own(self)
    }

    fn command(&self) -> String {
        let ReserveLease { store, address, .. } = &self.lease;
        format!("rm {}", file(&store.directory().join(address.to_string())))
    }

    fn overlay(&self, query: &Query, answer: &mut Answer) {
        let ReserveLease { store, address, .. } = &self.lease;
        match (query, answer) {
            (Query::Held(of, _), Answer::Held(Fact::Known(held))) if of == store => {
                held.retain(|held| held != address);
            }
            (Query::Reusable(of, _), Answer::Reusable(Fact::Known(leases))) if of == store => {
                leases.retain(|lease| lease.address != *address);
            }
            (Query::Free(of, range), Answer::Free(Fact::Known(gaps)))
                if of == store && range.first <= *address && *address <= range.last =>
            {
                freed(gaps, *address);
            }
            _ => {}
        }
    }

    fn is_left(&self, cx: &mut ReadContext<'_>) -> Result<bool, MachineError> {
        // If the file cannot be read, the lease is not known to exist.
        Ok(matches!(self.lease.holder(cx), Ok(Holder::Owner)))
    }
}

impl OwnUndo for ReleaseLease {
    fn perform(&self, cx: &mut WriteContext<'_>) -> Result<Undone, MachineError> {
        let ReserveLease { store, address, owner, .. } = &self.lease;
        match cx.machine.stores().existing_store(store)? {
            Some(store) => store.release(*address, owner).map(undone),
            None => Ok(Undone::Gone),
        }
    }
}

/// Restores `last_reserved_ip.N`, if the file still has the address of this lease. Without an old value, it removes the
/// file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreLastReserved {
    /// The lease whose reservation wrote the file.
    pub lease: ReserveLease,
    /// The earlier content of the file.
    pub old: Option<IpAddr>,
}

impl Inverse for RestoreLastReserved {
    fn lane(&self) -> UndoLane<'_> {
        UndoLane::Own(self)
    }

    fn command(&self) -> String {
        let ReserveLease { store, set, .. } = &self.lease;
        let path = file(&store.directory().join(format!("last_reserved_ip.{set}")));
        match self.old {
            Some(old) => format!("printf %s {old} > {path}"),
            None => format!("rm {path}"),
        }
    }

    fn overlay(&self, query: &Query, answer: &mut Answer) {
        let ReserveLease { store, address, set, .. } = &self.lease;
        if let (Query::LastReserved(of, number), Answer::LastReserved(fact)) = (query, answer)
            && (of, number) == (store, set)
            && *fact == Fact::Known(*address)
        {
            *fact = self.old.map_or(Fact::Absent, Fact::Known);
        }
    }
}

impl OwnUndo for RestoreLastReserved {
    fn perform(&self, cx: &mut WriteContext<'_>) -> Result<Undone, MachineError> {
        let ReserveLease { store, address, set, .. } = &self.lease;
        match cx.machine.stores().existing_store(store)? {
            Some(store) => store.restore_last(*set, *address, self.old).map(undone),
            None => Ok(Undone::Gone),
        }
    }
}

fn undone(reverted: Reverted) -> Undone {
    match reverted {
        Reverted::Done => Undone::Done,
        Reverted::Gone => Undone::Gone,
        Reverted::Left(reason) => Undone::Left(reason),
    }
}

/// Adds an address to gaps, which are in ascending order and of its family. Adjacent gaps stay separate.
fn freed(gaps: &mut Vec<AddressRange>, address: IpAddr) {
    if gaps.iter().all(|gap| address < gap.first || gap.last < address) {
        let place = gaps.partition_point(|gap| gap.first < address);
        gaps.insert(place, AddressRange { first: address, last: address });
    }
}

/// The parts of a range without one address: none, one or two ranges.
fn without(range: AddressRange, address: IpAddr) -> impl Iterator<Item = AddressRange> {
    let is_inside =
        range.first.is_ipv4() == address.is_ipv4() && range.first <= address && address <= range.last;
    let (below, above) = if is_inside {
        let below = next(address, -1).filter(|last| *last >= range.first && address > range.first);
        let above = next(address, 1).filter(|first| *first <= range.last && address < range.last);
        (
            below.map(|last| AddressRange { first: range.first, last }),
            above.map(|first| AddressRange { first, last: range.last }),
        )
    } else {
        (Some(range), None)
    };
    below.into_iter().chain(above)
}

/// The address `by` places away. None beyond the address family.
fn next(address: IpAddr, by: i8) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => {
            v4.to_bits().checked_add_signed(by.into()).map(|bits| Ipv4Addr::from_bits(bits).into())
        }
        IpAddr::V6(v6) => {
            v6.to_bits().checked_add_signed(by.into()).map(|bits| Ipv6Addr::from_bits(bits).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: &str, last: &str) -> AddressRange {
        AddressRange { first: first.parse().unwrap(), last: last.parse().unwrap() }
    }

    #[test]
    fn a_range_without_an_address_has_up_to_two_parts() {
        let parts = |first, last, address: &str| -> Vec<AddressRange> {
            without(range(first, last), address.parse().unwrap()).collect()
        };
        assert_eq!(parts("10.0.0.1", "10.0.0.1", "10.0.0.1"), []);
        assert_eq!(parts("10.0.0.1", "10.0.0.3", "10.0.0.1"), [range("10.0.0.2", "10.0.0.3")]);
        assert_eq!(parts("10.0.0.1", "10.0.0.3", "10.0.0.3"), [range("10.0.0.1", "10.0.0.2")]);
        assert_eq!(parts("10.0.0.1", "10.0.0.3", "fd00::1"), [range("10.0.0.1", "10.0.0.3")]);
        let last = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
        assert_eq!(parts(last, last, last), []);
    }
}

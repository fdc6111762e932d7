//! Waiting until a link forwards packets: until it is running, and duplicate address detection of its addresses has
//! finished.

use crate::action::check::Check;
use crate::action::context::{ReadContext, WriteContext, refused};
use crate::action::kind::Kind;
use crate::action::profile::{Found, Lane, Own, Profile};
use crate::action::record::{Before, Difference, Effect, Undoing};
use crate::action::{Action, Undo};
use crate::machine::MachineError;
use crate::machine::port::Link;
use crate::policy::{Capability, Refusal};
use crate::signal;
use crate::value::{LinkRef, Netns};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// The time of all waits of a verb together. The reference waits for addresses for the same time (`ConfigureIface` in
/// pkg/ipam/ipam_linux.go).
const PATIENCE: Duration = Duration::from_secs(5);

/// Between two reads of the link's state. A veth is running within microseconds; duplicate address detection takes a
/// second.
const PAUSE: Duration = Duration::from_millis(2);

/// See [`Action::Settle`](crate::action::Action::Settle).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settle {
    /// The link.
    pub link: LinkRef,
}

impl Kind for Settle {
    fn profile(&self) -> Profile<'_> {
        let lane = Lane::Wait(self.link.netns, self);
        Profile { on: Some(self.link.clone()), ..Profile::new(lane, Capability::Links) }
    }

    fn commands(&self) -> Vec<String> {
        vec![format!("# wait until {} passes packets", self.link.name)]
    }

    fn refuse(&self, check: &Check<'_>) -> Vec<Refusal> {
        check.link(&self.link)
    }

    fn observe(&self, _cx: &mut ReadContext<'_>) -> Before {
        Before::Present
    }

    fn found(&self, _before: &Before) -> Found {
        Found::Absent
    }

    fn undos(&self, _undoing: &Undoing<'_>) -> Vec<Undo> {
        Vec::new()
    }

    fn verify(&self, _cx: &mut ReadContext<'_>) -> Result<Vec<Difference>, MachineError> {
        Ok(Vec::new())
    }

    /// A repaired link must forward packets when the repair ends.
    fn waits_for(&self, repair: &Action) -> bool {
        if let Action::SetUp(up) = repair {
            return up.link == self.link || up.link.netns == Netns::Container;
        }
        if let Action::SetLink(set) = repair {
            return set.link == self.link;
        }
        matches!(repair, Action::AddAddress(add) if add.link == self.link)
    }
}

impl Own for Settle {
    fn perform(&self, cx: &mut WriteContext<'_>) -> Result<Effect, MachineError> {
        while let Some(obstacle) = self.obstacle(cx)? {
            if cx.notes.waited >= PATIENCE {
                return Err(MachineError::Conflict(obstacle));
            }
            let begun = Instant::now();
            if !cx.machine.pause(PAUSE) {
                signal::check()?;
            }
            // The test machine's pauses take no time, so each counts for at least its length.
            cx.notes.waited += begun.elapsed().max(PAUSE);
        }
        Ok(Effect::AlreadyThere)
    }

    /// The action changes nothing.
    fn is_whole(&self) -> bool {
        true
    }
}

impl Settle {
    /// What the link still waits for. Fails at once if no wait can help: duplicate address detection found another owner
    /// of an address, or an end of the link is down.
    fn obstacle(&self, cx: &mut WriteContext<'_>) -> Result<Option<String>, MachineError> {
        let Settle { link } = self;
        let name = link.name.as_str();
        let failed = || format!("failed to settle addresses for {name:?}");
        let found = cx.require(link)?;
        if !found.running {
            return match found.up && !self.is_peer_down(&found, cx)? {
                true => Ok(Some(self.not_running())),
                false => Err(MachineError::Conflict(self.not_running())),
            };
        }
        if found.master.is_some() {
            // A bridge port has no addresses of its own.
            return Ok(None);
        }
        let addresses = cx.machine.addresses(link.netns, Some(found.index));
        let mut addresses = addresses.map_err(|error| refused(failed(), error))?;
        addresses.retain(|address| !address.is_link_local());
        if let Some(taken) = addresses.iter().find(|address| address.is_duplicate()) {
            let text = format!("link {name} has address {} in DADFAILED state", taken.address.ip());
            return Err(MachineError::Conflict(format!("{}: {text}", failed())));
        }
        let is_tentative = addresses.iter().any(|address| address.is_tentative());
        Ok(is_tentative.then(|| {
            let seconds = PATIENCE.as_secs();
            format!("{}: link {name} still has tentative addresses after {seconds} seconds", failed())
        }))
    }

    /// Whether the link is one end of a veth pair whose other end is down. Then it gets no carrier. The other end is in
    /// the other namespace, or in the same one.
    fn is_peer_down(&self, found: &Link, cx: &mut WriteContext<'_>) -> Result<bool, MachineError> {
        let Some(index) = found.peer.filter(|_| found.kind == "veth") else { return Ok(false) };
        let other = match self.link.netns {
            Netns::Host => Netns::Container,
            Netns::Container => Netns::Host,
        };
        for netns in [other, self.link.netns] {
            let beside = LinkRef { netns, name: self.link.name.clone() };
            let peer = cx.link_at(&beside, index)?;
            if let Some(peer) = peer.filter(|peer| peer.kind == "veth" && peer.peer == Some(found.index)) {
                return Ok(!peer.up);
            }
        }
        Ok(false)
    }

    /// Why the link forwards no packets. The text is the reference's for a bridge port.
    fn not_running(&self) -> String {
        match self.link.netns {
            Netns::Host => "bridge port in error state: down".to_owned(),
            Netns::Container => format!("link {} is down", self.link.name),
        }
    }
}

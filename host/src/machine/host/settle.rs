//! Waiting for a link: until its peer is up and the kernel has found no other owner of its addresses.

use super::super::netlink::{address, refused};
use super::super::{Effect, MachineError};
use super::HostKernel;
use crate::machine::step::not_running;
use crate::signal;
use crate::value::LinkRef;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// As long as the reference waits for addresses (cni-behaviours, section 2.4).
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Between two questions: a veth is up within microseconds, duplicate address detection takes a second.
const PAUSE: Duration = Duration::from_millis(2);

impl HostKernel {
    /// With less patience: for tests of links that never settle.
    #[cfg(test)]
    pub(crate) fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    pub(super) fn settle(&mut self, link: &LinkRef) -> Result<Effect, MachineError> {
        let deadline = Instant::now() + self.patience;
        loop {
            match self.obstacle(link)? {
                None => return Ok(Effect::AlreadyThere),
                Some(obstacle) if Instant::now() >= deadline => return Err(MachineError::Conflict(obstacle)),
                Some(_) => {
                    signal::check()?;
                    sleep(PAUSE);
                }
            }
        }
    }

    /// What the link is still waiting for; an address that somebody else has is an error at once.
    fn obstacle(&mut self, link: &LinkRef) -> Result<Option<String>, MachineError> {
        let name = link.name.as_str();
        let found = self.require(link.netns, &link.name)?;
        if !found.running {
            return Ok(Some(not_running(link)));
        }
        if found.master.is_some() {
            // A port has no addresses of its own.
            return Ok(None);
        }
        let states = self.socket(link.netns).and_then(|socket| address::states(socket, found.index));
        let mut states =
            states.map_err(|e| refused(format!("failed to settle addresses for {name:?}"), e))?;
        states.retain(|state| !address::is_link_local(state.address));
        if let Some(taken) = states.iter().find(|state| state.duplicate) {
            let text = format!("link {name} has address {} in DADFAILED state", taken.address.ip());
            return Err(MachineError::Conflict(format!("failed to settle addresses for {name:?}: {text}")));
        }
        let tentative = states.iter().any(|state| state.tentative);
        let text =
            format!("link {name} still has tentative addresses after {} seconds", self.patience.as_secs());
        Ok(tentative.then(|| format!("failed to settle addresses for {name:?}: {text}")))
    }
}

//! Announcement of a link's addresses to its neighbours.

use crate::action::Undo;
use crate::action::check::Check;
use crate::action::context::{ReadContext, WriteContext, created};
use crate::action::kind::Kind;
use crate::action::profile::{Answered, Found, Lane, Lasts, Lifetime, Prepared, Profile, Requests};
use crate::action::record::{Before, Difference, Effect, Undoing};
use crate::machine::MachineError;
use crate::machine::port::Request;
use crate::policy::{Capability, Refusal};
use crate::value::LinkRef;
use serde::{Deserialize, Serialize};

/// See [`Action::Announce`](crate::action::Action::Announce).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announce {
    /// The link. It gets its own MAC address again, and the kernel then announces the addresses of the link.
    pub link: LinkRef,
}

impl Kind for Announce {
    fn profile(&self) -> Profile<'_> {
        let lane = Lane::Requests(self.link.netns, self);
        // The announcement leaves nothing on the machine, whatever the link.
        let lasts = Lasts::For(Lifetime::Attachment);
        Profile { lasts, ..Profile::on_link(&self.link, lane, Capability::Links) }
    }

    fn commands(&self) -> Vec<String> {
        let name = &self.link.name;
        vec![format!("ip link set {name} address MAC-OF-{name}  # tells the neighbours its addresses")]
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
}

impl Requests for Announce {
    fn prepare(&self, cx: &mut WriteContext<'_>) -> Result<Prepared, MachineError> {
        let found = cx.require(&self.link)?;
        Ok(Prepared::Send(vec![Request::SetMac(found.index, found.mac)]))
    }

    fn conclude(&self, answers: Vec<Answered>, _cx: &mut WriteContext<'_>) -> Result<Effect, MachineError> {
        created(answers, || format!("failed to announce the addresses of {:?}", self.link.name.as_str()))?;
        // The announcement changed nothing on the machine.
        Ok(Effect::AlreadyThere)
    }
}

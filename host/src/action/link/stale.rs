//! Links that a failed attempt of this attachment left.

use super::{failed_delete, is_errno, link_fact, presence};
use crate::action::Undo;
use crate::action::check::{Check, required};
use crate::action::context::{ReadContext, WriteContext, refused};
use crate::action::kind::Kind;
use crate::action::profile::{Answered, Found, Lane, LinkName, Prepared, Profile, Requests};
use crate::action::query::{Answer, Query};
use crate::action::record::{Before, Difference, Effect, Undoing};
use crate::machine::MachineError;
use crate::machine::port::{Request, on_host};
use crate::policy::{Capability, Refusal};
use crate::value::{Fact, IfName, Netns, derive};
use nix::errno::Errno;
use serde::{Deserialize, Serialize};

/// See [`Action::DeleteStaleLink`](crate::action::Action::DeleteStaleLink).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteStaleLink {
    /// The name, in the host's namespace.
    pub name: IfName,
    /// The alias that shows that the link is ours. It is compared again immediately before the deletion.
    pub alias: String,
}

impl Kind for DeleteStaleLink {
    fn profile(&self) -> Profile<'_> {
        let name = LinkName::on_host(&self.name);
        Profile {
            needs: vec![name],
            changes: vec![name],
            ..Profile::new(Lane::Requests(Netns::Host, self), Capability::Links)
        }
    }

    fn commands(&self) -> Vec<String> {
        vec![format!("ip link delete {}", self.name)]
    }

    fn refuse(&self, check: &Check<'_>) -> Vec<Refusal> {
        let grants = check.grants;
        let is_ours =
            grants.host_veths.contains(&self.name) && self.alias == derive::alias(&grants.attachment);
        required(is_ours, "only a link of this very attachment may be deleted")
    }

    fn overlay(&self, query: &Query, answer: &mut Answer) {
        if let Some(fact) = link_fact(query, answer, LinkName::on_host(&self.name)) {
            *fact = Fact::Absent;
        }
    }

    fn observe(&self, cx: &mut ReadContext<'_>) -> Before {
        presence(cx.link(&on_host(&self.name)), |_| true)
    }

    /// An existing link is the one to delete.
    fn found(&self, before: &Before) -> Found {
        match before {
            Before::Unknown => Found::Unknown,
            Before::Absent | Before::Present | Before::Old(_) => Found::Absent,
        }
    }

    fn undos(&self, _undoing: &Undoing<'_>) -> Vec<Undo> {
        Vec::new()
    }

    fn verify(&self, _cx: &mut ReadContext<'_>) -> Result<Vec<Difference>, MachineError> {
        Ok(Vec::new())
    }
}

impl Requests for DeleteStaleLink {
    fn prepare(&self, cx: &mut WriteContext<'_>) -> Result<Prepared, MachineError> {
        match cx.link(&on_host(&self.name))? {
            None => Ok(Prepared::Nothing),
            Some(found) if found.alias.as_deref() == Some(&self.alias) => {
                Ok(Prepared::Send(vec![Request::Delete(found.index)]))
            }
            Some(_) => Err(MachineError::Conflict(format!("link {:?} is not ours", self.name.as_str()))),
        }
    }

    fn conclude(&self, answers: Vec<Answered>, _cx: &mut WriteContext<'_>) -> Result<Effect, MachineError> {
        match answers.into_iter().find_map(Result::err) {
            Some(error) if !is_errno(&error, Errno::ENODEV) => Err(refused(failed_delete(&self.name), error)),
            // An undo does not create the link again.
            Some(_) | None => Ok(Effect::AlreadyThere),
        }
    }
}

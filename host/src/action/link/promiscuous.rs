//! Promiscuous mode of links.

use super::attribute::stays_promiscuous;
use super::presence;
use super::settings::LinkAttribute;
use crate::action::check::{Check, required};
use crate::action::context::{ReadContext, WriteContext, created};
use crate::action::kind::Kind;
use crate::action::profile::{Answered, Lane, Prepared, Profile, Requests, Retract, Retraction, UndoLane};
use crate::action::record::{Before, Difference, Effect, Undoing};
use crate::action::undo::Inverse;
use crate::action::{Action, Undo};
use crate::machine::MachineError;
use crate::machine::port::Request;
use crate::policy::{Capability, Refusal};
use crate::value::shell::word;
use crate::value::{LinkRef, Netns};
use serde::{Deserialize, Serialize};

/// See [`Action::SetPromiscuous`](crate::action::Action::SetPromiscuous).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetPromiscuous {
    /// The link.
    pub link: LinkRef,
}

impl Kind for SetPromiscuous {
    fn profile(&self) -> Profile<'_> {
        Profile::on_link(&self.link, Lane::Requests(self.link.netns, self), Capability::Links)
    }

    fn commands(&self) -> Vec<String> {
        vec![format!("ip link set {} promisc on", self.link.name)]
    }

    fn refuse(&self, check: &Check<'_>) -> Vec<Refusal> {
        let mut refusals = check.link(&self.link);
        if self.link.netns == Netns::Host {
            let is_asked_for = check.is_bridge(&self.link.name) && check.grants.own.link.promiscuous;
            refusals.extend(required(is_asked_for, "the configuration does not set `promiscMode`"));
        }
        refusals
    }

    fn observe(&self, cx: &mut ReadContext<'_>) -> Before {
        presence(cx.link(&self.link), |link| link.promiscuous)
    }

    fn undos(&self, undoing: &Undoing<'_>) -> Vec<Undo> {
        undoing.on_link(&self.link, ClearPromiscuous { link: self.link.clone() })
    }

    fn verify(&self, cx: &mut ReadContext<'_>) -> Result<Vec<Difference>, MachineError> {
        let holds = cx.link(&self.link)?.map(|found| found.promiscuous);
        let text = format!("link {} is not promiscuous", self.link);
        Ok(Difference::on_link(self.clone(), &self.link, holds, "", text))
    }

    /// An action that clears promiscuous mode supersedes this one.
    fn is_superseded(&self, by: &Action) -> bool {
        matches!(by, Action::SetLink(later)
            if later.link == self.link && later.attribute == LinkAttribute::Promiscuous(false))
    }
}

impl Requests for SetPromiscuous {
    fn prepare(&self, cx: &mut WriteContext<'_>) -> Result<Prepared, MachineError> {
        let found = cx.require(&self.link)?;
        Ok(match found.promiscuous {
            true => Prepared::Nothing,
            false => Prepared::Send(vec![Request::SetPromiscuous(found.index, true)]),
        })
    }

    fn conclude(&self, answers: Vec<Answered>, _cx: &mut WriteContext<'_>) -> Result<Effect, MachineError> {
        created(answers, || format!("could not set promiscuous mode on {:?}", self.link.name.as_str()))
    }
}

/// Clears promiscuous mode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClearPromiscuous {
    /// The link.
    pub link: LinkRef,
}

impl Inverse for ClearPromiscuous {
    fn lane(&self) -> UndoLane<'_> {
        UndoLane::Requests(self.link.netns, self)
    }

    fn command(&self) -> String {
        format!("ip link set dev {} promisc off", word(self.link.name.as_str()))
    }
}

impl Retract for ClearPromiscuous {
    fn prepare(&self, cx: &mut WriteContext<'_>) -> Result<Retraction, MachineError> {
        let ClearPromiscuous { link } = self;
        let Some(found) = cx.seen(link)?.filter(|found| found.promiscuous) else {
            return Ok(Retraction::GONE);
        };
        let requests = vec![vec![Request::SetPromiscuous(found.index, false)]];
        Ok(Retraction::Send(requests, stays_promiscuous(&link.name)))
    }
}

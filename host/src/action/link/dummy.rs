//! Dummy links, in the container.

use super::delete::{deletion, deletion_command};
use super::end::End;
use super::presence;
use crate::action::check::Check;
use crate::action::completion::{Complete, UNSET};
use crate::action::context::{ReadContext, WriteContext, refused};
use crate::action::kind::Kind;
use crate::action::profile::{
    Answered, Lane, LinkName, Prepared, Profile, Requests, Retract, Retraction, UndoLane,
};
use crate::action::query::{Answer, Query};
use crate::action::record::{Before, Difference, Done, Effect, Undoing};
use crate::action::undo::Inverse;
use crate::action::{Action, DeleteLink, Undo};
use crate::machine::MachineError;
use crate::machine::port::{NewKind, NewLink, Request, in_container};
use crate::policy::{Capability, Refusal};
use crate::value::{IfName, LinkRef, Mac, Netns, derive};
use serde::{Deserialize, Serialize};

/// `IFLA_INFO_KIND`.
const DUMMY: &str = "dummy";

/// See [`Action::CreateDummy`](crate::action::Action::CreateDummy).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateDummy {
    /// The name, in the container.
    pub name: IfName,
    /// In bytes. None means the kernel's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// The MAC address.
    pub mac: Mac,
}

impl CreateDummy {
    fn end(&self) -> End {
        End { link: in_container(&self.name), kind: DUMMY, mac: self.mac, mtu: self.mtu }
    }
}

impl Kind for CreateDummy {
    fn profile(&self) -> Profile<'_> {
        let link = LinkName { netns: Netns::Container, name: &self.name };
        let lane = Lane::Requests(Netns::Container, self);
        Profile { makes: vec![link], changes: vec![link], ..Profile::new(lane, Capability::Links) }
    }

    fn commands(&self) -> Vec<String> {
        let CreateDummy { name, mac, .. } = self;
        let mtu = self.mtu.map(|mtu| format!(" mtu {mtu}")).unwrap_or_default();
        vec![format!("ip link add {name} address {mac}{mtu} type dummy")]
    }

    fn completed(&self, plan: &Complete<'_>) -> Option<Action> {
        if self.mac != UNSET {
            return None;
        }
        let derived = || derive::mac(plan.attachment, "container");
        let mac = plan.mac(self.mac, &in_container(&self.name), derived);
        Some(CreateDummy { mac, ..self.clone() }.into())
    }

    fn refuse(&self, check: &Check<'_>) -> Vec<Refusal> {
        let derived = derive::mac(&check.grants.attachment, "container");
        let mac = check.mac(&in_container(&self.name), self.mac, derived);
        [check.maker(), check.interface(&self.name), mac].concat()
    }

    fn overlay(&self, query: &Query, answer: &mut Answer) {
        self.end().overlay(query, answer);
    }

    fn observe(&self, cx: &mut ReadContext<'_>) -> Before {
        presence(cx.link(&in_container(&self.name)), |_| true)
    }

    fn undos(&self, undoing: &Undoing<'_>) -> Vec<Undo> {
        match undoing.done {
            Done::Effect(Effect::CreatedLinks(links)) => {
                links.iter().map(|identity| DeleteLink { identity: identity.clone() }.into()).collect()
            }
            // The kernel refuses to create a second link with the same name.
            Done::Unknown(Before::Absent | Before::Unknown) => {
                vec![DeleteDummy { name: self.name.clone(), mac: self.mac }.into()]
            }
            Done::Effect(_) | Done::Unknown(_) | Done::Not => Vec::new(),
        }
    }

    fn verify(&self, cx: &mut ReadContext<'_>) -> Result<Vec<Difference>, MachineError> {
        let end = self.end();
        Ok(end.differences(cx.link(&end.link)?.as_ref()))
    }

    /// A repair that sets an attribute from the link's creation.
    fn covers(&self, repair: &Action) -> bool {
        matches!(repair, Action::SetLink(set) if self.end().is_restored_by(set))
    }

    fn with_reported_macs(&self, reported: &dyn Fn(&LinkRef) -> Option<Mac>) -> Option<Action> {
        let mac = reported(&in_container(&self.name))?;
        Some(CreateDummy { mac, ..self.clone() }.into())
    }
}

impl Requests for CreateDummy {
    fn prepare(&self, _cx: &mut WriteContext<'_>) -> Result<Prepared, MachineError> {
        let CreateDummy { name, mtu, mac } = self.clone();
        let link = NewLink { name, mac: Some(mac), mtu, kind: NewKind::Dummy };
        Ok(Prepared::Send(vec![Request::CreateLink(link)]))
    }

    fn conclude(&self, answers: Vec<Answered>, cx: &mut WriteContext<'_>) -> Result<Effect, MachineError> {
        if let Some(error) = answers.into_iter().find_map(Result::err) {
            return Err(refused("failed to create dummy", error));
        }
        let link = in_container(&self.name);
        Ok(Effect::CreatedLinks(vec![cx.require(&link)?.identity(link)]))
    }
}

/// Deletes the dummy link with this name and MAC address. It is for steps that did not finish, and so did not record
/// the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteDummy {
    /// The name, in the container.
    pub name: IfName,
    /// The MAC address that we created it with.
    pub mac: Mac,
}

impl Inverse for DeleteDummy {
    fn lane(&self) -> UndoLane<'_> {
        UndoLane::Requests(Netns::Container, self)
    }

    fn command(&self) -> String {
        deletion_command(&self.name)
    }
}

impl Retract for DeleteDummy {
    fn prepare(&self, cx: &mut WriteContext<'_>) -> Result<Retraction, MachineError> {
        let DeleteDummy { name, mac } = self;
        Ok(match cx.seen(&in_container(name))? {
            None => Retraction::GONE,
            Some(found) if found.kind == DUMMY && found.mac == *mac => deletion(name, found.index),
            Some(_) => Retraction::left(format!("link {name} is not the one that was made")),
        })
    }
}

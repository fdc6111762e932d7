//! Setting links up and down.

use super::{known_link, presence};
use crate::action::Undo;
use crate::action::check::Check;
use crate::action::context::{ReadContext, WriteContext, created};
use crate::action::kind::Kind;
use crate::action::profile::{Answered, Lane, Prepared, Profile, Requests, Retract, Retraction, UndoLane};
use crate::action::query::{Answer, Query};
use crate::action::record::{Before, Difference, Effect, Undoing};
use crate::action::undo::Inverse;
use crate::machine::MachineError;
use crate::machine::port::{Address, Request};
use crate::policy::{Capability, Refusal};
use crate::value::LinkRef;
use crate::value::shell::word;
use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// See [`Action::SetUp`](crate::action::Action::SetUp).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetUp {
    /// The link.
    pub link: LinkRef,
}

impl Kind for SetUp {
    fn profile(&self) -> Profile<'_> {
        Profile::on_link(&self.link, Lane::Requests(self.link.netns, self), Capability::Links)
    }

    fn commands(&self) -> Vec<String> {
        vec![format!("ip link set {} up", self.link.name)]
    }

    fn refuse(&self, check: &Check<'_>) -> Vec<Refusal> {
        check.link(&self.link)
    }

    fn overlay(&self, query: &Query, answer: &mut Answer) {
        if let Some(fact) = known_link(query, answer, (&self.link).into()) {
            fact.up = true;
        }
    }

    fn observe(&self, cx: &mut ReadContext<'_>) -> Before {
        presence(cx.link(&self.link), |link| link.up)
    }

    fn undos(&self, undoing: &Undoing<'_>) -> Vec<Undo> {
        undoing.on_link(&self.link, SetDown { link: self.link.clone() })
    }

    fn verify(&self, cx: &mut ReadContext<'_>) -> Result<Vec<Difference>, MachineError> {
        let holds = cx.link(&self.link)?.map(|found| found.up);
        let text = format!("link {} is down", self.link);
        Ok(Difference::on_link(self.clone(), &self.link, holds, "", text))
    }
}

impl Requests for SetUp {
    fn prepare(&self, cx: &mut WriteContext<'_>) -> Result<Prepared, MachineError> {
        let found = cx.require(&self.link)?;
        Ok(match found.up {
            true => Prepared::Nothing,
            false => Prepared::Send(vec![Request::SetUp(found.index, true)]),
        })
    }

    fn conclude(&self, answers: Vec<Answered>, _cx: &mut WriteContext<'_>) -> Result<Effect, MachineError> {
        created(answers, || format!("failed to set {:?} UP", self.link.name.as_str()))
    }
}

/// Sets a link down, unless that would lose IPv6 addresses for good: the kernel removes them, and does not add them
/// again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetDown {
    /// The link.
    pub link: LinkRef,
}

impl Inverse for SetDown {
    fn lane(&self) -> UndoLane<'_> {
        UndoLane::Requests(self.link.netns, self)
    }

    fn command(&self) -> String {
        format!("ip link set dev {} down", word(self.link.name.as_str()))
    }
}

impl Retract for SetDown {
    fn prepare(&self, cx: &mut WriteContext<'_>) -> Result<Retraction, MachineError> {
        let SetDown { link } = self;
        let Some(found) = cx.seen(link)?.filter(|found| found.up) else {
            return Ok(Retraction::GONE);
        };
        let addresses = cx.addresses(link, found.index)?;
        if addresses.iter().any(|one| one.address.is_ipv6() && !one.comes_back()) {
            let text = format!("link {} would lose its IPv6 addresses", link.name);
            return Ok(Retraction::left(text));
        }
        let down = vec![Request::SetUp(found.index, false)];
        let address = given_to_loopback(link, &addresses);
        let given = address.map(|address| vec![Request::DeleteAddress { link: found.index, address }]);
        // The address is deleted first. If the process died after the link went down, no later undo would delete the
        // address.
        let requests = given.into_iter().chain([down]).collect();
        let what = format!("failed to set {:?} down", link.name.as_str());
        Ok(Retraction::Send(requests, what))
    }
}

/// The address that the kernel added to `lo` when it was set up. The kernel adds it again the next time, if `lo` has no
/// other address.
fn given_to_loopback(link: &LinkRef, addresses: &[Address]) -> Option<IpNetwork> {
    let mut v4 = addresses.iter().map(|one| one.address).filter(IpNetwork::is_ipv4);
    let only = v4.next().filter(|_| v4.next().is_none() && link.name.as_str() == "lo");
    only.filter(|address| address.ip() == Ipv4Addr::LOCALHOST && address.prefix() == 8)
}

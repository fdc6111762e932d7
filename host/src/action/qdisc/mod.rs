//! Rate limits of links, as in `tc qdisc`.

use super::check::{Check, NAMED, required};
use super::context::{ReadContext, WriteContext, refused};
use super::link::DEFAULT_MTU;
use super::profile::{Found, Lane, LinkName, Own, OwnUndo, Place, Profile, Retract, Retraction, UndoLane};
use super::record::{Before, Difference, Done, Effect, Old, Replaces, Undoing, Undone};
use super::{Answer, Inverse, Kind, LinkAttribute, Query, Undo, of_kind};
use crate::machine::MachineError;
use crate::machine::port::{Link, Look, NewKind, NewLink, Qdiscs, Request, TokenBucket, on_host};
use crate::policy::{Capability, Refusal};
use crate::value::shell::word;
use crate::value::{Attachment, Fact, IfName, LinkFact, Mac, Netns, derive};
use nix::errno::Errno;
use serde::{Deserialize, Serialize};
use std::io;

/// `DEFAULT_TX_QUEUE_LEN` of the kernel, in packets: a link with a queue length of 0 gets it with its first qdisc.
const DEFAULT_QUEUE_LENGTH: u32 = 1000;

/// See [`Action::SetTokenBucket`](crate::action::Action::SetTokenBucket): a token bucket filter (tc-tbf(8)) for one
/// direction of the host end of a veth pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetTokenBucket {
    /// The link, in the host's namespace.
    pub link: IfName,
    /// In bytes per second.
    pub rate: u64,
    /// The size of the bucket, in bytes.
    pub burst: u32,
    /// The ifb that packets from the link pass first. None: the filter limits packets to the link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub through: Option<Ifb>,
}

impl SetTokenBucket {
    /// The number of bytes that may wait for tokens: the rate times 25 ms, plus the burst (reference:
    /// plugins/meta/bandwidth/ifb_creator.go).
    pub fn limit(&self) -> u32 {
        let held = u128::from(self.rate) * 25 / 1000 + u128::from(self.burst);
        u32::try_from(held).unwrap_or(u32::MAX)
    }

    /// The time in which the burst is sent at this rate, in the kernel's ticks of 64 ns (`PSCHED_SHIFT`). Like the
    /// reference, it first rounds down to whole microseconds.
    pub fn buffer(&self) -> u32 {
        let Some(microseconds) = (u128::from(self.burst) * 1_000_000).checked_div(self.rate.into()) else {
            return u32::MAX;
        };
        let microseconds = u32::try_from(microseconds).unwrap_or(u32::MAX);
        u32::try_from(u64::from(microseconds) * 1000 / 64).unwrap_or(u32::MAX)
    }

    fn token_bucket(&self) -> TokenBucket {
        TokenBucket { rate: self.rate, limit: self.limit(), buffer: self.buffer() }
    }

    /// The link's token bucket filter as text, for a message about a difference.
    fn describe(&self, found: Option<TokenBucket>) -> String {
        match found {
            None => "not limited".to_owned(),
            Some(found) => format!(
                "limited to {} bit/s (limit {}, buffer {}), not {} bit/s (limit {}, buffer {})",
                found.rate.saturating_mul(8),
                found.limit,
                found.buffer,
                self.rate.saturating_mul(8),
                self.limit(),
                self.buffer()
            ),
        }
    }
}

/// An intermediate functional block: a link that exists only for its queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ifb {
    /// The name, as the reference derives it.
    pub name: IfName,
    /// The alias that shows that the link is ours.
    pub alias: String,
}

impl Ifb {
    /// Whether a link is this ifb. It has no alias if its ADD was killed between creation and alias.
    fn is(&self, found: &Link) -> bool {
        found.kind == "ifb" && found.alias.as_ref().is_none_or(|alias| *alias == self.alias)
    }

    /// The MAC address. It derives from the name, and so from the attachment, like those of all links of a plan.
    fn mac(&self) -> Mac {
        derive::bridge_mac(&self.name)
    }

    /// The link as a planner sees it after the plan.
    fn as_created(&self) -> LinkFact {
        LinkFact {
            netns: Netns::Host,
            name: self.name.clone(),
            index: 0,
            kind: "ifb".to_owned(),
            mac: self.mac(),
            mtu: DEFAULT_MTU,
            up: true,
            alias: Some(self.alias.clone()),
            master: None,
            addresses: Vec::new(),
        }
    }

    /// Returns the link, and creates it if it does not exist.
    fn ensure(&self, mtu: u32, cx: &mut WriteContext<'_>) -> Result<Link, MachineError> {
        let link = on_host(&self.name);
        match cx.link(&link)? {
            Some(found) if self.is(&found) && found.alias.is_some() => return Ok(found),
            // The ifb of another interface of the container, or one that the reference created and no DEL removed.
            Some(_) => {
                let text = format!("adding link: file exists: {:?}", self.name.as_str());
                return Err(MachineError::Conflict(text));
            }
            None => {}
        }
        let (name, alias) = (self.name.clone(), self.alias.clone());
        let new = NewLink { name: name.clone(), mac: Some(self.mac()), mtu: Some(mtu), kind: NewKind::Ifb };
        send(cx, Request::CreateLink(new), "adding link")?;
        send(cx, Request::Mark { name, alias, hairpin: false, isolated: false }, "marking ifb")?;
        cx.require(&link)
    }
}

impl Kind for SetTokenBucket {
    fn profile(&self) -> Profile<'_> {
        let lane = Lane::Own(Place::Netns(Netns::Host), self);
        Profile {
            makes: self.through.iter().map(|ifb| LinkName::on_host(&ifb.name)).collect(),
            on: Some(on_host(&self.link)),
            ..Profile::new(lane, Capability::Qdiscs)
        }
    }

    fn commands(&self) -> Vec<String> {
        let SetTokenBucket { link, rate, burst, through } = self;
        // In tc's syntax, `b` means byte.
        let token_bucket = |link: &IfName| {
            let rate = rate.saturating_mul(8);
            format!(
                "tc qdisc replace dev {link} root handle 1: tbf rate {rate}bit burst {burst}b latency 25ms"
            )
        };
        match through {
            None => vec![token_bucket(link)],
            Some(ifb @ Ifb { name, alias }) => vec![
                format!("ip link add {name} address {} mtu MTU-OF-{link} txqueuelen 0 type ifb", ifb.mac()),
                format!("ip link set {name} alias '{alias}' up"),
                format!("tc qdisc add dev {link} handle ffff: ingress"),
                format!(
                    "tc filter add dev {link} parent ffff: protocol all prio 1 \
                     u32 match u32 0 0 flowid 1:1 action mirred egress redirect dev {name}"
                ),
                token_bucket(name),
            ],
        }
    }

    fn refuse(&self, check: &Check<'_>) -> Vec<Refusal> {
        let grants = check.grants;
        let is_own = grants.host_veths.contains(&self.link) || grants.host_end.as_ref() == Some(&self.link);
        let is_named = self.through.as_ref().is_none_or(|ifb| {
            derive::ifb(&grants.attachment).is_ok_and(|name| name == ifb.name)
                && ifb.alias == derive::alias(&grants.attachment)
        });
        let rule = "only what passes the host's end of this attachment's own veth pair is limited";
        let of_direction = of_kind::<SetTokenBucket>(check.plan)
            .filter(|set| set.link == self.link && set.through.is_some() == self.through.is_some());
        // The last one counts: it could lift the limit that the configuration demands.
        let is_only = required(of_direction.count() == 1, "each direction of a veth pair is limited once");
        [required(is_own, rule), required(is_named, NAMED), is_only].concat()
    }

    fn observe(&self, cx: &mut ReadContext<'_>) -> Before {
        let is_there = match &self.through {
            Some(ifb) => cx.link(&on_host(&ifb.name)).map(|found| found.is_some()),
            None => Ok(false),
        };
        match (is_there, cx.link(&on_host(&self.link))) {
            (Ok(true), _) => Before::Present,
            // Adding the ingress qdisc also changes a queue length of 0, because it may be the link's first qdisc.
            (Ok(false), Ok(Some(found))) => Before::Old(Old::QueueLength(found.queue_length)),
            (Ok(false), Ok(None)) if self.through.is_some() => Before::Absent,
            (Ok(false), Ok(None) | Err(_)) | (Err(_), _) => Before::Unknown,
        }
    }

    fn overlay(&self, query: &Query, answer: &mut Answer) {
        if let Some(ifb) = &self.through
            && let (Query::Link(asked), Answer::Link(fact @ (Fact::Absent | Fact::Unreadable))) =
                (query, answer)
            && *asked == on_host(&ifb.name)
        {
            *fact = Fact::Known(ifb.as_created());
        }
    }

    fn found(&self, before: &Before) -> Found {
        match before {
            // What is noted is the queue length of the link, not another filter.
            Before::Old(_) => Found::Absent,
            Before::Absent | Before::Present | Before::Unknown => before.into(),
        }
    }

    fn undos(&self, undoing: &Undoing<'_>) -> Vec<Undo> {
        let queue_length = match undoing.done.old() {
            Some(Old::QueueLength(packets)) => Some(*packets),
            _ => None,
        };
        undoing.undo_if_created(RemoveTokenBucket { set: self.clone(), queue_length })
    }

    /// The queue length, if the kernel changed it.
    fn replaces(&self) -> Option<Replaces> {
        Some(LinkAttribute::QueueLength(DEFAULT_QUEUE_LENGTH).replaces_on(&on_host(&self.link)))
    }

    /// The kernel changes only a queue length of 0.
    fn before(&self, done: Done<'_>) -> Option<Old> {
        done.old().filter(|old| **old == Old::QueueLength(0)).cloned()
    }

    fn inherit(&self, _done: Done<'_>, old: Old) -> Effect {
        match old {
            Old::Attribute(LinkAttribute::QueueLength(packets)) => {
                Effect::Replaced(Old::QueueLength(packets))
            }
            old => Effect::Replaced(old),
        }
    }

    fn verify(&self, cx: &mut ReadContext<'_>) -> Result<Vec<Difference>, MachineError> {
        let different = |text: String| Ok(vec![Difference::repaired(text, self.clone())]);
        let link = &self.link;
        let Some(host) = cx.link(&on_host(link))? else {
            return Ok(vec![Difference::beyond(format!("link {link} is gone"))]);
        };
        let wanted = Some(self.token_bucket());
        let Some(ifb) = &self.through else {
            return match qdiscs(cx.look, &host)?.root {
                found if found == wanted => Ok(Vec::new()),
                found => different(format!("what goes to {link} is {}", self.describe(found))),
            };
        };
        let name = &ifb.name;
        match cx.link(&on_host(name))? {
            None => different(format!("ifb {name} is gone: what comes from {link} is not limited")),
            Some(found) if !ifb.is(&found) => {
                Ok(vec![Difference::beyond(format!("{name} is not the ifb that was made"))])
            }
            Some(found) if !redirects(cx.look, &host)?.contains(&found.index) => {
                different(format!("what comes from {link} does not go through ifb {name}"))
            }
            Some(found) => match qdiscs(cx.look, &found)?.root {
                found if found == wanted => Ok(Vec::new()),
                found => different(format!("what comes from {link} is {}", self.describe(found))),
            },
        }
    }
}

impl Own for SetTokenBucket {
    /// Adds the missing parts.
    fn perform(&self, cx: &mut WriteContext<'_>) -> Result<Effect, MachineError> {
        let host = cx.require(&on_host(&self.link))?;
        let found = qdiscs(cx.machine.as_look(), &host)?;
        let wanted = self.token_bucket();
        let effect = Effect::Replaced(Old::QueueLength(host.queue_length));
        let Some(ifb) = &self.through else {
            if found.root == Some(wanted) {
                return Ok(Effect::AlreadyThere);
            }
            send(cx, Request::SetTokenBucket(host.index, wanted), "create qdisc")?;
            return Ok(effect);
        };
        let through = ifb.ensure(host.mtu, cx)?;
        let redirects = redirects(cx.machine.as_look(), &host)?;
        // A redirect to an ifb that somebody deleted has the target 0. It comes first in the list and drops packets.
        let is_dead = redirects.contains(&0);
        if is_dead {
            send(cx, Request::DeleteIngress(host.index), "delete ingress qdisc")?;
        }
        if is_dead || !found.has_ingress {
            send(cx, Request::AddIngress(host.index), "create ingress qdisc")?;
        }
        if is_dead || !redirects.contains(&through.index) {
            send(cx, Request::Redirect { link: host.index, to: through.index }, "add filter")?;
        }
        if qdiscs(cx.machine.as_look(), &through)?.root != Some(wanted) {
            send(cx, Request::SetTokenBucket(through.index, wanted), "create ifb qdisc")?;
        }
        Ok(effect)
    }
}

/// Removes the parts of a token bucket filter that are ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoveTokenBucket {
    /// The filter.
    pub set: SetTokenBucket,
    /// The link's earlier queue length, in packets. If it was 0, the kernel changed it when the link got its first
    /// token bucket filter.
    pub queue_length: Option<u32>,
}

impl Inverse for RemoveTokenBucket {
    fn lane(&self) -> UndoLane<'_> {
        UndoLane::Own(self)
    }

    fn command(&self) -> String {
        let SetTokenBucket { link, through, .. } = &self.set;
        match through {
            None => format!("tc qdisc delete dev {link} root"),
            Some(ifb) => format!("tc qdisc delete dev {link} ingress; ip link delete {}", ifb.name),
        }
    }
}

impl OwnUndo for RemoveTokenBucket {
    fn perform(&self, cx: &mut WriteContext<'_>) -> Result<Undone, MachineError> {
        let host = cx.link(&on_host(&self.set.link))?;
        let Some(ifb) = &self.set.through else {
            let Some(host) = host else { return Ok(Undone::Gone) };
            if qdiscs(cx.machine.as_look(), &host)?.root != Some(self.set.token_bucket()) {
                return Ok(Undone::Gone);
            }
            send(cx, Request::DeleteRootQdisc(host.index), "delete qdisc")?;
            self.restore_queue_length(&host, cx)?;
            return Ok(Undone::Done);
        };
        let through = cx.link(&on_host(&ifb.name))?;
        if through.as_ref().is_some_and(|found| !ifb.is(found)) {
            return Ok(Undone::Left(format!("{} is not the ifb that was made", ifb.name)));
        }
        if let Some(host) = host
            && qdiscs(cx.machine.as_look(), &host)?.has_ingress
        {
            let redirects = redirects(cx.machine.as_look(), &host)?;
            // If the ifb was deleted, its redirect has the target 0. If there is no redirect yet, the step failed
            // halfway.
            let is_ours = match &through {
                Some(through) => redirects.iter().all(|to| [0, through.index].contains(to)),
                None => redirects == [0],
            };
            if is_ours {
                send(cx, Request::DeleteIngress(host.index), "delete ingress qdisc")?;
                self.restore_queue_length(&host, cx)?;
            }
        }
        match through {
            Some(through) => delete(cx, &ifb.name, through.index),
            None => Ok(Undone::Gone),
        }
    }
}

impl RemoveTokenBucket {
    /// Restores the queue length, unless the link still has a token bucket filter, which needs one, or somebody else has
    /// set another one since.
    fn restore_queue_length(&self, link: &Link, cx: &mut WriteContext<'_>) -> Result<(), MachineError> {
        match self.queue_length {
            Some(packets)
                if link.queue_length == DEFAULT_QUEUE_LENGTH
                    && packets != link.queue_length
                    && qdiscs(cx.machine.as_look(), link)?.root.is_none() =>
            {
                send(cx, Request::SetQueueLength(link.index, packets), "set queue length")
            }
            _ => Ok(()),
        }
    }
}

/// Deletes the ifb of an attachment, which nothing recorded: ours, or one without an alias, which the reference created.
/// The ifb of another interface of the container has the same name and another alias.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteIfb {
    /// The ifb, in the host's namespace.
    pub ifb: Ifb,
}

impl DeleteIfb {
    /// That of the ifb that `bandwidth` makes for an attachment.
    pub fn of(attachment: &Attachment) -> Option<Self> {
        let name = derive::ifb(attachment).ok()?;
        Some(DeleteIfb { ifb: Ifb { name, alias: derive::alias(attachment) } })
    }
}

impl Inverse for DeleteIfb {
    fn lane(&self) -> UndoLane<'_> {
        UndoLane::Requests(Netns::Host, self)
    }

    fn command(&self) -> String {
        format!("ip link delete {}", word(self.ifb.name.as_str()))
    }

    fn is_left(&self, cx: &mut ReadContext<'_>) -> Result<bool, MachineError> {
        Ok(cx.link(&on_host(&self.ifb.name))?.is_some_and(|found| self.ifb.is(&found)))
    }
}

impl Retract for DeleteIfb {
    fn prepare(&self, cx: &mut WriteContext<'_>) -> Result<Retraction, MachineError> {
        let name = &self.ifb.name;
        Ok(match cx.link(&on_host(name))? {
            Some(found) if self.ifb.is(&found) => {
                let requests = vec![vec![Request::Delete(found.index)]];
                Retraction::Send(requests, failed_delete(name))
            }
            Some(_) => Retraction::left(format!("{name} is not the ifb of this interface")),
            None => Retraction::GONE,
        })
    }
}

fn qdiscs(look: &mut dyn Look, link: &Link) -> Result<Qdiscs, MachineError> {
    look.qdiscs(link.index).map_err(|e| refused(format!("failed to list qdiscs of {:?}", link.name), e))
}

fn redirects(look: &mut dyn Look, link: &Link) -> Result<Vec<u32>, MachineError> {
    match look.redirects(link.index) {
        // The link has no ingress qdisc, so it cannot have filters.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(Vec::new()),
        found => found.map_err(|e| refused(format!("failed to list filters of {:?}", link.name), e)),
    }
}

/// Sends one request. Requests are sent singly, because each one needs the object that the one before it created.
fn send(cx: &mut WriteContext<'_>, request: Request, what: &str) -> Result<(), MachineError> {
    cx.send(Netns::Host, vec![request], what)
}

/// Deletes a link of the host. A link that is already gone counts as deleted.
fn delete(cx: &mut WriteContext<'_>, name: &IfName, index: u32) -> Result<Undone, MachineError> {
    let answers = cx.machine.send(Netns::Host, vec![Request::Delete(index)]);
    match answers.into_iter().collect::<io::Result<()>>() {
        Ok(()) => Ok(Undone::Done),
        Err(error) if error.raw_os_error() == Some(Errno::ENODEV as i32) => Ok(Undone::Gone),
        Err(error) => Err(refused(failed_delete(name), error)),
    }
}

fn failed_delete(name: &IfName) -> String {
    format!("failed to delete {:?}", name.as_str())
}

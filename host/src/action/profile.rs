//! The profile of an action: how it is done, on which link, and how long its effect lasts.

use super::Action;
use super::context::WriteContext;
use super::record::{Before, Difference, Effect, Undone};
use crate::machine::MachineError;
use crate::machine::port::{Look, Machine, Request};
use crate::machine::rules::{Edit, Listing, TableError, TableId};
use crate::policy::Capability;
use crate::value::{IfName, LinkRef, Netns};
use serde::{Deserialize, Serialize};
use std::io;

/// How long the effect of an action is meant to last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lifetime {
    /// As long as the attachment. DEL, GC and rollback undo it.
    Attachment,
    /// As long as any attachment uses it. Only a rollback undoes it, and only if no attachment uses it.
    Shared,
    /// As long as the node runs. Only a rollback undoes it, and only if there is no other attachment.
    Node,
}

/// A link, by namespace and borrowed name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkName<'a> {
    /// The namespace of the link.
    pub netns: Netns,
    /// The name of the link in that namespace.
    pub name: &'a IfName,
}

impl<'a> LinkName<'a> {
    /// A link of the host.
    pub fn on_host(name: &'a IfName) -> Self {
        LinkName { netns: Netns::Host, name }
    }

    /// Whether `link` is the same link.
    pub fn is(&self, link: &LinkRef) -> bool {
        self.netns == link.netns && *self.name == link.name
    }
}

impl<'a> From<&'a LinkRef> for LinkName<'a> {
    fn from(link: &'a LinkRef) -> Self {
        LinkName { netns: link.netns, name: &link.name }
    }
}

/// What determines the lifetime of an action's effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lasts {
    /// The kind alone.
    For(Lifetime),
    /// The link that the action changes. If an action of the plan makes the link, the effect lasts as long as the link.
    /// In the container, it lasts as long as the attachment. Otherwise it lasts as long as given here.
    WithLink(Lifetime),
}

/// The properties of an action that follow from the action alone.
pub struct Profile<'a> {
    /// How the action is done.
    pub lane: Lane<'a>,
    /// The capability that a plugin needs to record the action.
    pub capability: Capability,
    /// The links that the action makes.
    pub makes: Vec<LinkName<'a>>,
    /// The links that must exist, or be gone, before the action's requests can be built.
    pub needs: Vec<LinkName<'a>>,
    /// The links that appear or disappear with the action's requests. Requests that need one of them are sent later.
    pub changes: Vec<LinkName<'a>>,
    /// The link that the action changes.
    pub on: Option<LinkRef>,
    /// How long the effect lasts.
    pub lasts: Lasts,
    /// Whether the action may make objects that others use too, or its rollback may remove them, whatever the lifetime.
    pub shares: bool,
}

impl<'a> Profile<'a> {
    /// A profile without links. The effect lasts as long as the attachment.
    pub fn new(lane: Lane<'a>, capability: Capability) -> Self {
        let lasts = Lasts::For(Lifetime::Attachment);
        Profile {
            lane,
            capability,
            makes: Vec::new(),
            needs: Vec::new(),
            changes: Vec::new(),
            on: None,
            lasts,
            shares: false,
        }
    }

    /// A profile of requests that change a link. If the plan makes the link, the effect lasts as long as the link.
    pub fn on_link(link: &'a LinkRef, lane: Lane<'a>, capability: Capability) -> Self {
        Profile {
            needs: vec![link.into()],
            on: Some(link.clone()),
            lasts: Lasts::WithLink(Lifetime::Attachment),
            ..Profile::new(lane, capability)
        }
    }

    /// How long the effect lasts in a plan of `actions`.
    pub fn lifetime<'b>(&self, actions: impl Iterator<Item = &'b Action>) -> Lifetime {
        let (Lasts::WithLink(otherwise), Some(link)) = (self.lasts, &self.on) else {
            return match self.lasts {
                Lasts::For(lifetime) | Lasts::WithLink(lifetime) => lifetime,
            };
        };
        if link.netns == Netns::Container {
            return Lifetime::Attachment;
        }
        let mut makers = actions
            .map(|action| action.kind().profile())
            .filter(|maker| maker.makes.iter().any(|created| created.is(link)));
        match makers.next().map(|maker| maker.lasts) {
            Some(Lasts::For(lifetime)) => lifetime,
            Some(Lasts::WithLink(_)) | None => otherwise,
        }
    }
}

/// Where an action is done. Consecutive actions in the same place form one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A lease store.
    Store,
    /// A namespace.
    Netns(Netns),
    /// The firewall rules of the host.
    Rules,
    /// A native plugin, whose changes are unknown.
    Native,
}

/// How an action is done.
#[derive(Clone, Copy)]
pub enum Lane<'a> {
    /// With netlink requests to a namespace. The requests of neighbouring actions are sent together.
    Requests(Netns, &'a dyn Requests),
    /// With edits of a rule table. Edits of neighbouring actions form one transaction.
    Rules(&'a dyn RuleSet),
    /// With code of the action's own. Such actions run one after the other.
    Own(Place, &'a dyn Own),
    /// By waiting for a state. The action changes nothing, and no lock is held.
    Wait(Netns, &'a dyn Own),
    /// Between two stages of a plan.
    Stage,
}

impl Lane<'_> {
    /// The place of the action.
    pub fn place(&self) -> Place {
        match self {
            Lane::Requests(netns, _) | Lane::Wait(netns, _) => Place::Netns(*netns),
            Lane::Rules(_) => Place::Rules,
            Lane::Own(place, _) => *place,
            Lane::Stage => Place::Native,
        }
    }

    /// Whether the action only waits.
    pub fn is_wait(&self) -> bool {
        matches!(self, Lane::Wait(..))
    }
}

/// The answer to a request.
pub type Answered = io::Result<()>;

/// The requests of an action.
#[derive(Debug)]
pub enum Prepared {
    /// None: the work is done already.
    Nothing,
    /// These requests, together with those of other actions.
    Send(Vec<Request>),
    /// Two groups. The second is sent only if no request of the first failed.
    After {
        /// The requests that are sent first, by themselves.
        first: Vec<Request>,
        /// The error text if one of them fails.
        what: String,
        /// The requests that are sent next, together with those of other actions. [`Requests::conclude`] gets the
        /// answers to these.
        then: Vec<Request>,
    },
}

impl Prepared {
    /// The requests `then` after `first`, which may be empty.
    pub fn after(first: Vec<Request>, what: impl Into<String>, then: Vec<Request>) -> Self {
        match first.is_empty() {
            true => Prepared::Send(then),
            false => Prepared::After { first, what: what.into(), then },
        }
    }
}

/// An action that consists of netlink requests.
pub trait Requests {
    /// Reads the machine, and returns the requests to send.
    fn prepare(&self, cx: &mut WriteContext<'_>) -> Result<Prepared, MachineError>;

    /// Interprets the answers to the requests (to the second group, if there are two), and cleans up after a failure.
    /// If it returns an error, the outcome is unknown, and undo compares the machine with the record.
    fn conclude(&self, answers: Vec<Answered>, cx: &mut WriteContext<'_>) -> Result<Effect, MachineError>;
}

/// An action with code of its own.
pub trait Own {
    /// Performs the action. After an error the outcome is unknown, unless `is_whole` returns true.
    fn perform(&self, cx: &mut WriteContext<'_>) -> Result<Effect, MachineError>;

    /// Whether the action is atomic: it is done completely or not at all.
    fn is_whole(&self) -> bool {
        false
    }
}

/// An action that consists of rules in one table.
pub trait RuleSet {
    /// The table.
    fn table(&self) -> TableId;

    /// Refuses names and words that cannot be written as a single word in a rule.
    fn check(&self) -> Result<(), MachineError>;

    /// The edits that add what is missing in the listing. Pure.
    fn add(&self, now: &Listing) -> Vec<Edit>;

    /// The same, in a transaction with the actions `others`. Edits must not remove what those need. `others` may
    /// contain this action.
    fn add_with_others(&self, _others: &[&Action], now: &Listing) -> Vec<Edit> {
        self.add(now)
    }

    /// Why the rules cannot be added: the listing has an object of somebody else in their place. In that case nothing
    /// of the transaction is done.
    fn conflict(&self, _now: &Listing) -> Option<MachineError> {
        None
    }

    /// The effect of the edits, compared with the earlier listing.
    fn effect(&self, before: &Listing, is_changed: bool) -> Effect;

    /// What is missing in the listing, one sentence each.
    fn missing(&self, now: &Listing) -> Vec<Difference>;

    /// The error in the wording of the reference.
    fn failed(&self, error: TableError) -> MachineError;

    /// Work that follows once the rules exist.
    fn then(&self, _machine: &mut dyn Machine) {}
}

/// The edits that remove a set of rules.
#[derive(Debug, Default)]
pub struct Removal {
    /// The edits. Empty if the table contains no part of the set.
    pub edits: Vec<Edit>,
    /// Whether to look again after the edits. Somebody else uses a part of the set now, and may remove their rules at
    /// the same time. The last of the two to look then removes that part.
    pub look_again: bool,
}

/// The undo of a set of rules.
pub trait RuleRemoval {
    /// The table.
    fn table(&self) -> TableId;

    /// Refuses names and words that cannot be written as a single word in a rule.
    fn check(&self) -> Result<(), MachineError>;

    /// The edits that remove the set from the listed table, or the reason why it stays. Pure.
    fn remove(&self, now: &Listing) -> Result<Removal, String>;

    /// The error in the wording of the reference.
    fn failed(&self, error: TableError) -> MachineError;
}

/// The requests of an undo.
#[derive(Debug)]
pub enum Retraction {
    /// None: the object is gone, or stays.
    Nothing(Undone),
    /// Lists of requests. Each list is sent only if none of the previous one failed. A request for an object that is
    /// already gone counts as successful. The text is for a failure.
    Send(Vec<Vec<Request>>, String),
}

impl Retraction {
    /// The object is already gone.
    pub const GONE: Retraction = Retraction::Nothing(Undone::Gone);

    /// The object stays, for this reason.
    pub fn left(why: String) -> Self {
        Retraction::Nothing(Undone::Left(why))
    }
}

/// An undo that consists of netlink requests. It first checks that the existing object is still the recorded one, and
/// removes nothing else.
pub trait Retract {
    /// Reads the machine, and returns the requests to send.
    fn prepare(&self, cx: &mut WriteContext<'_>) -> Result<Retraction, MachineError>;
}

/// An undo with code of its own.
pub trait OwnUndo {
    /// Performs the undo, if the existing object is still the recorded one.
    fn perform(&self, cx: &mut WriteContext<'_>) -> Result<Undone, MachineError>;
}

/// How an undo is done.
#[derive(Clone, Copy)]
pub enum UndoLane<'a> {
    /// With netlink requests to a namespace. When a request deletes a link, the kernel waits until no packet uses the
    /// link any more, about 15 ms.
    Requests(Netns, &'a dyn Retract),
    /// With edits of a rule table, in a second thread, in parallel with the other undos.
    Rules(&'a dyn RuleRemoval),
    /// With code of its own.
    Own(&'a dyn OwnUndo),
    /// With a native plugin. These undos run last: a process that the plugin leaves running would inherit our open
    /// files.
    Native(&'a dyn OwnUndo),
}

/// What exists where an action would be done, for a reader of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Found {
    /// Nothing: the action makes the object.
    Absent,
    /// Exactly this object: the action leaves it.
    Present,
    /// Another value: the action replaces it.
    Other,
    /// Only root can read it.
    Unknown,
}

impl From<&Before> for Found {
    fn from(before: &Before) -> Self {
        match before {
            Before::Absent => Found::Absent,
            Before::Present => Found::Present,
            Before::Old(_) => Found::Other,
            Before::Unknown => Found::Unknown,
        }
    }
}

/// Whether `nft` is the only program for rules. If so, nftables is the default, as in the reference.
pub fn only_nftables(look: &mut dyn Look) -> bool {
    !look.has_program("iptables-restore") && look.has_program("nft")
}

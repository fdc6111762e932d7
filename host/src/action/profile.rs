//! What follows from an action by itself: how it is done, on which link, for how long.

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

/// How long what an action made is meant to last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lifetime {
    /// As long as the attachment: DEL, GC and rollback undo it.
    Attachment,
    /// As long as anybody uses it: only a rollback undoes it, and only when nobody does.
    Shared,
    /// As long as the node runs: only a rollback undoes it, and only when there is no other attachment.
    Node,
}

/// A link by place and borrowed name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkName<'a> {
    /// Where it is.
    pub netns: Netns,
    /// What it is called there.
    pub name: &'a IfName,
}

impl<'a> LinkName<'a> {
    /// A link of the host.
    pub fn on_host(name: &'a IfName) -> Self {
        LinkName { netns: Netns::Host, name }
    }

    /// Whether it is that link.
    pub fn is(&self, link: &LinkRef) -> bool {
        self.netns == link.netns && *self.name == link.name
    }
}

impl<'a> From<&'a LinkRef> for LinkName<'a> {
    fn from(link: &'a LinkRef) -> Self {
        LinkName { netns: link.netns, name: &link.name }
    }
}

/// From what the lifetime of an action follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lasts {
    /// From its kind.
    For(Lifetime),
    /// From the link that it is on: as long as that, if an action of the plan makes it; in the container as long as the attachment; else so long.
    WithLink(Lifetime),
}

/// What follows from an action by itself.
pub struct Profile<'a> {
    /// How it is done.
    pub lane: Lane<'a>,
    /// What a plugin needs to record it.
    pub capability: Capability,
    /// The links that it makes.
    pub makes: Vec<LinkName<'a>>,
    /// The links that have to be there, or gone, before its requests can be built.
    pub needs: Vec<LinkName<'a>>,
    /// The links that appear or disappear with its requests: what needs one of them is sent after.
    pub changes: Vec<LinkName<'a>>,
    /// The link that it is done to.
    pub on: Option<LinkRef>,
    /// How long what it makes lasts.
    pub lasts: Lasts,
    /// It may make, or its rollback remove, what others use too, whatever its lifetime.
    pub shares: bool,
}

impl<'a> Profile<'a> {
    /// One that makes and needs no link, for as long as the attachment.
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

    /// One of a request that is done to a link, and lasts as long as the link if the plan makes that.
    pub fn on_link(link: &'a LinkRef, lane: Lane<'a>, capability: Capability) -> Self {
        Profile {
            needs: vec![link.into()],
            on: Some(link.clone()),
            lasts: Lasts::WithLink(Lifetime::Attachment),
            ..Profile::new(lane, capability)
        }
    }

    /// How long what the action makes lasts in a plan of `actions`.
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

/// Where an action is done: entries that follow each other in one place are one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A lease store.
    Store,
    /// A namespace.
    Netns(Netns),
    /// The rules of the host.
    Rules,
    /// A program that does what it does.
    Native,
}

/// How an action is done.
#[derive(Clone, Copy)]
pub enum Lane<'a> {
    /// By requests to a namespace, sent together with those of its neighbours.
    Requests(Netns, &'a dyn Requests),
    /// By edits of a table of rules, in one transaction with those of its neighbours.
    Rules(&'a dyn RuleSet),
    /// In a way of its own, one after the other.
    Own(Place, &'a dyn Own),
    /// By looking until something is so: nothing is changed, and no lock is held.
    Wait(Netns, &'a dyn Own),
    /// Between two stages of a plan.
    Stage,
}

impl Lane<'_> {
    /// Where it is done.
    pub fn place(&self) -> Place {
        match self {
            Lane::Requests(netns, _) | Lane::Wait(netns, _) => Place::Netns(*netns),
            Lane::Rules(_) => Place::Rules,
            Lane::Own(place, _) => *place,
            Lane::Stage => Place::Native,
        }
    }

    /// Whether it only waits.
    pub fn is_wait(&self) -> bool {
        matches!(self, Lane::Wait(..))
    }
}

/// An answer to a request.
pub type Answered = io::Result<()>;

/// What is to be sent for an action.
#[derive(Debug)]
pub enum Prepared {
    /// Nothing: it is done already.
    Nothing,
    /// These, together with those of other actions.
    Send(Vec<Request>),
    /// Some by themselves, the others only when none of these failed.
    After {
        /// What is sent first.
        first: Vec<Request>,
        /// The text for a failure of that.
        what: String,
        /// What is sent then, together with those of other actions: what [`Requests::conclude`] gets the answers to.
        then: Vec<Request>,
    },
}

impl Prepared {
    /// Requests that go after others, of which there may be none.
    pub fn after(first: Vec<Request>, what: impl Into<String>, then: Vec<Request>) -> Self {
        match first.is_empty() {
            true => Prepared::Send(then),
            false => Prepared::After { first, what: what.into(), then },
        }
    }
}

/// An action that is done by requests.
pub trait Requests {
    /// Looks, and gives what is to be sent.
    fn prepare(&self, cx: &mut WriteContext<'_>) -> Result<Prepared, MachineError>;

    /// What the answers to the (last) requests mean; cleans up after a failure. An error leaves the outcome open: undo looks.
    fn conclude(&self, answers: Vec<Answered>, cx: &mut WriteContext<'_>) -> Result<Effect, MachineError>;
}

/// An action or an undo that is done in a way of its own.
pub trait Own {
    /// Does it. An error leaves the outcome open, unless `is_whole`.
    fn perform(&self, cx: &mut WriteContext<'_>) -> Result<Effect, MachineError>;

    /// Whether it is done in whole or not at all.
    fn is_whole(&self) -> bool {
        false
    }
}

/// An action that is a set of rules in one table.
pub trait RuleSet {
    /// Which table.
    fn table(&self) -> TableId;

    /// Refuses names and words that cannot be written as one.
    fn check(&self) -> Result<(), MachineError>;

    /// The edits that make what a listing lacks. Pure.
    fn add(&self, now: &Listing) -> Vec<Edit>;

    /// The same as part of a transaction that does other actions, `others`, too: what those want stays. The set itself may be one of them.
    fn add_with_others(&self, _others: &[&Action], now: &Listing) -> Vec<Edit> {
        self.add(now)
    }

    /// Why it cannot be added to what is listed: something of somebody else stands in its place. Nothing of the transaction is done then.
    fn conflict(&self, _now: &Listing) -> Option<MachineError> {
        None
    }

    /// What these edits changed of what was listed before.
    fn effect(&self, before: &Listing, is_changed: bool) -> Effect;

    /// What a listing lacks, in sentences.
    fn missing(&self, now: &Listing) -> Vec<Difference>;

    /// The error in the words of the reference.
    fn failed(&self, error: TableError) -> MachineError;

    /// What is done once the rules are there.
    fn then(&self, _machine: &mut dyn Machine) {}
}

/// What is to be done to a table to remove a set of rules.
#[derive(Debug, Default)]
pub struct Removal {
    /// The edits; none: there is nothing of it.
    pub edits: Vec<Edit>,
    /// Somebody else uses a part of it now; when he removes his at the same time, who looks last removes that part.
    pub look_again: bool,
}

/// The undo of a set of rules.
pub trait RuleRemoval {
    /// Which table.
    fn table(&self) -> TableId;

    /// Refuses names and words that cannot be written as one.
    fn check(&self) -> Result<(), MachineError>;

    /// The edits that remove it from what is listed, or why it is left. Pure.
    fn remove(&self, now: &Listing) -> Result<Removal, String>;

    /// The error in the words of the reference.
    fn failed(&self, error: TableError) -> MachineError;
}

/// What is to be sent for an undo.
#[derive(Debug)]
pub enum Retraction {
    /// Nothing: it is gone, or left.
    Nothing(Undone),
    /// These, each list only when none of the one before failed; what is gone by then is as good. The text is for a failure.
    Send(Vec<Vec<Request>>, String),
}

impl Retraction {
    /// It is gone already.
    pub const GONE: Retraction = Retraction::Nothing(Undone::Gone);

    /// What is there is left, with the reason.
    pub fn left(why: String) -> Self {
        Retraction::Nothing(Undone::Left(why))
    }
}

/// An undo that is done by requests: it looks first, and only what is still the one meant goes.
pub trait Retract {
    /// Looks, and gives what is to be sent.
    fn prepare(&self, cx: &mut WriteContext<'_>) -> Result<Retraction, MachineError>;
}

/// An undo that is done in a way of its own.
pub trait OwnUndo {
    /// Does it, if what is there is still the one meant.
    fn perform(&self, cx: &mut WriteContext<'_>) -> Result<Undone, MachineError>;
}

/// How an undo is done.
#[derive(Clone, Copy)]
pub enum UndoLane<'a> {
    /// By requests to a namespace. Of those that delete links the kernel waits until no packet is on its way there, some 15 ms.
    Requests(Netns, &'a dyn Retract),
    /// By edits of a table, in a second thread beside the others.
    Rules(&'a dyn RuleRemoval),
    /// In a way of its own.
    Own(&'a dyn OwnUndo),
    /// By a native plugin: after all else, since what it leaves running would inherit what is open.
    Native(&'a dyn OwnUndo),
}

/// What is found where an action would be done, for a reader of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Found {
    /// Nothing: the action makes it.
    Absent,
    /// The very thing: the action leaves it.
    Present,
    /// Another value: the action replaces it.
    Other,
    /// It cannot be read without root.
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

/// Whether there is a program for the rules of nftables alone: then it is the default, as in the reference.
pub fn only_nftables(look: &mut dyn Look) -> bool {
    !look.has_program("iptables-restore") && look.has_program("nft")
}

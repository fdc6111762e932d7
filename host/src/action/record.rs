//! What is recorded of an action: what was there before, and what it changed. Undo goes by nothing else.

use super::{Action, LinkAttribute, Undo};
use crate::machine::MachineError;
use crate::machine::port::Address;
use crate::value::{LinkIdentity, LinkRef, SysctlKey};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// What was there before an action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Before {
    /// Nothing: what the action makes is ours.
    Absent,
    /// The very thing, already: the action will not make it.
    Present,
    /// Something else in its place, or a part of it.
    Old(Old),
    /// It could not be read.
    Unknown,
}

/// What an action changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// Links that did not exist.
    CreatedLinks(Vec<LinkIdentity>),
    /// Something else that did not exist.
    Created,
    /// It was there already: undo leaves it.
    AlreadyThere,
    /// It failed, and may have been done all the same: undo goes by what was there before.
    Unclear,
    /// Something else stood there, or a part of it.
    Replaced(Old),
}

/// What stood in the place of what an action makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Old {
    /// A kernel parameter, with those that the kernel writes with it.
    Sysctl(OldSysctl),
    /// An attribute of a link.
    Attribute(LinkAttribute),
    /// `last_reserved_ip.N` of a lease store.
    LastReserved(IpAddr),
    /// The address that was deleted.
    Address(Address),
    /// What rules share with those of others, by name: chains, the rules that lead to them, a table.
    Shared(Vec<String>),
    /// `IFLA_TXQLEN` of the link, packets: the kernel gives a link without a queue length another one with its first token bucket.
    QueueLength(u32),
}

/// A kernel parameter, with those that the kernel would not restore when it is written again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OldSysctl {
    /// Its value.
    pub value: String,
    /// Those beside it that had another value than the kernel gives them with this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<(SysctlKey, String)>,
}

/// What became of an action.
#[derive(Debug)]
pub enum Outcome {
    /// Done.
    Done(Effect),
    /// Refused or failed; it changed nothing.
    Failed(MachineError),
    /// Failed, perhaps when it was done or half done: undo looks at what is there.
    Halfway(MachineError),
    /// Not begun, because one before it in the step failed.
    NotTried,
}

impl Outcome {
    /// Whether it failed.
    pub fn is_failure(&self) -> bool {
        matches!(self, Outcome::Failed(_) | Outcome::Halfway(_))
    }
}

/// What became of an undo.
#[derive(Debug)]
pub enum Undone {
    /// It was there and is gone.
    Done,
    /// It was gone already.
    Gone,
    /// What is there is not the one meant, or somebody uses it: left, with the reason.
    Left(String),
    /// It is still there.
    Failed(MachineError),
}

/// One difference between the machine and what an action made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// In one sentence.
    pub text: String,
    /// What makes it as it was. None: nothing repairs it, because the thing is gone for good or is somebody else's.
    pub repair: Option<Action>,
}

impl Difference {
    /// One that an action repairs.
    pub fn repaired(text: impl Into<String>, by: impl Into<Action>) -> Self {
        Difference { text: text.into(), repair: Some(by.into()) }
    }

    /// One that no action repairs.
    pub fn beyond(text: impl Into<String>) -> Self {
        Difference { text: text.into(), repair: None }
    }

    /// Several that one action repairs.
    pub fn all(texts: impl IntoIterator<Item = String>, by: impl Into<Action>) -> Vec<Self> {
        let by = by.into();
        texts.into_iter().map(|text| Difference::repaired(text, by.clone())).collect()
    }

    /// Something that was done to a link: whether it still holds; none, if the link is missing, and with it what `with_it` says.
    ///
    /// A bridge that is missing is made again, and then all that was done to it.
    pub fn on_link(
        by: impl Into<Action>,
        link: &LinkRef,
        holds: Option<bool>,
        with_it: &str,
        text: impl Into<String>,
    ) -> Vec<Self> {
        match holds {
            Some(true) => Vec::new(),
            Some(false) => vec![Difference::repaired(text, by)],
            None => vec![Difference::repaired(format!("link {link} is missing{with_it}"), by)],
        }
    }
}

/// Why something is undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The ADD failed or was killed: the machine becomes what it was.
    Rollback,
    /// The attachment ends: what is shared or the node's stays.
    Delete,
}

/// What is known of an action afterwards.
#[derive(Debug, Clone, Copy)]
pub enum Done<'a> {
    /// It reported this effect.
    Effect(&'a Effect),
    /// The process ended before it could report, or the action failed, perhaps halfway; this was there before.
    Unknown(&'a Before),
    /// It changed nothing, or was not tried.
    Not,
}

impl<'a> Done<'a> {
    /// Whether the action made something, or may have.
    pub fn may_have_created(&self) -> bool {
        match self {
            Done::Effect(effect) => !matches!(effect, Effect::AlreadyThere),
            Done::Unknown(before) => !matches!(before, Before::Present),
            Done::Not => false,
        }
    }

    /// What stood in its place, if that is known.
    pub fn old(&self) -> Option<&'a Old> {
        match self {
            Done::Effect(Effect::Replaced(old)) | Done::Unknown(Before::Old(old)) => Some(old),
            Done::Effect(_) | Done::Unknown(_) | Done::Not => None,
        }
    }
}

/// An action of a record, with what is known of it.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// What was meant to be done.
    pub action: &'a Action,
    /// What became of it.
    pub done: Done<'a>,
}

/// From what the undo of an action follows.
#[derive(Debug)]
pub struct Undoing<'a> {
    /// What is known of the action.
    pub done: Done<'a>,
    /// Why it is undone.
    pub why: Reason,
    /// All actions that were recorded with it.
    pub own: &'a [Record<'a>],
    /// The actions of all other attachments, one list for each.
    pub others: &'a [Vec<&'a Action>],
}

impl Undoing<'_> {
    /// Whether a link was made by one of the recorded actions, and so takes with it what is on it.
    pub fn goes_with_link(&self, link: &LinkRef) -> bool {
        self.own.iter().any(|record| {
            record.done.may_have_created()
                && record.action.kind().profile().makes.iter().any(|name| name.is(link))
        })
    }

    /// The undo of something that is done to a link, if it made something, or may have, and does not go with the link.
    pub fn on_link(&self, link: &LinkRef, undo: impl Into<Undo>) -> Vec<Undo> {
        if self.goes_with_link(link) { Vec::new() } else { self.undo_if_created(undo) }
    }

    /// Rules whose name shows them to be the attachment's: a DEL removes also those that were there before.
    pub fn owns_rules(&self) -> bool {
        self.done.may_have_created() || self.why == Reason::Delete && !matches!(self.done, Done::Not)
    }

    /// Of what rules share with others, what a rollback removes when nobody uses it: what this ADD made. A DEL leaves all of it, as the reference does.
    pub fn created_shared(&self, shared: Vec<String>) -> Vec<String> {
        // What could not be read may be anybody's.
        if self.why == Reason::Delete || matches!(self.done, Done::Unknown(Before::Unknown) | Done::Not) {
            return Vec::new();
        }
        let there: &[String] = match self.done.old() {
            Some(Old::Shared(there)) => there,
            _ => &[],
        };
        shared.into_iter().filter(|name| !there.contains(name)).collect()
    }

    /// The undo, if the action made something, or may have.
    pub fn undo_if_created(&self, undo: impl Into<Undo>) -> Vec<Undo> {
        if self.done.may_have_created() { vec![undo.into()] } else { Vec::new() }
    }
}

//! The record of an action: the state before it, and its effect. Undo uses nothing else.

use super::{Action, LinkAttribute, Undo};
use crate::machine::MachineError;
use crate::machine::port::Address;
use crate::value::{LinkIdentity, LinkRef, Netns, SysctlKey};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The state before an action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Before {
    /// Nothing: what the action makes is ours.
    Absent,
    /// Exactly the state that the action would make. The action makes nothing.
    Present,
    /// Something else in its place, or a part of it.
    Old(Old),
    /// The state could not be read.
    Unknown,
}

/// The effect of an action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// Links that did not exist before.
    CreatedLinks(Vec<LinkIdentity>),
    /// Another object that did not exist before.
    Created,
    /// Nothing: the object existed already. Undo leaves it.
    AlreadyThere,
    /// The action failed, and may have changed something. Undo uses the state before the action.
    Unclear,
    /// Something else, or a part of the object, existed before.
    Replaced(Old),
}

/// What existed in the place of the object that an action makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Old {
    /// A kernel parameter, with other parameters that the kernel changes when this one is written.
    Sysctl(OldSysctl),
    /// An attribute of a link.
    Attribute(LinkAttribute),
    /// The MTU of a link, and what the link loses with a smaller one.
    Mtu(OldMtu),
    /// `last_reserved_ip.N` of a lease store.
    LastReserved(IpAddr),
    /// The deleted address.
    Address(Address),
    /// The names of objects that the rules share with rules of others: chains, the rules that jump to them, a table.
    Shared(Vec<String>),
    /// `IFLA_TXQLEN` of the link, in packets. If it is 0, the kernel changes it when the link gets its first token
    /// bucket filter.
    QueueLength(u32),
}

/// The old value of a kernel parameter, with parameters that the kernel would not restore when this one is written
/// again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OldSysctl {
    /// The old value.
    pub value: String,
    /// Other parameters, whose old values differ from those that the kernel sets together with this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<(SysctlKey, String)>,
}

/// The old MTU of a link whose new MTU is too small for IPv6 or for IPv4. The kernel then removes the parameters of that
/// protocol, and makes them again, with the values of `default`, when the MTU is large enough again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OldMtu {
    /// In bytes.
    pub mtu: u32,
    /// The parameters of the link that are removed, with their values.
    pub parameters: Vec<(SysctlKey, String)>,
}

impl Old {
    /// Whether both are the same value of the machine. White space in a kernel parameter makes no difference.
    pub fn is_same(&self, other: &Old) -> bool {
        match (self, other) {
            (Old::Sysctl(one), Old::Sysctl(other)) => is_same_value(&one.value, &other.value),
            _ => self.attribute().is_some_and(|attribute| other.attribute() == Some(attribute)),
        }
    }

    /// The attribute of a link.
    fn attribute(&self) -> Option<LinkAttribute> {
        match self {
            Old::Attribute(attribute) => Some(attribute.clone()),
            Old::Mtu(old) => Some(LinkAttribute::Mtu(old.mtu)),
            Old::QueueLength(packets) => Some(LinkAttribute::QueueLength(*packets)),
            Old::Sysctl(_) | Old::LastReserved(_) | Old::Address(_) | Old::Shared(_) => None,
        }
    }
}

/// Whether two values of a kernel parameter are equal, apart from white space. The kernel separates the numbers of a list
/// by tabs.
pub fn is_same_value(a: &str, b: &str) -> bool {
    a.split_whitespace().eq(b.split_whitespace())
}

/// A value of the machine that an action replaces. Several attachments may replace it one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaces {
    /// The value.
    pub of: ValueOf,
    /// What the action sets it to.
    pub with: Old,
}

/// Which value of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueOf {
    /// A kernel parameter.
    Sysctl(Netns, SysctlKey),
    /// The attribute of a link that has this name.
    Attribute(LinkRef, &'static str),
}

impl ValueOf {
    /// The namespace of the value.
    pub fn netns(&self) -> Netns {
        match self {
            ValueOf::Sysctl(netns, _) => *netns,
            ValueOf::Attribute(link, _) => link.netns,
        }
    }
}

/// The outcome of an action.
#[derive(Debug)]
pub enum Outcome {
    /// The action succeeded.
    Done(Effect),
    /// The kernel refused it, or it failed. It changed nothing.
    Failed(MachineError),
    /// The action failed, perhaps after it changed something. Undo compares the machine with the record.
    Halfway(MachineError),
    /// The action was not started, because an earlier one of the step failed.
    NotTried,
}

impl Outcome {
    /// Whether the action failed.
    pub fn is_failure(&self) -> bool {
        matches!(self, Outcome::Failed(_) | Outcome::Halfway(_))
    }
}

/// The outcome of an undo.
#[derive(Debug)]
pub enum Undone {
    /// The object existed, and is removed.
    Done,
    /// The object did not exist any more.
    Gone,
    /// The existing object is another one, or somebody uses it. It stays; the text is the reason.
    Left(String),
    /// The object still exists.
    Failed(MachineError),
}

/// A difference between the machine and the state that an action made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// One sentence.
    pub text: String,
    /// The action that restores the state. None if nothing can: the object is gone for good, or belongs to somebody
    /// else.
    pub repair: Option<Action>,
}

impl Difference {
    /// A difference that an action repairs.
    pub fn repaired(text: impl Into<String>, by: impl Into<Action>) -> Self {
        Difference { text: text.into(), repair: Some(by.into()) }
    }

    /// A difference that no action repairs.
    pub fn beyond(text: impl Into<String>) -> Self {
        Difference { text: text.into(), repair: None }
    }

    /// Several differences that one action repairs.
    pub fn all(texts: impl IntoIterator<Item = String>, by: impl Into<Action>) -> Vec<Self> {
        let by = by.into();
        texts.into_iter().map(|text| Difference::repaired(text, by.clone())).collect()
    }

    /// The difference for something that was done to a link. `holds` says whether it is still so. If the link is
    /// missing, `holds` is none, and `with_it` says what was lost with the link.
    ///
    /// If a bridge is missing, a repair makes it again, and then repeats everything that was done to it.
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

/// The reason for an undo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The ADD failed, or was killed. The machine returns to its earlier state.
    Rollback,
    /// The attachment ends. Objects that are shared, or belong to the node, stay.
    Delete,
}

/// What is known about an action after it ran.
#[derive(Debug, Clone, Copy)]
pub enum Done<'a> {
    /// The action reported this effect.
    Effect(&'a Effect),
    /// The process ended before the action reported, or the action failed, perhaps halfway. This was the state before.
    Unknown(&'a Before),
    /// The action changed nothing, or was not tried.
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

    /// What existed in its place, if that is known.
    pub fn old(&self) -> Option<&'a Old> {
        match self {
            Done::Effect(Effect::Replaced(old)) | Done::Unknown(Before::Old(old)) => Some(old),
            Done::Effect(_) | Done::Unknown(_) | Done::Not => None,
        }
    }
}

/// A recorded action, with what is known about it.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// The intended action.
    pub action: &'a Action,
    /// Its outcome.
    pub done: Done<'a>,
}

/// What the undos of an action are derived from.
#[derive(Debug)]
pub struct Undoing<'a> {
    /// What is known about the action.
    pub done: Done<'a>,
    /// The reason for the undo.
    pub why: Reason,
    /// All actions that were recorded with it.
    pub own: &'a [Record<'a>],
    /// The actions of all other attachments, one list for each attachment.
    pub others: &'a [Vec<&'a Action>],
}

impl Undoing<'_> {
    /// Whether one of the recorded actions made the link. If so, what was done to the link disappears with it.
    pub fn goes_with_link(&self, link: &LinkRef) -> bool {
        self.own.iter().any(|record| {
            record.done.may_have_created()
                && record.action.kind().profile().makes.iter().any(|name| name.is(link))
        })
    }

    /// The undo of something that was done to a link. Empty if the action made nothing, or if its result disappears
    /// with the link.
    pub fn on_link(&self, link: &LinkRef, undo: impl Into<Undo>) -> Vec<Undo> {
        if self.goes_with_link(link) { Vec::new() } else { self.undo_if_created(undo) }
    }

    /// Whether to remove rules whose name shows that they belong to the attachment. DEL also removes such rules if they
    /// existed before the action.
    pub fn owns_rules(&self) -> bool {
        self.done.may_have_created() || self.why == Reason::Delete && !matches!(self.done, Done::Not)
    }

    /// The shared objects that a rollback removes if nobody uses them: those that this ADD made. DEL removes none of
    /// them, as in the reference.
    pub fn created_shared(&self, shared: Vec<String>) -> Vec<String> {
        // If the state before could not be read, the objects may belong to anybody.
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

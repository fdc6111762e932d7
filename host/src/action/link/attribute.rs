//! Attributes of a link that is there.

use super::port::BridgePort;
use crate::action::check::Check;
use crate::action::context::ReadContext;
use crate::action::kind::Kind;
use crate::action::profile::Profile;
use crate::action::profile::UndoLane;
use crate::action::record::{Before, Difference, Undoing};
use crate::action::undo::Inverse;
use crate::action::{Action, Undo};
use crate::machine::MachineError;
use crate::policy::Refusal;
use crate::value::{LinkRef, Mac};
use serde::{Deserialize, Serialize};

/// See [`Action::SetLink`](super::Action::SetLink).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetLink {
    /// Which link: it stays, with its index and its addresses.
    pub link: LinkRef,
    /// What it gets.
    pub attribute: LinkAttribute,
}

/// An attribute of a link. A plan sets the first four; the others are what a link of ours was made with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkAttribute {
    /// The Ethernet address.
    Mac(Mac),
    /// Bytes.
    Mtu(u32),
    /// `IFF_ALLMULTI`.
    AllMulticast(bool),
    /// `IFLA_TXQLEN`, packets.
    QueueLength(u32),
    /// `IFF_PROMISC`: it is only saved; [`SetPromiscuous`] sets it.
    Promiscuous(bool),
    /// `IFLA_IFALIAS`.
    Alias(String),
    /// Of which bridge it is a port, and how.
    Port(BridgePort),
}

impl LinkAttribute {
    /// The value as text: what undo remembers. A port has none.
    pub fn text(&self) -> String {
        match self {
            LinkAttribute::Mac(mac) => mac.to_string(),
            LinkAttribute::Mtu(value) | LinkAttribute::QueueLength(value) => value.to_string(),
            LinkAttribute::AllMulticast(on) | LinkAttribute::Promiscuous(on) => on.to_string(),
            LinkAttribute::Alias(alias) => alias.clone(),
            LinkAttribute::Port(_) => String::new(),
        }
    }

    /// The same attribute with the value of a [`LinkAttribute::text`].
    pub fn with_text(&self, text: &str) -> Option<Self> {
        Some(match self {
            LinkAttribute::Mac(_) => LinkAttribute::Mac(Mac::try_from(text.to_owned()).ok()?),
            LinkAttribute::Mtu(_) => LinkAttribute::Mtu(text.parse().ok()?),
            LinkAttribute::QueueLength(_) => LinkAttribute::QueueLength(text.parse().ok()?),
            LinkAttribute::AllMulticast(_) => LinkAttribute::AllMulticast(text.parse().ok()?),
            LinkAttribute::Promiscuous(_) => LinkAttribute::Promiscuous(text.parse().ok()?),
            LinkAttribute::Alias(_) => LinkAttribute::Alias(text.to_owned()),
            LinkAttribute::Port(_) => return None,
        })
    }

    /// Whether both are about one attribute.
    pub fn is_same_kind(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

impl Kind for SetLink {
    fn profile(&self) -> Profile<'_> {
        todo!()
    }

    fn commands(&self) -> Vec<String> {
        todo!()
    }

    fn refuse(&self, _check: &Check<'_>) -> Vec<Refusal> {
        todo!()
    }

    fn observe(&self, _cx: &mut ReadContext<'_>) -> Before {
        todo!()
    }

    fn undos(&self, _undoing: &Undoing<'_>) -> Vec<Undo> {
        todo!()
    }

    fn verify(&self, _cx: &mut ReadContext<'_>) -> Result<Vec<Difference>, MachineError> {
        todo!()
    }

    fn covers(&self, _repair: &Action) -> bool {
        todo!()
    }
}

/// Gives an attribute of a link its old value, if it still has the one that was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreLink {
    /// Which link.
    pub link: LinkRef,
    /// What was set; none: whatever it has.
    pub set: Option<LinkAttribute>,
    /// What it had before.
    pub old: LinkAttribute,
}

impl Inverse for RestoreLink {
    fn lane(&self) -> UndoLane<'_> {
        todo!()
    }

    fn command(&self) -> String {
        todo!()
    }
}

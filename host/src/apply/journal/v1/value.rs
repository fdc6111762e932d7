//! The values of version 1: text, and what it means for each action.

use super::action::{Action, LinkAttribute};
use super::address;
use crate::action::record::{self, Old, OldSysctl};
use crate::value::{LinkIdentity, Mac, SysctlKey};
use serde::Deserialize;

/// What was there before an action.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Before {
    Absent,
    Present,
    Value(String),
    Unknown,
}

/// What an action changed.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    CreatedLinks(Vec<LinkIdentity>),
    Created,
    AlreadyThere,
    Unclear,
    Replaced(String),
}

/// What the text of a value is.
#[derive(Clone)]
pub enum Meaning {
    /// The action has none.
    None,
    /// An address.
    LastReserved,
    /// The value, then a line `KEY=VALUE` for each parameter beside it.
    Sysctl,
    /// The value of that attribute.
    Attribute(LinkAttribute),
    /// Prefix notation, then perhaps the kernel's message in hexadecimal.
    Address,
    /// Names with blanks between them.
    Shared,
    /// Packets.
    QueueLength,
}

impl Meaning {
    /// That of an action's value.
    pub fn of(action: &Action) -> Self {
        match action {
            Action::ReserveLease(_) => Meaning::LastReserved,
            Action::SetSysctl(_) => Meaning::Sysctl,
            Action::SetLink(set) => Meaning::Attribute(set.attribute.clone()),
            Action::DeleteAddress(_) => Meaning::Address,
            Action::MapPorts(_)
            | Action::Filter(_)
            | Action::MasqueradeNft(_)
            | Action::CheckSourceMac(_) => Meaning::Shared,
            Action::Shape(_) => Meaning::QueueLength,
            Action::DeleteStaleLink(_)
            | Action::EnsureBridge(_)
            | Action::CreateVeth(_)
            | Action::EnsureVlanGateway(_)
            | Action::SetUp(_)
            | Action::SetPromiscuous(_)
            | Action::Settle(_)
            | Action::Announce(_)
            | Action::AddAddress(_)
            | Action::AddRoute(_)
            | Action::Masquerade(_)
            | Action::DeletePortMap(_)
            | Action::Delegate(_)
            | Action::SaveLink(_) => Meaning::None,
        }
    }

    /// The value of a text, if it makes sense.
    fn read(&self, text: &str) -> Option<Old> {
        Some(match self {
            Meaning::None => return None,
            Meaning::LastReserved => Old::LastReserved(text.parse().ok()?),
            Meaning::Sysctl => Old::Sysctl(sysctl(text)),
            Meaning::Attribute(attribute) => Old::Attribute(with_text(attribute, text)?.into()),
            Meaning::Address => Old::Address(address::decode(text)?),
            Meaning::Shared => Old::Shared(text.split(' ').map(str::to_owned).collect()),
            Meaning::QueueLength => Old::QueueLength(text.parse().ok()?),
        })
    }
}

/// An attribute whose value is a text; a port has none.
fn with_text(attribute: &LinkAttribute, text: &str) -> Option<LinkAttribute> {
    Some(match attribute {
        LinkAttribute::Mac(_) => LinkAttribute::Mac(Mac::try_from(text.to_owned()).ok()?),
        LinkAttribute::Mtu(_) => LinkAttribute::Mtu(text.parse().ok()?),
        LinkAttribute::AllMulticast(_) => LinkAttribute::AllMulticast(text.parse().ok()?),
        LinkAttribute::QueueLength(_) => LinkAttribute::QueueLength(text.parse().ok()?),
        LinkAttribute::Promiscuous(_) => LinkAttribute::Promiscuous(text.parse().ok()?),
        LinkAttribute::Alias(_) => LinkAttribute::Alias(text.to_owned()),
        LinkAttribute::Port(_) => return None,
    })
}

fn sysctl(text: &str) -> OldSysctl {
    let mut lines = text.split('\n');
    let value = lines.next().unwrap_or_default().to_owned();
    let others = lines.filter_map(|line| {
        // A name of a link may have a `=` too.
        let (key, value) = line.rsplit_once('=')?;
        Some((SysctlKey::parse(key).ok()?, value.to_owned()))
    });
    OldSysctl { value, others: others.collect() }
}

impl Before {
    /// As version 2 has it; none, if its text makes no sense.
    pub fn with(self, meaning: &Meaning) -> Option<record::Before> {
        Some(match self {
            Before::Absent => record::Before::Absent,
            Before::Present => record::Before::Present,
            Before::Value(text) => record::Before::Old(meaning.read(&text)?),
            Before::Unknown => record::Before::Unknown,
        })
    }
}

impl Effect {
    /// As version 2 has it; none, if its text makes no sense.
    pub fn with(self, meaning: &Meaning) -> Option<record::Effect> {
        Some(match self {
            Effect::CreatedLinks(links) => record::Effect::CreatedLinks(links),
            Effect::Created => record::Effect::Created,
            Effect::AlreadyThere => record::Effect::AlreadyThere,
            Effect::Unclear => record::Effect::Unclear,
            Effect::Replaced(text) => record::Effect::Replaced(meaning.read(&text)?),
        })
    }
}

//! Values in version 1: text, with a meaning for each kind of action.

use super::action::{Action, LinkAttribute};
use super::address;
use crate::action::record::{self, Old, OldSysctl};
use crate::value::{LinkIdentity, Mac, SysctlKey};
use serde::Deserialize;

/// The state before an action.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Before {
    Absent,
    Present,
    Value(String),
    Unknown,
}

/// The effect of an action.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    CreatedLinks(Vec<LinkIdentity>),
    Created,
    AlreadyThere,
    Unclear,
    Replaced(String),
}

/// The meaning of a value's text.
#[derive(Clone)]
pub enum Meaning {
    /// The action has no value.
    None,
    /// An IP address.
    LastReserved,
    /// The value of the parameter, then one line `KEY=VALUE` for each other parameter.
    Sysctl,
    /// The value of this attribute.
    Attribute(LinkAttribute),
    /// CIDR notation, optionally followed by the kernel's netlink message in hexadecimal digits.
    Address,
    /// Names, separated by spaces.
    Shared,
    /// A number of packets.
    QueueLength,
}

impl Meaning {
    /// The meaning for an action.
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

    /// Parses a text. None if it is not valid.
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

/// The attribute with a value from text. None for a bridge port.
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
        // The name of a link in the key may contain a `=`, so the last one separates.
        let (key, value) = line.rsplit_once('=')?;
        Some((SysctlKey::parse(key).ok()?, value.to_owned()))
    });
    OldSysctl { value, others: others.collect() }
}

impl Before {
    /// The state in version 2. None if its text is not valid.
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
    /// The effect in version 2. None if its text is not valid.
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

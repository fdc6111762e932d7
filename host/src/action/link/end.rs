//! A link as it is made: what every kind has.

use super::{DEFAULT_MTU, overlay_created, planned};
use crate::action::query::{Answer, Query};
use crate::action::record::Difference;
use crate::action::{LinkAttribute, SetLink};
use crate::machine::port::Link;
use crate::value::{LinkFact, LinkRef, Mac};

/// A link, or an end of a pair, as it is made.
pub(super) struct End {
    /// Place and name.
    pub link: LinkRef,
    /// `IFLA_INFO_KIND`.
    pub kind: &'static str,
    /// The Ethernet address.
    pub mac: Mac,
    /// Bytes; none: the kernel's default.
    pub mtu: Option<u32>,
}

impl End {
    /// The answer to a question about it before it is made.
    pub fn fact(&self) -> LinkFact {
        planned((&self.link).into(), self.kind, self.mac, self.mtu)
    }

    /// Lays it over the answer to a question.
    pub fn overlay(&self, query: &Query, answer: &mut Answer) {
        overlay_created(query, answer, || self.fact(), (&self.link).into());
    }

    /// How the link of its name differs from it.
    pub fn differences(&self, found: Option<&Link>) -> Vec<Difference> {
        let End { link, kind, mac, mtu } = self;
        let (mac, mtu) = (*mac, mtu.unwrap_or(DEFAULT_MTU));
        let Some(found) = found else { return vec![Difference::beyond(format!("link {link} is missing"))] };
        if found.kind != *kind {
            return vec![Difference::beyond(format!("link {link} is not of type {kind}"))];
        }
        let mut differences = Vec::new();
        if found.mac != mac {
            let text = format!("MAC of {link} is {}, not {mac}", found.mac);
            differences.push(restored(text, link, LinkAttribute::Mac(mac)));
        }
        if found.mtu != mtu {
            let text = format!("MTU of {link} is {}, not {mtu}", found.mtu);
            differences.push(restored(text, link, LinkAttribute::Mtu(mtu)));
        }
        differences
    }

    /// Whether the link is given what it is made with.
    pub fn is_restored_by(&self, set: &SetLink) -> bool {
        self.link == set.link
            && match set.attribute {
                LinkAttribute::Mac(mac) => mac == self.mac,
                LinkAttribute::Mtu(mtu) => self.mtu.is_none_or(|own| own == mtu),
                LinkAttribute::AllMulticast(_)
                | LinkAttribute::QueueLength(_)
                | LinkAttribute::Promiscuous(_)
                | LinkAttribute::Alias(_)
                | LinkAttribute::Port(_) => false,
            }
    }
}

/// A difference that goes when the link gets an attribute.
pub(super) fn restored(text: String, link: &LinkRef, attribute: LinkAttribute) -> Difference {
    Difference::repaired(text, SetLink { link: link.clone(), attribute })
}

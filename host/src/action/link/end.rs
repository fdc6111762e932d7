//! The attributes that a link of every kind has when it is created.

use super::{DEFAULT_MTU, overlay_created, planned};
use crate::action::query::{Answer, Query};
use crate::action::record::Difference;
use crate::action::{LinkAttribute, SetLink};
use crate::machine::port::Link;
use crate::value::{LinkFact, LinkRef, Mac};

/// A link at its creation: a single one, or one end of a pair.
pub(super) struct End {
    /// Namespace and name.
    pub link: LinkRef,
    /// `IFLA_INFO_KIND`.
    pub kind: &'static str,
    /// The MAC address.
    pub mac: Mac,
    /// In bytes. None means the kernel's default.
    pub mtu: Option<u32>,
}

impl End {
    /// The answer to a query about the link before it is created.
    pub fn fact(&self) -> LinkFact {
        planned((&self.link).into(), self.kind, self.mac, self.mtu)
    }

    /// Adds the link to the answer to a query.
    pub fn overlay(&self, query: &Query, answer: &mut Answer) {
        overlay_created(query, answer, || self.fact(), (&self.link).into());
    }

    /// The differences between `found`, the link that has this name now, and this one.
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

    /// Whether `set` sets an attribute of this link to its value at creation.
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

/// A difference that a repair removes when it sets the attribute.
pub(super) fn restored(text: String, link: &LinkRef, attribute: LinkAttribute) -> Difference {
    Difference::repaired(text, SetLink { link: link.clone(), attribute })
}

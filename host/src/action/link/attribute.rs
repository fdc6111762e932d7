//! Attributes of an existing link.

use super::mtu::{self, RestoreMtu};
use super::on_off;
use super::settings::{LinkAttribute, SetLink};
use crate::action::check::{Check, required};
use crate::action::context::{ReadContext, WriteContext, created};
use crate::action::kind::Kind;
use crate::action::profile::{
    Answered, Lane, Lasts, Lifetime, LinkName, Prepared, Profile, Requests, Retract, Retraction, UndoLane,
};
use crate::action::record::{Before, Difference, Done, Effect, Old, OldMtu, Replaces, Undoing, ValueOf};
use crate::action::undo::Inverse;
use crate::action::{Action, Undo};
use crate::machine::MachineError;
use crate::machine::port::{Link, Request};
use crate::policy::{Capability, Refusal};
use crate::value::{IfName, LinkRef, Mac, Netns, derive};

impl LinkAttribute {
    /// The value as text, for messages. Empty for a bridge port.
    pub fn text(&self) -> String {
        match self {
            LinkAttribute::Mac(mac) => mac.to_string(),
            LinkAttribute::Mtu(value) | LinkAttribute::QueueLength(value) => value.to_string(),
            LinkAttribute::AllMulticast(on) | LinkAttribute::Promiscuous(on) => on.to_string(),
            LinkAttribute::Alias(alias) => alias.clone(),
            LinkAttribute::Port(_) => String::new(),
        }
    }

    /// The same attribute with a value that [`LinkAttribute::text`] wrote.
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

    /// The same attribute with the link's current value. None for a bridge port: a link's attributes do not contain its
    /// port settings.
    pub fn of(&self, link: &Link) -> Option<Self> {
        Some(match self {
            LinkAttribute::Mac(_) => LinkAttribute::Mac(link.mac),
            LinkAttribute::Mtu(_) => LinkAttribute::Mtu(link.mtu),
            LinkAttribute::AllMulticast(_) => LinkAttribute::AllMulticast(link.all_multicast),
            LinkAttribute::QueueLength(_) => LinkAttribute::QueueLength(link.queue_length),
            LinkAttribute::Promiscuous(_) => LinkAttribute::Promiscuous(link.promiscuous),
            LinkAttribute::Alias(_) => LinkAttribute::Alias(link.alias.clone().unwrap_or_default()),
            LinkAttribute::Port(_) => return None,
        })
    }

    /// The requests that set this attribute on a link.
    fn prepare(&self, found: &Link, cx: &mut WriteContext<'_>) -> Result<Prepared, MachineError> {
        let index = found.index;
        Ok(Prepared::Send(vec![match self {
            LinkAttribute::Mac(mac) => Request::SetMac(index, *mac),
            LinkAttribute::Mtu(mtu) => Request::SetMtu(index, *mtu),
            LinkAttribute::AllMulticast(on) => Request::SetAllMulticast(index, *on),
            LinkAttribute::QueueLength(packets) => Request::SetQueueLength(index, *packets),
            LinkAttribute::Promiscuous(on) => Request::SetPromiscuous(index, *on),
            LinkAttribute::Alias(alias) => Request::SetAlias(index, alias.clone()),
            LinkAttribute::Port(port) => return port.join(found, cx),
        }]))
    }

    /// The equivalent shell commands.
    fn commands(&self, name: &IfName) -> Vec<String> {
        vec![match self {
            LinkAttribute::Mac(mac) => format!("ip link set {name} address {mac}"),
            LinkAttribute::Mtu(mtu) => format!("ip link set {name} mtu {mtu}"),
            LinkAttribute::AllMulticast(on) => format!("ip link set {name} allmulticast {}", on_off(*on)),
            LinkAttribute::QueueLength(packets) => format!("ip link set {name} txqueuelen {packets}"),
            LinkAttribute::Promiscuous(on) => format!("ip link set {name} promisc {}", on_off(*on)),
            LinkAttribute::Alias(alias) => format!("ip link set {name} alias '{alias}'"),
            LinkAttribute::Port(port) => return port.commands(name),
        }]
    }

    /// The error text for a link whose attribute could not be set.
    fn failed(&self, name: &IfName) -> String {
        let (name, value) = (name.as_str(), self.text());
        match self {
            LinkAttribute::Mac(_) => format!("failed to set the MAC of {name:?} to {value}"),
            LinkAttribute::Mtu(_) => format!("failed to set the MTU of {name:?} to {value}"),
            LinkAttribute::QueueLength(_) => format!("failed to set the queue length of {name:?} to {value}"),
            LinkAttribute::AllMulticast(_)
            | LinkAttribute::Promiscuous(_)
            | LinkAttribute::Alias(_)
            | LinkAttribute::Port(_) => format!("failed to restore {name:?}"),
        }
    }

    /// The name of the attribute, for messages.
    fn name(&self) -> &'static str {
        match self {
            LinkAttribute::Mac(_) => "MAC",
            LinkAttribute::Mtu(_) => "MTU",
            LinkAttribute::AllMulticast(_) => "all-multicast mode",
            LinkAttribute::QueueLength(_) => "queue length",
            LinkAttribute::Promiscuous(_) => "promiscuous mode",
            LinkAttribute::Alias(_) => "alias",
            LinkAttribute::Port(_) => "port",
        }
    }

    /// The value that is replaced when this attribute is set on a link.
    pub fn replaces_on(&self, link: &LinkRef) -> Replaces {
        let of = ValueOf::Attribute(link.clone(), self.name());
        Replaces { of, with: Old::Attribute(self.clone()) }
    }

    /// Whether a plan may contain it. Only repairs use the others.
    fn is_for_plans(&self) -> bool {
        match self {
            LinkAttribute::Mac(_)
            | LinkAttribute::Mtu(_)
            | LinkAttribute::AllMulticast(_)
            | LinkAttribute::QueueLength(_)
            | LinkAttribute::Promiscuous(false) => true,
            LinkAttribute::Promiscuous(true) | LinkAttribute::Alias(_) | LinkAttribute::Port(_) => false,
        }
    }

    /// Whether both values are of the same attribute.
    pub fn is_same_kind(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

impl SetLink {
    /// The error text for a link whose attribute could not be set.
    fn failed(&self) -> String {
        let name = &self.link.name;
        match self.attribute {
            LinkAttribute::Promiscuous(_) => stays_promiscuous(name),
            _ => self.attribute.failed(name),
        }
    }

    /// The link and the MAC address, if an action sets a MAC address.
    pub fn mac_of(action: &Action) -> Option<(&LinkRef, Mac)> {
        if let Action::SetLink(SetLink { link, attribute: LinkAttribute::Mac(mac) }) = action {
            Some((link, *mac))
        } else {
            None
        }
    }
}

impl Kind for SetLink {
    fn profile(&self) -> Profile<'_> {
        let lane = Lane::Requests(self.link.netns, self);
        let mut profile = Profile::on_link(&self.link, lane, Capability::Links);
        // Clearing promiscuous mode keeps the lifetime of its link, as
        // [`SetPromiscuous`](crate::action::SetPromiscuous) does: other attachments use a bridge too.
        if !matches!(self.attribute, LinkAttribute::Promiscuous(_)) {
            profile.lasts = Lasts::For(Lifetime::Attachment);
        }
        if let LinkAttribute::Port(port) = &self.attribute {
            profile.needs.push(LinkName::on_host(&port.bridge));
        }
        profile
    }

    fn commands(&self) -> Vec<String> {
        self.attribute.commands(&self.link.name)
    }

    fn refuse(&self, check: &Check<'_>) -> Vec<Refusal> {
        let mut refusals = required(self.attribute.is_for_plans(), "no plugin repairs links");
        refusals.extend(check.link(&self.link));
        if self.link.netns == Netns::Host {
            // Not even the own host's end: a bridge takes on the lowest MTU of its ports.
            refusals.extend(required(false, "a link that others use keeps its attributes"));
        }
        if let LinkAttribute::Mac(mac) = self.attribute {
            // No undo can set all zeros again: the kernel refuses them (`is_valid_ether_addr`).
            let is_lo = self.link.name.as_str() == "lo";
            refusals.extend(required(!is_lo, "`lo` keeps its Ethernet address"));
            refusals.extend(check.mac(&self.link, mac, derive::mac(&check.grants.attachment, "container")));
        }
        refusals
    }

    /// Absent for a bridge port. Only a repair sets it, after CHECK found a difference, so nothing is undone.
    fn observe(&self, cx: &mut ReadContext<'_>) -> Before {
        match cx.link(&self.link).map(|found| found.and_then(|found| self.attribute.of(&found))) {
            Ok(Some(now)) if now == self.attribute => Before::Present,
            Ok(Some(now)) => Before::Old(mtu::old(now, &self.attribute, &self.link, cx.look)),
            Ok(None) => Before::Absent,
            Err(_) => Before::Unknown,
        }
    }

    fn undos(&self, undoing: &Undoing<'_>) -> Vec<Undo> {
        if undoing.goes_with_link(&self.link) {
            return Vec::new();
        }
        let link = self.link.clone();
        match undoing.done.old() {
            Some(Old::Attribute(old)) => {
                vec![RestoreLink { link, set: Some(self.attribute.clone()), old: old.clone() }.into()]
            }
            Some(Old::Mtu(old)) => match self.attribute {
                LinkAttribute::Mtu(set) => vec![RestoreMtu { link, set, old: old.clone() }.into()],
                LinkAttribute::Mac(_)
                | LinkAttribute::Promiscuous(_)
                | LinkAttribute::AllMulticast(_)
                | LinkAttribute::QueueLength(_)
                | LinkAttribute::Alias(_)
                | LinkAttribute::Port(_) => Vec::new(),
            },
            Some(
                Old::Sysctl(_)
                | Old::LastReserved(_)
                | Old::Address(_)
                | Old::Shared(_)
                | Old::QueueLength(_),
            )
            | None => Vec::new(),
        }
    }

    /// Not for a bridge port, whose settings are not a single value.
    fn replaces(&self) -> Option<Replaces> {
        let is_single = !matches!(self.attribute, LinkAttribute::Port(_));
        is_single.then(|| self.attribute.replaces_on(&self.link))
    }

    /// The parameters that this action removed stay in its record, unless an earlier action had removed them before. This
    /// action may have brought those back, with the kernel's values.
    fn inherit(&self, done: Done<'_>, old: Old) -> Effect {
        let with = Old::Attribute(self.attribute.clone());
        match (done.old(), old) {
            (Some(Old::Mtu(own)), Old::Attribute(LinkAttribute::Mtu(mtu))) => {
                Effect::Replaced(Old::Mtu(OldMtu { mtu, ..own.clone() }))
            }
            (_, old @ Old::Attribute(_)) if with.is_same(&old) => Effect::AlreadyThere,
            (_, old) => Effect::Replaced(old),
        }
    }

    /// Others of the bridge rely on the mode only if their plans set it too.
    fn is_used_by(&self, other: &Action, _own: &[&Action]) -> bool {
        matches!(other, Action::SetLink(other) if other == self)
    }

    fn verify(&self, cx: &mut ReadContext<'_>) -> Result<Vec<Difference>, MachineError> {
        let SetLink { link, attribute } = self;
        let Some(found) = cx.link(link)? else {
            return Ok(vec![Difference::beyond(format!("link {link} is missing"))]);
        };
        Ok(match attribute.of(&found) {
            Some(now) if now != *attribute => {
                let (what, now, wanted) = (attribute.name(), now.text(), attribute.text());
                let text = format!("{what} of {link} is {now}, not {wanted}");
                vec![Difference::repaired(text, self.clone())]
            }
            Some(_) | None => Vec::new(),
        })
    }

    fn is_superseded(&self, by: &Action) -> bool {
        let is_set = matches!(by, Action::SetLink(later)
            if later.link == self.link && later.attribute.is_same_kind(&self.attribute));
        let is_begun = matches!(by, Action::SetPromiscuous(later)
            if later.link == self.link && matches!(self.attribute, LinkAttribute::Promiscuous(_)));
        is_set || is_begun
    }
}

impl Requests for SetLink {
    fn prepare(&self, cx: &mut WriteContext<'_>) -> Result<Prepared, MachineError> {
        let found = cx.require(&self.link)?;
        match self.attribute.of(&found) {
            Some(now) if now == self.attribute => return Ok(Prepared::Nothing),
            Some(now) => {
                let old = mtu::old(now, &self.attribute, &self.link, cx.machine.as_look());
                cx.notes.attributes.push((self.clone(), old));
            }
            None => {}
        }
        self.attribute.prepare(&found, cx)
    }

    fn conclude(&self, answers: Vec<Answered>, cx: &mut WriteContext<'_>) -> Result<Effect, MachineError> {
        let noted = &mut cx.notes.attributes;
        let place = noted.iter().rposition(|(set, _)| set == self);
        let old = place.map(|place| noted.swap_remove(place).1);
        let effect = created(answers, || self.failed())?;
        Ok(old.map_or(effect, Effect::Replaced))
    }
}

/// The error text for a link whose promiscuous mode could not be cleared.
pub(super) fn stays_promiscuous(name: &IfName) -> String {
    format!("failed to end promiscuous mode of {:?}", name.as_str())
}

/// Restores an attribute of a link, if the link still has the value that was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreLink {
    /// The link.
    pub link: LinkRef,
    /// The value that was set. None: restore whatever the current value is.
    pub set: Option<LinkAttribute>,
    /// The value before.
    pub old: LinkAttribute,
}

impl Inverse for RestoreLink {
    fn lane(&self) -> UndoLane<'_> {
        UndoLane::Requests(self.link.netns, self)
    }

    fn command(&self) -> String {
        self.old.commands(&self.link.name).into_iter().next().unwrap_or_default()
    }
}

impl Retract for RestoreLink {
    fn prepare(&self, cx: &mut WriteContext<'_>) -> Result<Retraction, MachineError> {
        let RestoreLink { link, set, old } = self;
        let Some(found) = cx.seen(link)? else { return Ok(Retraction::GONE) };
        let now = old.of(&found);
        if now.as_ref() == Some(old) {
            return Ok(Retraction::GONE);
        }
        if set.is_some() && now != *set {
            let is = now.map(|now| now.text()).unwrap_or_default();
            let text = format!("link {} was changed to {is:?} by somebody else", link.name);
            return Ok(Retraction::left(text));
        }
        let (first, then) = match old.prepare(&found, cx)? {
            Prepared::Nothing => return Ok(Retraction::GONE),
            Prepared::Send(requests) => (Vec::new(), requests),
            Prepared::After { first, what: _, then } => (first, then),
        };
        let each = then.into_iter().map(|request| vec![request]);
        let requests = (!first.is_empty()).then_some(first).into_iter().chain(each).collect();
        Ok(Retraction::Send(requests, old.failed(&link.name)))
    }
}

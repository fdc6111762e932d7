//! Routes through links, as in `ip route`.

use super::Undo;
use super::check::{Check, required, single};
use super::context::{ReadContext, WriteContext, created, refused};
use super::kind::Kind;
use super::profile::{Answered, Lane, Prepared, Profile, Requests};
use super::query::{Answer, Query};
use super::record::{Before, Difference, Effect, Undoing};
use crate::machine::MachineError;
use crate::machine::port::{Look, Request};
use crate::policy::{Capability, Refusal, Resource};
use crate::value::{Fact, IfName, LinkRef, Netns, Route};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// `RT_TABLE_MAIN`.
const MAIN_TABLE: u32 = 254;

/// See [`Action::AddRoute`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddRoute {
    /// The link of the route.
    pub link: LinkRef,
    /// The destination and the attributes of the route.
    pub route: Route,
}

impl Kind for AddRoute {
    fn profile(&self) -> Profile<'_> {
        Profile::on_link(&self.link, Lane::Requests(self.link.netns, self), Capability::Routes)
    }

    fn commands(&self) -> Vec<String> {
        vec![format!("ip route prepend {}", words(&self.route, &self.link.name))]
    }

    /// In the container, every route is granted. On the host, only a route to the attachment's own addresses through
    /// its own link is granted: the kernel deletes the route with that link.
    fn refuse(&self, check: &Check<'_>) -> Vec<Refusal> {
        if self.link.netns == Netns::Container {
            return check.link(&self.link);
        }
        let Route { dst, gw, table, scope, .. } = &self.route;
        // In another table, such as `local`, the route would come before the host's own address.
        let is_plain = gw.is_none() && scope.is_none() && table.is_none_or(|table| table == MAIN_TABLE);
        let dst = *dst;
        let is_own = single(dst.ip()) == dst && check.is_own(dst.ip());
        let rule = || match is_own {
            false => "a route on the host leads to an address of this attachment".to_owned(),
            true => "behind a bridge, the host needs no route to a container".to_owned(),
        };
        let mut refusals = required(
            check.is_host_end(&self.link.name),
            "a route on the host goes through the host's end of this plan's veth pair",
        );
        refusals.extend(required(
            is_plain,
            "a route on the host is in the main table, without a gateway and a scope",
        ));
        let is_granted = is_own && !check.has_bridge();
        refusals.extend(check.rules.refuse(&Resource::HostRoute(dst), is_granted, rule));
        refusals
    }

    fn overlay(&self, query: &Query, answer: &mut Answer) {
        if let (Query::RouteTo(address), Answer::RouteTo(fact)) = (query, answer)
            && self.link.netns == Netns::Host
            && self.route.dst.contains(*address)
        {
            *fact = Fact::Known(self.link.name.clone());
        }
    }

    /// The route disappears with its link, so no request to the kernel is needed.
    fn observe(&self, _cx: &mut ReadContext<'_>) -> Before {
        Before::Absent
    }

    fn undos(&self, _undoing: &Undoing<'_>) -> Vec<Undo> {
        Vec::new()
    }

    fn verify(&self, cx: &mut ReadContext<'_>) -> Result<Vec<Difference>, MachineError> {
        let AddRoute { link, route } = self;
        let holds = match cx.link(link)? {
            Some(found) => Some(self.is_there(found.index, cx.look)?),
            None => None,
        };
        let route = words(route, &link.name);
        let with_it = format!(", and with it the route {route}");
        let text = format!("route {route} is missing");
        Ok(Difference::on_link(self.clone(), link, holds, &with_it, text))
    }
}

impl Requests for AddRoute {
    fn prepare(&self, cx: &mut WriteContext<'_>) -> Result<Prepared, MachineError> {
        let (link, route) = (cx.index(&self.link)?, self.route.clone());
        if route.gw.is_some_and(|gw| gw.is_ipv4() != route.dst.is_ipv4()) {
            let text = "gateway and destination ip are not the same IP family";
            return Err(MachineError::Conflict(format!("{}: {text}", self.failed())));
        }
        Ok(Prepared::Send(vec![Request::AddRoute { link, route }]))
    }

    fn conclude(&self, answers: Vec<Answered>, _cx: &mut WriteContext<'_>) -> Result<Effect, MachineError> {
        created(answers, || self.failed())
    }
}

impl AddRoute {
    /// Whether the link with this index has the route.
    pub(super) fn is_there(&self, index: u32, look: &mut dyn Look) -> Result<bool, MachineError> {
        let there = look.has_route(self.link.netns, index, &self.route);
        there.map_err(|error| refused("failed to list routes", error))
    }

    /// The reference's error text for a route that cannot be added.
    fn failed(&self) -> String {
        format!("failed to add route '{}'", describe(&self.route, &self.link.name))
    }
}

/// A route in the syntax of `ip route`.
fn words(route: &Route, link: &IfName) -> String {
    let mut text = route.dst.to_string();
    let mut add = |word: &str, value: Option<String>| {
        if let Some(value) = value {
            text += &format!(" {word} {value}");
        }
    };
    add("via", route.gw.map(|gw| gw.to_string()));
    add("dev", Some(link.to_string()));
    add("metric", route.priority.map(|n| n.to_string()));
    add("table", route.table.map(|n| n.to_string()));
    add("scope", route.scope.map(|n| n.to_string()));
    add("mtu", route.mtu.map(|n| n.to_string()));
    add("advmss", route.advmss.map(|n| n.to_string()));
    text
}

/// A route in the wording of the reference:
/// `{10.5.0.0 ffff0000} via 10.1.2.1 dev eth0 metric 0 (Scope: universe, Table: 0)`.
fn describe(route: &Route, link: &IfName) -> String {
    let mask = match route.dst.mask() {
        IpAddr::V4(mask) => format!("{:08x}", mask.to_bits()),
        IpAddr::V6(mask) => format!("{:032x}", mask.to_bits()),
    };
    let gateway = route.gw.map_or_else(|| "<nil>".to_owned(), |gateway| gateway.to_string());
    let scope = match route.scope.unwrap_or_default() {
        0 => "universe".to_owned(),
        200 => "site".to_owned(),
        253 => "link".to_owned(),
        254 => "host".to_owned(),
        255 => "nowhere".to_owned(),
        other => other.to_string(),
    };
    let (metric, table) = (route.priority.unwrap_or_default(), route.table.unwrap_or_default());
    let dst = route.dst.ip();
    format!("{{{dst} {mask}}} via {gateway} dev {link} metric {metric} (Scope: {scope}, Table: {table})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_described_in_the_words_of_the_reference() {
        let route =
            Route { gw: Some("10.1.2.1".parse().unwrap()), ..Route::to("10.5.0.0/16".parse().unwrap()) };
        assert_eq!(
            describe(&route, &IfName::parse("eth0").unwrap()),
            "{10.5.0.0 ffff0000} via 10.1.2.1 dev eth0 metric 0 (Scope: universe, Table: 0)"
        );
    }
}

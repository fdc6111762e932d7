//! The type `bandwidth` (plugins/meta/bandwidth in containernetworking/plugins).

use super::Type;
use crate::action::{Action, DeleteIfb, SetTokenBucket, Undo, of_kind};
use crate::apply::StateDir;
use crate::cni::settings::RateLimit;
use crate::cni::{Config, Request};
use crate::machine::port::Look;
use crate::plan::Demand;
use crate::policy::{Capability, Grants};
use crate::value::{Kind, Report};

/// The plugin makes an ifb.
pub const TYPE: Type = Type {
    kind: Some(Kind::Chained),
    capabilities: Some(&[&[Capability::Qdiscs, Capability::Observe]]),
    remains: Some(remains),
    demands,
    no_previous: "must be called as a chained plugin",
    ..Type::OTHER
};

/// Both limits of the configuration.
pub fn demands(_: &Grants, config: &Config, _: Option<&Report>) -> Vec<Demand> {
    let [to, from] = config.rate_limits();
    let limits = [("ingressRate", to, false), ("egressRate", from, true)].into_iter();
    let demand = |(key, limit, is_from): (&'static str, Option<RateLimit>, bool)| {
        let RateLimit { rate, burst } = limit?;
        let met = move |plan: &[&Action], _: &Report| {
            let of_direction =
                of_kind::<SetTokenBucket>(plan).filter(|set| set.through.is_some() == is_from).last();
            of_direction.is_some_and(|set| (set.rate, u64::from(set.burst)) == (rate / 8, burst / 8))
        };
        Some(Demand::new(key, format!("a limit of {rate} bit/s with a burst of {burst} bits"), met))
    };
    limits.filter_map(demand).collect()
}

/// The ifb of the attachment. The qdisc on the veth goes with the veth.
fn remains(request: &Request, _: &Config, _: &StateDir, _: &mut dyn Look) -> Vec<Undo> {
    DeleteIfb::of(&request.attachment).map(Undo::from).into_iter().collect()
}

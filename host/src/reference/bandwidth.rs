//! The type `bandwidth` (plugins/meta/bandwidth in containernetworking/plugins).

use super::Type;
use crate::action::{DeleteIfb, Undo};
use crate::apply::StateDir;
use crate::cni::{Config, Request};
use crate::machine::port::Look;
use crate::value::derive;

/// The plugin makes an ifb.
pub const TYPE: Type =
    Type { remains: Some(remains), no_previous: "must be called as a chained plugin", ..Type::OTHER };

/// The ifb of the attachment. The qdisc on the veth goes with the veth.
fn remains(request: &Request, _: &Config, _: &StateDir, _: &mut dyn Look) -> Vec<Undo> {
    derive::ifb(&request.attachment).map(|name| DeleteIfb { name }.into()).into_iter().collect()
}

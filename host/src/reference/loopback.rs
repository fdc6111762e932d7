//! loopback.

use super::Type;
use crate::apply::StateDir;
use crate::cni::{Config, Request};
use crate::machine::Undo;
use crate::value::{IfName, LinkRef, Netns};

/// Its link is every container's.
pub const TYPE: Type = Type { remains: Some(remains), ..Type::OTHER };

/// `lo`, as the reference's DEL takes it down.
fn remains(_: &Request, _: &Config, _: &StateDir) -> Vec<Undo> {
    let link = |name| Undo::SetDown { link: LinkRef { netns: Netns::Container, name } };
    IfName::parse("lo").map(link).into_iter().collect()
}

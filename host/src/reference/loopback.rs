//! loopback.

use super::Type;
use crate::action::{SetDown, Undo};
use crate::apply::StateDir;
use crate::cni::{Config, Request};
use crate::machine::port::Look;
use crate::value::{IfName, LinkRef, Netns};

/// Its link is every container's.
pub const TYPE: Type = Type { remains: Some(remains), ..Type::OTHER };

/// `lo`, as the reference's DEL takes it down.
fn remains(_: &Request, _: &Config, _: &StateDir, _: &mut dyn Look) -> Vec<Undo> {
    let link = |name| SetDown { link: LinkRef { netns: Netns::Container, name } }.into();
    IfName::parse("lo").map(link).into_iter().collect()
}

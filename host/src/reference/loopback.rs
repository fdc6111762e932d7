//! The type `loopback` (plugins/main/loopback in containernetworking/plugins).

use super::Type;
use crate::action::{SetDown, Undo};
use crate::apply::StateDir;
use crate::cni::{Config, Request};
use crate::machine::port::Look;
use crate::policy::Capability;
use crate::value::{IfName, Kind, LinkRef, Netns};

/// The plugin uses `lo`, which every container has.
pub const TYPE: Type = Type {
    kind: Some(Kind::Chained),
    capabilities: Some(&[&[Capability::Links, Capability::Observe]]),
    remains: Some(remains),
    ..Type::OTHER
};

/// Sets `lo` down, as the reference's DEL does.
fn remains(_: &Request, _: &Config, _: &StateDir, _: &mut dyn Look) -> Vec<Undo> {
    let link = |name| SetDown { link: LinkRef { netns: Netns::Container, name } }.into();
    IfName::parse("lo").map(link).into_iter().collect()
}

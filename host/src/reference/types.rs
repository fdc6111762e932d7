//! What can be known about a type.

use crate::action::Undo;
use crate::apply::StateDir;
use crate::cni::{Config, Request};
use crate::machine::port::Look;

/// What is known about a type of plugins.
#[derive(Debug)]
pub struct Type {
    /// Links of the host that it uses when the configuration names none.
    pub links: &'static [&'static str],
    /// Files that it reads whatever the configuration says.
    pub files: &'static [&'static str],
    /// What the reference's plugin left, as undos, without a journal of it; none for a plugin that makes links, whose remains are the
    /// attachment's.
    pub remains: Option<Remains>,
    /// The kind of the link that it makes in the container (`IFLA_INFO_KIND`).
    pub inside: &'static str,
    /// What its CHECK says when there is no `prevResult`.
    pub no_previous: &'static str,
}

/// Derives what a plugin left of a request; the journals tell what others still need.
pub type Remains = fn(&Request, &Config, &StateDir, &mut dyn Look) -> Vec<Undo>;

impl Type {
    /// A type of which nothing is known.
    pub const OTHER: Type = Type {
        links: &[],
        files: &[],
        remains: None,
        inside: "veth",
        no_previous: "Required prevResult missing",
    };
}

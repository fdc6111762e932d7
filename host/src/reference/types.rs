//! The knowledge about a plugin type.

use crate::action::Undo;
use crate::apply::StateDir;
use crate::cni::{Config, Request};
use crate::machine::port::Look;

/// The knowledge about a plugin type.
#[derive(Debug)]
pub struct Type {
    /// Links of the host that it uses if the configuration names none.
    pub links: &'static [&'static str],
    /// Files that it reads with any configuration.
    pub files: &'static [&'static str],
    /// Derives the undos of what the reference's plugin leaves, for an attachment without a journal. `None` for a
    /// plugin that makes links: then everything of the attachment is removed.
    pub remains: Option<Remains>,
    /// The kind of the link that it makes in the container (`IFLA_INFO_KIND`).
    pub inside: &'static str,
    /// The error of its CHECK without a `prevResult`.
    pub no_previous: &'static str,
}

/// Derives the undos of what a plugin left for a request. The journals say what other attachments still need.
pub type Remains = fn(&Request, &Config, &StateDir, &mut dyn Look) -> Vec<Undo>;

impl Type {
    /// A type without an entry.
    pub const OTHER: Type = Type {
        links: &[],
        files: &[],
        remains: None,
        inside: "veth",
        no_previous: "Required prevResult missing",
    };
}

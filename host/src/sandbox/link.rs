//! Links as a guest holds them.

use crate::value::LinkRef;

/// A link of the plan: which action makes it, and which of its links it is.
#[derive(Debug, Clone)]
pub struct Link {
    /// The number of the action; none for a link that is there already.
    pub action: Option<usize>,
    /// Which end.
    pub end: End,
    /// Place and name.
    pub link: LinkRef,
}

/// Which of the links that an action makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The only one.
    Bridge,
    /// The end of a VLAN's gateway that gets addresses.
    Gateway,
    /// The end of a VLAN's gateway that is a port.
    GatewayPort,
    /// The link in the container: a veth's end, or the only one.
    Container,
    /// A veth's end on the host.
    Host,
    /// An intermediate functional block.
    Ifb,
    /// None: it is there already.
    Existing,
}

//! The links that a guest has handles of.

use crate::value::LinkRef;

/// A link of the plan: the action that makes it, and which of the action's links it is.
#[derive(Debug, Clone)]
pub struct Link {
    /// The number of the action. `None` for an existing link.
    pub action: Option<usize>,
    /// Which of the action's links.
    pub end: End,
    /// Namespace and name.
    pub link: LinkRef,
}

/// The links that an action can make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The bridge, the only link of its action.
    Bridge,
    /// The end of a VLAN's gateway that gets the addresses.
    Gateway,
    /// The end of a VLAN's gateway that is a port of the bridge.
    GatewayPort,
    /// The link in the container: one end of a veth pair, or a dummy link.
    Container,
    /// The host's end of a veth pair.
    Host,
    /// An intermediate functional block (ifb).
    Ifb,
    /// An existing link. No action makes it.
    Existing,
}

//! A port of a bridge, and its VLANs.

use crate::action::is_false;
use crate::value::IfName;
use serde::{Deserialize, Serialize};

/// A port of a bridge in the host's namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BridgePort {
    /// The bridge.
    pub bridge: IfName,
    /// See [`VethPeer::hairpin`].
    pub hairpin: bool,
    /// See [`VethPeer::isolated`].
    pub isolated: bool,
    /// See [`VethPeer::vlans`].
    #[serde(default, skip_serializing_if = "PortVlans::is_default")]
    pub vlans: PortVlans,
}

/// The VLANs of a bridge port, beside the bridge's default one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortVlans {
    /// The port is in none by default.
    pub drop_default: bool,
    /// In the order in which they are added: a later one counts where two have a VLAN in common.
    pub added: Vec<PortVlan>,
}

impl PortVlans {
    /// Whether the port is as the kernel makes it.
    pub fn is_default(&self) -> bool {
        *self == PortVlans::default()
    }
}

/// VLANs of a bridge port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortVlan {
    /// The lowest VLAN ID: 1 to 4094.
    pub first: u16,
    /// The highest, not below `first`.
    pub last: u16,
    /// Frames without a tag are its (then it is a single one); and its frames leave without a tag.
    #[serde(default, skip_serializing_if = "is_false")]
    pub native: bool,
}

//! Veth pairs.

use super::port::{BridgePort, PortVlans};
use crate::action::check::Check;
use crate::action::context::ReadContext;
use crate::action::kind::Kind;
use crate::action::profile::Profile;
use crate::action::record::{Before, Difference, Undoing};
use crate::action::{Action, Undo};
use crate::machine::MachineError;
use crate::policy::Refusal;
use crate::value::{IfName, Mac};
use serde::{Deserialize, Serialize};

/// See [`Action::CreateVeth`](super::Action::CreateVeth). The host end is made with its master and its port settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateVeth {
    /// The name of the end inside the container.
    pub name: IfName,
    /// Bytes, for both ends; none: the kernel's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// The container end's Ethernet address.
    pub mac: Mac,
    /// The host end.
    pub peer: VethPeer,
}

/// The host end of a veth pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VethPeer {
    /// The name, in the host's namespace.
    pub name: IfName,
    /// The Ethernet address.
    pub mac: Mac,
    /// `IFLA_IFALIAS`: shows whose link this is.
    pub alias: String,
    /// The bridge that it is a port of, in the host's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub master: Option<IfName>,
    /// Whether a frame may leave through the port by which it came; only with a master.
    #[serde(default)]
    pub hairpin: bool,
    /// Whether frames go to and come from ports alone that are not isolated; only with a master.
    #[serde(default)]
    pub isolated: bool,
    /// In which VLANs it is; only with a master.
    #[serde(default, skip_serializing_if = "PortVlans::is_default")]
    pub vlans: PortVlans,
}

impl VethPeer {
    /// The port that it is, if it has a master.
    pub fn port(&self) -> Option<BridgePort> {
        let VethPeer { hairpin, isolated, vlans, .. } = self;
        let bridge = self.master.clone()?;
        Some(BridgePort { bridge, hairpin: *hairpin, isolated: *isolated, vlans: vlans.clone() })
    }
}

impl Kind for CreateVeth {
    fn profile(&self) -> Profile<'_> {
        todo!()
    }

    fn commands(&self) -> Vec<String> {
        todo!()
    }

    fn refuse(&self, _check: &Check<'_>) -> Vec<Refusal> {
        todo!()
    }

    fn observe(&self, _cx: &mut ReadContext<'_>) -> Before {
        todo!()
    }

    fn undos(&self, _undoing: &Undoing<'_>) -> Vec<Undo> {
        todo!()
    }

    fn verify(&self, _cx: &mut ReadContext<'_>) -> Result<Vec<Difference>, MachineError> {
        todo!()
    }

    fn covers(&self, _repair: &Action) -> bool {
        todo!()
    }
}

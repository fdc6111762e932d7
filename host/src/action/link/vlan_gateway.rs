//! The host's own interface in a VLAN of a bridge.

use super::port::{BridgePort, PortVlan, PortVlans};
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

/// See [`Action::EnsureVlanGateway`](super::Action::EnsureVlanGateway): a veth pair in the host's namespace, both ends up, with the bridge's MTU. They
/// ignore router advertisements.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnsureVlanGateway {
    /// The end that gets addresses: `BRIDGE.VID`.
    pub name: IfName,
    /// The Ethernet address of that end.
    pub mac: Mac,
    /// Its `IFLA_IFALIAS`: shows that it is ours.
    pub alias: String,
    /// The end that is a port of the bridge.
    pub port: IfName,
    /// The Ethernet address of the port.
    pub port_mac: Mac,
    /// The bridge, in the host's namespace.
    pub bridge: IfName,
    /// The VLAN ID: frames come and go without a tag.
    pub vid: u16,
    /// The port is not in the bridge's default VLAN.
    pub drop_default: bool,
}

impl EnsureVlanGateway {
    /// Its port.
    pub fn bridge_port(&self) -> BridgePort {
        BridgePort { bridge: self.bridge.clone(), hairpin: false, isolated: false, vlans: self.vlans() }
    }

    /// The VLANs of its port.
    pub fn vlans(&self) -> PortVlans {
        let own = PortVlan { first: self.vid, last: self.vid, native: true };
        PortVlans { drop_default: self.drop_default, added: vec![own] }
    }
}

impl Kind for EnsureVlanGateway {
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

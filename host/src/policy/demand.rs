//! The keys of a configuration that protect others, as a rule names them under `demand`.

use serde::Deserialize;

/// A key of the configuration that protects others. A plugin of another type than the shipped ones need not know it, so
/// its plan is refused without it only if a rule says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DemandKey {
    /// The Ethernet address of the container is checked.
    #[serde(rename = "macspoofchk")]
    MacSpoofChk,
    /// The port of the bridge is isolated.
    PortIsolation,
    /// The VLAN of the port.
    Vlan,
    /// The VLANs of the port.
    VlanTrunk,
    /// The addresses are masqueraded.
    IpMasq,
    /// The bridge is isolated.
    IngressPolicy,
    /// The ports are mapped.
    PortMappings,
    /// The rate to the container.
    IngressRate,
    /// The rate from the container.
    EgressRate,
    /// Kernel parameters of the container.
    Sysctl,
}

impl DemandKey {
    /// The key, as the configuration has it.
    pub fn as_str(self) -> &'static str {
        match self {
            DemandKey::MacSpoofChk => "macspoofchk",
            DemandKey::PortIsolation => "portIsolation",
            DemandKey::Vlan => "vlan",
            DemandKey::VlanTrunk => "vlanTrunk",
            DemandKey::IpMasq => "ipMasq",
            DemandKey::IngressPolicy => "ingressPolicy",
            DemandKey::PortMappings => "portMappings",
            DemandKey::IngressRate => "ingressRate",
            DemandKey::EgressRate => "egressRate",
            DemandKey::Sysctl => "sysctl",
        }
    }
}

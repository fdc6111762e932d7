//! The type `bridge` (plugins/main/bridge in containernetworking/plugins).

use super::{Type, kinds};
use crate::action::{
    Action, AddAddress, CheckSourceMac, CreateVeth, Masquerade, MasqueradeNft, PortVlan, PortVlans, of_kind,
};
use crate::cni::Config;
use crate::cni::named::{Names, NamingKey};
use crate::cni::settings::LinkConfig;
use crate::plan::Demand;
use crate::policy::{Capability, Grants};
use crate::value::{Backend, Kind, Netns, Report};
use ipnetwork::IpNetwork;
use std::collections::{BTreeMap, BTreeSet};

/// The default name of the bridge is `cni0`.
pub const TYPE: Type = Type {
    kind: Some(Kind::Main),
    capabilities: Some(&[kinds::LINKS, &[Capability::Delegate, Capability::Nat, Capability::Filter]]),
    keys: Some(&[NamingKey { path: "bridge", names: Names::Link("cni0") }]),
    is_gateway: |link| link.is_gateway,
    demands,
    ..Type::OTHER
};

/// What protects other containers of the bridge, and the neighbours of the host.
fn demands(grants: &Grants, config: &Config, previous: Option<&Report>) -> Vec<Demand> {
    let is_port =
        |plan: &[&Action], _: &Report| of_kind::<CreateVeth>(plan).all(|veth| veth.peer.master.is_some());
    let is_port = Demand::new("bridge", "the host's end of the pair as a port of the bridge", is_port);
    [is_port].into_iter().chain(of_link(grants, config, previous)).collect()
}

/// What the settings of the link demand, of whatever plugin has them.
pub fn of_link(grants: &Grants, config: &Config, _: Option<&Report>) -> Vec<Demand> {
    let link = &grants.own.link;
    let mut demands = Vec::new();
    if link.checks_source_mac {
        let met = |plan: &[&Action], _: &Report| of_kind::<CheckSourceMac>(plan).next().is_some();
        demands.push(Demand::new("macspoofchk", "a check of the container's Ethernet address", met));
    }
    if link.is_isolated {
        let met = |plan: &[&Action], _: &Report| of_kind::<CreateVeth>(plan).any(|veth| veth.peer.isolated);
        demands.push(Demand::new("portIsolation", "an isolated port", met));
    }
    if let Some(vlans) = vlans(link) {
        let key = if link.vlan.is_some() { "vlan" } else { "vlanTrunk" };
        let met = move |plan: &[&Action], _: &Report| {
            of_kind::<CreateVeth>(plan).any(|veth| flat(&veth.peer.vlans) == flat(&vlans))
        };
        demands.push(Demand::new(key, "a port in exactly these VLANs", met));
    }
    if link.masquerades && config.ipam_type().is_some_and(|ipam| !ipam.is_empty()) {
        let backend = link.masquerade_backend;
        let met = move |plan: &[&Action], report: &Report| {
            let masqueraded = masqueraded(plan, backend);
            let given = of_kind::<AddAddress>(plan).filter(|add| add.link.netns == Netns::Container);
            let mut all = given.map(|add| add.address).chain(report.ips.iter().map(|ip| ip.address));
            all.all(|address| masqueraded.contains(&address))
        };
        demands.push(Demand::new("ipMasq", "masquerading of each address", met));
    }
    demands
}

/// The addresses that a plan masquerades, with this backend if one is given.
fn masqueraded(plan: &[&Action], backend: Option<Backend>) -> BTreeSet<IpNetwork> {
    let with = |one: Backend| backend.is_none_or(|backend| backend == one);
    let iptables = of_kind::<Masquerade>(plan).map(|rule| rule.address).filter(|_| with(Backend::Iptables));
    let nftables =
        of_kind::<MasqueradeNft>(plan).map(|rule| rule.address).filter(|_| with(Backend::Nftables));
    iptables.chain(nftables).collect()
}

/// The VLANs of the port. `None` if the configuration names none.
fn vlans(link: &LinkConfig) -> Option<PortVlans> {
    let trunk = link.vlan_trunk.iter().flatten();
    let tagged: Vec<PortVlan> =
        trunk.map(|vid| PortVlan { first: *vid, last: *vid, native: false }).collect();
    if link.vlan.is_none() && tagged.is_empty() {
        return None;
    }
    // The reference puts untagged frames of a trunk into VLAN 1.
    let vid = link.vlan.unwrap_or(1);
    let native = PortVlan { first: vid, last: vid, native: true };
    // The last one of a VLAN counts. As in the reference, a tag in the trunk has priority over `vlan`.
    let added = match link.vlan {
        Some(_) => [native].into_iter().chain(tagged).collect(),
        None => tagged.into_iter().chain([native]).collect(),
    };
    Some(PortVlans { drop_default: !link.preserves_default_vlan, added })
}

/// Whether the default VLAN is left, the VLAN of untagged frames, and whether the frames of each VLAN have no tag.
fn flat(vlans: &PortVlans) -> (bool, Option<u16>, BTreeMap<u16, bool>) {
    let native = vlans.added.iter().rfind(|vlan| vlan.native).map(|vlan| vlan.first);
    let all = vlans.added.iter().flat_map(|vlan| (vlan.first..=vlan.last).map(|vid| (vid, vlan.native)));
    (vlans.drop_default, native, all.collect())
}

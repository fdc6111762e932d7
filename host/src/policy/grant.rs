//! The default policy: what a request may use because of its plugin's type, its configuration and the host's own answers
//! (`docs/policy.md`, "The default").

use super::rules::Rules;
use super::{Capability, Policy, Refusal, Resource, Violation};
use crate::cni::settings::{FirewallConfig, LinkConfig, PortConfig};
use crate::cni::{CniError, Request};
use crate::value::{
    Attachment, Backend, IfName, Interface, Kind, LinkRef, Netns, PluginName, Range, Report, Subnet,
    SysctlKey, derive,
};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// What a plugin may use because of its type and the configuration.
#[derive(Debug, Clone)]
pub struct TypeGrants {
    /// The kind of the plugin in this request.
    pub kind: Kind,
    /// The capabilities of the plugin.
    pub capabilities: BTreeSet<Capability>,
    /// Whether the host is the gateway of the network.
    pub is_gateway: bool,
    /// Whether the plugin may make a veth pair.
    pub makes_pairs: bool,
    /// The capabilities of a component that the plugin delegates to.
    pub delegated: BTreeSet<Capability>,
    /// The names of host links that the configuration names.
    pub links: BTreeSet<String>,
    /// The container's addresses that the configuration names, with their networks and gateways.
    pub addresses: Vec<Subnet>,
    /// The range sets from which the configuration lets addresses be leased.
    pub sets: Vec<Vec<Range>>,
    /// The plugin that may be delegated to.
    pub delegate: Option<String>,
    /// The settings of the link and its bridge.
    pub link: LinkConfig,
    /// The VLANs that they name.
    pub vlans: BTreeSet<u16>,
    /// The kernel parameters of the container that the configuration names.
    pub sysctls: BTreeSet<SysctlKey>,
    /// The requested port mappings and their options.
    pub ports: PortConfig,
    /// The firewall settings.
    pub firewall: FirewallConfig,
    /// Files that may be read.
    pub files: Vec<PathBuf>,
    /// Directories that may contain lease stores.
    pub data_dirs: Vec<PathBuf>,
    /// Directories in which earlier attributes of a link may be saved.
    pub saved_link_dirs: Vec<PathBuf>,
    /// Whether the plugin may set `route_localnet` of the link to the container.
    pub routes_localnet: bool,
}

/// What one request may use: the default for this request, and the policy that restricts and extends it.
#[derive(Debug, Clone)]
pub struct Grants {
    /// The plugin of the request.
    pub plugin: PluginName,
    /// Network, container and interface.
    pub attachment: Attachment,
    /// The grants of type and configuration.
    pub own: TypeGrants,
    /// The container's addresses that may be used without a lease, with their networks and gateways: those of the
    /// configuration, of `prevResult` for a chained plugin, and of native delegates.
    pub addresses: Vec<Subnet>,
    /// The interfaces of `prevResult`.
    pub previous: Vec<Interface>,
    /// Those of them that are in the two namespaces of the request.
    pub previous_links: BTreeSet<LinkRef>,
    /// Whether results of the request's version have no interfaces at all (before 0.3.0).
    pub has_no_interfaces: bool,
    /// The possible names of the host's end of a veth pair.
    pub host_veths: Vec<IfName>,
    /// The host's links through which the attachment's own addresses are reachable. The host itself looked them up.
    pub routes_to_own: BTreeSet<IfName>,
    /// The host's end of the attachment's veth pair. The host itself looked it up.
    pub host_end: Option<IfName>,
    /// The leases of the attachment that it may keep. The host itself looked them up.
    pub reusable: BTreeSet<IpAddr>,
    /// The port rules of containers that no longer exist. The host itself looked them up.
    pub stale_maps: Vec<(Backend, bool, String)>,
    /// The administrator's policy.
    pub policy: Arc<Policy>,
}

impl Grants {
    /// The grants of a request.
    pub fn for_request(
        request: &Request,
        previous: Option<&Report>,
        policy: &Arc<Policy>,
        own: TypeGrants,
    ) -> Self {
        let interfaces = previous.map(|previous| previous.passed.clone()).unwrap_or_default();
        let mut grants = Grants {
            plugin: request.plugin.clone(),
            attachment: request.attachment.clone(),
            addresses: own.addresses.clone(),
            previous_links: previous_links(request, &interfaces),
            previous: interfaces,
            has_no_interfaces: matches!(request.cni_version.as_str(), "0.1.0" | "0.2.0"),
            host_veths: derive::host_veths(&request.attachment).collect(),
            routes_to_own: BTreeSet::new(),
            reusable: BTreeSet::new(),
            host_end: None,
            stale_maps: Vec::new(),
            policy: Arc::clone(policy),
            own,
        };
        // Only a chained plugin continues from an earlier result.
        if let Some(previous) = previous.filter(|_| grants.own.kind == Kind::Chained) {
            grants.trust(previous);
        }
        grants
    }

    /// Adds the addresses of a result that does not come from the sandbox: that of an earlier plugin or of a native
    /// delegate.
    pub fn trust(&mut self, report: &Report) {
        let subnets = report.ips.iter().map(|ip| Subnet { address: ip.address, gateway: ip.gateway });
        self.addresses.extend(subnets);
    }

    /// The administrator's rules for a plugin of this request.
    pub fn rules(&self, plugin: &PluginName) -> Rules<'_> {
        self.policy.rules(plugin, Some(&self.attachment.network))
    }

    /// Refuses a capability that the plugin does not have: because of its type, or because the administrator denies it.
    pub fn refuse_capability(&self, plugin: &PluginName, capability: Capability) -> Vec<Refusal> {
        let (granted, kind) = match *plugin == self.plugin {
            true => (&self.own.capabilities, self.own.kind),
            false => (&self.own.delegated, Kind::Ipam),
        };
        let rules = self.rules(plugin);
        let rule =
            || format!("plugin {:?} is of kind {kind} and has no capability `{capability}`", plugin.as_str());
        let resource = Resource::Capability(capability);
        let mut refusals = rules.refuse(&resource, granted.contains(&capability), rule);
        refusals.extend(rules.refuse_capability(capability));
        refusals
    }

    /// Whether the plugin takes part in the request: it is the plugin of the request, or the configured delegate.
    pub fn takes_part(&self, plugin: &PluginName) -> bool {
        *plugin == self.plugin || self.own.delegate.as_deref() == Some(plugin.as_str())
    }

    /// The networks of this attachment's addresses, with their gateways: those that may be used without a lease, and
    /// those to lease from.
    pub fn subnets(&self) -> impl Iterator<Item = Subnet> {
        let ranges = self.own.sets.iter().flatten().copied().map(Subnet::from);
        self.addresses.iter().copied().chain(ranges)
    }

    /// Whether the configuration, an earlier plugin or a native delegate names the address.
    pub fn is_named(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|subnet| subnet.address.ip() == address)
    }

    /// Whether an address may be leased from one of the range sets.
    pub fn is_in_range(&self, address: IpAddr) -> bool {
        self.own.sets.iter().flatten().any(|range| range.leases(address))
    }

    /// Whether `route_localnet` of a link of the host may be set for mapped ports: the host found that packets to the
    /// container leave by it, or an earlier plugin reported it.
    pub fn leads_to_container(&self, link: &IfName) -> bool {
        self.routes_to_own.contains(link) || self.is_reported(link)
    }

    /// Whether a link of the host leads to this attachment alone or to its network: its host's end, or a link that an
    /// earlier plugin reported. The way to an address behind the host's uplink is not told: ports of the uplink are not
    /// the attachment's. A result without interfaces (before version 0.3.0) tells nothing, and excludes nothing.
    pub fn leads_to_own(&self, link: &IfName) -> bool {
        self.host_veths.contains(link)
            || self.host_end.as_ref() == Some(link)
            || self.has_no_interfaces
            || self.is_reported(link)
    }

    /// Whether an earlier plugin of the chain reported the link of the host.
    fn is_reported(&self, link: &IfName) -> bool {
        self.previous_links.contains(&LinkRef { netns: Netns::Host, name: link.clone() })
    }

    /// Whether the name is that of the gateway of a VLAN, and the configuration names both the VLAN and the bridge.
    pub fn is_vlan_gateway(&self, name: &IfName) -> bool {
        let parts = name.as_str().rsplit_once('.');
        parts.is_some_and(|(link, vid)| {
            self.own.links.contains(link) && vid.parse().is_ok_and(|vid| self.own.vlans.contains(&vid))
        })
    }

    /// The violations if `plugin` delegates to `delegate`.
    pub fn check_delegate(&self, plugin: &PluginName, delegate: &PluginName) -> Vec<Violation> {
        let rules = self.rules(plugin);
        let rule = || match &self.own.delegate {
            Some(ipam) => format!("the configuration delegates to {ipam:?} alone"),
            None => "the configuration names no plugin under `ipam`".to_owned(),
        };
        let configured = self.own.delegate.as_deref() == Some(delegate.as_str());
        let mut refusals = rules.refuse(&Resource::Delegate(delegate.as_str()), configured, rule);
        refusals.extend(self.refuse_capability(plugin, Capability::Delegate));
        let action = format!("delegate to {:?}", delegate.as_str());
        let violation = |refusal| Violation { plugin: plugin.clone(), action: action.clone(), refusal };
        refusals.into_iter().map(violation).collect()
    }

    /// The CNI error of this request for these violations.
    pub fn denied(&self, violations: &[Violation]) -> CniError {
        super::violation::denied(&self.plugin, &self.attachment.network, violations, &self.policy.path)
    }

    /// The data directories as text, for a message.
    pub fn data_dirs_text(&self) -> String {
        self.own.data_dirs.iter().map(|dir| dir.display().to_string()).collect::<Vec<_>>().join(" or ")
    }
}

/// The interfaces that are in the two namespaces of the request.
fn previous_links(request: &Request, interfaces: &[Interface]) -> BTreeSet<LinkRef> {
    let link = |interface: &Interface| {
        let netns = match interface.sandbox.as_str() {
            "" => Netns::Host,
            sandbox if sandbox == request.netns => Netns::Container,
            _ => return None,
        };
        Some(LinkRef { netns, name: IfName::parse(&interface.name).ok()? })
    };
    interfaces.iter().filter_map(link).collect()
}

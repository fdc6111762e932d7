//! CHECK: compares the machine with the journal and with `prevResult`, and names every difference at once. No component is
//! run: of an IPAM plugin, what it imports tells whether it keeps leases.

use super::claims;
use crate::apply::Section;
use crate::cni::{CniError, Config, Request, code};
use crate::delegate;
use crate::kernel::{Effect, Kernel};
use crate::plan::action::{AddAddress, AddRoute};
use crate::plan::{
    Action, Answer, Attachment, Fact, Facts, LinkRef, Netns, PluginName, Query, Report, StoreRef,
};
use crate::policy::grant::DEFAULT_DATA_DIR;
use crate::run::{Host, Plugin};
use crate::sandbox::Kind;
use std::net::IpAddr;
use std::path::PathBuf;

/// Succeeds when the machine is as ADD left it.
pub fn check(host: &Host, request: &Request, config: &Config, plugin: &Plugin) -> Result<(), CniError> {
    match plugin.code.manifest.kind {
        Kind::Ipam if plugin.code.manifest.keeps_leases() => find_lease(host, &plugin.name, request, config),
        Kind::Ipam => {
            let previous = previous(config)?;
            let given = section(host, request)?.and_then(|section| section.report);
            told(request, given.map(|given| gateways(&given, &previous)).unwrap_or_default())
        }
        Kind::Main | Kind::Chained => {
            let netns = plugin.netns(host, request)?;
            let section = section(host, request)?;
            if section.is_none() {
                find_lease_of_ipam(host, request, config)?;
            }
            if let Some(ipam) = delegate::of_ipam(request, config) {
                delegate::forward("CHECK", &ipam)?;
            }
            let previous = previous(config)?;
            let mut actions = of_result(&previous, request);
            for action in section.iter().flat_map(of_journal) {
                if !actions.contains(&action) {
                    actions.push(action);
                }
            }
            let mut kernel = host.kernel(netns, false);
            let mut differences = kernel.verify(&actions);
            let claims = config.previous_interfaces()?;
            let own = reports_own_link(section.as_ref(), request);
            for claimed in claims::differences(&claims, own, request, &mut kernel) {
                if !differences.contains(&claimed) {
                    differences.push(claimed);
                }
            }
            told(request, differences)
        }
    }
}

/// Whether ADD told the runtime of the container's interface; what the reference made, it did.
fn reports_own_link(section: Option<&Section>, request: &Request) -> bool {
    let own = |link: &LinkRef| link.netns == Netns::Container && link.name == request.attachment.interface;
    section.is_none_or(|section| section.report.as_ref().is_some_and(|report| report.links.iter().any(own)))
}

fn previous(config: &Config) -> Result<Report, CniError> {
    config.previous()?.ok_or_else(|| CniError::new(code::INTERNAL, "Required prevResult missing"))
}

/// What the journal has of this plugin, while nobody changes it.
fn section(host: &Host, request: &Request) -> Result<Option<Section>, CniError> {
    let journal = host.state.lock(&request.attachment)?;
    Ok(journal.sections().into_iter().find(|section| section.header.plugin == request.plugin))
}

fn told(request: &Request, differences: Vec<String>) -> Result<(), CniError> {
    if differences.is_empty() {
        return Ok(());
    }
    let Attachment { container, interface, .. } = &request.attachment;
    let msg = format!("interface {interface} of container {container} is not as it was made");
    Err(CniError::new(code::DIFFERS, msg).with_details(differences.join("\n")))
}

/// Of what the reference made there is no journal to tell the lease; a plugin that is not there or no component keeps none that
/// we know.
fn find_lease_of_ipam(host: &Host, request: &Request, config: &Config) -> Result<(), CniError> {
    let named = config.ipam_type().and_then(|ipam| PluginName::parse(ipam).ok());
    match named.and_then(|ipam| Plugin::find(host, &request.path, &ipam).ok()) {
        Some(ipam) if ipam.code.manifest.keeps_leases() => find_lease(host, &ipam.name, request, config),
        _ => Ok(()),
    }
}

/// Succeeds when the owner holds an address in the network's store, whichever it is (reference host-local).
fn find_lease(host: &Host, plugin: &PluginName, request: &Request, config: &Config) -> Result<(), CniError> {
    let data_dir = PathBuf::from(config.data_dir().unwrap_or(DEFAULT_DATA_DIR));
    let store = StoreRef { data_dir, network: request.attachment.network.clone() };
    let directory = store.directory();
    let query = Query::Held(store, request.attachment.owner());
    // Dry: a question makes no store.
    match host.kernel(None, true).ask(&query) {
        Answer::Held(Fact::Known(held)) if !held.is_empty() => Ok(()),
        Answer::Held(Fact::Unreadable) => {
            let msg = format!("failed to read {}: permission denied", directory.display());
            Err(CniError::new(code::INTERNAL, msg))
        }
        Answer::Failed(text) => Err(CniError::new(code::INTERNAL, text)),
        _ => {
            let container = &request.attachment.container;
            let msg = format!("{plugin}: Failed to find address added by container {container}");
            Err(CniError::new(code::INTERNAL, msg)
                .with_details(format!("no file in {} names it", directory.display())))
        }
    }
}

/// Gateways that `prevResult` tells otherwise than ADD gave them; an address that it does not have is no difference
/// (reference static).
fn gateways(given: &Report, previous: &Report) -> Vec<String> {
    let text = |gateway: Option<IpAddr>| gateway.map_or("none".to_owned(), |gateway| gateway.to_string());
    let mut differences = Vec::new();
    for ip in given.ips.iter().filter(|ip| ip.gateway.is_some()) {
        let address = ip.address.ip();
        if let Some(other) = previous.ips.iter().find(|other| other.address.ip() == address)
            && other.gateway != ip.gateway
        {
            let (now, then) = (text(other.gateway), text(ip.gateway));
            differences.push(format!("gateway of {address} is {now} in prevResult, not {then}"));
        }
    }
    differences
}

/// What was done and is meant to last; a failed optional action was not done.
fn of_journal(section: &Section) -> Vec<Action> {
    let mut actions = Vec::new();
    for step in &section.steps {
        for (index, (entry, _)) in step.intent.iter().enumerate() {
            let effect = step.effects.as_ref().and_then(|effects| effects.get(index)?.as_ref());
            let optional = matches!(&entry.action, Action::SetSysctl(set) if set.optional);
            if effect.is_some_and(|effect| !(optional && *effect == Effect::AlreadyThere)) {
                actions.push(entry.action.clone());
            }
        }
    }
    actions
}

/// The addresses and routes that `prevResult` claims for the container's interface.
fn of_result(previous: &Report, request: &Request) -> Vec<Action> {
    let link = LinkRef { netns: Netns::Container, name: request.attachment.interface.clone() };
    let address =
        |ip: &crate::plan::Ip| Action::AddAddress(AddAddress { link: link.clone(), address: ip.address });
    let route =
        |route: &crate::plan::Route| Action::AddRoute(AddRoute { link: link.clone(), route: route.clone() });
    previous.ips.iter().map(address).chain(previous.routes.iter().map(route)).collect()
}

//! CHECK: compares the machine with the journal and with `prevResult`, and names every difference at once. No component is
//! run: of an IPAM plugin, what it imports tells whether it keeps leases.

use super::lasting::{self, Tuned};
use super::previous_interfaces;
use crate::action::context::Notes;
use crate::action::query::MachineFacts;
use crate::action::{Action, Answer, Facts, Query};
use crate::action::{AddAddress, AddRoute};
use crate::apply::{self, Section};
use crate::cni::{CniError, Config, ErrorKind, Request};
use crate::delegate;
use crate::machine::port::Look;
use crate::node::Node;
use crate::plugin::Plugin;
use crate::sandbox::Kind;
use crate::value::{Attachment, Fact, Interface, LinkRef, Mac, Netns, PluginName, Report};
use crate::{reference, section, timings};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Succeeds when the machine is as ADD left it.
pub fn check(node: &Node, request: &Request, config: &Config, plugin: &Plugin) -> Result<(), CniError> {
    timings::ended("find");
    match plugin.code.manifest.kind {
        Kind::Ipam if plugin.code.manifest.keeps_leases() => find_lease(node, &plugin.name, request, config),
        Kind::Ipam => {
            let previous = previous(request, config)?;
            let given = section(node, request)?.and_then(|section| section.report);
            outcome(request, given.map(|given| gateways(&given, &previous)).unwrap_or_default())
        }
        Kind::Chained => {
            let mut machine = node.machine(plugin.netns(node, request)?, false);
            let section = section(node, request)?;
            // It began a chain: its ADD had none either.
            let began = section.as_ref().is_some_and(|section| !has_passed(section));
            if !began || config.previous()?.is_some() {
                previous(request, config)?;
            }
            // Addresses and routes are for the plugin that made them to check.
            let interfaces = config.previous_interfaces()?;
            let tuned = tuned(node, request, section.as_ref(), &mut machine);
            let (mut texts, notes) =
                machine_differences(Vec::new(), &interfaces, section.as_ref(), &tuned, request, &mut machine);
            let mut facts = MachineFacts::again(&mut machine, notes);
            texts.extend(previous_interfaces::differences(&interfaces, false, request, &mut facts));
            outcome(request, once(texts))
        }
        Kind::Main => {
            let mut machine = node.machine(plugin.netns(node, request)?, false);
            // One that somebody else has made again has no journal.
            let section =
                section(node, request)?.filter(|section| !section::is_replaced(section, &mut machine));
            let of_ipam = check_ipam(node, request, config, section.as_ref());
            let of_runtime = previous(request, config)
                .and_then(|previous| config.previous_interfaces().map(|interfaces| (previous, interfaces)));
            let (previous, interfaces) = match of_runtime {
                Ok(previous) => previous,
                Err(error) => return of_ipam.and(Err(error)),
            };
            let tuned = tuned(node, request, section.as_ref(), &mut machine);
            let differences =
                differences(&previous, &interfaces, section.as_ref(), &tuned, request, &mut machine);
            match of_ipam {
                Err(error) if differences.is_empty() => Err(error),
                Err(error) => outcome(request, std::iter::once(error.msg).chain(differences).collect()),
                Ok(()) => outcome(request, differences),
            }
        }
    }
}

/// What the IPAM plugin says, or without a journal the lease that it keeps.
fn check_ipam(
    node: &Node,
    request: &Request,
    config: &Config,
    section: Option<&Section>,
) -> Result<(), CniError> {
    if section.is_none() {
        find_lease_of_ipam(node, request, config)?;
    }
    delegate::of_ipam(request, config).map_or(Ok(()), |ipam| delegate::forward("CHECK", &ipam))
}

/// How the machine differs from `prevResult` and from the journal, each difference once.
fn differences(
    previous: &Report,
    interfaces: &[Interface],
    section: Option<&Section>,
    tuned: &Tuned,
    request: &Request,
    look: &mut dyn Look,
) -> Vec<String> {
    let (mut texts, notes) =
        machine_differences(of_result(previous, request), interfaces, section, tuned, request, look);
    let mut facts = MachineFacts::again(look, notes);
    texts.extend(previous_interfaces::differences(
        interfaces,
        reports_own_link(section, request),
        request,
        &mut facts,
    ));
    once(texts)
}

/// How the machine differs from what these actions and those of the journal make; with what was seen of it.
fn machine_differences(
    mut actions: Vec<Action>,
    interfaces: &[Interface],
    section: Option<&Section>,
    tuned: &Tuned,
    request: &Request,
    look: &mut dyn Look,
) -> (Vec<String>, Notes) {
    for entry in section.iter().flat_map(|section| lasting::entries(section)) {
        let action = with_reported_macs(entry.action, interfaces, request);
        if !actions.contains(&action) {
            actions.push(action);
        }
    }
    let actions: Vec<&Action> = actions.iter().collect();
    let mut notes = Notes::default();
    let found = apply::verify(&actions, look, &mut notes).into_iter().flatten();
    let found = found.filter(|difference| !tuned.explains(difference));
    (found.map(|difference| difference.text).collect(), notes)
}

/// What plugins that ran later in the chain changed.
fn tuned(node: &Node, request: &Request, section: Option<&Section>, look: &mut dyn Look) -> Tuned {
    Tuned::after(section, &request.attachment, &node.state.sections_of(&request.attachment), look)
}

/// Each of several texts once.
fn once(mut texts: Vec<String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    texts.retain(|text| seen.insert(text.clone()));
    texts
}

/// With the Ethernet addresses that `prevResult` reports: a later plugin of the chain may have given the container's links other ones.
fn with_reported_macs(action: Action, interfaces: &[Interface], request: &Request) -> Action {
    let reported = |link: &LinkRef| {
        let is_it = |interface: &&Interface| {
            link.netns == Netns::Container
                && interface.name == link.name.as_str()
                && interface.sandbox == request.netns
        };
        Mac::try_from(interfaces.iter().find(is_it)?.mac.to_lowercase()).ok()
    };
    action.kind().with_reported_macs(&reported).unwrap_or(action)
}

/// Whether ADD told the runtime of the container's interface; what the reference made, it did.
fn reports_own_link(section: Option<&Section>, request: &Request) -> bool {
    let own = |link: &LinkRef| link.netns == Netns::Container && link.name == request.attachment.interface;
    section.is_none_or(|section| section.report.as_ref().is_some_and(|report| report.links.iter().any(own)))
}

/// Whether an ADD passed a `prevResult` on.
fn has_passed(section: &Section) -> bool {
    section.report.as_ref().is_some_and(|report| !report.passed.is_empty() || report.links.is_empty())
}

/// `prevResult`; without one, what the plugin whose CHECK it is says.
fn previous(request: &Request, config: &Config) -> Result<Report, CniError> {
    let missing = || CniError::new(ErrorKind::InvalidPrevResult, reference::of(&request.plugin).no_previous);
    config.previous()?.ok_or_else(missing)
}

/// What the journal has of this plugin, while nobody changes it.
fn section(node: &Node, request: &Request) -> Result<Option<Section>, CniError> {
    let journal = node.state.lock(&request.attachment)?;
    Ok(journal.sections()?.into_iter().find(|section| section.header.plugin == request.plugin))
}

fn outcome(request: &Request, differences: Vec<String>) -> Result<(), CniError> {
    if differences.is_empty() {
        return Ok(());
    }
    let Attachment { container, interface, .. } = &request.attachment;
    let msg = format!("interface {interface} of container {container} differs from what ADD configured");
    Err(CniError::new(ErrorKind::Differs, msg).with_details(differences.join("\n")))
}

/// Of what the reference made there is no journal to tell the lease; a plugin that is not there or no component keeps none that
/// we know.
fn find_lease_of_ipam(node: &Node, request: &Request, config: &Config) -> Result<(), CniError> {
    let named = config.ipam_type().and_then(|ipam| PluginName::parse(ipam).ok());
    match named.and_then(|ipam| Plugin::find(node, request, &ipam).ok()) {
        Some(ipam) if ipam.code.manifest.keeps_leases() => find_lease(node, &ipam.name, request, config),
        _ => Ok(()),
    }
}

/// Succeeds when the owner holds an address in the network's store, whichever it is (reference host-local).
fn find_lease(node: &Node, plugin: &PluginName, request: &Request, config: &Config) -> Result<(), CniError> {
    let store = reference::host_local::store(config);
    let directory = store.directory();
    let query = Query::Held(store, request.attachment.owner());
    // Dry: a question makes no store.
    match MachineFacts::new(&mut node.machine(None, true)).ask(&query) {
        Answer::Held(Fact::Known(held)) if !held.is_empty() => Ok(()),
        Answer::Held(Fact::Unreadable) => {
            let msg = format!("failed to read {}: permission denied", directory.display());
            Err(CniError::new(ErrorKind::Refused, msg))
        }
        Answer::Failed(text) => Err(CniError::new(ErrorKind::Refused, text)),
        _ => {
            let container = &request.attachment.container;
            let msg = format!("{plugin}: Failed to find address added by container {container}");
            Err(CniError::new(ErrorKind::LeaseNotFound, msg)
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

/// The addresses and routes that `prevResult` claims for the container's interface.
fn of_result(previous: &Report, request: &Request) -> Vec<Action> {
    let link = LinkRef { netns: Netns::Container, name: request.attachment.interface.clone() };
    let address = |ip: &crate::value::Ip| {
        Action::from(AddAddress { link: link.clone(), address: ip.address, nodad: false })
    };
    let route =
        |route: &crate::value::Route| Action::from(AddRoute { link: link.clone(), route: route.clone() });
    previous.ips.iter().map(address).chain(previous.routes.iter().map(route)).collect()
}

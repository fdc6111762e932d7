//! CHECK: compares the machine with the journal and with `prevResult`, and reports all differences at once.
//!
//! No component runs. The imports of an IPAM plugin show whether it keeps leases.

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
use crate::plugin::Description;
use crate::value::Kind;
use crate::value::{Attachment, Fact, Interface, LinkRef, Mac, Netns, PluginName, Report};
use crate::{reference, section, timings};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Succeeds if the machine is in the state that ADD left.
pub fn check(node: &Node, request: &Request, config: &Config, plugin: &Description) -> Result<(), CniError> {
    timings::ended("find");
    match plugin.manifest.kind {
        Kind::Ipam if plugin.manifest.keeps_leases() => find_lease(node, &plugin.name, request, config),
        Kind::Ipam => {
            let previous = previous(request, config)?;
            let given = section(node, request)?.and_then(|section| section.report);
            outcome(request, given.map(|given| gateways(&given, &previous)).unwrap_or_default())
        }
        Kind::Chained => {
            let mut machine = node.machine(plugin.netns(node, request)?, false);
            let section = section(node, request)?;
            // If the ADD had no `prevResult`, the plugin began its chain, and CHECK needs none either.
            let began = section.as_ref().is_some_and(|section| !has_passed(section));
            if !began || config.previous()?.is_some() {
                previous(request, config)?;
            }
            // Addresses and routes are checked by the plugin that added them.
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
            // If another program made the link again, the journal does not describe it.
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

/// Checks IPAM: the lease if there is no journal, and CHECK of a native IPAM plugin.
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

/// The differences between the machine and `prevResult` or the journal, without duplicates.
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

/// The differences between the machine and these actions, including those of the journal. Returns them with the facts
/// that were read.
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

/// The changes that later plugins of the chain made.
fn tuned(node: &Node, request: &Request, section: Option<&Section>, look: &mut dyn Look) -> Tuned {
    Tuned::after(section, &request.attachment, &node.state.sections_of(&request.attachment), look)
}

/// Removes duplicate texts.
fn once(mut texts: Vec<String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    texts.retain(|text| seen.insert(text.clone()));
    texts
}

/// The action with the Ethernet addresses that `prevResult` reports, because a later plugin of the chain may have
/// changed those of the container's links.
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

/// Whether ADD reported the container's interface to the runtime. Without a journal, the reference made the
/// attachment, and the reference always reports it.
fn reports_own_link(section: Option<&Section>, request: &Request) -> bool {
    let own = |link: &LinkRef| link.netns == Netns::Container && link.name == request.attachment.interface;
    section.is_none_or(|section| section.report.as_ref().is_some_and(|report| report.links.iter().any(own)))
}

/// Whether an ADD passed a `prevResult` on.
fn has_passed(section: &Section) -> bool {
    section.report.as_ref().is_some_and(|report| !report.passed.is_empty() || report.links.is_empty())
}

/// `prevResult`. If it is missing, the error is the one of the reference plugin.
fn previous(request: &Request, config: &Config) -> Result<Report, CniError> {
    let missing =
        || CniError::new(ErrorKind::InvalidPrevResult, reference::of(request.plugin.as_str()).no_previous);
    config.previous()?.ok_or_else(missing)
}

/// The section of this plugin, read under the lock of the attachment.
fn section(node: &Node, request: &Request) -> Result<Option<Section>, CniError> {
    let journal = node.state.lock(&request.attachment)?;
    Ok(journal.section_of(&request.plugin)?)
}

fn outcome(request: &Request, differences: Vec<String>) -> Result<(), CniError> {
    if differences.is_empty() {
        return Ok(());
    }
    let Attachment { container, interface, .. } = &request.attachment;
    let msg = format!("interface {interface} of container {container} differs from what ADD configured");
    Err(CniError::new(ErrorKind::Differs, msg).with_details(differences.join("\n")))
}

/// Checks the lease for an attachment without a journal, which the reference made. If the IPAM plugin is missing or
/// is not a component, the host does not know of a lease, and the check succeeds.
fn find_lease_of_ipam(node: &Node, request: &Request, config: &Config) -> Result<(), CniError> {
    let named = config.ipam_type().and_then(|ipam| PluginName::parse(ipam).ok());
    match named.and_then(|ipam| Description::find(node, request, &ipam).ok()) {
        Some(ipam) if ipam.manifest.keeps_leases() => find_lease(node, &ipam.name, request, config),
        _ => Ok(()),
    }
}

/// Succeeds if the owner has any address in the store of the network, as in the reference's host-local.
fn find_lease(node: &Node, plugin: &PluginName, request: &Request, config: &Config) -> Result<(), CniError> {
    let store = reference::host_local::store(config);
    let directory = store.directory();
    let query = Query::Held(store, request.attachment.owner());
    // Dry, so that the query does not create the store.
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

/// The gateways in `prevResult` that differ from those of the ADD. An address that `prevResult` does not have is not
/// a difference, as in the reference's static.
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

/// The addresses and routes that `prevResult` reports for the container's interface, as actions.
fn of_result(previous: &Report, request: &Request) -> Vec<Action> {
    let link = LinkRef { netns: Netns::Container, name: request.attachment.interface.clone() };
    let address = |ip: &crate::value::Ip| {
        Action::from(AddAddress { link: link.clone(), address: ip.address, nodad: false })
    };
    let route =
        |route: &crate::value::Route| Action::from(AddRoute { link: link.clone(), route: route.clone() });
    previous.ips.iter().map(address).chain(previous.routes.iter().map(route)).collect()
}

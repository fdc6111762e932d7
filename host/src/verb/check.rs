//! CHECK: compares the machine with the journal and with `prevResult`, and names every difference at once.

use crate::apply::Section;
use crate::cni::{CniError, Config, Request, code};
use crate::kernel::{Effect, Kernel};
use crate::plan::action::{AddAddress, AddRoute};
use crate::plan::{Action, LinkRef, Netns, Report};
use crate::run::{self, Host};
use std::net::IpAddr;

/// Succeeds when the machine is as ADD left it.
pub fn check(host: &Host, request: &Request, config: &Config) -> Result<(), CniError> {
    let netns = run::container_netns(host, &request.netns)?;
    let Some(previous) = config.previous()? else {
        return Err(CniError::new(code::INTERNAL, "Required prevResult missing"));
    };
    let journal = host.state.lock(&request.attachment)?;
    let own = |section: &Section| section.header.plugin == request.plugin;
    // An IPAM plugin has given addresses, to a link that another one makes.
    let is_ipam = config.is_ipam(&request.plugin);
    let mut actions = if is_ipam { Vec::new() } else { of_result(&previous, request) };
    let section = journal.sections().into_iter().find(own);
    for action in section.iter().flat_map(of_journal) {
        if !actions.contains(&action) {
            actions.push(action);
        }
    }
    let mut differences = host.kernel(Some(netns), false).verify(&actions);
    if let Some(given) = section.and_then(|section| section.report).filter(|_| is_ipam) {
        differences.extend(gateways(&given, &previous));
    }
    if differences.is_empty() {
        return Ok(());
    }
    let msg = format!(
        "interface {} of container {} is not as it was made",
        request.attachment.interface, request.attachment.container
    );
    Err(CniError::new(code::DIFFERS, msg).with_details(differences.join("\n")))
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

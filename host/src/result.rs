//! The result of an ADD: fills the report in from the kernel, encodes it and writes it to stdout.

use crate::action::query::MachineFacts;
use crate::action::{Answer, Facts, Query};
use crate::cni::result::encode;
use crate::cni::{CniError, CniResult, ErrorKind, Request};
use crate::machine::port::Look;
use crate::value::{Interface, Ip, LinkFact, LinkRef, Netns, Report};
use std::io::Write;

/// The result of an applied plan as JSON, in the configuration's `cniVersion`.
pub fn text(
    report: &Report,
    request: &Request,
    cni_version: &str,
    look: &mut dyn Look,
) -> Result<String, CniError> {
    let mut facts = MachineFacts::new(look);
    let finished = finish(report, request, &mut facts);
    let finished = finished.map_err(|error| match facts.refusal() {
        // The text of a failed query does not say whether a retry may succeed. The refusal does.
        Some(refusal) if refusal.is_retryable() => error.with_code_of(ErrorKind::Busy),
        _ => error,
    })?;
    encode(&finished, cni_version)
}

/// Fills names and MAC addresses in from the kernel: the result reports the actual state, not the planned one.
pub fn finish(report: &Report, request: &Request, facts: &mut dyn Facts) -> Result<CniResult, CniError> {
    let mut interfaces = report.passed.clone();
    for link in &report.links {
        let fact = fact(link, facts.ask_link_alone(link))?;
        let sandbox = match link.netns {
            Netns::Host => String::new(),
            Netns::Container => request.netns.clone(),
        };
        interfaces.push(Interface { name: fact.name.to_string(), mac: fact.mac.to_string(), sandbox });
    }
    let mut ips = report.ips.clone();
    for link in &report.with_addresses {
        let place = report.links.iter().position(|reported| reported == link);
        let interface = place.map(|place| report.passed.len() + place);
        let addresses = fact(link, facts.ask(&Query::Link(link.clone())))?.addresses;
        let first = |v4: bool| addresses.iter().find(|address| address.is_ipv4() == v4);
        let both = [first(true), first(false)].into_iter().flatten();
        ips.extend(both.map(|address| Ip { address: *address, gateway: None, interface }));
    }
    Ok(CniResult { interfaces, ips, routes: report.routes.clone(), dns: report.dns.clone() })
}

fn fact(link: &LinkRef, answer: Answer) -> Result<LinkFact, CniError> {
    let gone = |why: &str| {
        CniError::new(ErrorKind::LinkVanished, format!("link {link} was created but no longer exists: {why}"))
    };
    match answer {
        Answer::Link(fact) => fact.known().ok_or_else(|| gone("not found")),
        Answer::Failed(why) => Err(gone(&why)),
        _ => Err(gone("another question was answered")),
    }
}

/// Writes the result to the runtime.
pub fn deliver(text: &str, stdout: &mut dyn Write) -> Result<(), CniError> {
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(|error| {
        // The error goes to stdout too, so the runtime will not get it either. The log is the only place left.
        tracing::error!(%error, "nobody takes the result: the ADD is undone");
        CniError::new(ErrorKind::ResultNotDelivered, format!("failed to write the result to stdout: {error}"))
    })
}

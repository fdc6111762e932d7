//! The picture of `docs/architecture.md` as one function: request → draft → checked plan → applied, or shown.

use crate::action::{Answer, Facts, Query};
use crate::apply::journal::Writer;
use crate::apply::{self, Header, Journal, Section, StateDir};
use crate::audit::{Audited, Record, Subject};
use crate::cni::result::Interface;
use crate::cni::{CniError, CniResult, Config, Request, code, result};
use crate::machine::MachineError;
use crate::machine::host::HostKernel;
use crate::machine::netns::{NetnsFile, NetnsId};
use crate::plan;
use crate::planning::{self, Planned, Stages};
use crate::plugin::Plugin;
use crate::policy::{self, Grants, Policy, PolicyError};
use crate::sandbox::cache::Cache;
use crate::sandbox::planner::Waiting;
use crate::value::{Ip, LinkFact, LinkRef, Netns, Report};
use crate::verb::made;
use crate::{panic, signal, timings};
use std::io::Write;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// What every verb needs besides its request.
#[derive(Debug)]
pub struct Host {
    /// The journals.
    pub state: StateDir,
    /// Compiled components.
    pub cache: Cache,
    /// The host's own namespace may be the container's (`CNI_NETNS_OVERRIDE`).
    pub netns_override: bool,
    /// The administrator's policy, or why it cannot be used.
    pub policy: Result<Arc<Policy>, PolicyError>,
    /// `TRACEPARENT`: of which trace the call is a part.
    pub traceparent: String,
}

impl Host {
    /// The policy, for all that makes something: one that cannot be used allows nothing (`docs/security.md`, S5).
    pub fn policy(&self) -> Result<&Arc<Policy>, CniError> {
        self.policy.as_ref().map_err(PolicyError::to_cni)
    }

    /// The record for the audit log, if there is one.
    pub fn record<'a>(&'a self, verb: Audited, subject: Subject<'a>) -> Record<'a> {
        let log = self.policy.as_ref().ok().and_then(|policy| policy.content.audit.as_ref());
        Record::begin(log, &self.traceparent, verb, subject)
    }

    /// The machine for one verb, with that container namespace, if it has one.
    pub fn kernel(&self, container: Option<NetnsFile>, dry: bool) -> HostKernel {
        HostKernel::open(container, dry).with_lease_indexes(self.state.lease_indexes())
    }

    /// The machine for a verb that changes an attachment, whose lock its processes hold too.
    pub fn locked_kernel(&self, container: Option<NetnsFile>, journal: &Journal) -> HostKernel {
        self.kernel(container, false).with_lock(journal.as_fd())
    }
}

/// ADD: plans, checks, applies, and writes the result to `stdout`. Nothing is left of one that fails: also if that is because
/// of a panic, because we are told to end, or because nobody takes the result.
pub fn add(
    host: &Host,
    planner: Waiting,
    request: &Request,
    config: &Config,
    record: &mut Record<'_>,
    stdout: &mut dyn Write,
) -> Result<(), CniError> {
    signal::watch();
    match panic::caught(|| attach(host, planner, request, config, record, stdout)) {
        Ok(result) => result,
        Err(error) => Err(undo_unfinished(host, request, error)),
    }
}

fn attach(
    host: &Host,
    planner: Waiting,
    request: &Request,
    config: &Config,
    record: &mut Record<'_>,
    stdout: &mut dyn Write,
) -> Result<(), CniError> {
    let policy = host.policy()?;
    let plugin = Plugin::find(host, request, &request.plugin)?;
    timings::ended("find");
    plugin.gate_version(&config.cni_version)?;
    plugin.check_config(config)?;
    let netns = plugin.netns(host, request)?;
    let previous = plugin.previous(config)?;
    let begun = planning::begin(planner, request, plugin, policy, Vec::new())?;
    let netns_id = netns.as_ref().map(NetnsFile::id);
    let journal = host.state.lock(&request.attachment)?;
    let mut kernel = host.locked_kernel(netns, &journal);
    undo_old(host, request, &journal, netns_id, previous.is_some(), &mut kernel)?;
    timings::ended("state");
    let grants = Grants::for_request(request, config, previous.as_ref(), policy);
    let stages = Stages::Applied { journal: &journal, netns_id, record };
    let Planned { draft, applied, plugins, writer, grants, tolerated, planner: _ended, .. } =
        planning::plan(host, request, begun, grants, &mut kernel, stages)?;
    record.plan(&plugins, || plan::digest(applied.iter().chain(&draft.entries), &draft.report));
    record.tolerate(&tolerated);
    let plan = policy::check(draft, &applied, &grants)
        .map_err(|violations| grants.denied(&violations))
        .and_then(|plan| result::check(plan.report(), &config.cni_version).map(|()| plan))
        .and_then(|plan| record.begin_applying().map(|()| plan));
    if let Ok(plan) = &plan {
        record.tolerate(plan.tolerated());
    }
    timings::ended("check");
    let (plan, mut writer) = match (plan, writer) {
        (Ok(plan), Some(writer)) => (plan, writer),
        (Ok(plan), None) => (plan, journal.begin(&header(request, &journal, netns_id, plugins)?)?),
        (Err(error), Some(writer)) => return Err(abandon(host, &journal, &writer, &mut kernel, error)),
        (Err(error), None) => return Err(error),
    };
    timings::ended("journal");
    if let Err(error) = apply::execute(&plan, &mut writer, &host.state, &mut kernel) {
        forget_if_done(&journal, &writer, error.stuck.is_empty());
        return Err(error.into());
    }
    let finished = finish(plan.report(), request, &mut kernel)
        // Whether to try again is not in a fact's text.
        .map_err(|error| match kernel.take_refusal() {
            Some(refusal) if refusal.is_retryable() => CniError { code: code::TRY_AGAIN_LATER, ..error },
            _ => error,
        })
        .and_then(|finished| result::encode(&finished, &config.cni_version))
        .and_then(|text| {
            timings::ended("result");
            writer.complete(plan.report())?;
            timings::ended("journal");
            signal::check().map_err(MachineError::from)?;
            record.applied()?;
            deliver(&text, stdout)
        });
    finished.map_err(|error| abandon(host, &journal, &writer, &mut kernel, error))
}

fn deliver(text: &str, stdout: &mut dyn Write) -> Result<(), CniError> {
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(|error| {
        // Where the result cannot be told, the error cannot either.
        tracing::error!(%error, "nobody takes the result: the ADD is undone");
        CniError::new(code::IO_FAILURE, format!("failed to write the result to stdout: {error}"))
    })
}

/// Takes back an ADD that panicked; gives the error to tell. Its lock went with its stack, its journal did not.
fn undo_unfinished(host: &Host, request: &Request, panic: CniError) -> CniError {
    let undo = || {
        let journal = host.state.lock(&request.attachment)?;
        let netns = NetnsFile::open(&request.netns).ok();
        let netns_id = netns.as_ref().map(NetnsFile::id);
        let mut kernel = host.locked_kernel(netns, &journal);
        let unfinished = |section: &&Section| section.report.is_none();
        journal
            .sections()?
            .iter()
            .filter(unfinished)
            .try_for_each(|section| undo_section(host, &journal, section, netns_id, &mut kernel))
    };
    let outcome = match panic::caught(undo).flatten() {
        Ok(()) => "all that was done before is undone".to_owned(),
        Err(error) => format!("{}\n{}", error.msg, error.details),
    };
    let details = format!("{}\n{outcome}", panic.details);
    panic.with_details(details)
}

/// Takes back what was applied for a request that failed otherwise; gives the error to tell.
pub fn abandon(
    host: &Host,
    journal: &Journal,
    writer: &Writer,
    kernel: &mut HostKernel,
    error: CniError,
) -> CniError {
    let stuck = apply::rollback(writer.section(), &host.state, kernel);
    forget_if_done(journal, writer, stuck.is_empty());
    if stuck.is_empty() {
        return error;
    }
    let what = if error.details.is_empty() { "the ADD failed".to_owned() } else { error.details };
    let msg = format!("{}; and what was done before could not all be undone", error.msg);
    crate::error::stuck(&msg, &what, &stuck)
}

/// An ADD over journals of the same attachment takes back first what they tell: the earlier ADD failed, or its DEL never came.
///
/// One that goes on with a chain (`is_continued`) leaves alone what that has made so far, and so all that may be a part of it: what ended
/// well in this very namespace.
fn undo_old(
    host: &Host,
    request: &Request,
    journal: &Journal,
    netns_id: Option<NetnsId>,
    is_continued: bool,
    kernel: &mut HostKernel,
) -> Result<(), CniError> {
    for section in journal.sections()? {
        let is_old = section.header.plugin == request.plugin
            && (section.report.is_none() || section.header.netns_id != netns_id);
        if is_continued && !is_old {
            continue;
        }
        if netns_id.is_some() && netns_id == section.header.netns_id && made::is_replaced(&section, kernel) {
            // Lease and rules may be that one's too, under the very same names.
            let name = section.header.attachment.interface.as_str();
            let msg = format!("container veth name ({name:?}) already exists");
            return Err(CniError::new(code::INTERNAL, msg)
                .with_details("somebody else has made the attachment again since; nothing was changed"));
        }
        tracing::info!(plugin = %section.header.plugin, "an earlier ADD of this attachment is undone first");
        undo_section(host, journal, &section, netns_id, kernel)?;
    }
    Ok(())
}

/// Takes back a section and forgets it.
///
/// The container's namespace, whose identity is `netns_id`, is entered only if the section was made in it.
pub fn undo_section(
    host: &Host,
    journal: &Journal,
    section: &Section,
    netns_id: Option<NetnsId>,
    kernel: &mut HostKernel,
) -> Result<(), CniError> {
    let stuck = if netns_id.is_some() && netns_id == section.header.netns_id {
        apply::revert(section, section.reason(), &host.state, kernel)
    } else {
        apply::revert(section, section.reason(), &host.state, &mut host.locked_kernel(None, journal))
    };
    if stuck.is_empty() {
        if let Err(error) = journal.forget(section) {
            // It describes what is not there any more, and hurts nobody.
            tracing::warn!(%error, "journal could not be removed");
        }
        return Ok(());
    }
    let what = format!(
        "plugin {:?} of container {}",
        section.header.plugin.as_str(),
        section.header.attachment.container
    );
    Err(crate::error::stuck("not everything could be undone", &what, &stuck))
}

/// A journal is kept for the next verb exactly when something is left that it describes.
pub fn forget_if_done(journal: &Journal, writer: &Writer, done: bool) {
    if done && let Err(error) = journal.forget(writer.section()) {
        tracing::warn!(%error, "journal could not be removed");
    }
}

/// The head of the journal of a request.
pub fn header(
    request: &Request,
    journal: &Journal,
    netns_id: Option<NetnsId>,
    plugins: Vec<(String, String)>,
) -> Result<Header, CniError> {
    let same = |section: &&Section| section.header.plugin == request.plugin;
    let ordinal = journal.sections()?.iter().filter(same).map(|s| s.header.ordinal + 1).max().unwrap_or(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(Header {
        version: apply::journal::VERSION,
        attachment: request.attachment.clone(),
        plugin: request.plugin.clone(),
        ordinal,
        netns: request.netns.clone(),
        netns_id,
        plugins,
        created: u64::try_from(now.as_nanos()).unwrap_or(u64::MAX),
    })
}

/// Fills names and MACs in from the kernel: the result says what is, not what was planned.
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
    let gone =
        |why: &str| CniError::new(code::INTERNAL, format!("link {link} was made and is not there: {why}"));
    match answer {
        Answer::Link(fact) => fact.known().ok_or_else(|| gone("not found")),
        Answer::Failed(why) => Err(gone(&why)),
        _ => Err(gone("another question was answered")),
    }
}

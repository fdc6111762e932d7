//! The picture of `docs/architecture.md` as one function: request → draft → checked plan → applied, or shown.

use crate::apply::journal::Writer;
use crate::apply::{self, Header, Journal, Section, StateDir};
use crate::cni::result::Interface;
use crate::cni::{CniError, CniResult, Config, Request, code, result};
use crate::kernel::host::HostKernel;
use crate::kernel::netns::{NetnsFile, NetnsId, OpenNetnsError};
use crate::plan::{Answer, Facts, LinkFact, LinkRef, Netns, PluginName, Query, Report};
use crate::planning::{self, Planned, Stages};
use crate::policy::{self, Grants};
use crate::sandbox::Kind;
use crate::sandbox::cache::{Cache, Code};
use crate::sandbox::lookup::{self, Found};
use std::fs::File;
use std::path::{Path, PathBuf};
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
}

impl Host {
    /// The machine for one verb, with that container namespace, if it has one.
    pub fn kernel(&self, container: Option<NetnsFile>, dry: bool) -> HostKernel {
        HostKernel::open(container, dry).with_lease_indexes(self.state.lease_indexes())
    }
}

/// ADD: plans, checks, applies; gives the result for stdout. Nothing is left of one that fails.
pub fn add(host: &Host, request: &Request, config: &Config) -> Result<String, CniError> {
    let plugin = Plugin::find(host, &request.path, &request.plugin)?;
    plugin.gate_version(&config.cni_version)?;
    plugin.check_config(config)?;
    let netns = plugin.netns(host, request)?;
    let previous = plugin.previous(config)?;
    let netns_id = netns.as_ref().map(NetnsFile::id);
    let mut kernel = host.kernel(netns, false);
    let journal = host.state.lock(&request.attachment)?;
    if previous.is_none() {
        undo_old(host, &journal, netns_id, &mut kernel)?;
    }
    let grants = Grants::for_request(request, config, previous.as_ref());
    let stages = Stages::Applied { journal: &journal, netns_id };
    let Planned { draft, applied, plugins, writer, .. } =
        planning::plan(host, request, plugin, &grants, Vec::new(), &mut kernel, stages)?;
    let plan = policy::check(draft, &applied, &grants)
        .map_err(|violations| policy::denied(request.plugin.as_str(), &violations))
        .and_then(|plan| result::check(&plan.report().ips, &config.cni_version).map(|()| plan));
    let (plan, mut writer) = match (plan, writer) {
        (Ok(plan), Some(writer)) => (plan, writer),
        (Ok(plan), None) => (plan, journal.begin(&header(request, &journal, netns_id, plugins))?),
        (Err(error), Some(writer)) => return Err(abandon(host, &journal, &writer, &mut kernel, error)),
        (Err(error), None) => return Err(error),
    };
    if let Err(error) = apply::execute(&plan, &mut writer, &host.state, &mut kernel) {
        forget_if_done(&journal, &writer, error.stuck.is_empty());
        return Err(error.into());
    }
    let finished = finish(plan.report(), request, &mut kernel)
        .and_then(|finished| result::encode(&finished, &config.cni_version))
        .and_then(|text| Ok(writer.complete(plan.report()).map(|()| text)?));
    finished.map_err(|error| abandon(host, &journal, &writer, &mut kernel, error))
}

/// Takes back what was applied for a request that failed otherwise; gives the error to tell.
pub fn abandon(
    host: &Host,
    journal: &Journal,
    writer: &Writer,
    kernel: &mut HostKernel,
    error: CniError,
) -> CniError {
    let Ok(Some(section)) = writer.section() else { return error };
    let stuck = apply::rollback(&section, &host.state, kernel);
    forget_if_done(journal, writer, stuck.is_empty());
    if stuck.is_empty() {
        return error;
    }
    let what = if error.details.is_empty() { "the ADD failed".to_owned() } else { error.details };
    let msg = format!("{}; and what was done before could not all be undone", error.msg);
    CniError::new(code::STUCK, msg).with_details(crate::error::left(&what, &stuck))
}

/// A component that was found, compiled and ready to run.
#[derive(Debug)]
pub struct Plugin {
    /// Its type.
    pub name: PluginName,
    /// Its code and what it says of itself.
    pub code: Code,
}

impl Plugin {
    /// Looks a plugin up on `CNI_PATH`.
    pub fn find(host: &Host, path: &[PathBuf], name: &PluginName) -> Result<Self, CniError> {
        match lookup::find(path, name)? {
            Found::Component(path, file) => Plugin::from_component(host, name, &path, &file),
            Found::Native(file) => Err(CniError::new(
                code::INTERNAL,
                format!("plugin {:?} is no component: {}", name.as_str(), file.display()),
            )
            .with_details(format!("hint: put {name}.wasm into a directory of CNI_PATH"))),
        }
    }

    /// Reads a component that was found, and compiles it unless that was done before.
    pub fn from_component(
        host: &Host,
        name: &PluginName,
        path: &Path,
        file: &File,
    ) -> Result<Self, CniError> {
        let code = host.cache.code(file).map_err(|e| e.to_cni(path))?;
        Ok(Plugin { name: name.clone(), code })
    }

    /// The version gate, with the versions that the component supports.
    pub fn gate_version(&self, cni_version: &str) -> Result<(), CniError> {
        crate::cni::command::gate_version(cni_version, &self.code.manifest.cni_versions)
    }

    /// Refuses a configuration that no plugin of this kind can read.
    pub fn check_config(&self, config: &Config) -> Result<(), CniError> {
        match self.code.manifest.kind {
            Kind::Ipam => Ok(()),
            Kind::Main | Kind::Chained => config.check_common(),
        }
    }

    /// `prevResult`. One that cannot be read matters only to a chained plugin: any other does nothing with it on ADD, as in
    /// the reference.
    pub fn previous(&self, config: &Config) -> Result<Option<Report>, CniError> {
        match self.code.manifest.kind {
            Kind::Chained => config.previous(),
            Kind::Main | Kind::Ipam => Ok(config.previous().unwrap_or_else(|_| Some(Report::default()))),
        }
    }

    /// The container's namespace; none for an IPAM plugin when there is none: as in the reference, it has no use for one.
    ///
    /// The host's own is refused (design rule 10).
    pub fn netns(&self, host: &Host, request: &Request) -> Result<Option<NetnsFile>, CniError> {
        match NetnsFile::open(&request.netns) {
            Err(_) if self.code.manifest.kind == Kind::Ipam => Ok(None),
            opened => container_netns(host, &request.netns, opened).map(Some),
        }
    }
}

fn container_netns(
    host: &Host,
    path: &str,
    opened: Result<NetnsFile, OpenNetnsError>,
) -> Result<NetnsFile, CniError> {
    let failed = |e: &(dyn std::error::Error + 'static)| {
        CniError::new(code::INTERNAL, format!("failed to open netns {path:?}: {}", crate::error::chain(e)))
    };
    let netns = opened.map_err(|e| failed(&e))?;
    let own = NetnsFile::current().map_err(|e| {
        CniError::new(code::INVALID_NETNS, "get plugin's netns failed").with_details(crate::error::chain(&e))
    })?;
    if netns.same_as(&own) && !host.netns_override {
        let msg = "plugin's netns and netns from CNI_NETNS should not be the same";
        return Err(CniError::new(code::INVALID_NETNS, msg)
            .with_details(format!("{path} is the namespace of the runtime itself; nothing was changed")));
    }
    Ok(netns)
}

/// An ADD over journals of the same attachment takes back first what they tell: the earlier ADD failed, or its DEL never came.
fn undo_old(
    host: &Host,
    journal: &Journal,
    netns_id: Option<NetnsId>,
    kernel: &mut HostKernel,
) -> Result<(), CniError> {
    for section in journal.sections() {
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
        apply::revert(section, section.reason(), &host.state, &mut host.kernel(None, false))
    };
    if stuck.is_empty() {
        return Ok(journal.forget(section)?);
    }
    let what = format!(
        "plugin {:?} of container {}",
        section.header.plugin.as_str(),
        section.header.attachment.container
    );
    Err(CniError::new(code::STUCK, "not everything could be undone")
        .with_details(crate::error::left(&what, &stuck)))
}

/// A journal is kept for the next verb exactly when something is left that it describes.
pub fn forget_if_done(journal: &Journal, writer: &Writer, done: bool) {
    if let (true, Ok(Some(section))) = (done, writer.section())
        && let Err(error) = journal.forget(&section)
    {
        tracing::warn!(%error, "journal could not be removed");
    }
}

/// The head of the journal of a request.
pub fn header(
    request: &Request,
    journal: &Journal,
    netns_id: Option<NetnsId>,
    plugins: Vec<(String, String)>,
) -> Header {
    let same = |section: &&Section| section.header.plugin == request.plugin;
    let ordinal = journal.sections().iter().filter(same).map(|s| s.header.ordinal + 1).max().unwrap_or(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Header {
        version: apply::journal::VERSION,
        attachment: request.attachment.clone(),
        plugin: request.plugin.clone(),
        ordinal,
        netns: request.netns.clone(),
        netns_id,
        plugins,
        created: u64::try_from(now.as_nanos()).unwrap_or(u64::MAX),
    }
}

/// Fills names and MACs in from the kernel: the result says what is, not what was planned.
pub fn finish(report: &Report, request: &Request, facts: &mut dyn Facts) -> Result<CniResult, CniError> {
    let interfaces = report.links.iter().map(|link| {
        let fact = fact(link, facts)?;
        let sandbox = match link.netns {
            Netns::Host => String::new(),
            Netns::Container => request.netns.clone(),
        };
        Ok(Interface { name: fact.name.to_string(), mac: fact.mac.to_string(), sandbox })
    });
    Ok(CniResult {
        interfaces: interfaces.collect::<Result<_, CniError>>()?,
        ips: report.ips.clone(),
        routes: report.routes.clone(),
        dns: report.dns.clone(),
    })
}

fn fact(link: &LinkRef, facts: &mut dyn Facts) -> Result<LinkFact, CniError> {
    let gone =
        |why: &str| CniError::new(code::INTERNAL, format!("link {link} was made and is not there: {why}"));
    match facts.ask(&Query::Link(link.clone())) {
        Answer::Link(fact) => fact.known().ok_or_else(|| gone("not found")),
        Answer::Failed(why) => Err(gone(&why)),
        _ => Err(gone("another question was answered")),
    }
}

//! Dry runs: the path of ADD up to the last step. The plan is printed and not applied.

use super::{Output, del};
use crate::action::context::Notes;
use crate::action::profile::Found;
use crate::action::record::Reason;
use crate::action::{Action, Answer, Lifetime, Query, Undo, undo};
use crate::apply::{self, Section};
use crate::cni::{CniError, Config, ErrorKind, Request};
use crate::machine::errno::chain;
use crate::machine::netns::NetnsFile;
use crate::machine::port::Look;
use crate::node::Node;
use crate::plan;
use crate::plan::document::PlanDocument;
use crate::plan::{Demand, DraftPlan, Entry};
use crate::planning::{self, Planned, Stages};
use crate::plugin::Plugin;
use crate::policy::{self, Policy, Violation};
use crate::reference;
use crate::sandbox::planner::Waiting;
use crate::section;
use crate::value::{Attachment, Fact, LinkRef, Mac, Report};
use std::sync::Arc;

/// A plan that is not applied, with everything to print.
#[derive(Debug)]
pub struct DryPlan {
    draft: DraftPlan,
    plugins: Vec<(String, String)>,
    digest: String,
    states: Vec<Found>,
    violations: Vec<Violation>,
    tolerated: Vec<Violation>,
    warnings: Vec<String>,
    demands: Vec<&'static str>,
    rest: Option<String>,
    policy: Arc<Policy>,
    /// The sections of earlier ADDs that ADD would undo first, and those undos.
    outdated: Vec<Section>,
    undone: Vec<Undo>,
    unreadable: Vec<String>,
}

/// Plans and checks. It changes nothing, takes no lock and makes no file.
pub fn plan(
    node: &Node,
    request: &Request,
    config: &Config,
    before: &[DryPlan],
) -> Result<DryPlan, CniError> {
    let policy = node.policy()?;
    let planner = Waiting::spawn()?;
    let plugin = Plugin::find(node, request, &request.plugin)?;
    let description = &plugin.description;
    description.gate_version(&config.cni_version)?;
    description.check_config(config)?;
    let netns = description.netns(node, request)?;
    let previous = description.previous(config)?;
    let earlier =
        before.iter().flat_map(|plan| plan.draft.entries.iter().map(|entry| entry.action.clone())).collect();
    let identity = description.identity.clone();
    let begun = planning::begin(planner, request, plugin, policy, earlier)?;
    let netns_id = netns.as_ref().map(NetnsFile::id);
    let mut machine = node.machine(netns, true);
    let kind = identity.kind_in(&request.plugin, config, previous.is_some());
    let mut sections = node.state.sections_of(&request.attachment);
    sections.retain(|section| before.iter().all(|plan| !plan.outdated.contains(section)));
    let outdated = section::outdated(sections, request, kind, netns_id, previous.is_some(), &mut machine)?;
    let undone = undos(node, request, &outdated);
    let all_undone: Vec<Undo> = before.iter().flat_map(|plan| &plan.undone).chain(&undone).cloned().collect();
    let unreadable = node.state.check_readable().err().map(|error| chain(&error));
    let grants = reference::grants(request, config, previous.as_ref(), policy, &identity);
    let demands = reference::demands(&grants, config, previous.as_ref(), &identity);
    let Planned { mut draft, plugins, opaque, grants, mut tolerated, .. } =
        planning::plan(node, request, begun, grants, &mut machine, Stages::Shown { undone: &all_undone })?;
    let mut states = states(&draft.entries, &mut machine);
    // What is undone first is absent then.
    let removed = |entry: &Entry| {
        outdated
            .iter()
            .flat_map(Section::entries)
            .any(|old| old.lifetime == Lifetime::Attachment && old.action == entry.action)
    };
    for (state, _) in states.iter_mut().zip(&draft.entries).filter(|(_, entry)| removed(entry)) {
        *state = Found::Absent;
    }
    let digest = plan::digest(draft.entries.iter(), &draft.report);
    // A plan that ends at a native delegate is not whole.
    let demands = if opaque.is_some() { Vec::new() } else { demands };
    let (violations, warnings) = match plan::check(draft.clone(), &[], &grants, &demands) {
        Ok(plan) => {
            tolerated.extend_from_slice(plan.tolerated());
            (Vec::new(), plan.warnings().to_vec())
        }
        Err(violations) => (violations, Vec::new()),
    };
    let rest = opaque.map(|delegate| {
        let rest =
            format!("the rest depends on what {} answers, which is native", delegate.program.display());
        let (plugin, action) = (request.plugin.clone(), delegate.into());
        draft.entries.push(Entry { plugin, lifetime: Lifetime::Attachment, action });
        states.push(Found::Absent);
        rest
    });
    let demands = demands.iter().filter(|demand| demand.is_binding()).map(Demand::key).collect();
    let policy = Arc::clone(policy);
    Ok(DryPlan {
        draft,
        plugins,
        digest,
        states,
        violations,
        tolerated,
        warnings,
        demands,
        rest,
        policy,
        outdated,
        undone,
        unreadable: unreadable.into_iter().collect(),
    })
}

/// The undos of sections of the request's attachment, as a verb would do them now.
fn undos(node: &Node, request: &Request, sections: &[Section]) -> Vec<Undo> {
    let others = node.state.others(&request.attachment);
    let each = sections.iter().flat_map(|section| match &others {
        // Without the sections of others, an undo leaves what others may use.
        None => apply::undo::undos(section, Reason::Delete, &[]),
        Some(others) => apply::undo::undos(section, section.reason(), others),
    });
    each.collect()
}

/// The present state for each action.
pub fn states(entries: &[Entry], look: &mut dyn Look) -> Vec<Found> {
    let actions: Vec<&Action> = entries.iter().map(|entry| &entry.action).collect();
    let before = apply::observe(&actions, look, &mut Notes::default());
    before.iter().zip(actions).map(|(before, action)| action.kind().found(before)).collect()
}

impl DryPlan {
    /// The keys of the configuration that demand something of the plan. Empty if the plan is not whole.
    pub fn demands(&self) -> &[&'static str] {
        &self.demands
    }

    /// The document to print.
    pub fn document<'a>(&'a self, request: &'a Request) -> PlanDocument<'a> {
        PlanDocument {
            title: "plan",
            differences: &[],
            beyond: Vec::new(),
            attachment: &request.attachment,
            netns: &request.netns,
            plugins: &self.plugins,
            undone: self.undone.iter().map(|undo| undo::command(undo, &request.netns)).collect(),
            digest: &self.digest,
            actions: PlanDocument::lines(&self.draft.entries, &self.states),
            result: Some(&self.draft.report),
            rest: self.rest.as_deref(),
            unreadable: {
                let facts = self.draft.unreadable.iter().map(|query| query.question().subject());
                facts.chain(self.unreadable.iter().cloned()).collect()
            },
            violations: self.violations.iter().map(Violation::text).collect(),
            tolerated: self.tolerated.iter().map(Violation::text).collect(),
            warnings: &self.warnings,
            remedy: self.remedy(request),
        }
    }

    /// The lines of policy that would allow the violations, including those that audit mode tolerates.
    fn remedy(&self, request: &Request) -> Option<String> {
        let all: Vec<Violation> = self.violations.iter().chain(&self.tolerated).cloned().collect();
        let rules = policy::violation::remedy(&all, &request.attachment.network)?;
        Some(format!("# {}\n{rules}", self.policy.path.display()))
    }

    /// The planned report.
    pub fn report(&self) -> &Report {
        &self.draft.report
    }

    /// The MAC address that a link of this plan would get.
    pub fn mac(&self, link: &LinkRef) -> Option<Mac> {
        let query = Query::Link(link.clone());
        let mut answer = Answer::Link(Fact::Absent);
        self.draft.entries.iter().for_each(|entry| entry.action.kind().overlay(&query, &mut answer));
        match answer {
            Answer::Link(fact) => fact.known().map(|link| link.mac),
            _ => None,
        }
    }

    /// Whether the plan is complete, and does not end at a native delegate.
    pub fn is_whole(&self) -> bool {
        self.rest.is_none()
    }

    /// Whether policy allows the plan.
    pub fn is_allowed(&self) -> bool {
        self.violations.is_empty()
    }
}

/// The dry run of a runtime's ADD. The plan goes to stderr. Stdout gets an error, so that no container starts without
/// a network by mistake.
pub fn of_runtime(node: &Node, request: &Request, config: &Config) -> Result<Output, CniError> {
    let plan = plan(node, request, config, &[])?;
    let error = match plan.is_allowed() {
        true => refused("ADD"),
        false => {
            let (plugin, network) = (&request.plugin, &request.attachment.network);
            policy::violation::denied(plugin, network, &plan.violations, &plan.policy.path)
        }
    };
    Ok(Output::Dry(plan.document(request).text(), error))
}

/// The dry run of a runtime's DEL. The commands that DEL would perform go to stderr.
///
/// # Errors
///
/// This user cannot read the journals, so it is not known what DEL would undo.
pub fn del_of_runtime(node: &Node, request: &Request, config: &Config) -> Result<Output, CniError> {
    node.state.check_readable()?;
    let sections = del::sections(node.state.sections_of(&request.attachment), request, config);
    let undos = match sections.is_empty() {
        true => del::remains(
            node,
            request,
            config,
            &mut node.machine(del::usable_netns(node, &request.netns), true),
        )?,
        false => undos(node, request, &sections),
    };
    let lines = undos.iter().map(|undo| format!("  {}\n", undo::command(undo, &request.netns)));
    let Attachment { network, container, interface } = &request.attachment;
    let text = format!("undo: interface {interface} of container {container} on network {network}\n");
    Ok(Output::Dry(lines.fold(text, |text, line| text + &line), refused("DEL")))
}

/// The error that answers a verb while `WASM_CNI_DRY_RUN` is set.
pub fn refused(verb: &str) -> CniError {
    CniError::new(ErrorKind::DryRun, format!("dry run of {verb}: nothing was changed"))
}

//! The picture of `docs/architecture.md` as one function: request → draft → checked plan → applied → result.

use crate::audit::Record;
use crate::cni::result::check as check_shape;
use crate::cni::{CniError, Config, Request};
use crate::machine::MachineError;
use crate::machine::netns::NetnsFile;
use crate::node::Node;
use crate::planning::{self, Planned, Stages};
use crate::plugin::Plugin;
use crate::sandbox::planner::Waiting;
use crate::{panic, plan, reference, result, section, signal, timings};
use std::io::Write;

/// ADD: plans, checks and applies, and writes the result to `stdout`.
///
/// A failed ADD leaves nothing behind. This includes an ADD that ends by a panic, by a signal, or because the runtime
/// does not read the result.
pub fn add(
    node: &Node,
    planner: Waiting,
    request: &Request,
    config: &Config,
    record: &mut Record<'_>,
    stdout: &mut dyn Write,
) -> Result<(), CniError> {
    signal::watch();
    match panic::caught(|| attach(node, planner, request, config, record, stdout)) {
        Ok(result) => result,
        Err(error) => Err(section::undo_unfinished(node, request, error)),
    }
}

fn attach(
    node: &Node,
    planner: Waiting,
    request: &Request,
    config: &Config,
    record: &mut Record<'_>,
    stdout: &mut dyn Write,
) -> Result<(), CniError> {
    // Start the plugin. It runs in parallel from here on.
    let policy = node.policy()?;
    let plugin = Plugin::find(node, request, &request.plugin)?;
    record.took_part(&[plugin.took_part()]);
    timings::ended("find");
    let description = &plugin.description;
    description.gate_version(&config.cni_version)?;
    description.check_config(config)?;
    let (netns, previous) = (description.netns(node, request)?, description.previous(config)?);
    let identity = description.identity.clone();
    let begun = planning::begin(planner, request, plugin, policy, Vec::new())?;

    // Lock the attachment, and undo what an earlier ADD left of it.
    let netns_id = netns.as_ref().map(NetnsFile::id);
    let journal = node.state.lock(&request.attachment)?;
    let mut machine = node.locked_machine(netns, &journal);
    let kind = identity.kind_in(&request.plugin, config, previous.is_some());
    section::undo_outdated(node, request, &journal, kind, netns_id, previous.is_some(), &mut machine)?;
    timings::ended("state");

    // Get the draft. At a native delegate a stage ends: `planning::plan` checks and applies that stage as the code
    // below does with the last one. Then it executes the native plugin, and the guest continues with its result.
    let grants = reference::grants(request, config, previous.as_ref(), policy, &identity);
    let demands = reference::demands(&grants, config, previous.as_ref(), &identity);
    let stages = Stages::Applied { journal: &journal, netns_id, record };
    let planned = planning::plan(node, request, begun, grants, &mut machine, stages)?;
    let Planned { draft, applied, plugins, writer, grants, tolerated, planner: _ended, .. } = planned;
    record.plan(|| plan::digest(applied.iter().chain(&draft.entries), &draft.report));
    record.tolerate(&tolerated);

    // Check the plan.
    let checked = plan::check(draft, &applied, &grants, &demands)
        .map_err(|violations| grants.denied(&violations))
        .and_then(|plan| check_shape(plan.report(), &config.cni_version).map(|()| plan))
        .and_then(|plan| record.begin_applying().map(|()| plan))
        .inspect(|plan| record.tolerate(plan.tolerated()))
        .inspect(|plan| plan.warnings().iter().for_each(|warning| tracing::warn!("{warning}")));
    timings::ended("check");

    // Apply the plan. The journal is written before and after each step, and a failure undoes the steps in reverse
    // order.
    let (plan, mut writer) = match (checked, writer) {
        (Ok(plan), Some(writer)) => (plan, writer),
        (Ok(plan), None) => (plan, section::begin(request, &journal, netns_id, plugins, kind)?),
        (Err(error), Some(writer)) => {
            return Err(section::abandon(node, &journal, &writer, &mut machine, error));
        }
        (Err(error), None) => return Err(error),
    };
    timings::ended("journal");
    section::apply(node, &journal, &mut writer, &plan, &mut machine)?;

    // Fill in, journal and deliver the result.
    let delivered =
        result::text(plan.report(), request, &config.cni_version, &mut machine).and_then(|text| {
            timings::ended("result");
            writer.complete(plan.report())?;
            timings::ended("journal");
            signal::check().map_err(MachineError::from)?;
            record.applied()?;
            result::deliver(&text, stdout)
        });
    delivered.map_err(|error| section::abandon(node, &journal, &writer, &mut machine, error))
}

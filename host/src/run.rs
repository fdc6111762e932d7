//! The picture of `docs/architecture.md` as one function: request → draft → checked plan → applied → result.

use crate::audit::Record;
use crate::cni::result::check as check_shape;
use crate::cni::{CniError, Config, Request};
use crate::machine::MachineError;
use crate::machine::netns::NetnsFile;
use crate::node::Node;
use crate::planning::{self, Planned, Stages};
use crate::plugin::Plugin;
use crate::policy::Grants;
use crate::sandbox::planner::Waiting;
use crate::{panic, plan, reference, result, section, signal, timings};
use std::io::Write;

/// ADD: plans, checks, applies, and writes the result to `stdout`. Nothing is left of one that fails: also if that is because
/// of a panic, because we are told to end, or because nobody takes the result.
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
    // The plugin: it runs beside us from here on.
    let policy = node.policy()?;
    let plugin = Plugin::find(node, request, &request.plugin)?;
    timings::ended("find");
    plugin.gate_version(&config.cni_version)?;
    plugin.check_config(config)?;
    let (netns, previous) = (plugin.netns(node, request)?, plugin.previous(config)?);
    let begun = planning::begin(planner, request, plugin, policy, Vec::new())?;

    // The attachment: locked, and what an earlier ADD left of it undone.
    let netns_id = netns.as_ref().map(NetnsFile::id);
    let journal = node.state.lock(&request.attachment)?;
    let mut machine = node.locked_machine(netns, &journal);
    section::undo_old(node, request, &journal, netns_id, previous.is_some(), &mut machine)?;
    timings::ended("state");

    // The draft. Each stage before the last goes the same way as that one below; then a native plugin is executed, and the draft goes on
    // with its answer.
    let grants = Grants::for_request(
        request,
        config,
        previous.as_ref(),
        policy,
        reference::grants(&request.plugin, config),
    );
    let stages = Stages::Applied { journal: &journal, netns_id, record };
    let planned = planning::plan(node, request, begun, grants, &mut machine, stages)?;
    let Planned { draft, applied, plugins, writer, grants, tolerated, planner: _ended, .. } = planned;
    record.plan(&plugins, || plan::digest(applied.iter().chain(&draft.entries), &draft.report));
    record.tolerate(&tolerated);

    // The checked plan.
    let checked = plan::check(draft, &applied, &grants)
        .map_err(|violations| grants.denied(&violations))
        .and_then(|plan| check_shape(plan.report(), &config.cni_version).map(|()| plan))
        .and_then(|plan| record.begin_applying().map(|()| plan))
        .inspect(|plan| record.tolerate(plan.tolerated()));
    timings::ended("check");

    // Applied: journaled before and after each step, undone in reverse on failure.
    let (plan, mut writer) = match (checked, writer) {
        (Ok(plan), Some(writer)) => (plan, writer),
        (Ok(plan), None) => (plan, section::begin(request, &journal, netns_id, plugins)?),
        (Err(error), Some(writer)) => {
            return Err(section::abandon(node, &journal, &writer, &mut machine, error));
        }
        (Err(error), None) => return Err(error),
    };
    timings::ended("journal");
    section::apply(node, &journal, &mut writer, &plan, &mut machine)?;

    // The result.
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

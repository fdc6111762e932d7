//! Repair: applies the plan of [`super::drift`]. Links stay, with their indexes.

use super::attached::{Attached, State};
use super::drift::{self, Drift};
use crate::action::context::Notes;
use crate::action::profile::Found;
use crate::apply::{self, Journal};
use crate::audit::{Audited, Record, Subject};
use crate::cni::{CniError, ErrorKind};
use crate::node::Node;
use crate::plan;
use crate::plan::Entry;
use crate::value::{NetworkName, Report};
use crate::{policy, timings};

/// The maximum number of rounds. A repair may reveal more differences. For example, a link that was down has lost its
/// routes, and they can be added only after it is up.
const MAX_ROUNDS: usize = 3;

/// Repairs every attachment of one network, or of all networks. Returns for each what was done, and the differences
/// that remain.
///
/// It skips an attachment whose lock another process holds.
pub fn all(node: &Node, network: Option<&NetworkName>) -> Result<Vec<Drift>, CniError> {
    let mut repaired = Vec::new();
    for found in super::attached::all(&node.state, network) {
        let Some(journal) = node.state.try_lock(&found.attachment)? else {
            // A DEL may have removed the attachment meanwhile. Then there is nothing to report.
            if node.state.is_locked(&found.attachment) {
                repaired.push(drift::look(
                    found,
                    State::InFlight,
                    &[],
                    &mut node.machine(None, true),
                    &mut Notes::default(),
                ));
            }
            continue;
        };
        let mut sections = journal.sections()?;
        sections.reverse();
        if sections.is_empty() {
            continue;
        }
        repaired.push(repair(node, &journal, Attached { sections, ..found })?);
    }
    Ok(repaired)
}

/// Repairs one attachment whose lock the caller holds. If it repairs anything, it writes a line to the audit log.
fn repair(node: &Node, lock: &Journal, attached: Attached) -> Result<Drift, CniError> {
    let attachment = attached.attachment.clone();
    let plugin = attached.sections.first().map(|section| section.header.plugin.clone());
    let subject = Subject {
        network: Some(&attachment.network),
        plugin: plugin.as_ref(),
        attachment: Some(&attachment),
    };
    let mut record = node.record(Audited::Repair, subject);
    let repaired = look_and_repair(node, lock, attached, &mut record);
    match &repaired {
        Ok(drift) if drift.repairs.is_empty() => {}
        Ok(drift) if drift.is_none() => record.end(&repaired),
        Ok(drift) => {
            let left = [drift.differences.as_slice(), &drift.beyond].concat().join("\n");
            record.end::<()>(&Err(
                CniError::new(ErrorKind::NotRepaired, "the repair is incomplete").with_details(left)
            ));
        }
        Err(_) => record.end(&repaired),
    }
    repaired
}

fn look_and_repair(
    node: &Node,
    lock: &Journal,
    attached: Attached,
    record: &mut Record<'_>,
) -> Result<Drift, CniError> {
    let everything = node.state.sections(None);
    // For others the attachment is in flight, because we hold its lock ourselves. So use its state under the lock.
    let state = attached.state_under_lock();
    let mut notes = Notes::default();
    let mut machine = node.locked_machine(attached.netns(), lock);
    let mut drift = drift::look(attached, state, &everything, &mut machine, &mut notes);
    timings::ended("look");
    let (mut done, mut commands): (Vec<Entry>, Vec<Vec<String>>) = Default::default();
    let mut failures = Vec::new();
    for _ in 0..MAX_ROUNDS {
        if drift.repairs.iter().all(is_wait) {
            break;
        }
        record.plan(|| plan::digest(done.iter().chain(&drift.repairs), &Report::default()));
        let checked = plan::check_again(drift.repairs.clone(), &drift.attached.sections);
        let plan = checked.map_err(|violations| {
            let lines: Vec<String> = violations.iter().map(policy::Violation::text).collect();
            CniError::new(ErrorKind::RepairDenied, "policy denies the repair").with_details(lines.join("\n"))
        })?;
        record.begin_applying()?;
        failures = apply::repair(&plan, &drift.attached.sections, &node.state, &mut machine, &mut notes);
        let repaired = drift.repairs.into_iter().zip(drift.commands);
        let (entries, of_each): (Vec<_>, Vec<_>) = repaired.filter(|(repair, _)| !is_wait(repair)).unzip();
        done.extend(entries);
        commands.extend(of_each);
        // A repaired object may have a new index, so cached lookups are invalid.
        (machine, notes) = (node.locked_machine(drift.attached.netns(), lock), Notes::default());
        drift = drift::look(drift.attached, state, &everything, &mut machine, &mut notes);
    }
    let failed =
        failures.into_iter().map(|(action, error)| format!("`{action}`: {}", crate::error::chain(&error)));
    drift.beyond.extend(failed);
    drift.states = vec![Found::Absent; done.len()];
    (drift.repairs, drift.commands) = (done, commands);
    Ok(drift)
}

/// Whether the action only waits. Then it is not a repair by itself.
fn is_wait(entry: &Entry) -> bool {
    entry.action.kind().profile().lane.is_wait()
}

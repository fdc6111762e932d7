//! Repair: applies what [`super::drift`] plans, and nothing else. Links stay, with their indexes.

use super::attached::{Attached, State};
use super::drift::{self, Drift};
use crate::action::Action;
use crate::apply::{self, Journal};
use crate::audit::{Audited, Record, Subject};
use crate::cni::{CniError, code};
use crate::context::Node;
use crate::plan;
use crate::plan::Entry;
use crate::policy;
use crate::value::{NetworkName, Report};

/// What is mended may show more: a link that comes up again had lost its routes, and only then they can be added.
const MAX_ROUNDS: usize = 3;

/// Repairs every attachment of a network, or of all; gives for each what was done, and what is still not as it was made.
///
/// An attachment whose lock somebody holds is left alone.
pub fn all(node: &Node, network: Option<&NetworkName>) -> Result<Vec<Drift>, CniError> {
    let mut repaired = Vec::new();
    for found in super::attached::all(&node.state, network) {
        let Some(journal) = node.state.try_lock(&found.attachment)? else {
            // Its DEL may have come, and then there is nothing to tell.
            if node.state.is_locked(&found.attachment) {
                repaired.push(drift::look(found, State::InFlight, &[], &mut node.kernel(None, true)));
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

/// Repairs one, whose lock is held. When there is something to mend, it is a line of the audit log.
fn repair(node: &Node, lock: &Journal, attached: Attached) -> Result<Drift, CniError> {
    let attachment = attached.attachment.clone();
    let plugin = attached.sections.first().map(|section| section.header.plugin.clone());
    let subject = Subject {
        network: Some(&attachment.network),
        plugin: plugin.as_ref(),
        attachment: Some(&attachment),
    };
    let mut record = node.record(Audited::Repair, subject);
    let repaired = mend(node, lock, attached, &mut record);
    match &repaired {
        Ok(drift) if drift.mends.is_empty() => {}
        Ok(drift) if drift.is_none() => record.end(&repaired),
        Ok(drift) => {
            let left = [drift.differences.as_slice(), &drift.beyond].concat().join("\n");
            record
                .end::<()>(&Err(CniError::new(code::INTERNAL, "not all of it is mended").with_details(left)));
        }
        Err(_) => record.end(&repaired),
    }
    repaired
}

fn mend(node: &Node, lock: &Journal, attached: Attached, record: &mut Record<'_>) -> Result<Drift, CniError> {
    let everything = node.state.sections(None);
    // Looked at by others it is in flight: this is the flight.
    let state = attached.state_under_lock();
    let journal: Vec<Entry> =
        attached.sections.iter().flat_map(|section| section.entries().cloned()).collect();
    let mut kernel = node.locked_kernel(attached.netns(), lock);
    let mut drift = drift::look(attached, state, &everything, &mut kernel);
    let mut done: Vec<Entry> = Vec::new();
    let mut failures = Vec::new();
    for _ in 0..MAX_ROUNDS {
        if drift.mends.iter().all(|mend| matches!(mend.action, Action::Settle(_))) {
            break;
        }
        record.plan(&[], || plan::digest(done.iter().chain(&drift.mends), &Report::default()));
        let plan = policy::check_again(drift.mends.clone(), &journal).map_err(|violations| {
            let lines: Vec<String> = violations.iter().map(policy::Violation::text).collect();
            CniError::new(code::DENIED, "policy refuses to repair").with_details(lines.join("\n"))
        })?;
        record.begin_applying()?;
        failures = apply::mend(&plan, &node.state, &mut kernel);
        done.extend(drift.mends.into_iter().filter(|mend| !matches!(mend.action, Action::Settle(_))));
        // What was looked up may have been made anew.
        kernel = node.locked_kernel(drift.attached.netns(), lock);
        drift = drift::look(drift.attached, state, &everything, &mut kernel);
    }
    let failed =
        failures.into_iter().map(|(action, error)| format!("`{action}`: {}", crate::error::chain(&error)));
    drift.beyond.extend(failed);
    drift.states = vec![plan::render::State::Absent; done.len()];
    drift.mends = done;
    Ok(drift)
}

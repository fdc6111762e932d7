//! A plan that policy has checked, so that it may be applied.

use super::{Demand, DraftPlan, Entry};
use crate::action::Action;
use crate::action::check::Check;
use crate::action::context::{Permit, sealed::PermitSeal};
use crate::policy::{Grants, Refusal, Violation, tolerates};
use crate::value::Report;

/// A plan that policy allows. Only [`check`] and [`check_again`] make one, and only such a plan can be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedPlan {
    draft: DraftPlan,
    tolerated: Vec<Violation>,
    warnings: Vec<String>,
}

impl PermitSeal for CheckedPlan {}

impl Permit for CheckedPlan {}

impl CheckedPlan {
    /// The actions, in the order in which they are applied.
    pub fn entries(&self) -> &[Entry] {
        &self.draft.entries
    }

    /// The result, before the kernel's values are filled in.
    pub fn report(&self) -> &Report {
        &self.draft.report
    }

    /// The violations that audit mode tolerates.
    pub fn tolerated(&self) -> &[Violation] {
        &self.tolerated
    }

    /// What the configuration demands and the plan leaves out, where that is not refused.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

/// Checks a plan. Returns the checked plan, or all violations. `applied` are the entries of its earlier stages.
/// `demands` are what the configuration demands of the whole plan; a stage that is not the last has none.
///
/// In audit mode, violations that a policy could allow are tolerated and recorded. Other violations are refused even
/// in audit mode, because undo, DEL and other attachments rely on those rules.
pub fn check(
    draft: DraftPlan,
    applied: &[Entry],
    grants: &Grants,
    demands: &[Demand],
) -> Result<CheckedPlan, Vec<Violation>> {
    let plan: Vec<&Action> = applied.iter().chain(&draft.entries).map(|entry| &entry.action).collect();
    let mut refused: Vec<(Violation, bool)> = Vec::new();
    for entry in &draft.entries {
        let rules = grants.rules(&entry.plugin);
        let kind = entry.action.kind();
        let profile = kind.profile();
        let mut refusals = kind.refuse(&Check { plan: &plan, grants, rules: &rules });
        refusals.extend(grants.refuse_capability(&entry.plugin, profile.capability));
        if !grants.takes_part(&entry.plugin) {
            refusals.push(Refusal::never("the plugin takes no part in the request"));
        }
        if entry.lifetime != profile.lifetime(plan.iter().copied()) {
            refusals.push(Refusal::never(format!("its lifetime is not {:?}", entry.lifetime)));
        }
        for refusal in refusals {
            let action = kind.commands().join("; ");
            let violation = Violation { plugin: entry.plugin.clone(), action, refusal };
            refused.push((violation.clone(), tolerates(&rules, &violation)));
        }
    }
    let rules = grants.rules(&grants.plugin);
    for (action, refusal) in refuse_report(&draft.report, &Check { plan: &plan, grants, rules: &rules }) {
        let violation = Violation { plugin: grants.plugin.clone(), action, refusal };
        refused.push((violation.clone(), tolerates(&rules, &violation)));
    }
    let mut warnings = Vec::new();
    for demand in demands.iter().filter(|demand| !demand.is_met(&plan, &draft.report)) {
        let Some(refusal) = demand.refusal(&rules) else {
            warnings.push(demand.warning(&grants.plugin));
            continue;
        };
        let violation = Violation { plugin: grants.plugin.clone(), action: demand.left_out(), refusal };
        refused.push((violation.clone(), tolerates(&rules, &violation)));
    }
    let (tolerated, violations): (Vec<_>, Vec<_>) =
        refused.into_iter().partition(|(_, tolerated)| *tolerated);
    let plain = |all: Vec<(Violation, bool)>| all.into_iter().map(|(violation, _)| violation).collect();
    if violations.is_empty() {
        Ok(CheckedPlan { draft, tolerated: plain(tolerated), warnings })
    } else {
        Err(plain(violations))
    }
}

/// The refused parts of a report. They are checked because a runtime trusts a result, and publishes its addresses.
fn refuse_report(report: &Report, check: &Check<'_>) -> Vec<(String, Refusal)> {
    let links = report.links.iter().map(|link| (format!("report link {link}"), check.link(link)));
    let ips = report.ips.iter().map(|ip| (format!("report address {}", ip.address), check.reported(ip)));
    links
        .chain(ips)
        .chain([("report interfaces".to_owned(), check.interfaces(report))])
        .chain([("report addresses".to_owned(), check.all_reported(report))])
        .flat_map(|(what, refusals)| refusals.into_iter().map(move |refusal| (what.clone(), refusal)))
        .collect()
}

/// A section of a journal: its entries were checked before they were applied. The trait is sealed, like [`Permit`].
pub trait Journalled: PermitSeal {
    /// Every action that was done, or may have been.
    fn entries(&self) -> impl Iterator<Item = &Entry>;
}

/// Checks a repair. Each of the `repairs` must repeat an entry of the journal, or a part of one. That is enough,
/// because the entry was checked before it was applied.
///
/// # Errors
/// A violation for each repair that repeats no entry.
pub fn check_again(repairs: Vec<Entry>, journal: &[impl Journalled]) -> Result<CheckedPlan, Vec<Violation>> {
    let is_known = |repair: &Entry| {
        let covers = |entry: &Entry| entry.lifetime == repair.lifetime && entry.action.covers(&repair.action);
        journal.iter().flat_map(Journalled::entries).any(covers)
    };
    let violation = |repair: &Entry| Violation {
        plugin: repair.plugin.clone(),
        action: repair.action.kind().commands().join("; "),
        refusal: Refusal::never("only what the journal holds is done again"),
    };
    let violations: Vec<Violation> =
        repairs.iter().filter(|repair| !is_known(repair)).map(violation).collect();
    if !violations.is_empty() {
        return Err(violations);
    }
    let draft = DraftPlan { entries: repairs, ..DraftPlan::default() };
    Ok(CheckedPlan { draft, tolerated: Vec::new(), warnings: Vec::new() })
}

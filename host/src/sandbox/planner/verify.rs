//! The parent's checks of a plan from the planner: could a correct planner have made it? Policy decides later what
//! the plan may do.

use crate::cni::Request;
use crate::plan::{DraftPlan, with_macs};
use crate::sandbox::limits::{self, Limits};
use crate::value::{Ip, PluginName};

/// Refuses a plan that no correct planner can have made. Returns the reason.
pub fn check(
    plan: &DraftPlan,
    request: &Request,
    plugins: &[PluginName],
    limits: &Limits,
) -> Result<(), String> {
    if plan.entries.len() > limits.actions {
        return Err(format!("{} actions", plan.entries.len()));
    }
    if let Some(entry) = plan.entries.iter().find(|entry| !plugins.contains(&entry.plugin)) {
        return Err(format!("an action of plugin {}, which did not run", entry.plugin));
    }
    let report = &plan.report;
    let links = report.links.len();
    for entries in [links, report.ips.len(), report.routes.len(), plan.unreadable.len()] {
        if entries > limits::ACTIONS {
            return Err(format!("a result of {entries} entries"));
        }
    }
    if report.dns.bytes() > limits::DNS_BYTES {
        return Err(format!("{} bytes of DNS settings", report.dns.bytes()));
    }
    let count = report.passed.len() + links;
    let is_dangling = |ip: &&Ip| ip.interface.is_some_and(|index| index >= count);
    let dangling: Vec<&Ip> = report.ips.iter().filter(is_dangling).collect();
    if report.passed.is_empty() && dangling.is_empty() {
        return Ok(());
    }
    let previous = request.previous().unwrap_or_default();
    let actions = plan.entries.iter().map(|entry| &entry.action);
    let passed = with_macs(previous.passed.clone(), &request.netns, actions);
    if !report.passed.is_empty() && report.passed != passed {
        return Err("other interfaces than those of prevResult".to_owned());
    }
    // An address of `prevResult` may already be wrong there.
    match dangling.iter().find(|ip| !previous.ips.contains(ip)) {
        Some(ip) => Err(format!("{} on a link that is not reported", ip.address)),
        None => Ok(()),
    }
}

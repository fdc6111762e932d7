//! What the parent looks at before it believes that a planner is one; what the plan may do is for policy to say.

use crate::plan::{DraftPlan, PluginName};
use crate::sandbox::limits;

/// Refuses a plan that no honest planner can have made, with the reason.
pub fn check(plan: &DraftPlan, plugins: &[PluginName]) -> Result<(), String> {
    if plan.entries.len() > limits::ACTIONS {
        return Err(format!("{} actions", plan.entries.len()));
    }
    if let Some(entry) = plan.entries.iter().find(|entry| !plugins.contains(&entry.plugin)) {
        return Err(format!("an action of plugin {}, which did not run", entry.plugin));
    }
    let links = plan.report.links.len();
    match plan.report.ips.iter().find(|ip| ip.interface.is_some_and(|index| index >= links)) {
        Some(ip) => Err(format!("{} on a link that is not reported", ip.address)),
        None => Ok(()),
    }
}

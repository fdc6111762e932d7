//! What the parent looks at before it believes a planner: all that is not a plugin's choice is computed again here.

use crate::plan::{Action, Attachment, DraftPlan, PluginName, derive, lifetime};
use crate::sandbox::limits;

/// Refuses a plan that no honest planner can have made, with the reason, and takes nothing derived on trust.
pub fn check(plan: &DraftPlan, attachment: &Attachment, plugins: &[PluginName]) -> Result<(), String> {
    if plan.entries.len() > limits::ACTIONS {
        return Err(format!("{} actions", plan.entries.len()));
    }
    let (alias, owner) = (derive::alias(attachment), attachment.owner());
    for entry in &plan.entries {
        if !plugins.contains(&entry.plugin) {
            return Err(format!("an action of plugin {}, which did not run", entry.plugin));
        }
        let honest = match &entry.action {
            Action::ReserveLease(lease) => lease.owner == owner && lease.store.network == attachment.network,
            Action::DeleteStaleLink(stale) => stale.alias == alias,
            Action::CreateVeth(veth) => veth.peer.alias == alias,
            Action::Masquerade(rule) => {
                rule.chain == derive::chain(attachment) && rule.comment == derive::comment(attachment)
            }
            Action::EnsureBridge(_)
            | Action::SetUp(_)
            | Action::AddAddress(_)
            | Action::AddRoute(_)
            | Action::SetSysctl(_) => true,
        };
        let lifetime = lifetime::of(&entry.action, plan.entries.iter().map(|entry| &entry.action));
        if !honest || entry.lifetime != lifetime {
            return Err(format!("an action in somebody else's name: {:?}", entry.action));
        }
    }
    let links = plan.report.links.len();
    match plan.report.ips.iter().find(|ip| ip.interface.is_some_and(|index| index >= links)) {
        Some(ip) => Err(format!("{} on a link that is not reported", ip.address)),
        None => Ok(()),
    }
}
